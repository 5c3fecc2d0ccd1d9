"""The library: functions with dataclasses in return, and bad arguments refused before anything is started."""

import dataclasses
import math
import subprocess
import sys
from fractions import Fraction

import pytest
from witnesses import published

import fpsynth
from fpsynth import api
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32
from fpsynth.synthesis.check import CheckResult
from fpsynth.synthesis.result import TieResult
from fpsynth.witness import Witness, save


def quick(**arguments):
    return fpsynth.tie(**({"replay": False, "timeout": 20.0} | arguments))


def test_a_tie_is_a_dataclass_with_witnesses():
    result = quick()
    assert isinstance(result, TieResult)
    assert dataclasses.is_dataclass(result)
    (witness,) = result.witnesses
    assert isinstance(witness, Witness)
    assert (witness.format, witness.network.shape, witness.ratio) == (FLOAT32, (1, 2), 2.0**24)
    assert result.settings["seed"] == 0
    assert result.settings["weights"] == "0.1:1"


def test_the_witnesses_of_a_corpus_share_the_time_for_improvement():
    result = quick(dtype="float32", shape=(2, 2), count=8, timeout=15.0)
    assert len(result.witnesses) == 8


def test_a_witness_is_checked_as_an_object_and_as_a_file(tmp_path):
    (witness,) = quick(seed=4).witnesses
    save(witness, tmp_path / "witness.json")
    for given in (witness, tmp_path / "witness.json", str(tmp_path / "witness.json")):
        checked = fpsynth.check(given)
        assert isinstance(checked, CheckResult)
        assert checked.confirmed


def test_a_witness_is_replayed():
    (witness,) = quick().witnesses
    replayed = fpsynth.replay(witness, libraries=["numpy"], batches=[2])
    assert replayed.confirmed_by == ("numpy",)
    assert witness.replays == ()


def test_a_ratio_may_be_a_float_or_text():
    for demand in (2.0**25, "33554432"):
        assert quick(weights="0.5:0.5", min_ratio=demand).settings["min_ratio"] == 2.0**25


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"dtype": "float8"}, "unknown dtype 'float8'"),
        ({"dtype": "Float32"}, "did you mean float32"),
        ({"timeout": 0}, "time limit"),
        ({"timeout": -1.0}, "time limit"),
        ({"timeout": math.nan}, "time limit"),
        ({"timeout": math.inf}, "time limit"),
        ({"timeout": 1e9}, "time limit"),  # the operating system cannot wait that long
        ({"count": 0}, "number of witnesses"),
        ({"count": -3}, "number of witnesses"),
        ({"count": 10**9}, "number of witnesses"),
        ({"jobs": 0}, "jobs"),
        ({"jobs": 10**6}, "jobs"),
        ({"seed": -1}, "seed"),
        ({"seed": 1 << 31}, "seed"),
        ({"min_ratio": 0}, "above 0"),
        ({"min_ratio": -1}, "above 0"),
        ({"min_ratio": math.nan}, "finite number"),
        ({"min_ratio": math.inf}, "finite number"),
        ({"min_ratio": Fraction(10) ** 400}, "at most"),
        ({"shape": ()}, "needs inputs and outputs"),
        ({"shape": (2,)}, "needs inputs and outputs"),
        ({"shape": (2, 1)}, "one output"),
        ({"shape": (0, 2)}, "at least 1"),
        ({"shape": "1,2"}, "whole numbers"),
        ({"shape": (1.5, 2)}, "whole numbers"),
        ({"shape": (10**6, 2)}, "too large"),
        ({"order": "zigzag"}, "unknown order"),
        ({"order": "strided:0"}, "at least 1"),
        ({"rounding": "up"}, "unknown rounding"),
        ({"maximise": "size"}, "unknown objective"),
        ({"weights": ""}, "form LO:HI"),
        ({"inputs": "1:0.5"}, "reversed"),
        ({"inputs": "0:1e39"}, "exceeds the largest float32"),
        ({"weights": "1.00000000001:1.00000000002"}, "holds no float32 number"),
        ({"certifier": "lipschitz-sound"}, "negative control"),
        ({"certifier": "crown"}, "--certifier"),
        ({"solver": "yices"}, "unknown solver"),
        ({"replay": True, "libraries": ["numpi"]}, "did you mean numpy"),
        ({"replay": True, "libraries": [""]}, "unknown library"),
        ({"replay": True, "batches": []}, "batch sizes"),
        ({"replay": True, "batches": [0]}, "batch sizes"),
        ({"replay": True, "batches": [1 << 30]}, "batch sizes"),
        ({"replay": True, "device": "tpu"}, "unknown device"),
    ],
    ids=str,
)
def test_bad_arguments_are_refused_in_one_line(arguments, words):
    with pytest.raises(InputError, match=words) as error:
        quick(**arguments)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("eps", [0, -1, math.nan, math.inf, "abc", "0"])
def test_a_radius_must_be_a_number_above_zero(eps):
    with pytest.raises(InputError, match="radius"):
        fpsynth.certify("network.npz", "images.npz", eps)


def test_a_witness_that_claims_a_radius_of_zero_is_refused():
    nothing = dataclasses.replace(
        published(), certificate=dataclasses.replace(published().certificate, radius=Fraction(0), accepted=False)
    )
    for ask in (fpsynth.check, fpsynth.replay, fpsynth.explain):
        with pytest.raises(InputError, match="radius must be above 0"):
            ask(nothing)


def test_the_package_offers_its_functions_and_nothing_else():
    assert set(fpsynth.__all__) >= {"certify", "check", "environments", "explain", "replay", "tie"}
    for name in fpsynth.__all__:
        assert getattr(fpsynth, name) is (fpsynth.__version__ if name == "__version__" else getattr(api, name))
    with pytest.raises(AttributeError, match="no attribute 'ties'"):
        _ = fpsynth.ties


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, fpsynth, fpsynth.api, fpsynth.cli.main; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy", "z3", "bitwuzla", "cvc5", "torch", "tensorflow", "keras", "jax", "onnx", "onnxruntime", "flint", "sympy"}
    assert not heavy & set(done.stdout.split())
