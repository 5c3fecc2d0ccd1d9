"""What a real verifier's verdict is worth: evaluated exactly, run in ONNX Runtime, held against what is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from fpsynth.aliases import PathLike
from fpsynth.errors import InputError
from fpsynth.evaluators.enclosing import Ends, enclosed_logits
from fpsynth.networks.network import Network
from fpsynth.verifiers.external.base import Said
from fpsynth.verifiers.external.running_onnx import run_onnx
from fpsynth.verifiers.properties import ExactBox, Inequality, Property

TRUE_SAT = "true sat"
"""Over the reals the point is in the box and its outputs are unsafe."""
FLOAT_SAT = "sat in float only"
"""ONNX Runtime computes unsafe outputs at a point of the box, the reals have safe ones there."""
FALSE_SAT = "false sat"
"""Neither: the point lies outside the box, or its outputs are safe."""
BORDER_SAT = "sat on the border"
"""Neither, but what the tool was asked includes the point: < was written as <=, or an end of the box rounded outward."""
BARE_SAT = "sat without a witness"
RIGHT = "right"
"""``unsat``, and nothing is known against it: which is no proof."""
FALSE_IN_FLOAT = "false in float"
"""``unsat``, but ONNX Runtime computes unsafe outputs at a point of the box."""
FALSE_OVER_REALS = "false over the reals"
"""``unsat``, but a point of the box has unsafe outputs in exact arithmetic."""
NOTHING = "no verdict"
"""``unknown``."""
UNDECIDED = "not decided"
"""The outputs are irrational, and too near the border of the property."""
WORDS = (TRUE_SAT, FLOAT_SAT, FALSE_SAT, BORDER_SAT, BARE_SAT, RIGHT, FALSE_IN_FLOAT, FALSE_OVER_REALS, NOTHING, UNDECIDED)


@dataclass(frozen=True)
class Evaluated:
    """A point in the reals and in ONNX Runtime."""

    point: tuple[float, ...]
    """As it was given, in float64."""
    deployed: tuple[float, ...]
    """As the model takes it: rounded to its input's format."""
    in_box: bool
    """Of the point, before it is made of floats."""
    deployed_in_box: bool
    violates: bool | None
    """Whether the exact outputs at the point or the deployed one are unsafe, inside the box; None: not decided."""
    violates_deployed: bool
    """Whether those that ONNX Runtime computes are, inside the box."""
    outputs: tuple[float, ...]
    """ONNX Runtime's."""
    version: str
    """Of ONNX Runtime."""


@dataclass(frozen=True)
class Worth:
    """One of ``WORDS``, and on what it rests."""

    word: str
    reason: str = ""
    """In one line."""
    evaluated: Evaluated | None = None
    """The point that it rests on; None where there is none."""

    @property
    def on_border(self) -> bool:
        """Whether the point answers what the tool was asked, and not the question."""
        return self.word == BORDER_SAT


def judge(
    said: Said,
    network: Network,
    onnx: PathLike,
    box: ExactBox,
    unsafe: Property,
    witnesses: Sequence[Sequence[float | Fraction]] = (),
    asked: tuple[ExactBox, Property] | None = None,
) -> Worth:
    """What ``said`` is worth of a network, which the file ``onnx`` holds, a box and the outputs that are unsafe in it.

    ``witnesses``: points that are known to be counterexamples to something, against which ``unsat`` is held; those outside the
    box or with safe outputs say nothing.  ``asked``: what the tool was asked instead, which includes the question.

    Raises InputError for a point of another length, and as ``run_onnx`` does.
    """
    if said.verdict == "unknown":
        return Worth(NOTHING, said.reason)
    if said.verdict == "unsat":
        return _unsat([evaluate(network, onnx, box, unsafe, point) for point in witnesses])
    if not said.point:
        return Worth(BARE_SAT, "it names no point")
    worth = _sat(evaluate(network, onnx, box, unsafe, said.named))
    if worth.word == FALSE_SAT and asked not in (None, (box, unsafe)):
        assert asked is not None
        if _sat(evaluate(network, onnx, *asked, said.named)).word in (TRUE_SAT, FLOAT_SAT):
            return Worth(BORDER_SAT, "its point lies on the border, which the question it was asked includes", worth.evaluated)
    return worth


