"""Keras files are read as data, and as Keras computes them; code in them is never run."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mutations import check, mutated_bytes, mutated_json
from profiles import one_in
from rounding_bounds import outputs_and_bounds

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32
from fpsynth.networks.keras import read_keras
from fpsynth.networks.layers import BatchNormalisation, Transpose

h5py = pytest.importorskip("h5py")
FOLDER = Path(__file__).parent / "models"
NAMES = sorted(path.name for path in FOLDER.glob("*.keras"))


@pytest.mark.parametrize("name", one_in(2, NAMES))
def test_keras_computes_what_was_read(name: str) -> None:
    pytest.importorskip("tensorflow")
    keras = pytest.importorskip("keras")
    read = read_keras(FOLDER / name)
    assert read.format is FLOAT32
    points = np.random.default_rng(1).normal(size=(4, *read.network.input_shape)).astype(np.float32)
    values, bounds = outputs_and_bounds(read.network, points)
    result = np.asarray(keras.models.load_model(FOLDER / name)(points, training=False))
    assert (np.abs(result - values) <= bounds).all()


def test_nothing_is_folded_and_transposes_undo_each_other() -> None:
    layers = [node.layer for node in read_keras(FOLDER / "residual.keras").network.nodes]
    assert sum(isinstance(layer, BatchNormalisation) for layer in layers) == 1
    assert sum(isinstance(layer, Transpose) for layer in layers) == 4
    assert read_keras(FOLDER / "mlp.keras").notes == ("Dropout 'dropout' is left out: it changes no bits",)


def changed(path: Path, change: Callable[[Any], None], name: str = "mlp.keras") -> Path:
    """A model whose config.json is changed."""
    with zipfile.ZipFile(FOLDER / name) as given:
        members = {member: given.read(member) for member in given.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    return archive(path, members | {"config.json": json.dumps(config).encode()})


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as written:
        for member, data in members.items():
            written.writestr(member, data)
    return path


def setting(place: int, **values: Any) -> Callable[[Any], None]:
    """Changes what config.json says of a layer of a Sequential model."""

    def change(config: Any) -> None:
        layer = config["config"]["layers"][place]
        for name, value in values.items():
            (layer if name in ("class_name", "module", "registered_name") else layer["config"])[name] = value

    return change


REFUSED: dict[str, tuple[Callable[[Any], None], str]] = {
    "lambda": (setting(1, class_name="Lambda"), "the layer 'dense' .Lambda.: it is code of its own, which fpsynth never runs"),
    "custom": (setting(1, module="mine", registered_name="mine>Dense"), "it is code of its own"),
    "gelu": (setting(1, activation="gelu"), "its activation is gelu; read are linear, relu"),
    "a function": (setting(1, activation={"class_name": "function"}), "its activation is "),
    "other layer": (setting(1, class_name="GRU"), "no layer of fpsynth is that; read are Activation, "),
    "a model inside": (setting(1, class_name="Sequential"), "a model inside a model is not read"),
    "half": (setting(1, dtype="float16"), "it computes in float16: save the model with float32 weights"),
    "quantised": (setting(1, dtype={"config": {"name": "int8_from_float32"}}), "it computes in int8_from_float32; read are"),
    "open shape": (setting(0, batch_shape=[None, None]), "all but the batch must be fixed"),
    "no bias": (setting(1, use_bias=False), "it has 2 arrays of weights, not 1"),
    "subclass": (lambda config: config.update(class_name="MyModel"), "it is a MyModel, not Sequential or Functional"),
    "normalization": (setting(1, class_name="Normalization"), "divides by the root of a variance"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_read_is_one_line(what: str, tmp_path: Path) -> None:
    change, reason = REFUSED[what]
    with pytest.raises(InputError, match=reason) as caught:
        read_keras(changed(tmp_path / "bad.keras", change))
    assert "bad.keras: " in str(caught.value)
    assert str(caught.value).isprintable()


def weights(make: Callable[[Any], None]) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        make(file)
    return buffer.getvalue()


def linked(file: Any) -> None:
    file["layers/dense/vars/0"] = np.zeros((5, 4), np.float32)
    file["layers/dense/vars/1"] = h5py.ExternalLink("/etc/passwd", "/x")


def elsewhere(file: Any) -> None:
    file.require_group("layers/dense/vars").create_dataset("0", (5, 4), "f4", external=[("/etc/passwd", 0, 80)])


def packed(file: Any) -> None:
    file.require_group("layers/dense/vars").create_dataset("0", data=np.zeros((5, 4), "f4"), compression="gzip")


def huge(file: Any) -> None:
    file.require_group("layers/dense/vars").create_dataset("0", (10**6, 10**6), "f4")


def hollow(file: Any) -> None:
    file.require_group("layers/dense/vars").create_dataset("0", (5000, 4000), "f4", chunks=(10, 10))


def not_finite(file: Any) -> None:
    file["layers/dense/vars/0"] = np.full((5, 4), np.nan, np.float32)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (linked, "links to elsewhere"),
        (elsewhere, "what is no plain array"),
        (packed, "what is no plain array"),
        (huge, "what is no plain array"),
        (hollow, "is cut off"),
        (not_finite, "infinities or NaN"),
        (lambda file: None, "it has 0 arrays of weights, not 2"),
    ],
)
def test_weights_are_plain_arrays_in_the_file(make: Callable[[Any], None], reason: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(FOLDER / "mlp.keras") as given:
        config = given.read("config.json")
    path = archive(tmp_path / "bad.keras", {"config.json": config, "model.weights.h5": weights(make)})
    with pytest.raises(InputError, match=reason):
        read_keras(path)


@pytest.mark.parametrize("name", ["mlp.keras", "residual.keras"])
def test_damaged_configurations(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(FOLDER / name) as given:
        members = {member: given.read(member) for member in given.namelist()}
    config = json.loads(members["config.json"])

    def make(draw: random.Random) -> Path:
        text = mutated_json(config, draw).encode("utf-8", "surrogatepass")
        return archive(tmp_path / "damaged.keras", members | {"config.json": text})

    check(f"config of {name}", make, read_keras)


def test_damaged_weights(tmp_path: Path) -> None:
    with zipfile.ZipFile(FOLDER / "mlp.keras") as given:
        members = {member: given.read(member) for member in given.namelist()}

    def make(draw: random.Random) -> Path:
        data = mutated_bytes(members["model.weights.h5"], draw)
        return archive(tmp_path / "damaged.keras", members | {"model.weights.h5": data})

    check("weights", make, read_keras)
