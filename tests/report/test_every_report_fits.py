"""Every report, at every width: no line is wider in cells of a terminal, and no sign "≈" stands without its number."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from divergences import BY_HAND, any_divergence, classes, observed
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from profiles import examples
from rendered import explain, rendered, report
from reports import REPLAYS, found, known, optimal, random_witness
from strategies import every_order
from test_matrix_report import MEMBERS, TERMS
from test_reveals_report import a_reveal
from witnesses import any_witness

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32
from fpsynth.libraries.environments import Installation, InstalledLibrary
from fpsynth.orders import Order
from fpsynth.report.renderers.folding import cells
from fpsynth.report.renderers.style import Style
from fpsynth.report.renderers.trees import tree_text
from fpsynth.report.stories.listings import check_story, environments_story, replay_story
from fpsynth.report.stories.matrix import matrix_story
from fpsynth.report.stories.reveals import reveal_table, reveals_story
from fpsynth.revealing.result import Unexplained
from fpsynth.synthesis.checking.check import check
from fpsynth.synthesis.matrix import Cell, Matrix, Published, classes_of
from fpsynth.synthesis.result import Result
from fpsynth.synthesis.verdicts import Proof, Verdict

WIDTHS = (60, 80, 140)
LONG = "0.1 against 0x1.999999999999ap-4 in some environment of a name as long as torch:linear:batch=64,outputs=1000 " * 3


def fits(text: str, width: int) -> None:
    for line in text.splitlines():
        assert cells(line) <= width, line
        assert not line.rstrip(" │|").endswith(("≈", "~")), line


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("verdict", [Verdict.IMPOSSIBLE, Verdict.UNKNOWN])
def test_reports_that_found_nothing_fit(verdict, width):
    proof = Proof(LONG, "refutation", {}) if verdict is Verdict.IMPOSSIBLE else None
    asked = {"dtype": "float32", "sides": [LONG, "pairwise"], "shape": (1, 2)}
    fits(report(Result("tie", verdict, (), LONG, proof, (), 0.5, 1.0, asked, Fraction(1, 3)), width=width), width)
    fits(report(Result("order", verdict, (), LONG, proof, (), 0.5, 1.0, asked), width=width), width)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("shape", [(1, 2), (1, 5), (3, 2), (5, 4, 3), (2, 3, 3, 2), (9, 12)])
def test_reports_of_ties_fit(shape, width):
    witness = replace(random_witness(*shape, bias=len(shape) > 2), observations=REPLAYS)
    for text in (
        report(found(witness, known(), optimal()), width=width),
        report(witness, width=width),
        explain(witness, width=width),
        rendered(replay_story(witness), Style(width=width)),
    ):
        assert "variant" not in text
        fits(text, width)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_check_fits(width):
    fits(rendered(check_story(check(known())), Style(width=width)), width)
    fits(rendered(check_story(check(BY_HAND["order"]())), Style(width=width)), width)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", BY_HAND)
def test_reports_of_divergences_fit(name, width):
    one = BY_HAND[name]()
    logits = tuple(map(float, one.deployed.logits))
    seen = replace(one, observations=(observed(one, logits), observed(one, logits, "onnxruntime", batch=64)))
    for told in (one, seen):
        fits(report(told, width=width), width)
        fits(explain(told, width=width), width)
        fits(rendered(replay_story(told), Style(width=width)), width)


def test_two_logits_stand_beside_their_names_where_there_is_no_room_for_columns():
    third = Fraction(2**53 + 1, 2**55) * Fraction(2) ** -20
    told = replace(classes(), real=(third, -third))
    lines = report(told, width=80).splitlines()
    start = lines.index("What they compute")
    block = lines[start : lines.index("Libraries")]
    assert sum("y0 " in line for line in block) == sum("y1 " in line for line in block) == len(told.views) + 1
    assert not any(line.rstrip().endswith("≈") for line in block)


@pytest.mark.parametrize("width", WIDTHS)
def test_reveals_fit(width):
    first = Unexplained((0.1,) * 64, (0.3,) * 64, 0.5, 1.0, 1.5)
    long = a_reveal(64, 4, first, notes=(LONG,), facts={"cpu": LONG})
    fits(rendered(reveals_story([a_reveal(784, 1), long]), Style(width=width)), width)
    fits(reveal_table([long, a_reveal(8)], width), width)


@pytest.fixture(scope="module")
def many():
    """A matrix of so many arithmetics that its table has no room."""
    reveal = MEMBERS[0].reveal
    (cls,) = reveal.classes
    hows = [replace(cls.arithmetic, order=Order("random", seed)) for seed in range(30)]
    members = tuple(replace(MEMBERS[0], reveal=replace(reveal, classes=(replace(cls, arithmetic=how),))) for how in hows)
    groups = classes_of(members, TERMS)
    pairs = tuple(Cell(a, b, None, LONG) for a in range(2) for b in range(a + 1, len(groups)))
    return Matrix(FLOAT32, TERMS, 2, members, tuple(groups), pairs, (Published("Order3", (LONG,), (LONG,)),), seconds=1.0)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_matrix_of_many_arithmetics_fits(many, width):
    assert len(many.classes) > 26
    fits(rendered(matrix_story(many), Style(width=width)), width)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_environments_fit(width):
    runs = dict.fromkeys(("float16", "bfloat16", "float32", "float64"), "")
    others = dict.fromkeys(("tf32", "float8_e4m3fn", "float8_e5m2"), "has no such type")
    libraries = (
        InstalledLibrary("torch", "2.13.0+cpu", "cpu", variants={"linear": runs | others}),
        InstalledLibrary("mxnet", "", "cpu", absent=LONG),
    )
    machine = {"cpu flags": "avx512f avx2 fma " * 20, "cores": "2"}
    text = rendered(
        environments_story(Installation(machine, libraries, {"torch": "2.13.0+cpu", "jax": None})), Style(width=width)
    )
    fits(text, width)
    assert "operation" in text
    assert "variant" not in text  # one word for what is called


@settings(max_examples=examples(25))
@given(any_witness(), st.sampled_from((60, *WIDTHS)))
def test_any_witness_fits(witness, width):
    fits(report(witness, width=width), width)
    fits(rendered(replay_story(witness), Style(width=width)), width)


@settings(max_examples=examples(20))
@given(any_witness(), st.sampled_from((60, *WIDTHS)))
def test_any_explanation_fits(witness, width):
    fits(explain(witness, width=width), width)


@settings(max_examples=examples(25))
@given(any_divergence(), st.sampled_from((60, *WIDTHS)))
def test_any_divergence_fits(divergence, width):
    texts = [record.not_run for record in divergence.observations] + [view.label for view in divergence.views]
    assume(not any(text.rstrip(" │|").endswith(("≈", "~")) for text in texts))  # what fits() takes for a number cut off
    fits(rendered(replay_story(divergence), Style(width=width)), width)
    try:
        fits(report(divergence, width=width), width)
    except InputError:  # the file does not say what a view computes
        assert not all(view.logits for view in divergence.views)


@settings(deadline=None)
@given(every_order, st.integers(1, 200), st.sampled_from((60, *WIDTHS)))
def test_any_tree_fits(order, terms, width):
    fits(tree_text(order, terms, width=width), width)
