"""Why two views disagree, in words that are true of the two."""

from dataclasses import replace

import pytest
from divergences import any_divergence, divergence, observed, triple, views
from hypothesis import HealthCheck, given, settings
from profiles import examples
from rendered import explain, report

from fpsynth.alignment import Alignment
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64, TF32
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import parse_order
from fpsynth.predicates import Predicate
from fpsynth.report.numerals import decimal
from fpsynth.report.partial_sums import layer_values, neuron_of, summed
from fpsynth.report.renderers.trees import subject
from fpsynth.report.stories.differences import differences
from fpsynth.report.stories.divergence_words import told_apart, wrong
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import Arithmetic

CHAIN = Arithmetic(FLOAT16, FLOAT32, fused=True)
CORE = replace(CHAIN, order=parse_order("groups:4"), alignment=Alignment(25))
WIDE = Arithmetic(FLOAT32)


def of(a, b):
    """Four ones in two arithmetics: nothing departs, but the words are about the arithmetics alone."""
    network = dense_relu((Dense(((1.0,) * 4,)),))
    return divergence(network, (1.0,) * 4, views(("a", a), ("b", b)), Predicate("sign"), fmt=a.format)


@pytest.mark.parametrize(
    ("a", "b", "told"),
    [
        (WIDE, replace(WIDE, order=parse_order("pairwise")), ["the order of the sum"]),
        (WIDE, replace(WIDE, order=parse_order("blocked:4")), []),  # the same tree by another name
        (WIDE, replace(WIDE, fused=True), ["which products are fused into the addition"]),
        (WIDE, replace(WIDE, flush=True), ["whether subnormals are flushed to zero"]),
        (WIDE, replace(WIDE, accumulator=FLOAT64), ["the format of partial sums (float32; float64)"]),
        (
            WIDE,
            replace(WIDE, operands=TF32, operand_rounding=Rounding.RTZ),
            ["what weights and inputs are rounded to first (nothing; tf32, RTZ)"],
        ),
        (
            CHAIN,
            CORE,
            [
                "the order of the sum",
                "how products are added (fused, each sum rounded; many at a time, cut 25 bits below the largest exponent, "
                "2 more than float32 has)",
            ],
        ),
    ],
)
def test_only_what_differs_is_named(a, b, told):
    assert differences(of(a, b)) == told


def test_the_count_of_the_sweep_is_of_the_libraries_that_confirm():
    found = triple()
    a, b = (tuple(map(float, view.logits)) for view in (found.reference, found.deployed))
    seen = (observed(found, b), observed(found, a), observed(found, a, library="jax"), observed(found, a, library="torch"))
    assert wrong(replace(found, observations=seen))[-1].endswith(
        "numpy shows it (1 of its 2 outcomes departs from the reference)."
    )


def test_a_library_that_shows_it_in_the_views_environment_alone_is_counted_there():
    """Its general sweep departs nowhere: "0 of the 2 outcomes" would contradict that it shows anything."""
    found = triple()
    a, b = (tuple(map(float, view.logits)) for view in (found.reference, found.deployed))
    reference, deployed, *silent = found.views
    deployed = replace(deployed, label="numpy:matmul:batch=4", environment="numpy:matmul:batch=4")
    found = replace(found, views=(reference, deployed, *silent))
    seen = (observed(found, a), observed(found, a, batch=64), observed(found, b, batch=4, view="b"))
    sentence = wrong(replace(found, observations=seen))[-1]
    assert sentence == "numpy shows it (1 of its 3 outcomes departs from the reference)."


def test_runs_in_another_format_than_the_one_that_departs_are_not_counted():
    found = triple()
    a, b = (tuple(map(float, view.logits)) for view in (found.reference, found.deployed))
    seen = (observed(found, b), observed(found, a, environment={"dtype": "float64"}))
    assert wrong(replace(found, observations=seen))[-1] == "numpy shows it (its one outcome departs from the reference)."


@settings(max_examples=examples(15), suppress_health_check=list(HealthCheck))
@given(any_divergence())
def test_two_views_never_have_one_name(found):
    one, other = told_apart(found)
    assert one != other


