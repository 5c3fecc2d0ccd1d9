"""Models as torch, TensorFlow, Keras and scikit-learn write them (make_models.py): read as ONNX Runtime runs them."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from mutations import check, mutated_bytes
from rounding_bounds import outputs_and_bounds

from fpsynth.formats import FLOAT32, FLOAT64
from fpsynth.networks.layers import BatchNormalisation
from fpsynth.networks.onnx import import_onnx, onnx_bytes

pytest.importorskip("onnx")
FOLDER = Path(__file__).parent / "models"
NAMES = sorted(path.name for path in FOLDER.glob("*.onnx"))


def output_of(name: str) -> str | None:
    return "probabilities" if name == "sklearn_classifier.onnx" else None


def test_the_models_are_those_that_were_made() -> None:
    made = json.loads((FOLDER / "made.json").read_text())
    assert set(made) == {path.name for path in FOLDER.iterdir()} - {"made.json"}
    assert len(NAMES) >= 40
    assert max(path.stat().st_size for path in FOLDER.iterdir()) < 20_000


@pytest.mark.parametrize("name", NAMES)
def test_onnxruntime_computes_what_was_read(name: str) -> None:
    runtime = pytest.importorskip("onnxruntime")
    data = (FOLDER / name).read_bytes()
    read = import_onnx(data, output=output_of(name))
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    batch = 1 if given.shape[0] == 1 else 5
    dtype, unit = (np.float64, 2.0**-53) if read.format is FLOAT64 else (np.float32, 2.0**-24)
    points = np.random.default_rng(1).normal(size=(batch, *given.shape[1:])).astype(dtype)
    output = output_of(name) or session.get_outputs()[0].name
    (result,) = session.run([output], {given.name: points})
    values, bounds = outputs_and_bounds(read.network, points.reshape(batch, *read.network.input_shape), unit)
    assert result.size == values.size
    assert (np.abs(result.reshape(values.shape) - values) <= bounds).all()
    assert (bounds < 2e-3).all()  # as wide as this only behind a softmax


@pytest.mark.parametrize("name", NAMES)
def test_it_is_written_and_read_back(name: str) -> None:
    read = import_onnx((FOLDER / name).read_bytes(), output=output_of(name))
    assert import_onnx(onnx_bytes(read.network, read.format)).network == read.network


def test_a_batch_normalisation_stays_one() -> None:
    """Some exporters fold it into the layer before; what they leave, nothing here folds."""
    network = import_onnx((FOLDER / "torch_script_normalised.onnx").read_bytes()).network
    assert [type(node.layer) for node in network.nodes].count(BatchNormalisation) == 1


def test_what_is_left_out_is_said() -> None:
    read = import_onnx((FOLDER / "sklearn_regressor_float32.onnx").read_bytes())
    assert read.format is FLOAT32
    assert read.notes
    assert all("is left out: it changes no bits" in note for note in read.notes)


@pytest.mark.parametrize("name", ["torch_export_residual_open.onnx", "tf2onnx_residual_9.onnx", "torch_script_pooled.onnx"])
def test_damaged_models(name: str) -> None:
    whole = (FOLDER / name).read_bytes()

    def make(draw: random.Random) -> bytes:
        return mutated_bytes(whole, draw)

    check(f"onnx {name}", make, import_onnx)
