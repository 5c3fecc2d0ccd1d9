"""The published solution stands in benchmarks/published as a witness file, and it is confirmed at the published ratio."""

import importlib.util
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from fpsynth import api
from fpsynth.cli.main import main
from fpsynth.witness import load

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "published" / "murray_tie.py"
FILE = SCRIPT.with_suffix(".json")


def written_by_the_script():
    spec = importlib.util.spec_from_file_location("murray_tie", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.witness()


def test_its_numbers_are_the_printed_ones():
    witness = load(FILE)
    # Murray, "Breaking a Verified Certifier"
    assert witness.network.dense_layers[0].weight.tolist() == [
        [float("0.9890594482421875")],
        [float("0.989059507846832275390625")],
    ]
    assert witness.point == (float("0.157976210117340087890625"),)
    assert witness.certified == (float("0.19721232354640960693359375"),)
    assert witness.claim.radius == Fraction("0.2471875")


def test_the_exact_recheck_confirms_it_at_the_published_ratio():
    result = api.check(FILE)
    assert result.confirmed
    assert result.radius_ratio == pytest.approx(6.3, abs=1e-6)


def test_the_certifier_accepts_hardly_more_than_a_quarter_of_the_unit():
    # the logits differ by 2**-26, and the Lipschitz bound 2**-24 is rounded up to 16 decimals: 0.0000000596046448
    assert load(FILE).claim.reach == Fraction(1, 2**26) / Fraction("0.0000000596046448")


def test_the_command_confirms_it(capsys):
    assert main(["check", str(FILE)]) == 0
    assert "confirmed: the certified radius is 6.29999" in capsys.readouterr().out


def test_numpy_contradicts_the_certificate():
    assert api.replay(FILE, libraries=("numpy",), batches=(1, 4)).confirmed_by == ("numpy",)


def test_the_file_is_what_the_script_writes():
    pytest.importorskip("flint", reason="the file holds the claim of the certifier lipschitz, which needs python-flint")
    stored = load(FILE)
    assert replace(stored, provenance=None) == replace(written_by_the_script(), provenance=None)
    assert any("Murray" in note for note in stored.provenance.notes)
