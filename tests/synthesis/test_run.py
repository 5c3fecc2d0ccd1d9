"""Whole runs: as many different witnesses as asked for, each confirmed by the re-check, none by the sound certifier."""

from fractions import Fraction

import pytest
from profiles import one_in
from tie_questions import E4P4, question
from ties import changed

from fpsynth.confirmation import replay
from fpsynth.errors import InputError
from fpsynth.formats import BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, FLOAT32, FLOAT64, TF32
from fpsynth.libraries.pool import LibraryPool
from fpsynth.orders import SEQUENTIAL, parse_order
from fpsynth.rounding import Rounding
from fpsynth.solvers.engines import ENGINES, engines_named
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.synthesis.checking.check import check
from fpsynth.synthesis.domain import Interval, default_weights
from fpsynth.synthesis.settings import Settings
from fpsynth.synthesis.ties.question import TieQuestion
from fpsynth.synthesis.ties.run import Wanted, run_tie
from fpsynth.synthesis.ties.variants import deployments
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.witness import load, save

ALL = tuple(ENGINES.values())


def run(asked, seed=0, seconds=30.0, engines=ALL, count=1, jobs=2, **how):
    settings = Settings(engines, seed=seed, seconds=seconds, improvement=0.5, jobs=jobs)
    wanted = Wanted(how.pop("chosen", "lipschitz-exact"), count, how.pop("prove", False), how.pop("plan", None))
    return run_tie(asked, settings, wanted, **how)


def default(fmt, shape=(1, 2), order="sequential"):
    places = deployments(fmt, parse_order(order), Rounding.RNE, shape)
    return TieQuestion(fmt, shape, places, default_weights(fmt), Interval(Fraction(1, 10), Fraction(1)))


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
@pytest.mark.parametrize("fmt", [FLOAT16, BFLOAT16, FLOAT32, FLOAT64], ids=str)
def test_the_sound_certifier_rejects_whatever_is_found(fmt, seed):
    result = run(default(fmt), seed)
    (witness,) = result.witnesses
    assert witness.control is not None
    assert not witness.control.accepted
    assert check(witness).confirmed
    assert witness.ratio == 2.0**fmt.precision


@pytest.mark.parametrize(
    ("fmt", "shape", "order"),
    one_in(
        2,
        [
            (FLOAT32, (2, 3, 2), "sequential"),
            (FLOAT32, (3, 2), "strided:2"),
            (FLOAT16, (2, 2), "reverse"),
            (FLOAT64, (2, 3), "pairwise"),
            (BFLOAT16, (1, 2, 2), "sequential"),
            (TF32, (1, 2), "sequential"),
            (FLOAT8_E4M3FN, (1, 2), "sequential"),
            (FLOAT8_E5M2, (2, 2), "sequential"),
        ],
    ),
    ids=str,
)
def test_other_shapes_orders_and_formats_give_confirmed_witnesses(fmt, shape, order, tmp_path):
    result = run(default(fmt, shape, order))
    (witness,) = result.witnesses
    assert result.verdict is Verdict.FOUND
    assert check(witness).confirmed
    assert witness.deployment.default == Arithmetic(fmt, order=parse_order(order))
    if witness.control is not None:
        assert not witness.control.accepted
    save(witness, tmp_path / "witness.json")
    assert check(load(tmp_path / "witness.json")).confirmed


def test_count_gives_so_many_different_witnesses():
    result = run(default(FLOAT32), count=5)
    assert result.verdict is Verdict.FOUND
    assert len(result.witnesses) == 5
    assert len({(tuple(w.network.entries()), w.certified, w.point) for w in result.witnesses}) == 5
    assert all(check(witness).confirmed for witness in result.witnesses)


def test_where_there_are_fewer_than_asked_for_the_result_says_so():
    # the domain has three weights and three inputs
    result = run(question(E4P4, "1.25:1.5", "1.5:1.75"), count=10, seconds=1.5)
    assert result.verdict is Verdict.FOUND
    assert 1 <= len(result.witnesses) < 10
    assert result.reason == f"only {len(result.witnesses)} of 10 different witnesses were found within the limits"


def test_the_same_seed_and_one_job_of_one_engine_give_the_same_witness():
    # several jobs race, and which seed wins is a matter of time: the winner's stands in the provenance
    asked = default(FLOAT32)
    first, second = (run(asked, seed=5, engines=engines_named("sampling"), jobs=1).witnesses[0] for _ in range(2))
    assert (first.network, first.points) == (second.network, second.points)


def test_the_witness_says_where_it_comes_from():
    result = run(default(FLOAT32), seed=3)
    provenance = result.witnesses[0].provenance
    assert provenance.engine in ENGINES
    assert {"fpsynth", "python", "numpy"} <= set(provenance.versions)
    assert 0 < provenance.seconds_solve <= provenance.seconds_total
    assert result.attempts
    assert result.seconds_solve <= result.seconds_total


def test_an_impossible_question_gives_no_witness_but_a_proof():
    result = run(question(FLOAT16, min_ratio=2049))
    assert (result.verdict, result.witnesses) == (Verdict.IMPOSSIBLE, ())
    assert result.proof is not None
    assert result.reason


def test_a_proof_of_the_optimum_stands_in_the_first_witness_only():
    result = run(question(BFLOAT16), count=2, prove=True)
    assert result.upper_bound == 256
    assert [witness.optimum for witness in result.witnesses] == ["the largest ratio is 256", ""]


def test_an_unknown_certifier_is_refused_before_any_library_is_started():
    pool = LibraryPool(("numpy",))
    with pytest.raises(InputError, match="the certifier must be one of"):
        run(default(FLOAT32), chosen="crown", pool=pool)
    assert pool.members["numpy"].worker is None


def test_numpy_confirms_a_float32_witness():
    with LibraryPool(("numpy",)) as pool:
        result = run(default(FLOAT32), pool=pool, batches=(1, 3))
    (witness,) = result.witnesses
    assert witness.confirmed_by == ("numpy",)
    assert {record.batch for record in witness.observations} == {1, 3}


def test_the_arithmetics_of_libraries_are_asked_for_where_they_may_differ():
    assert len(deployments(FLOAT32, SEQUENTIAL, Rounding.RNE, (1, 2))) == 1
    assert [str(d) for d in deployments(FLOAT32, SEQUENTIAL, Rounding.RNE, (2, 2))] == [
        "float32 sequential",
        "float32 sequential fused",
    ]
    assert len(deployments(FLOAT16, SEQUENTIAL, Rounding.RNE, (1, 2, 2))) == 3
    strided = deployments(FLOAT32, parse_order("strided:2"), Rounding.RNE, (3, 2))
    assert strided[0].default == Arithmetic(FLOAT32, order=parse_order("strided:2"))
    assert Arithmetic(FLOAT32) in [d.default for d in strided]


def test_a_library_confirms_only_what_is_certified_at_the_logits_that_it_computed():
    (found,) = run(default(FLOAT32)).witnesses
    # class 0 as well, but beyond the certified radius: the certifier claims nothing there
    beyond = changed(found, counterexample=(-4.0,))
    with LibraryPool(("numpy",)) as pool:
        assert all(record.departs for record in replay(found, pool=pool, batches=(1,)).observations)
        records = replay(beyond, pool=pool, batches=(1,)).observations
    assert records
    for record in records:
        assert (record.reference_class, record.class_index) == (1, 0)
        assert not record.accepted
        assert not record.departs
