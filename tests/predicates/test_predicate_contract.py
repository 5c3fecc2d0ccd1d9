"""Whatever stands in the table of predicates says the same thing exactly, over arrays, as an expression and in words."""

import functools
import importlib
import itertools
import pkgutil
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from fpsynth import expressions as ex
from fpsynth import predicates
from fpsynth.errors import InputError
from fpsynth.evaluators.exact import evaluate
from fpsynth.formats import FLOAT8_E5M2, Format
from fpsynth.predicates import KINDS, RELATIONS, SEARCHED, Predicate, Relation, Searched, Telling, argmax
from fpsynth.rounding import from_bits

OUTPUTS, POINTS = 3, 900
SMALL = Format("small", 2, 3)
"""Sixty-four numbers, a few of which are infinities and NaN."""

kinds = pytest.mark.parametrize("kind", KINDS)
searched = pytest.mark.parametrize("kind", SEARCHED)


def asked(kind: str, output: int = 1, other: int = 2) -> Predicate:
    return Predicate(kind, output, other, Fraction(3, 4) if RELATIONS[kind].bounded else Fraction(0))


def drawn(seed: int = 0):
    """Logits of a and b and intervals around a, all of them few quarters: zeros, ties and equal evaluations are common."""
    random = np.random.default_rng(seed)
    a, b = (random.integers(-4, 5, (OUTPUTS, POINTS)) / 4 for _ in range(2))
    b = np.where(random.random((1, POINTS)) < 0.1, a, b)
    ends = np.stack([a - random.integers(0, 3, a.shape) / 4, a + random.integers(0, 3, a.shape) / 4], axis=1)
    return a, b, ends


def exactly(numbers):
    """The columns of an array of logits as exact numbers."""
    return [tuple(map(Fraction, column)) for column in numbers.T.tolist()]


@functools.cache
def cases(seed: int = 0):
    """The same as ``drawn``, one by one and exact."""
    a, b, ends = drawn(seed)
    bounds = [tuple(zip(*both, strict=True)) for both in zip(exactly(ends[:, 0]), exactly(ends[:, 1]), strict=True)]
    return list(zip(exactly(a), exactly(b), bounds, strict=True))


def held(predicate: Predicate, seed: int = 0) -> list[bool]:
    return [predicate.holds(*case) for case in cases(seed)]


def test_every_predicate_that_there_is_stands_in_the_table_under_its_name():
    for module in pkgutil.iter_modules(predicates.__path__):
        importlib.import_module(f"fpsynth.predicates.{module.name}")
    written = {one for row in (Relation, Searched) for one in row.__subclasses__()} - {Searched}
    assert {type(relation) for relation in RELATIONS.values()} == written
    assert all(relation.name == name for name, relation in RELATIONS.items())
    assert set(SEARCHED) < set(KINDS)


@kinds
def test_random_evaluations_hold_and_do_not(kind):
    """So that what is asserted of those that hold, and of those that do not, is asserted of some."""
    assert 0 < sum(held(asked(kind))) < POINTS


@kinds
@pytest.mark.parametrize(("output", "other"), [(0, 1), (1, 0), (2, 1)])
def test_arrays_say_what_exact_numbers_say(kind, output, other):
    predicate, (a, b, ends) = asked(kind, output, other), drawn()
    given = ends if predicate.relation.needs_interval else a
    holds = predicate.relation.holds_each(predicate, given, b, 0.0)
    assert holds.dtype == bool
    assert holds.tolist() == held(predicate)
    measures = predicate.relation.measure_each(predicate, given, b)
    assert [Fraction(x) for x in measures.tolist()] == [predicate.measure(*case) for case in cases()]


@kinds
def test_arrays_of_one_number_and_of_two_axes_are_arrays_too(kind):
    predicate, (a, b, ends) = asked(kind), drawn()
    given = ends if predicate.relation.needs_interval else a
    flat = predicate.relation.holds_each(predicate, given, b, 0.0)
    folded = predicate.relation.holds_each(predicate, given.reshape(*given.shape[:-1], 30, -1), b.reshape(OUTPUTS, 30, -1), 0.0)
    assert np.array_equal(folded.ravel(), flat)
    assert bool(predicate.relation.holds_each(predicate, given[..., 7], b[..., 7], 0.0)) == flat[7]


@kinds
def test_what_holds_is_as_far_apart_as_the_measure_says(kind):
    predicate = asked(kind)
    for a, b, bounds in cases():
        holds, measure = predicate.holds(a, b, bounds), predicate.measure(a, b, bounds)
        assert measure >= 0
        if holds and not predicate.relation.about_classes:  # classes change at a tie, too, by no margin
            assert measure > 0
        if holds and predicate.relation.bounded:
            assert abs(a[predicate.output] - b[predicate.output]) >= predicate.bound


