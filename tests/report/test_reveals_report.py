"""The report of a reveal: every line fits, says which positions, draws the tree, and shows what is not explained."""

from __future__ import annotations

import pytest

from fpsynth.arithmetic import Arithmetic
from fpsynth.formats import FLOAT32
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.orders import parse_order
from fpsynth.report.reveals import reveals_text
from fpsynth.report.style import Style
from fpsynth.revealing.result import Check, PositionClass, Reveal, Unexplained

MAIN = Arithmetic(FLOAT32, order=parse_order("pairwise"), fused=True, rounded=(0,))
TAIL = Arithmetic(FLOAT32)


def a_reveal(terms: int, batch: int = 1, first: Unexplained | None = None, **said: object) -> Reveal:
    """Outputs 0 to 3 and 5 in one arithmetic, output 4 in another."""
    rows = range(batch)
    return Reveal(
        Kernel(Environment("torch", "linear", batch=batch, outputs=6), FLOAT32, terms, 6),
        (
            PositionClass(MAIN, tuple((r, c) for r in rows for c in (0, 1, 2, 3, 5)), Check(100, 100)),
            PositionClass(TAIL, tuple((r, 4) for r in rows), Check(100 - bool(first), 100, first)),
        ),
        "2.0",
        repeats="same",
        **said,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("terms", [1, 8, 64, 784, 4096])
def test_every_line_fits(terms, width, unicode):
    first = Unexplained((0.1,) * terms, (0.3,) * terms, 0.5, 1.0, 1.5)
    text = reveals_text([a_reveal(terms, 1, first), a_reveal(terms, 4)], Style(unicode, False, width))
    assert max(map(len, text.splitlines())) <= width
    assert unicode or text.isascii()
    assert len(text.splitlines()) < 160


def test_positions_are_named():
    text = reveals_text([a_reveal(8, 4)], Style())
    assert "output 0 to 3, 5: float32 pairwise fused" in text
    assert "output 4: float32 sequential" in text


def test_trees_are_drawn_once():
    text = reveals_text([a_reveal(8, 1), a_reveal(8, 4)], Style())
    assert text.count("7 ● ──╯") == 1
    assert text.count("as for batch 1, output 4") == 1
    assert "2 different arithmetics" in text
    assert text.count("product fused into the addition") == 1


def test_what_is_not_explained_is_shown_with_its_vector():
    first = Unexplained((1.0, 0.1), (0.3, 2.0), None, 1.0, 1.5)
    text = reveals_text([a_reveal(2, 1, first, notes=("none of 24 hypotheses explains it",))], Style())
    assert "✗ explains 99/100" in text
    assert (1.0).hex() in text
    assert (1.5).hex() in text
    assert f"1: {(2.0).hex()} * {(0.1).hex()}" in text
    assert "none of 24 hypotheses explains it" in text


def test_facts_from_outside_are_made_harmless():
    text = reveals_text([a_reveal(2, threads="\x1b[31mred\nnext", facts={"cpu": "a\x07b"})], Style())
    assert "\x1b" not in text
    assert "\x07" not in text
