"""``fpsynth verify --arithmetic sound:ENVIRONMENT``: what is said of a library is what that library computes."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fpsynth.cli.main import main
from fpsynth.formats import FLOAT32
from fpsynth.networks.layers import ReLU
from fpsynth.networks.network import Dense, Network, Node, dense_relu
from fpsynth.networks.onnx.writing import onnx_bytes
from fpsynth.verifiers.properties import Property
from fpsynth.verifiers.vnnlib import load_vnnlib

onnxruntime = pytest.importorskip("onnxruntime")

SWALLOWED = 2.0**26
FLOATS = 40
"""Of a box."""


def ordered(unit: float) -> Network:
    """Over the reals the second output is 4 x - 2 and above the first from 1/2 on; where a sum swallows x it is -2."""
    return dense_relu(
        [
            Dense([[1.0], [1.0], [0.0], [1.0]], [0.0, 0.0, unit, 0.0]),
            Dense([[0.0, -SWALLOWED, 1.0, SWALLOWED]], [0.0]),
            Dense([[0.0], [4.0]], [0.0, -2.0]),
        ]
    )


def tied() -> Network:
    """The published tie: the larger weight is above by one unit in the last place, which some products lose."""
    return dense_relu([Dense([[0.9890594482421875], [0.989059507846832275390625]])])


def computed(model: Path, numbers: list[np.float32]) -> list[list[float]]:
    """What ONNX Runtime makes of each number, one by one."""
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return [session.run(None, {"X": np.array([[x]], np.float32)})[0].reshape(-1).tolist() for x in numbers]


def between(low: float) -> list[np.float32]:
    numbers = [np.float32(low)]
    while len(numbers) < FLOATS:
        numbers.append(np.nextafter(numbers[-1], np.float32(9)))
    return numbers


CASES = {
    "swallowed": (ordered(1.0), 0.75),
    "kept": (ordered(16.0), 0.75),
    "tied": (tied(), 0.157976210117340087890625),
    "between ties": (tied(), 1.0),
}


@pytest.mark.parametrize("case", CASES)
def test_the_verdict_is_that_of_all_floats_of_the_box(capsys, tmp_path, case) -> None:
    network, low = CASES[case]
    model, query = tmp_path / "model.onnx", tmp_path / "query.vnnlib"
    model.write_bytes(onnx_bytes(network, FLOAT32, form="gemm", batch=1))
    numbers = between(low)
    ends = [format(Decimal(float(x)), "f") for x in (numbers[0], numbers[-1])]
    query.write_text(
        "(declare-const X_0 Real)(declare-const Y_0 Real)(declare-const Y_1 Real)"
        f"(assert (>= X_0 {ends[0]}))(assert (<= X_0 {ends[1]}))(assert (<= Y_1 Y_0))"
    )
    ((_, unsafe),) = load_vnnlib(query).boxes
    outputs = computed(model, numbers)
    wanted = "sat" if any(map(unsafe.violated, outputs)) else "unsat"
    asks = ["verify", "--network", str(model), "--property", str(query), "--verifier", "bab", "--json"]
    code = main([*asks, "--arithmetic", "sound:onnxruntime:batch=1"])
    found = json.loads(capsys.readouterr().out)
    assert (code, found["verdict"]) == (0, wanted), found["reason"]
    assert found["environment"] == "onnxruntime:batch=1"
    assert found["explained"] == found["of"] > 0
    require_unsafe(model, unsafe, found["point"], numbers)
    assert main([*asks, "--arithmetic", "real"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "unsat"


def require_unsafe(model: Path, unsafe: Property, point: list[str], numbers: list[np.float32]) -> None:
    """Fail where a point is none of the box, or the library finds it safe."""
    for text in point:
        x = float.fromhex(text)
        assert any(Fraction(float(number)) == Fraction(x) for number in numbers)
        assert unsafe.violated(computed(model, [np.float32(x)])[0])


def test_the_cases_are_not_all_alike(tmp_path) -> None:
    """What ONNX Runtime computes differs from the reals in one of them at least: else nothing is tested here."""
    tied_ones = 0
    for network, low in CASES.values():
        model = tmp_path / "model.onnx"
        model.write_bytes(onnx_bytes(network, FLOAT32, form="gemm", batch=1))
        tied_ones += any(first >= second for first, second in computed(model, between(low)))
    assert 0 < tied_ones < len(CASES)


def test_a_network_that_adds_nothing_up_has_no_arithmetic_in_one_line(capsys, tmp_path) -> None:
    model = tmp_path / "relu.onnx"
    model.write_bytes(onnx_bytes(Network((Node("relu", ReLU()),), (2,), "relu"), FLOAT32))
    asks = ["verify", "--network", str(model), "--box", "0:1,0:1", "--label", "0"]
    assert main([*asks, "--arithmetic", "sound:onnxruntime:batch=1"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    assert "no layer of the network adds anything up" in line