def test_a_decimal_that_is_exact_is_not_called_approximate():
    assert decimal(-(2.0**-24), 22) == "-5.9604644775390625e-8"
    assert decimal(1 / 3).startswith("≈ ")


def test_steps_that_align_fuse_both_of_two_products():
    order = parse_order("groups:2")
    assert subject(Arithmetic(FLOAT16, FLOAT32, order=order, fused=True), 2).fused == {1}
    aligned = subject(Arithmetic(FLOAT16, FLOAT32, order=order, fused=True, alignment=Alignment(25)), 4)
    assert aligned.fused == {0, 1, 2, 3}
    assert "╦ more than two nodes, cut and rounded once" in aligned.legend


def test_what_an_aligned_step_cuts_is_shown():
    """1, 2**-25 + 2**-26 and -1 in one step: of the second one 2**-25 is kept."""
    network = dense_relu((Dense(((1.0, 2.0**-12 + 2.0**-13, -1.0, 0.0),)),))
    found = divergence(
        network, (1.0, 2.0**-13, 1.0, 1.0), views(("chain", CHAIN), ("core", CORE)), Predicate("sign"), fmt=FLOAT16
    )
    values = layer_values(found, found.deployed)
    (step,) = summed(neuron_of(found, found.deployed, 0, 0, values)).aligned
    assert (step.largest, step.last) == (0, -25)
    assert [(a.name, float(a.exact), float(a.kept)) for a in step.addends] == [
        ("p0", 1.0, 1.0),
        ("p1", 1.5 * 2.0**-25, 2.0**-25),
        ("p2", -1.0, -1.0),
    ]
    text = explain(found, unicode=False)
    assert "s1 lines its addends up at 2^0 and cuts what is below 2^-25:" in text
    (row,) = [line.split() for line in text.splitlines() if line.split()[:1] == ["p1"] and "1.49012e-8" in line]
    assert row[-1] == "1.49012e-8"  # 2**-26 is lost


def test_many_addends_at_once_are_named_shortly():
    network = dense_relu((Dense(((1.0,) * 8,)),))
    wide = replace(CORE, order=parse_order("groups:8"))
    found = divergence(network, (1.0,) * 8, views(("chain", CHAIN), ("core", wide)), Predicate("sign"), fmt=FLOAT16)
    assert "p0 + p1 + ... + p7 (8 at once)" in explain(found, unicode=False)


def test_a_file_that_does_not_say_what_a_view_computes_is_not_explained():
    found = triple()
    for number in range(len(found.views)):
        silent = tuple(replace(view, logits=()) if k == number else view for k, view in enumerate(found.views))
        for told in (explain, report):
            with pytest.raises(InputError, match=f"view {found.views[number].name} has no logits: fpsynth check"):
                told(replace(found, views=silent))


@settings(max_examples=examples(60), suppress_health_check=list(HealthCheck))
@given(any_divergence())
def test_whatever_a_file_may_hold_is_told_or_refused_in_one_line(found):
    for told in (explain, report):
        try:
            text = told(found, unicode=False)
        except InputError as error:
            text = str(error)
            assert "\n" not in str(error)  # noqa: PT017
        assert text.isprintable() or "\n" in text


def test_views_that_compute_the_network_by_different_layers_are_not_said_to_be_the_same_over_the_reals():
    found = triple()
    other = dense_relu((Dense(found.network.dense_layers[0].weight * 2),))
    a, b = found.views[:2]
    apart = replace(found, question="compare", predicate=Predicate("argmax"), views=(a, replace(b, network=other)))
    assert differences(apart) == ["the layers that compute the network"]
    told = " ".join(wrong(apart))
    assert "They compute the network by different layers" in told
    assert "Over the reals both compute the same" not in told
    alike = replace(found, views=(replace(a, network=other), replace(b, network=other)))
    assert differences(alike) == differences(found) == ["the order of the sum"]
    assert "different layers" not in " ".join(wrong(alike))