@kinds
def test_firing_is_holding_with_the_reference_first(kind):
    predicate = asked(kind)
    assert [predicate.fires(b, a, bounds) for a, b, bounds in cases()] == held(predicate)


@kinds
def test_equal_evaluations_do_not_differ(kind):
    predicate = asked(kind)
    for a, b, _ in cases():
        point = tuple((x, x) for x in a)
        assert not predicate.holds(a, a, point)
        if kind in SEARCHED:
            assert not predicate.holds(b, b)
            assert predicate.measure(b, b) == 0


@kinds
def test_outputs_that_are_not_read_play_no_part(kind):
    predicate = asked(kind)
    read, changed = predicate.outputs(OUTPUTS), 0
    far = cases(seed=1)
    for case, other in zip(cases(), far, strict=True):
        mixed = [
            tuple(mine[k] if k in read else theirs[k] for k in range(OUTPUTS)) for mine, theirs in zip(case, other, strict=True)
        ]
        assert predicate.holds(*mixed) == predicate.holds(*case)
        changed += predicate.holds(*other) != predicate.holds(*case)
    assert changed  # those that are read do


@kinds
def test_what_reads_intervals_reads_no_logits_of_the_reference_and_the_others_no_interval(kind):
    predicate = asked(kind)
    blind = [((), b, bounds) if predicate.relation.needs_interval else (a, b, ()) for a, b, bounds in cases()]
    assert [predicate.holds(*case) for case in blind] == held(predicate)


@kinds
def test_evaluations_of_the_outputs_that_are_read_suffice(kind):
    predicate = asked(kind, 2, 0)
    read = predicate.outputs(OUTPUTS)
    alone = predicate.among(read)
    assert alone.outputs(len(read)) == tuple(range(len(read)))
    few = [[tuple(numbers[k] for k in read) for numbers in case] for case in cases()]
    assert [alone.holds(*case) for case in few] == held(predicate)


def signs(numbers):
    return tuple((x > 0) - (x < 0) for x in numbers)


@kinds
def test_what_is_said_to_need_another_sign_needs_one(kind):
    predicate = asked(kind)
    k, relation = predicate.output, predicate.relation
    pairs = [(a[k], b[k]) for (a, b, _), holds in zip(cases(), held(predicate), strict=True) if holds]
    assert relation.reads_signs == all(signs([x]) != signs([y]) for x, y in pairs)
    assert relation.opposite_signs == all(x * y < 0 for x, y in pairs)
    assert relation.reads_signs or not relation.opposite_signs


@searched
def test_strict_is_what_hangs_on_no_zero_and_no_tie(kind):
    """Where it holds strictly, numbers that move by next to nothing change nothing; where it holds otherwise, they do."""
    predicate, relation = asked(kind, 0), asked(kind).searched
    a, b = (numbers[: 2 if relation.about_classes else 1] for numbers in drawn()[:2])
    holds, strict = relation.holds_each(predicate, a, b, 0.0), relation.strict_each(predicate, a, b)
    random, changed = np.random.default_rng(2), np.zeros(POINTS, bool)
    for _ in range(40):
        moved = [numbers + random.uniform(-(2.0**-30), 2.0**-30, numbers.shape) for numbers in (a, b)]
        changed |= ~relation.holds_each(predicate, *moved, 2.0**-20)
    assert changed[holds].tolist() == (~strict[holds]).tolist()
    assert strict[holds].any()


@searched
def test_slack_lets_through_what_float64_cannot_tell_from_the_bound(kind):
    predicate = asked(kind)
    a, b = np.zeros((OUTPUTS, 1)), np.full((OUTPUTS, 1), 0.75 * (1 - 2.0**-52))
    exact = predicate.holds(*(exactly(numbers)[0] for numbers in (a, b)))
    assert predicate.relation.holds_each(predicate, a, b, 0.0).item() == exact
    assert predicate.relation.holds_each(predicate, a, b, 2.0**-50).item() == (exact or predicate.relation.bounded)


def finite(fmt: Format):
    """Every finite number of a format, both zeros among them."""
    values = [from_bits(bits, fmt) for bits in range(2**fmt.bits)]
    return [value for value in values if value.is_finite]