def _sat(one: Evaluated) -> Worth:
    if one.violates:
        return Worth(TRUE_SAT, _deployed(one), one)
    if one.violates_deployed:
        return Worth(FLOAT_SAT, f"in ONNX Runtime {one.version}; over the reals the outputs are safe", one)
    if one.violates is None:
        return Worth(UNDECIDED, "the exact outputs are irrational, and too near the border", one)
    return Worth(FALSE_SAT, why_false(one), one)


def _deployed(one: Evaluated) -> str:
    """What ONNX Runtime makes of a point, in one line."""
    if not one.deployed_in_box:
        return f"the floats beside it that ONNX Runtime {one.version} takes lie outside the box"
    if not _all_numbers(one.outputs):
        return f"the outputs in ONNX Runtime {one.version} are not finite"
    return f"ONNX Runtime {one.version} computes {'unsafe' if one.violates_deployed else 'safe'} outputs"


def why_false(one: Evaluated) -> str:
    """Why a point is no counterexample, in one line."""
    if not one.in_box:
        return "its point lies outside the box"
    return "its point has safe outputs" if _all_numbers(one.outputs) else "its outputs in ONNX Runtime are not finite"


def _unsat(known: Sequence[Evaluated]) -> Worth:
    for one in known:
        if one.violates:
            return Worth(FALSE_OVER_REALS, "a witness has unsafe outputs in exact arithmetic", one)
    for one in known:
        if one.violates_deployed:
            return Worth(FALSE_IN_FLOAT, f"a witness has unsafe outputs in ONNX Runtime {one.version}", one)
    return Worth(RIGHT, "nothing is known against it")


def evaluate(network: Network, onnx: PathLike, box: ExactBox, unsafe: Property, point: Sequence[float | Fraction]) -> Evaluated:
    """A point in exact arithmetic and in ONNX Runtime, which is given its nearest floats.

    Raises InputError for a point of another length than the box.
    """
    if len(point) != len(box.lower):
        raise InputError(f"the point has {len(point)} numbers, but the box has {len(box.lower)}")
    floats = tuple(map(float, point))
    ran = run_onnx(onnx, [floats])
    (deployed,), (outputs,) = ran.points, ran.outputs
    inside, deployed_inside = _in_box(box, point), _in_box(box, deployed)
    exact = [_unsafe_exactly(network, unsafe, p) for p, there in ((point, inside), (deployed, deployed_inside)) if there]
    return Evaluated(
        floats,
        deployed,
        inside,
        deployed_inside,
        True if True in exact else None if None in exact else False,
        deployed_inside and _all_numbers(outputs) and unsafe.violated(outputs),
        outputs,
        ran.version,
    )


def _in_box(box: ExactBox, point: Sequence[float | Fraction]) -> bool:
    return _all_numbers(point) and box.contains(point)


def _all_numbers(values: Sequence[float | Fraction]) -> bool:
    """Whether all are finite."""
    return all(map(math.isfinite, values))


def _unsafe_exactly(network: Network, unsafe: Property, point: Sequence[float | Fraction]) -> bool | None:
    """Whether the exact outputs are unsafe; None where irrational ones leave that open."""
    ends = enclosed_logits(network, [(x, x) for x in point])
    if any(all(_surely(one, ends) for one in conjunction) for conjunction in unsafe.unsafe):
        return True
    return None if any(all(_perhaps(one, ends) for one in conjunction) for conjunction in unsafe.unsafe) else False


def _surely(one: Inequality, ends: Sequence[Ends]) -> bool:
    """Whether it holds of all outputs between these ends."""
    total = sum((factor * ends[k][factor > 0] for k, factor in one.coefficients), Fraction(0))
    return total < one.bound if one.strict else total <= one.bound


def _perhaps(one: Inequality, ends: Sequence[Ends]) -> bool:
    """Whether it holds of some."""
    total = sum((factor * ends[k][factor < 0] for k, factor in one.coefficients), Fraction(0))
    return total < one.bound if one.strict else total <= one.bound
