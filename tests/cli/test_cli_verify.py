"""``fpsynth verify`` on the command line: exit codes, JSON, and one line for what cannot be asked."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from fpsynth.cli.main import main
from fpsynth.formats import FLOAT32
from fpsynth.networks.network import Dense, Network, dense_relu
from fpsynth.networks.onnx.writing import onnx_bytes

NETWORK = dense_relu([Dense([[1.0, 0.5], [-1.0, 0.25]], [0.5, 0.0])])
VNNLIB = (
    "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)(declare-const Y_1 Real)"
    "(assert (>= X_0 0.1))(assert (<= X_0 1))(assert (>= X_1 0))(assert (<= X_1 0.5))"
)


@pytest.fixture
def model(tmp_path):
    return saved(tmp_path / "model.onnx", NETWORK)


def saved(path, network: Network) -> str:
    path.write_bytes(onnx_bytes(network, FLOAT32))
    return str(path)


def asked(capsys, *arguments: str):
    """Exit code and JSON object."""
    code = main(["verify", "--network", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", ["ibp", "zonotope", "deeppoly", "crown", "alpha-crown", "bab"])
@pytest.mark.parametrize("arithmetic", ["real", "float32", "float64", "sound:any"])
def test_a_box_is_unsat_or_sat_with_its_fields(capsys, model, name, arithmetic) -> None:
    code, found = asked(capsys, model, "--box", "0:1,0:1", "--verifier", name, "--arithmetic", arithmetic)
    assert (code, found["verdict"], found["verifier"]) == (0, "unsat", name)
    assert found["version"]["fpsynth"]
    assert found["seconds"] >= 0
    (low, high), _ = found["bounds"]
    assert float(low) <= 0.5
    assert float(high) >= 2.0
    code, found = asked(capsys, model, "--box", "0:0,0:0", "--label", "1", "--verifier", name, "--arithmetic", arithmetic)
    assert (code, found["verdict"], [float.fromhex(x) for x in found["point"]]) == (0, "sat", [0.0, 0.0])


def test_unknown_is_exit_code_3_and_says_why(capsys, model) -> None:
    code, found = asked(capsys, model, "--box=-1:1,-1:1", "--verifier", "ibp", "--label", "0")
    assert (code, found["verdict"]) == (3, "unknown")
    assert found["reason"]
    assert main(["verify", "--network", model, "--box=-1:1,-1:1", "--verifier", "ibp", "--label", "0"]) == 3
    assert "UNKNOWN" in capsys.readouterr().out


def test_a_property_file_is_decided_and_its_points_lie_in_the_exact_box(capsys, model, tmp_path) -> None:
    path = tmp_path / "query.vnnlib"
    path.write_text(VNNLIB + "(assert (<= Y_0 Y_1))")
    assert asked(capsys, model, "--property", str(path))[1]["verdict"] == "unsat"
    path.write_text(VNNLIB + "(assert (<= Y_1 -0.5))")
    code, found = asked(capsys, model, "--property", str(path), "--verifier", "bab")
    assert (code, found["verdict"]) == (0, "sat")
    assert 0.1 <= float.fromhex(found["point"][0]) <= 1


def test_a_point_beyond_the_exact_end_of_a_box_is_not_sat(capsys, tmp_path) -> None:
    """Above 0.3, exactly, there is no float64 at which the output is small enough; the one below is outside the box."""
    model = saved(tmp_path / "one.onnx", dense_relu([Dense([[1.0]])]))
    path = tmp_path / "query.vnnlib"
    below = format(Decimal.from_float(0.3), "f")  # float(0.3) is below 3/10
    path.write_text(
        f"(declare-const X_0 Real)(declare-const Y_0 Real)(assert (>= X_0 0.3))(assert (<= X_0 0.5))(assert (<= Y_0 {below}))"
    )
    code, found = asked(capsys, model, "--property", str(path), "--verifier", "bab", "--timeout", "5")
    assert (code, found["verdict"]) == (3, "unknown")


BAD = {
    "no region": [],
    "two regions": ["--box", "0:1,0:1", "--ball", "0,0:1"],
    "another size": ["--box", "0:1"],
    "no range": ["--box", "0,1"],
    "the wrong way": ["--box", "1:0,0:1"],
    "no number": ["--box", "a:1,0:1"],
    "infinite": ["--box", "0:inf,0:1"],
    "a large end": ["--box", "0:1e400,0:1"],
    "no radius": ["--ball", "0,0"],
    "a negative radius": ["--ball", "0,0:-1"],
    "a large radius": ["--ball", "0,0:1e400"],
    "a centre beyond float64": ["--ball", "1e400,0:1"],
    "a centre beyond the format": ["--ball", "70000,0:1", "--arithmetic", "sound:any", "--dtype", "float16"],
    "no class": ["--box", "0:1,0:1", "--label", "2"],
    "no verifier": ["--box", "0:1,0:1", "--verifier", "prayer"],
    "no arithmetic": ["--box", "0:1,0:1", "--arithmetic", "roughly"],
    "no file": ["--property", "nowhere.vnnlib"],
    "an image without images": ["--image", "0"],
}


@pytest.mark.parametrize("arguments", BAD.values(), ids=BAD)
def test_what_cannot_be_asked_is_one_line(capsys, model, arguments) -> None:
    try:
        code = main(["verify", "--network", model, *arguments])
    except SystemExit as stop:
        code = stop.code
    told = capsys.readouterr()
    assert code == 2
    assert told.out == ""
    assert "required: --network" not in told.err
    assert len([line for line in told.err.splitlines() if not line.startswith(("usage:", " "))]) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--box", "0:1,0:1", "--verifier", "./tool {onnx} {vnnlib}"], "commands and files are asked by bench"),
        (["--box", "0:1,0:1", "--verifier", "marabou"], "unknown verifier 'marabou' (did you mean maraboupy?); choose from "),
        (["--image", "0", "--images", "x.npz"], "image, images and eps go together: eps is missing"),
        (["--image", "0"], "image, images and eps go together: images and eps are missing"),
    ],
)
def test_what_is_missing_or_near_is_named(capsys, model, arguments, words) -> None:
    assert main(["verify", "--network", model, *arguments]) == 2
    assert words in capsys.readouterr().err


def test_images_are_cut_off_and_those_beyond_the_format_are_one_line(capsys, model, tmp_path) -> None:
    path = tmp_path / "images.npz"
    np.savez(path, images=np.array([[0.5, 1.0], [1e300, 0.0]]), labels=np.array([0, 0]))
    given = [model, "--images", str(path), "--eps", "0.25"]
    code, found = asked(capsys, *given, "--image", "0")
    assert (code, found["verdict"]) == (0, "unsat")
    (where,) = (claim["region"]["box"] for claim in found["claims"])
    assert [float.fromhex(x) for x in where["upper"]] == [0.75, 1.0]
    assert main(["verify", "--network", *given, "--image", "1", "--arithmetic", "sound:any", "--dtype", "float16"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


CLASSES = {
    "the label of the image": (
        ["--image", "1"],
        {"class": 1, "from": "image"},
        "The class to be kept is 1, the label of the image.",
    ),
    "one that is named": (
        ["--image", "1", "--label", "0"],
        {"class": 0, "from": "given"},
        "The class to be kept is 0, as was asked.",
    ),
    "of an image without one": (["--image", "0"], {"class": None, "from": "network"}, "class to be kept is the network's own"),
    "of a box": (["--box", "0:1,0:1"], {"class": None, "from": "network"}, "class to be kept is the network's own"),
    "of a box that is named": (["--box", "0:1,0:1", "--label", "1"], {"class": 1, "from": "given"}, "kept is 1, as was asked."),
}


@pytest.mark.parametrize("name", CLASSES)
def test_which_class_is_to_be_kept_is_said(capsys, model, tmp_path, name) -> None:
    region, kept, words = CLASSES[name]
    path, labels = tmp_path / "images.npz", {} if name == "of an image without one" else {"labels": np.array([0, 1])}
    np.savez(path, images=np.array([[0.5, 1.0], [0.25, 0.0]]), **labels)
    arguments = [model, *region, *([] if "--box" in region else ["--images", str(path), "--eps", "0.01"])]
    _, found = asked(capsys, *arguments)
    assert found["kept"] == kept
    main(["verify", "--network", *arguments])
    assert words in " ".join(capsys.readouterr().out.split())


def test_a_property_file_says_itself_what_is_unsafe(capsys, model, tmp_path) -> None:
    path = tmp_path / "p.vnnlib"
    path.write_text(VNNLIB + "(assert (>= Y_1 Y_0))")
    _, found = asked(capsys, model, "--property", str(path))
    assert found["kept"] is None


def test_a_box_without_a_number_of_the_format_is_unsat(capsys, model) -> None:
    box = "0.1:0.10000000001,0:1"
    code, found = asked(capsys, model, "--box", box, "--arithmetic", "sound:any", "--dtype", "float16", "--label", "1")
    assert (code, found["verdict"], found["cases"]) == (0, "unsat", 0)
    beyond = "70000:80000,0:1"
    found = asked(capsys, model, "--box", beyond, "--arithmetic", "sound:any", "--dtype", "float16", "--label", "1")[1]
    assert (found["verdict"], found["cases"]) == ("unsat", 0)


def tenths(tmp_path, bound: str) -> list[str]:
    """y = x, a property file of one output and any input."""
    path = tmp_path / "query.vnnlib"
    path.write_text(
        "(declare-const X_0 Real)(declare-const Y_0 Real)(assert (>= X_0 0))(assert (<= X_0 1))"
        f"(assert (<= (* 0.1 Y_0) {bound}))"
    )
    return [saved(tmp_path / "one.onnx", dense_relu([Dense([[1.0]], [1.0])])), "--property", str(path)]


@pytest.mark.parametrize("name", ["ibp", "zonotope", "deeppoly", "crown", "alpha-crown", "bab"])
@pytest.mark.parametrize("arithmetic", ["real", "sound:any", "float32", "float64"])
def test_decimal_coefficients_of_a_property_are_what_they_say(capsys, tmp_path, name, arithmetic) -> None:
    asks = ["--verifier", name, "--arithmetic", arithmetic]
    assert asked(capsys, *tenths(tmp_path, "0.05"), *asks)[1]["verdict"] == "unsat"
    assert asked(capsys, *tenths(tmp_path, "0.3"), *asks)[1]["verdict"] == "sat"


def test_a_decimal_coefficient_decides_at_the_very_bound(capsys, tmp_path) -> None:
    """The least output is 1: a tenth of it is 1/10 exactly, which is below the float64 that is called 0.1."""
    asks = ["--verifier", "intervals"]
    _, found = asked(capsys, *tenths(tmp_path, "0.1"), "--verifier", "bab")
    assert (found["verdict"], [float.fromhex(x) for x in found["point"]]) == ("sat", [0.0])
    assert asked(capsys, *tenths(tmp_path, "0.0999999999999999999999999"), *asks)[1]["verdict"] == "unsat"
    assert asked(capsys, *tenths(tmp_path, "0.1"), *asks)[1]["verdict"] == "unknown"


IDENTITY = dense_relu([Dense([[1.0, 0.0], [0.0, 1.0]])])


def test_a_ball_around_any_decimal_is_taken_larger_and_says_so(capsys, tmp_path) -> None:
    model = saved(tmp_path / "identity.onnx", IDENTITY)
    code, found = asked(capsys, model, "--ball", "0.1,0.7:0.4", "--label", "1")
    assert (code, found["verdict"]) == (0, "unsat")
    (claim,) = found["claims"]
    assert claim["asked"] == {"centre": ["1/10", "7/10"], "radius": "2/5"}
    where = claim["region"]["ball"]
    centre = [Fraction(float.fromhex(x)) for x in where["centre"]]
    distance2 = (centre[0] - Fraction(1, 10)) ** 2 + (centre[1] - Fraction(7, 10)) ** 2
    assert 0 < distance2 <= (Fraction(where["radius"]) - Fraction(2, 5)) ** 2 < Fraction(1, 10**30)
    assert any("radius enlarged" in note for note in found["notes"])
    assert main(["verify", "--network", model, "--ball", "0.1,0.7:0.4", "--label", "1"]) == 0
    assert "radius enlarged" in " ".join(capsys.readouterr().out.split())
    exact = asked(capsys, model, "--ball", "0.125,0.75:0.4", "--label", "1")[1]
    assert "asked" not in exact["claims"][0]
    assert not exact["notes"]


@pytest.mark.parametrize("arithmetic", ["real", "sound:any"])
def test_sat_is_of_the_ball_that_was_asked_for(capsys, tmp_path, arithmetic) -> None:
    """A point counts only where it lies in the exact ball, however little the one around it is larger."""
    model = saved(tmp_path / "identity.onnx", IDENTITY)
    asks = ["--arithmetic", arithmetic, "--verifier", "bab", "--timeout", "5"]
    code, found = asked(capsys, model, "--ball", "0.1,0.7:0.6", "--label", "1", *asks)
    assert (code, found["verdict"]) == (0, "sat")
    x, y = (Fraction(float.fromhex(number)) for number in found["point"])
    assert (x - Fraction(1, 10)) ** 2 + (y - Fraction(7, 10)) ** 2 <= Fraction(36, 100)
    assert y <= x
    code, found = asked(capsys, model, "--ball", "0.1,0.1:0", "--label", "1", *asks)  # a tie, but at no float
    assert (code, found["verdict"]) == (3, "unknown")
    assert not found["point"]


def test_lipschitz_certifiers_take_such_balls(capsys, tmp_path) -> None:
    pytest.importorskip("flint")
    model = saved(tmp_path / "identity.onnx", IDENTITY)
    code, found = asked(capsys, model, "--ball", "0.1,0.7:0.4", "--verifier", "lipschitz")
    assert (code, found["verdict"]) == (0, "unsat")
    assert found["claims"][0]["asked"]["centre"] == ["1/10", "7/10"]


def test_a_certifier_that_allows_for_rounding_is_not_called_a_model(capsys, model) -> None:
    pytest.importorskip("flint")
    ball = ["--ball", "0.5,0.5:0.001", "--verifier", "lipschitz-sound"]
    assert main(["verify", "--network", model, *ball, "--arithmetic", "float32"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Bounds are computed for what float32 computes, with room for its rounding." in told
    assert "nothing is proved" not in told
    assert main(["verify", "--network", model, *ball]) == 2
    assert "ask for an arithmetic such as float32" in capsys.readouterr().err
