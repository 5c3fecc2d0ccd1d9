"""What a result says of its reveals, and that no kernel without one arithmetic is used."""

from __future__ import annotations

from dataclasses import replace

import pytest
from divergences import triple

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.revealing.result import Check, PositionClass, Reveal
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.synthesis.divergences import Decision, concluded
from fpsynth.synthesis.grounds import Ground
from fpsynth.synthesis.requests.order import OrderRequest
from fpsynth.synthesis.settings import Clock
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.witness import Provenance


def revealed(explained: int, repeats: str = "same") -> Reveal:
    kernel = Kernel(Environment("numpy", "matmul", outputs=1), FLOAT32, 4)
    return Reveal(kernel, (PositionClass(Arithmetic(FLOAT32), ((0, 0),), Check(explained, 100)),), "1", repeats=repeats)


@pytest.mark.parametrize(("explained", "said"), [(100, False), (99, True)])
def test_a_reveal_that_does_not_explain_everything_is_noted_in_the_witness(explained: int, said: bool) -> None:
    made = replace(triple(), provenance=Provenance("z3", "fp", 0, "", {}, 0.0, 0.0, ("found",)))
    request = OrderRequest(replay=False)
    found = revealed(explained)
    rests = {"reveals": (found,), "grounds": (Ground("b", found, 0, (0,)),)}
    result = concluded(request, Decision(Verdict.FOUND, made, ""), Clock(1.0), **rests)
    notes = result.witnesses[0].provenance.notes
    assert notes[0] == "found"
    assert any("explains 99 of 100 hostile vectors" in note for note in notes) is said
    assert len(notes) == 1 + said


def test_a_kernel_whose_results_change_has_no_deployment() -> None:
    assert revealed(100).explained
    changing = revealed(100, "3 of 24 calls gave other results when repeated")
    assert not changing.explained
    with pytest.raises(InputError, match="has no one arithmetic: 3 of 24 calls"):
        changing.deployment()
