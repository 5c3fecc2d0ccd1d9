"""The report on a tie says of every number what it is of: one precision, radii rounded down, witnesses numbered as files."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

import pytest
from rendered import explain, report
from reports import REPLAYS, found, known, optimal, random_witness
from ties import changed, claim
from witnesses import published

from fpsynth.report.stories.verdicts import _away
from fpsynth.solvers.race import Attempt
from fpsynth.synthesis.result import Result
from fpsynth.synthesis.verdicts import Verdict


def flat(text):
    return " ".join(text.replace("│", " ").split())


def cells(text, name):
    """The cells of the first line that starts with a name."""
    return re.split(r"\s{2,}", next(line.strip() for line in text.splitlines() if line.strip().startswith(name)))


def short_of_one(distance=2.0**-11, ratio=2.0**11):
    """A certifier's radius just below the exact one, 1, that it was asked about with twelve digits."""
    supremum = 1 - Fraction(1, 10**13)
    exact = claim("lipschitz-exact", True, Fraction("0.999999999999"), supremum)
    other = claim("lipschitz", True, Fraction("0.999999999999"), Fraction(1))
    points = {"certified": (0.5,), "counterexample": (0.5 + distance,)}
    return changed(known(), **points, claim=exact, others=(other,), distance=distance, ratio=ratio)


def test_the_ratio_is_that_of_two_printed_numbers():
    text = report(short_of_one())
    (_, away, _), (_, radius, told), (_, ratio, *_) = (cells(text, name) for name in ("distance", "exact radius", "ratio"))
    assert Fraction(radius) / Fraction(away) == Fraction(ratio) == 2048
    assert told == "without the certifier's rounding; gives the ratio"


def test_exact_values_that_are_one_number_do_not_become_one():
    assert "the exact values are one number already: a tie" in flat(report(changed(known(), counterexample=(0.0,))))


def test_a_point_within_the_radius_is_told_nearer_than_it():
    """1727 is 1730 to three digits, and the radius 1727.999999: that would refute itself."""
    exact = claim("lipschitz-exact", True, Fraction("1727.999999"), Fraction(1728))
    points = {"certified": (1727.0,), "counterexample": (0.0,)}
    assert _away(changed(known(), **points, claim=exact, others=(), distance=1727.0, ratio=1728 / 1727)) == "1727"
    assert _away(short_of_one()) == "0.000488"


def test_a_ratio_of_the_certified_radius_itself_needs_no_other_one():
    own = replace(optimal(), ratio=float(optimal().claim.reach) / 2.0**-24)
    assert "exact radius" not in report(own)
    assert "exact radius" not in report(replace(own, ratio=0.0))


def test_without_a_distance_no_exact_radius_is_made_up():
    """As in a file whose points are one: the ratio times the distance is no radius then."""
    assert "exact radius" not in report(short_of_one(distance=0.0))


def test_a_radius_is_one_number_wherever_it_stands():
    """None is rounded up: 0.999999999999 and 1 - 1e-13 would both be 1, which the certifier does not accept."""
    text = report(short_of_one())
    assert cells(text, "certified radius")[1] == "0.9999999999"
    assert cells(text, "lipschitz-exact")[:4] == ["lipschitz-exact", "✗ accepts", "0.9999999999", "0.9999999999"]
    assert cells(text, "lipschitz ")[:4] == ["lipschitz", "✗ accepts", "0.9999999999", "1"]
    assert "closer to b than 0.9999999999 has" in flat(text)
    assert "0.99999999999" not in text
    assert "0.9999999999" in cells(report(found(short_of_one(), known())), "000")
    assert "0.99999999999" not in explain(short_of_one()).partition("The witness says")[0]


def test_asked_and_accepted_are_two_columns():
    heads = next(line for line in report(known()).splitlines() if line.strip().startswith("certifier "))
    assert re.split(r"\s{2,}", heads.strip()) == ["certifier", "at b", "radius asked", "accepts all below", "its ball"]


def test_a_radius_that_is_rejected_is_rounded_up():
    """Rounded down it would seem to be smaller than the distance of the points, which its ball contains."""
    sound = claim("lipschitz-sound", False, Fraction("0.123456789012"), Fraction(0))
    text = report(changed(known(), control=sound))
    assert cells(text, "lipschitz-sound")[:4] == ["lipschitz-sound", "✓ rejects", "0.1234567891", "none"]


def test_witnesses_have_the_numbers_of_their_files(tmp_path):
    from fpsynth.corpus.writer import write_corpus

    ties = [published(), published()]
    text = report(found(*ties))
    write_corpus(ties, tmp_path / "corpus")
    written = sorted(path.stem[-3:] for path in (tmp_path / "corpus" / "witnesses").iterdir())
    shown = re.findall(r"^  (\d+) ", text[text.index("All 2 witnesses") :], re.MULTILINE)
    assert shown == written == ["000", "001"]
    assert "what stands above is of 000" in flat(text)


def test_witnesses_of_any_shape_are_one_table_at_80_columns():
    ties = [replace(random_witness(*shape), observations=REPLAYS) for shape in ((1, 2), (4, 4), (2, 2, 2, 2))]
    text = report(found(*ties), width=80)
    block = text[text.index("All 3 witnesses") :].partition("\n\n")[0]
    assert block.count("classes") == block.count("ratio") == 1


def attempts(*engines, reason="not encoded: more than 512 weights, which no engine here is asked about"):
    return tuple(Attempt(engine, "fp", 0, "tie", True, "unknown", reason, 0.5, None) for engine in engines)


@pytest.mark.parametrize("width", [60, 80, 96])
def test_attempts_that_ended_alike_are_told_once_with_room_for_the_reason(width):
    runs = (*attempts("sampling", "z3", "bitwuzla"), *attempts("z3", reason="its time limit of 4 s is over"))
    result = Result("tie", Verdict.UNKNOWN, (), "nothing", None, runs, 4.0, 4.2, {})
    text = report(result, width=width)
    block = text[text.index("Attempts") :].partition("\n\n")[0]
    assert flat(block).count("not encoded") == 1
    assert "sampling (fp, seed 0), z3 (fp, seed 0), bitwuzla (fp, seed 0) · 0.50 s" in flat(block)
    assert "tie: unknown, its time limit of 4 s is over" in flat(block)
    assert len(block.splitlines()) < 10


def test_seeds_of_one_engine_are_a_range_and_times_too():
    runs = tuple(replace(attempts("z3")[0], seed=seed, seconds=1.0 + seed) for seed in range(4))
    text = report(Result("tie", Verdict.UNKNOWN, (), "nothing", None, runs, 4.0, 4.2, {}))
    assert "z3 (fp, seeds 0-3) · 1.00 to 4.00 s" in text
