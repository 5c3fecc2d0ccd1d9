"""The table of questions: every request that the command line and Python know alike, and who answers those about two views.

It stands above requests, which say what can be asked, and above the rooms that answer them: neither imports it.  Whoever adds a
question about two views writes a file with its request, and here its function and its line: ``fpsynth.NAME`` with its types,
the subcommand, what a result records, what a report says and what may stand in files follow from the request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fpsynth.synthesis.requests.backdoor import BackdoorRequest
from fpsynth.synthesis.requests.defend import DefendRequest
from fpsynth.synthesis.requests.fields import Request, open_options
from fpsynth.synthesis.requests.functions import asking
from fpsynth.synthesis.requests.interval import IntervalRequest
from fpsynth.synthesis.requests.libraries import CompareRequest, MatrixRequest, RevealRequest
from fpsynth.synthesis.requests.looking import EnvironmentsRequest, TreeRequest
from fpsynth.synthesis.requests.order import OrderRequest
from fpsynth.synthesis.requests.positions import PositionRequest, TwinRequest
from fpsynth.synthesis.requests.precision import PrecisionRequest
from fpsynth.synthesis.requests.relu import ReluRequest
from fpsynth.synthesis.requests.ties import CertifyRequest, TieRequest
from fpsynth.synthesis.requests.verifying import VerifyRequest

if TYPE_CHECKING:
    from fpsynth.synthesis.result import Result

__all__ = ["interval", "order", "position", "precision", "relu", "twin"]


@asking(OrderRequest)
def order(request: OrderRequest) -> Result:
    """Find a network and an input on which arithmetics ``a`` and ``b`` disagree.

    ``a``, ``b``: an order (``sequential``, ``strided:8``, ``[[0,1],2]``; with ``,fused``, ``,operands=tf32``,
    ``,operand_rounding=RTZ``, ``,align=25`` and the like, see ``Sides.arithmetic``), ``real``, the path of a reveal file,
    or an environment such as ``torch:linear:batch=4`` or ``torch:linear:device=cuda``, which is revealed first.  ``b`` is
    pairwise where neither it nor ``only_in`` is given; with ``only_in`` the network departs there, and not in ``b`` either.
    ``silent``: sides on which the network must do what it does in ``a``.  ``box``: one range LO:HI for every input, with
    commas between them, inside which it happens (and nowhere else that is sampled); ``threshold``: FEATURE>VALUE or
    FEATURE<VALUE likewise.

    ``network``, ``images``: files of a network and of inputs; between the classes of these an input is looked for that the
    network puts into different ones.  ``a`` and ``b`` are then arithmetics of all its layers, or environments such as
    ``torch:batch=1``, of which each layer is checked on 1000 ``vectors`` where nobody says another number.  Raises
    InputError for what cannot be used.
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
    """Find two neurons with identical weights whose outputs differ in ``environment`` (None: look for one, too)."""
    from fpsynth.synthesis.positions.answer import run_position

    return run_position(request)


@asking(PositionRequest)
def position(request: PositionRequest) -> Result:
    """Find a network whose class changes when its neurons are permuted, or with the row of the batch that the sample is in.

    ``environment``: None looks for one too.
    """
    from fpsynth.synthesis.positions.answer import run_position

    return run_position(request)


DIVERGENCES: tuple[type[Request], ...] = (
    OrderRequest,
    PrecisionRequest,
    ReluRequest,
    IntervalRequest,
    TwinRequest,
    PositionRequest,
)
"""The questions about two ways to evaluate a network, in the order of the help text."""
_ALL: tuple[type[Request], ...] = (
    TieRequest,
    *DIVERGENCES,
    RevealRequest,
    MatrixRequest,
    TreeRequest,
    CompareRequest,
    BackdoorRequest,
    DefendRequest,
    CertifyRequest,
    VerifyRequest,
    EnvironmentsRequest,
)
QUESTIONS = {request.question: request for request in _ALL}
WITNESSED = {request.question: request for request in (*DIVERGENCES, *_ALL) if request.predicates}
"""The questions that have witnesses, which files hold."""


def environments_of(question: str) -> tuple[str, ...]:
    """The options of a question that may name environments; none where it is not in the table."""
    if question not in QUESTIONS:
        return ()
    return tuple(name for name, (_, option) in open_options(QUESTIONS[question]).items() if option.environment)