@searched
@pytest.mark.parametrize("real", ["", "a", "b"])
def test_expressions_say_what_exact_numbers_say(kind, real):
    """Of all pairs of numbers of a small format; of classes, of all choices of four from some; one side may be in the reals."""
    relation = RELATIONS[kind]
    outputs = 2 if relation.about_classes else 1
    predicate = asked(kind, 0, 1)
    names = [f"{view}{k}" for view in "ab" for k in range(outputs)]
    nodes = {name: ex.variable(name, SMALL) for name in names}
    of_a, of_b = (
        [ex.real(node) if name[0] == real else node for name, node in nodes.items() if name[0] == view] for view in "ab"
    )
    root = predicate.searched.expression(predicate, of_a, of_b)
    numbers = finite(SMALL) if outputs == 1 else [*finite(SMALL)[::9], from_bits(1 << SMALL.bits - 1, SMALL)]
    outcomes = set()
    for values in itertools.product(numbers, repeat=2 * outputs):
        exact = tuple(value.fraction() for value in values)
        (told,) = evaluate([root], dict(zip(names, values, strict=True)))
        assert told == predicate.holds(exact[:outputs], exact[outputs:])
        outcomes.add(told)
    assert outcomes == {True, False}


def test_expressions_compare_views_of_different_formats():
    predicate = asked("gap", 0)
    x, y = ex.variable("x", SMALL), ex.variable("y", FLOAT8_E5M2)
    root = predicate.searched.expression(predicate, [x], [y])
    for a, b in itertools.product(finite(SMALL)[::3], finite(FLOAT8_E5M2)[::7]):
        (told,) = evaluate([root], {"x": a, "y": b})
        assert told == predicate.holds((a.fraction(),), (b.fraction(),))


def telling(a, b, bounds, predicate: Predicate, real=()) -> Telling:
    return Telling(
        ("here", "there"),
        a,
        b,
        lambda x: f"<{x}>",
        bounds,
        measure=predicate.measure(a, b, bounds),
        real=real,
        rearranged=False,
    )


@kinds
def test_words_name_both_views_and_what_was_read(kind):
    predicate = asked(kind)
    for case in [case for case in cases() if predicate.holds(*case)][:50]:
        a, b, bounds = case
        sentence = predicate.relation.told(predicate, telling(*case, predicate))
        assert sentence.endswith(".")
        assert " here" in sentence
        assert " there" in sentence
        if predicate.relation.about_classes:
            assert f"class {argmax(a)} in here" in sentence
            assert f"class {argmax(b)} in there" in sentence
            continue
        assert f"<{b[predicate.output]}>" in sentence
        shown = bounds[predicate.output] if predicate.relation.needs_interval else (a[predicate.output],)
        assert all(f"<{number}>" in sentence for number in shown)


@kinds
def test_the_reals_are_told_of_in_one_sentence_or_not_at_all(kind):
    """Whoever is said to agree with the reals does: it would not be told apart from them by the predicate, the other would."""
    predicate, agreeing = asked(kind), set()
    for case, (real, _, _) in list(zip(cases(), cases(seed=1), strict=True))[:400]:
        if not predicate.holds(*case):
            continue
        sentence = predicate.relation.over_reals(predicate, telling(*case, predicate, real))
        a, b, bounds = case
        if not sentence:
            continue
        assert sentence.startswith("Over the reals ")
        assert sentence.endswith(".")
        for start, mine, other in (("here; ", a, b), ("there, so that", b, a)):
            if f" of {start}" in sentence:
                agreeing.add(start)
                assert not predicate.holds(real, mine, bounds)
                assert predicate.holds(real, other, bounds)
    assert len(agreeing) in (0, 2)


@kinds
def test_a_predicate_is_what_it_is_asked_with(kind):
    """Two of the same are one key; what differs in any part is another."""
    one = asked(kind)
    same = Predicate(one.kind, output=one.output, other=one.other, bound=one.bound)
    assert one == same
    assert hash(one) == hash(same)
    assert one not in {asked(kind, 0), asked(kind, 1, 0), *(asked(other) for other in KINDS if other != kind)}


def test_what_the_table_does_not_have_is_refused():
    with pytest.raises(InputError, match=rf"^unknown predicate 'near'; choose from {', '.join(KINDS)}$"):
        Predicate("near")


@pytest.mark.parametrize("bound", [Fraction(0), Fraction(-1, 3)])
def test_a_gap_of_nothing_is_refused(bound):
    with pytest.raises(InputError, match=r"^a gap must be above 0$"):
        Predicate("gap", bound=bound)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(SEARCHED)))
def test_what_is_not_searched_for_has_no_expression(kind):
    with pytest.raises(InputError, match=f"^a flip is one of .*, not {kind}$"):
        _ = asked(kind).searched


def test_solvers_are_asked_about_two_classes():
    three = [ex.variable(f"x{k}", SMALL) for k in range(3)]
    with pytest.raises(InputError, match="two classes, not 3"):
        Predicate("argmax").searched.expression(Predicate("argmax"), three, three)


def test_the_table_needs_no_numpy():
    code = "import sys, fpsynth.predicates as p; p.Predicate('argmax').holds((1, 2), (2, 1)); print('numpy' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert ran.stdout.strip() == "False"
