"""order, precision, relu, interval, twin and position: divergences of two ways to evaluate a network, in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fpsynth.api.keywords import asking
from fpsynth.synthesis.requests.divergences import (
    IntervalRequest,
    OrderRequest,
    PositionRequest,
    PrecisionRequest,
    ReluRequest,
    TwinRequest,
)

if TYPE_CHECKING:
    from fpsynth.synthesis.result import Result


@asking(OrderRequest)
def order(request: OrderRequest) -> Result:
    """Find a network and an input on which arithmetics ``a`` and ``b`` disagree.

    ``a``, ``b``: an order (``sequential``, ``strided:8``, ``[[0,1],2]``; with ``,fused``, ``,operands=tf32``,
    ``,operand_rounding=RTZ``, ``,align=25`` and the like, see ``Sides.arithmetic``), ``real``, the path of a reveal file, or an
    environment such as ``torch:linear:batch=4`` or ``torch:linear:device=cuda``, which is revealed first.  ``b`` is pairwise
    where neither it nor ``only_in`` is given; with ``only_in`` the network departs there, and not in ``b`` either.
    ``silent``: sides on which the network must do what it does in ``a``.  ``box``: one range LO:HI for every input, with commas
    between them, inside which it happens (and nowhere else that is sampled); ``threshold``: FEATURE>VALUE or FEATURE<VALUE
    likewise.

    ``network``, ``points``: files of a network and of inputs; between the classes of these an input is looked for that the
    network puts into different ones.  ``a`` and ``b`` are then arithmetics of all its layers, or environments such as
    ``torch:batch=1``.  Raises InputError for what cannot be used.
    """
    if request.network is not None:
        from fpsynth.synthesis.given.asking import order_request

        return order_request(request)
    from fpsynth.synthesis.questions import run_order

    return run_order(request)


@asking(PrecisionRequest)
def precision(request: PrecisionRequest) -> Result:
    """Find a network and an input on which formats ``a`` and ``b`` disagree, sums being taken in ``order``.

    The numbers are of the narrower format; ``dtype`` has no meaning here.
    """
    from fpsynth.synthesis.questions import run_order

    return run_order(request)


@asking(ReluRequest)
def relu(request: ReluRequest) -> Result:
    """Find a pre-activation that is negative in ``a`` (so that ReLU gives 0) and positive in ``b``, the largest first."""
    from fpsynth.synthesis.questions import run_order

    return run_order(request)


@asking(IntervalRequest)
def interval(request: IntervalRequest) -> Result:
    """Find weights and inputs for which interval arithmetic in order ``a`` does not contain the value in order ``b``."""
    from fpsynth.synthesis.questions import run_interval

    return run_interval(request)


@asking(TwinRequest)
def twin(request: TwinRequest) -> Result:
    """Find two neurons with identical weights whose outputs differ in ``environment`` (None: look for an environment too)."""
    from fpsynth.synthesis.positions.answer import run_position

    return run_position(request)


@asking(PositionRequest)
def position(request: PositionRequest) -> Result:
    """Find a network whose class changes when its neurons are permuted, or with the row of the batch that the sample is in.

    ``environment``: None looks for one too.
    """
    from fpsynth.synthesis.positions.answer import run_position

    return run_position(request)
