"""The report on a divergence says whose class the reals have, who departs, and what its columns and letters mean."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

import pytest
from divergences import BY_HAND, classes, divergence, observed, outside, position, row_of, triple, twin, views
from rendered import explain, rendered, report

from fpsynth.formats import FLOAT32
from fpsynth.libraries.calls import memory_words
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import parse_order
from fpsynth.predicates import Predicate
from fpsynth.report.renderers.style import Style
from fpsynth.report.stories.divergence_words import wrong
from fpsynth.report.stories.listings import replay_story
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.witness import Observation

SEQUENTIAL, PAIRWISE = Arithmetic(FLOAT32), Arithmetic(FLOAT32, order=parse_order("pairwise"))


def flat(text):
    return " ".join(text.replace("│", " ").split())


def block(text, heading):
    lines = text.splitlines()
    start = lines.index(heading)
    return lines[start : next((k for k in range(start + 1, len(lines)) if not lines[k]), len(lines))]


def test_the_classes_of_each_side_and_of_the_reals_are_a_column():
    lines = block(report(classes()), "What they compute")
    assert lines[1].split() == ["view", "output", "value", "class"]
    ends = [re.split(r"\s{2,}", line.strip())[-1] for line in lines[3:] if " y0 " in line]
    assert ends[0] in ("0", "1")
    assert "✗ departs" in ends[1]
    assert ends[-1] in ("0", "1")
    assert "class" not in " ".join(block(report(triple()), "What they compute"))


@pytest.mark.parametrize(
    ("real", "told"),
    [
        ((1, 0), "Over the reals the class is 0: that of {a}; {b} departs from the reals."),
        (
            (0, 1),
            "Over the reals the class is 1: that of {b}, so that the departing side is the one that agrees with the reals, and "
            "{a} does not.",
        ),
        ((1, 1), "Over the reals y0 and y1 tie, and argmax takes the lowest index, class 0: that of {a}; {b} departs"),
    ],
)
def test_the_box_says_which_side_agrees_with_the_reals(real, told):
    found = replace(classes(), real=tuple(map(Fraction, real)))
    (sentence,) = [line for line in wrong(found) if line.startswith("Over the reals ") and "both" not in line]
    assert sentence.startswith(told.format(a="sequential", b="pairwise"))
    assert flat(sentence) in flat(report(found))
    assert ("0, a tie" in report(found)) == (real == (1, 1))


def test_a_class_over_the_reals_that_neither_side_has_is_shown():
    weights = row_of(4, {0: -(2.0**24), 2: 2.0**24, 3: 1.0})
    network = dense_relu((Dense((weights, row_of(4, {0: 0.5}), row_of(4, {0: 0.25}))),))
    how = views(("sequential", SEQUENTIAL), ("pairwise", PAIRWISE))
    found = divergence(network, (1.0,) * 4, how, Predicate("argmax"))
    found = replace(found, real=(Fraction(0), Fraction(0), Fraction(3)))
    assert "Over the reals the class is 2: that is neither's." in wrong(found)
    assert sum(" y2 " in line for line in block(report(found), "What they compute")) == len(found.views) + 1


def test_the_side_of_zero_over_the_reals_is_told_too():
    found = triple()
    (sentence,) = [line for line in wrong(found) if line.startswith("Over the reals y0 is ")]
    one = "sequential" if (found.real[0] > 0) == (found.reference.logits[0] > 0) else "pairwise"
    assert f"the side of zero of {one}" in sentence
    assert not any(line.startswith("Over the reals y0") for line in wrong(twin()))


def test_zero_over_the_reals_lies_on_neither_side():
    found = triple()
    zero = replace(found, real=(Fraction(0),))
    neither = replace(
        zero, views=tuple(replace(view, logits=(Fraction(1) * s,)) for view, s in zip(zero.views, (1, -1), strict=False))
    )
    assert "Over the reals y0 is 0: that is neither's." in wrong(neither)
    assert not any("the side of zero of" in line for line in [*wrong(zero), *wrong(neither)])


def test_where_neurons_are_moved_a_tie_over_the_reals_is_no_ones_class():
    found = classes()
    b = replace(found.deployed, permutation=(1, 0))
    tied = replace(found, views=(found.reference, b), real=(Fraction(1), Fraction(1)))
    assert "Over the reals y0 and y1 tie." in wrong(tied)


def with_environment(found):
    a, b, *silent = found.views
    return replace(found, views=(a, replace(b, environment="torch:linear:batch=1"), *silent))


def test_every_library_that_departs_is_named():
    found = with_environment(outside())
    b = tuple(map(float, found.deployed.logits))
    seen = [observed(found, b, "torch", view="b", variant="linear"), observed(found, b, "torch", variant="linear")]
    seen += [observed(found, b, name) for name in ("numpy", "jax")] + [observed(found, (1.0,), "onnxruntime")]
    last = wrong(replace(found, observations=tuple(seen)))[-1]
    assert last.startswith("torch shows it (")
    assert last.endswith("; numpy and jax depart from it, too.")
    assert wrong(replace(found, observations=tuple(seen[:2])))[-1].endswith("reference).")
    assert wrong(replace(found, observations=tuple(seen[:3])))[-1].endswith("; numpy departs from it, too.")
    seen.append(observed(found, (1.0,), "jax", variant="eager"))
    assert wrong(replace(found, observations=tuple(seen)))[-1].endswith(
        "; numpy and jax (1 of its 2 outcomes) depart from it, too."
    )


RUNS = (
    ("numpy", "2.4.6", ("matmul", "dot", "dot-rows")),
    ("torch", "2.13.0+cpu", ("linear", "matmul")),
    ("tensorflow", "2.21.0", ("keras", "matmul", "function")),
    ("onnxruntime", "1.31.1", ("gemm", "matmul")),
)


def replayed(found, logits):
    """Every library at three batch sizes, and one that is not installed."""
    seen = [
        replace(observed(found, logits, library, batch=batch), version=version, variant=variant)
        for library, version, variants in RUNS
        for variant in variants
        for batch in (1, 4, 64)
    ]
    return replace(found, observations=(*seen, Observation("jax", "0.10.2", "jit", not_run="not installed")))


@pytest.mark.parametrize("found", [outside(), twin(), position(), classes()], ids=["outside", "twin", "position", "classes"])
def test_the_libraries_are_one_table_at_80_columns(found):
    logits = tuple(-5.96046448e-8 / 3 for _ in range(found.network.widths[-1]))
    lines = block(report(replayed(found, logits), width=80), "Libraries")
    assert lines[1].split()[:4] == ["library", "version", "run", "as"]
    assert sum("library" in line for line in lines[1:]) == 1
    start, end = lines[1].index("run as"), lines[1].index("batch")
    assert "matmul, dot, dot-rows linear, matmul keras, matmul, function gemm" in flat(
        " ".join(line[start:end] for line in lines[3:])
    )


@pytest.mark.parametrize("found", [outside(), classes()], ids=["outside", "classes"])
def test_a_replay_is_one_table_at_80_columns(found):
    logits = tuple(-5.96046448e-8 / 3 for _ in range(found.network.widths[-1]))
    assert rendered(replay_story(replayed(found, logits)), Style(width=80)).count("run as") == 1


def test_later_outputs_of_a_view_keep_its_name_where_rows_are_stacked():
    found = twin()
    a, b = found.views
    odd = Fraction(2**53 + 1, 2**55) * Fraction(2) ** -20
    found = replace(found, views=(a, replace(b, label="kernel", logits=tuple(odd + Fraction(k, 2**40) for k in range(10)))))
    text = flat(" ".join(block(report(found, width=60), "What they compute")))
    assert text.count("view real output y0") == text.count("view real output y9") == 2  # the reference and the reals
    assert text.count("b view kernel output y0") == text.count("b view kernel output y9") == 1


def test_weights_and_inputs_stand_under_heads():
    lines = block(report(triple()), "Network")
    lines = report(triple()).splitlines()
    head = next(line for line in lines if line.split()[:2] == ["term", "weight"])
    term = next(line for line in lines if line.strip().startswith("p0 ="))
    assert term[head.index("weight")] != " "
    assert term[head.index("input")] != " "


def test_sections_indent_what_belongs_to_a_view_alike():
    for name, make in BY_HAND.items():
        for told in (report, explain):
            lines = told(make(), width=60).splitlines()
            starts = {len(line) - len(line.lstrip()) for line in lines if line.strip().startswith("float32")}
            assert starts <= {6}, name


def test_the_letter_behind_a_shape_is_explained_once_where_it_first_stands():
    found = with_environment(triple())
    a, b, *silent = found.views
    text = report(replace(found, views=(replace(a, environment="torch:linear:batch=4"), b, *silent)))
    assert text.count("C: row after row in memory") == 1
    assert text.index(") C") < text.index("C: row after row")
    assert "C: row" not in report(triple())
    assert [line.split(":")[0] for line in memory_words("conv2d(x, W)  x (1, 4, 5, 5) NCHW, W (2, 4, 3, 3) C")] == ["C", "NCHW"]
