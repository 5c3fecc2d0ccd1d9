"""A statement about libraries is borne by reveals that explain everything, and named as one about revealed arithmetics."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fpsynth.formats import FLOAT32
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.orders import parse_order
from fpsynth.revealing.result import Check, PositionClass, Reveal
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.synthesis.grounds import ENOUGH, Ground, doubts, left_out, weighed
from fpsynth.synthesis.verdicts import Proof, Verdict

ONE, OTHER = (Arithmetic(FLOAT32, order=parse_order(name)) for name in ("sequential", "pairwise"))
PROOF = Proof("both views evaluate the same expression: x and y, 8 terms", "structural", {})


def revealed(explained: int = 10000, total: int = 10000, repeats: str = "same") -> Reveal:
    """Row 0 of two, with an arithmetic that explains so much; row 1 has one that explains nothing."""
    where = Environment("torch", "matmul", batch=2, outputs=1)
    classes = PositionClass(ONE, ((0, 0),), Check(explained, total)), PositionClass(OTHER, ((1, 0),), Check(0, 10000))
    return Reveal(Kernel(where, FLOAT32, 8, 1), classes, "1", repeats=repeats)


def ground(found: Reveal, **changes: object) -> Ground:
    return replace(Ground("b", found, 0, (0,)), **changes)  # type: ignore[arg-type]


def test_without_reveals_a_proof_is_what_it_was() -> None:
    assert weighed(Verdict.IMPOSSIBLE, PROOF.statement, PROOF, ()) == (Verdict.IMPOSSIBLE, PROOF.statement, PROOF)


def test_impossible_is_said_in_the_revealed_arithmetics() -> None:
    verdict, reason, proof = weighed(Verdict.IMPOSSIBLE, PROOF.statement, PROOF, (ground(revealed()),))
    assert (verdict, reason) == (Verdict.IMPOSSIBLE, f"in the revealed arithmetics {PROOF.statement}")
    assert proof is not None
    assert proof.statement == reason


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (revealed(9978), "explains 9978 of 10000 hostile vectors"),
        (revealed(9999), "explains 9999 of 10000 hostile vectors"),
        (revealed(300, 300), "was checked on 300 vectors only"),
        (revealed(0, 0), "explains 0 of 0"),
        (revealed(repeats="3 of 24 calls gave other results when repeated"), "has no one arithmetic: 3 of 24 calls"),
        (revealed(repeats=""), "change between repeats was not tried"),
    ],
)
def test_a_reveal_that_leaves_anything_open_proves_nothing(found: Reveal, told: str) -> None:
    for grounds in ([ground(found)], [ground(revealed()), ground(found)]):
        verdict, reason, proof = weighed(Verdict.IMPOSSIBLE, PROOF.statement, PROOF, grounds)
        assert (verdict, proof) == (Verdict.UNKNOWN, None)
        assert reason.startswith(f"in the revealed arithmetics {PROOF.statement}; but ")
        assert told in reason
        assert "torch:matmul:batch=2,outputs=1" in reason


def test_enough_vectors_are_enough() -> None:
    assert doubts([ground(revealed(ENOUGH, ENOUGH))]) == ()
    assert doubts([ground(revealed(ENOUGH - 1, ENOUGH - 1))]) != ()


def test_only_the_positions_that_are_read_matter() -> None:
    assert doubts([ground(revealed())]) == ()
    assert "explains 0 of 10000" in doubts([ground(revealed(), row=1)])[0]
    assert "explains 0 of 10000" in doubts([ground(revealed(), everywhere=True)])[0]


def test_libraries_that_were_seen_to_differ_are_never_called_equal() -> None:
    verdict, reason, proof = weighed(Verdict.IMPOSSIBLE, PROOF.statement, PROOF, (ground(revealed()),), "they differ")
    assert (verdict, proof) == (Verdict.UNKNOWN, None)
    assert reason.endswith("; but they differ")


def test_an_optimum_is_one_in_the_revealed_arithmetics_or_none() -> None:
    best = Proof("nothing larger exists", "exhaustive", {})
    verdict, reason, proof = weighed(Verdict.FOUND, "found", best, (ground(revealed()),))
    assert (verdict, reason) == (Verdict.FOUND, "found")
    assert proof is not None
    assert proof.statement == "in the revealed arithmetics nothing larger exists"
    assert weighed(Verdict.FOUND, "found", best, (ground(revealed(9999)),)) == (Verdict.FOUND, "found", None)


def test_an_unknown_answer_names_what_is_open() -> None:
    grounds = (ground(revealed(9978)),)
    verdict, reason, _ = weighed(Verdict.UNKNOWN, "the time limit is over", None, grounds)
    assert verdict is Verdict.UNKNOWN
    assert reason.startswith("the time limit is over; the arithmetic revealed for torch:matmul")
    many = [ground(replace(revealed(k), kernel=revealed().kernel)) for k in range(9)]
    assert weighed(Verdict.UNKNOWN, "x", None, many)[1].endswith("6 more reveals leave something open")


def test_outputs_of_the_row_that_were_not_looked_at_are_named() -> None:
    """Whoever reads a witness sees an arithmetic for them, too."""
    where = Environment("torch", "matmul", batch=2, outputs=3)
    read = PositionClass(ONE, ((0, 0), (1, 0), (1, 1)), Check(10000, 10000))
    found = Reveal(
        Kernel(where, FLOAT32, 8, 3), (read, PositionClass(ONE, ((0, 1), (0, 2), (1, 2)), Check(0, 0))), "1", repeats="same"
    )
    (told,) = left_out([Ground("b", found, 0, (0,)), Ground("b", found, 0, (0,))])
    assert told == "in which order 2 outputs that are not read are summed in torch:matmul:batch=2,outputs=3 was not looked at"
    (other,) = left_out([Ground("b", found, 1, (0,))])
    assert other.startswith("in which order 1 output that is not read is summed in ")
    assert left_out([ground(revealed())]) == ()
    assert weighed(Verdict.IMPOSSIBLE, PROOF.statement, PROOF, [Ground("b", found, 0, (0,))])[0] is Verdict.IMPOSSIBLE
    assert weighed(Verdict.IMPOSSIBLE, PROOF.statement, PROOF, [Ground("b", found, 0, (0, 1))])[0] is Verdict.UNKNOWN
