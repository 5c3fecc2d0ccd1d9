"""order, precision, relu, interval, twin and position: divergences of two ways to evaluate a network, in Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from fpsynth.api.keywords import OLDER, formerly, objective, options_of
from fpsynth.errors import unknown_name
from fpsynth.formats import format_named
from fpsynth.synthesis.options import Number, OptionFields, exact_number

if TYPE_CHECKING:
    from fpsynth.synthesis.result import Result

KINDS = ("permutation", "row")
"""What ``position`` may change."""


@formerly(**OLDER)
def order(
    a: str = "sequential",
    b: str | None = None,
    *,
    only_in: str | None = None,
    terms: int = 8,
    outputs: int | None = None,
    predicate: str | None = None,
    gap: Number | None = None,
    maximise: str | bool | None = None,
    camouflage: bool = False,
    silent: Sequence[str] = (),
    max_weight: Number | None = None,
    box: str | None = None,
    threshold: str | None = None,
    **options: Unpack[OptionFields],
) -> Result:
    """Find a network and an input on which arithmetics ``a`` and ``b`` disagree.

    ``a``, ``b``: an order (``sequential``, ``strided:8``, ``[[0,1],2]``; with ``,fused``, ``,operands=tf32``,
    ``,operand_rounding=RTZ``, ``,align=25`` and the like, see ``Sides.arithmetic``), ``real``, the path of a reveal file, or an
    environment such as ``torch:linear:batch=4`` or ``torch:linear:device=cuda``, which is revealed first.  ``b`` is pairwise
    where neither it nor ``only_in`` is given; with ``only_in`` the network departs there, and not in ``b`` either.
    ``predicate``: sign (the default), argmax (two classes or more) or gap (with ``gap``: at least that much).  ``maximise``:
    gap, to look for a larger difference.  ``silent``: sides on which the network must do what it does in ``a``.
    ``camouflage``: no zeros, nothing conspicuous.  ``max_weight``: no weight or bias above it; the difference is amplified by
    further layers.  ``box``: one range LO:HI for every input, with commas between them, inside which it happens (and nowhere
    else that is sampled); ``threshold``: FEATURE>VALUE or FEATURE<VALUE likewise.  Further options: see ``Options``.  Raises
    InputError for what cannot be used.
    """
    from fpsynth.synthesis.questions import run_order
    from fpsynth.synthesis.requests import OrderRequest

    chosen = options_of(options)
    if only_in is not None:
        b, silent = only_in, [*silent, *([] if b is None else [b])]
    request = OrderRequest(
        question="order",
        sides=(a, "pairwise" if b is None else b, *silent),
        terms=terms,
        outputs=outputs,
        predicate=_predicate(predicate, gap),
        gap=None if gap is None else exact_number(gap, "the gap"),
        maximise=objective(maximise, ("gap",)) is not None,
        camouflage=camouflage,
        max_weight=None if max_weight is None else exact_number(max_weight, "the largest weight"),
        box=box,
        threshold=threshold,
    )
    return run_order(request, chosen)


@formerly(**OLDER)
def precision(
    a: str = "float32",
    b: str = "float64",
    *,
    order: str = "sequential",
    terms: int = 8,
    predicate: str | None = None,
    gap: Number | None = None,
    maximise: str | bool | None = None,
    camouflage: bool = False,
    max_weight: Number | None = None,
    **options: Unpack[OptionFields],
) -> Result:
    """Find a network and an input on which formats ``a`` and ``b`` disagree, sums being taken in ``order``.

    The numbers are of the narrower format.  The other arguments are those of ``order``; ``dtype`` has no meaning here.
    """
    from fpsynth.synthesis.questions import precision_sides, run_order
    from fpsynth.synthesis.requests import OrderRequest

    sides, numbers = precision_sides(format_named(a), format_named(b), order)
    options["dtype"] = numbers.name
    request = OrderRequest(
        question="precision",
        sides=sides,
        terms=terms,
        predicate=_predicate(predicate, gap),
        gap=None if gap is None else exact_number(gap, "the gap"),
        maximise=objective(maximise, ("gap",)) is not None,
        camouflage=camouflage,
        max_weight=None if max_weight is None else exact_number(max_weight, "the largest weight"),
        numbers=numbers,
    )
    return run_order(request, options_of(options))


def _predicate(predicate: str | None, gap: Number | None) -> str:
    """The predicate, where nobody names one that which goes with ``gap``."""
    if predicate is None:
        return "sign" if gap is None else "gap"
    return predicate


@formerly(**OLDER)
def relu(a: str = "real", b: str = "tensorflow:matmul", *, terms: int = 8, **options: Unpack[OptionFields]) -> Result:
    """Find a pre-activation that is negative in ``a`` (so that ReLU gives 0) and positive in ``b``, the largest first."""
    from fpsynth.synthesis.questions import run_order
    from fpsynth.synthesis.requests import OrderRequest

    request = OrderRequest(question="relu", sides=(a, b), terms=terms, predicate="relu", maximise=True)
    return run_order(request, options_of(options))


@formerly(**OLDER)
def interval(
    a: str = "sequential",
    b: str = "pairwise",
    *,
    terms: int = 8,
    widening: str = "",
    radius: Number = 0,
    maximise: str | bool | None = None,
    **options: Unpack[OptionFields],
) -> Result:
    """Find weights and inputs for which interval arithmetic in order ``a`` does not contain the value in order ``b``.

    ``widening``: empty for outward rounding, ``elina`` for ELINA's.  ``radius``: of the box around the point that the interval
    is computed for, rounded up to a number of the format; one beyond the rounding errors of the sum, about terms * 2^-23 in
    float32, leaves practically nothing to be found.  ``maximise``: excess, to look for a value farther outside.
    """
    from fpsynth.synthesis.questions import run_interval

    chosen = options_of(options)
    farther = objective(maximise, ("excess",)) is not None
    return run_interval((a, b), terms, widening, exact_number(radius, "the radius"), farther, chosen)


@formerly(**OLDER)
def twin(environment: str | None = None, *, terms: int = 64, **options: Unpack[OptionFields]) -> Result:
    """Find two neurons with identical weights whose outputs differ in ``environment`` (None: look for an environment too)."""
    from fpsynth.synthesis.positions.answer import run_position

    return run_position("twin", environment, terms, options_of(options))


@formerly(**OLDER)
def position(
    environment: str | None = None, *, kind: str = "permutation", terms: int = 64, **options: Unpack[OptionFields]
) -> Result:
    """Find a network whose class changes when its neurons are permuted, or with the row of the batch that the sample is in.

    ``kind``: permutation or row.  ``environment``: None looks for one too.
    """
    from fpsynth.synthesis.positions.answer import run_position

    if kind not in KINDS:
        raise unknown_name("kind", kind, KINDS)
    return run_position(kind, environment, terms, options_of(options))
