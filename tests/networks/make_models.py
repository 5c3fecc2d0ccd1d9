"""Makes the small models in tests/networks/models with the exporters of others, and says in made.json with which versions.

    python tests/networks/make_models.py [torch] [tensorflow] [keras] [sklearn]

needs torch with onnxscript, tf2onnx with tensorflow, keras, and skl2onnx; those that are missing are left out, saying so.
"""

from __future__ import annotations

import importlib.metadata
import io
import json
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
FOLDER = Path(__file__).parent / "models"
LARGEST = 20_000
MADE: dict[str, str] = {}


def keep(name: str, data: bytes, by: str) -> None:
    assert len(data) < LARGEST, (name, len(data))
    (FOLDER / name).write_bytes(data)
    MADE[name] = by


def version(*packages: str) -> str:
    return ", ".join(f"{package} {importlib.metadata.version(package)}" for package in packages)


def torch_networks() -> dict[str, tuple[Any, tuple[int, ...]]]:
    """Modules with numbers that torch draws, batch normalisations with statistics of their own, and their input's shape."""
    import torch
    from torch import nn

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4)
            self.second, self.skip, self.out = nn.Conv2d(4, 4, 3, padding=1, groups=2), nn.Conv2d(2, 4, 1), nn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            y = self.second(torch.relu(self.norm(self.first(x)))) + self.skip(x)
            return self.out(torch.relu(y).mean(dim=(2, 3)))

    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.out = nn.Linear(6, 4), nn.Linear(6, 3), nn.Linear(13, 2)

        def forward(self, x: Any) -> Any:
            return self.out(torch.cat([torch.relu(self.a(x)), torch.clamp(self.b(x), -0.5, 0.75), x], dim=1))

    class Views(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out = nn.Linear(24, 3)

        def forward(self, x: Any) -> Any:
            y = x.permute(0, 2, 3, 1).reshape(x.size(0), 4, -1).unsqueeze(1).squeeze(1)
            return self.out(y.transpose(1, 2).flatten(1))

    class Constants(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.tensor([0.25, -0.5, 1.0]).reshape(3, 1))
            self.register_buffer("deviation", torch.tensor([0.5, 3.0, 0.75]).reshape(3, 1))
            self.out = nn.Linear(12, 2)

        def forward(self, x: Any) -> Any:
            return self.out(((x - self.mean) / self.deviation * 2 + 0.125).flatten(1))

    torch.manual_seed(1)
    networks: dict[str, tuple[Any, tuple[int, ...]]] = {
        "mlp": (nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3)), (5,)),
        "no_bias": (nn.Sequential(nn.Linear(5, 4, bias=False), nn.ReLU(), nn.Linear(4, 2, bias=False)), (5,)),
        "rows": (nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), (2, 3)),
        "convolutional": (
            nn.Sequential(
                nn.Conv2d(1, 3, 3, stride=2, padding=1),
                nn.ReLU(),
                nn.Conv2d(3, 4, (2, 3), padding=(0, 1), dilation=(2, 1)),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(4 * 2 * 4, 5),
                nn.Dropout(0.5),
                nn.ReLU(),
                nn.Linear(5, 3),
            ),
            (1, 8, 8),
        ),
        "one_dimension": (
            nn.Sequential(nn.Conv1d(2, 4, 3, padding=1), nn.LeakyReLU(0.125), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(12, 2)),
            (2, 6),
        ),
        "pooled": (
            nn.Sequential(
                nn.Conv2d(2, 3, 3),
                nn.ReLU6(),
                nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True),
                nn.AvgPool2d(2, padding=1),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(3, 3),
                nn.Softmax(dim=1),
            ),
            (2, 9, 9),
        ),
        "average": (nn.Sequential(nn.AvgPool2d(3, 2, 1, count_include_pad=False), nn.Flatten(), nn.Linear(18, 2)), (2, 5, 5)),
        "normalised": (nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Hardtanh(-0.5, 0.5), nn.Linear(6, 3)), (4,)),
        "padded": (nn.Sequential(nn.ZeroPad2d((1, 2, 0, 1)), nn.ConstantPad2d(1, 0.5), nn.Conv2d(1, 2, 3)), (1, 4, 4)),
        "residual": (Residual(), (2, 5, 5)),
        "joined": (Joined(), (6,)),
        "views": (Views(), (2, 3, 4)),
        "constants": (Constants(), (3, 4)),
    }
    for module, _ in networks.values():
        for part in module.modules():
            if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d)):
                part.running_mean.uniform_(-1, 1)
                part.running_var.uniform_(0.25, 2)
                with torch.no_grad():
                    part.weight.uniform_(-1, 1)
                    part.bias.uniform_(-1, 1)
        module.eval()
    return networks


def make_torch() -> None:
    import torch

    for name, (module, shape) in torch_networks().items():
        point = torch.randn(1, *shape)
        for open_batch in (False, True):
            ends = {"input_names": ["x"], "output_names": ["y"]}
            axes: dict[str, Any] = {"dynamic_axes": {"x": {0: "batch"}, "y": {0: "batch"}}} if open_batch else {}
            suffix = "_open" if open_batch else ""
            exported(f"torch_script_{name}{suffix}.onnx", version("torch"), module, point, dynamo=False, **ends, **axes)
            shapes: dict[str, Any] = {"dynamic_shapes": ({0: torch.export.Dim("batch")},)} if open_batch else {}
            given = torch.cat([point, point]) if open_batch else point
            by = version("torch", "onnxscript")
            exported(f"torch_export_{name}{suffix}.onnx", by, module, given, dynamo=True, external_data=False, **ends, **shapes)


def exported(name: str, by: str, module: Any, point: Any, **options: Any) -> None:
    import onnx
    import torch

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        try:
            torch.onnx.export(module, (point,), str(path), verbose=False, **options)
        except Exception as error:
            print(f"{name}: torch does not export it: {str(error).splitlines()[0]}")
            return
        model = onnx.load(str(path))
    for node in model.graph.node:  # where in the source a node comes from: half of the file, and paths of this machine
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.metadata_props[:], model.metadata_props[:], model.graph.value_info[:]
    keep(name, model.SerializeToString(deterministic=True), by)


def keras_networks() -> dict[str, Any]:
    """Models of Keras with numbers that it draws."""
    import keras
    import numpy as np
    from keras import layers as la

    keras.utils.set_random_seed(1)

    def residual() -> Any:
        given = keras.Input((5, 5, 2))
        first = la.Conv2D(4, 3, padding="same", activation="relu", name="first")(given)
        normal = la.BatchNormalization(name="norm")(la.Conv2D(4, 3, padding="same", use_bias=False)(first))
        joined = la.Concatenate()([la.Add()([first, normal]), first])
        return keras.Model(given, la.Dense(3, activation="softmax")(la.GlobalAveragePooling2D()(la.ReLU()(joined))))

    networks = {
        "mlp": [keras.Input((5,)), la.Dense(4, activation="relu"), la.Dropout(0.5), la.Dense(3)],
        "convolutional": [
            keras.Input((7, 6, 1)),
            la.Conv2D(3, 3, strides=2, padding="same", activation="relu"),
            la.MaxPooling2D(2, padding="same"),
            la.DepthwiseConv2D(2, depth_multiplier=2),
            la.LeakyReLU(negative_slope=0.125),
            la.Flatten(),
            la.Dense(4),
            la.ReLU(),
            la.Dense(2),
        ],
        "one_dimension": [
            keras.Input((8, 2)),
            la.Conv1D(3, 3, dilation_rate=2, activation="relu"),
            la.AveragePooling1D(3, strides=2, padding="same"),
            la.BatchNormalization(),
            la.GlobalAveragePooling1D(),
            la.Dense(3, activation="softmax"),
        ],
        "scaled": [
            keras.Input((2, 3)),
            la.Rescaling(0.5, 0.25),
            la.Permute((2, 1)),
            la.Reshape((6,)),
            la.Dense(4),
            la.ReLU(max_value=1.5),
            la.Dense(2),
        ],
        "padded": [
            keras.Input((4, 4, 1)),
            la.ZeroPadding2D(((1, 0), (2, 1))),
            la.AveragePooling2D(2),
            la.Flatten(),
            la.Dense(2),
        ],
    }
    models = {name: keras.Sequential(parts, name=name) for name, parts in networks.items()}
    models["residual"] = residual()
    draw = np.random.default_rng(1)
    for model in models.values():
        model.set_weights(
            [
                draw.uniform(0.25, 1, w.shape).astype(w.dtype) * draw.choice([-1, 1] if "var" not in v.name else [1], w.shape)
                for w, v in zip(model.get_weights(), model.weights, strict=True)
            ]
        )
    return models


def make_keras() -> None:
    for name, model in keras_networks().items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            model.save(path)
            keep(f"{name}.keras", deflated(path), version("keras"))


def deflated(path: Path) -> bytes:
    """The archive with its members compressed, which Keras reads alike."""
    result = io.BytesIO()
    with zipfile.ZipFile(path) as given, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in given.namelist():
            archive.writestr(zipfile.ZipInfo(member, (2026, 1, 1, 0, 0, 0)), given.read(member), zipfile.ZIP_DEFLATED)
    return result.getvalue()


def make_tensorflow() -> None:
    import tensorflow as tf
    import tf2onnx

    for name, model in keras_networks().items():
        signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="x")]
        function = tf.function(lambda x, model=model: model(x, training=False), input_signature=signature)
        for opset in (9, 13, 18):
            try:
                proto, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=opset)
            except Exception as error:
                print(f"tf2onnx_{name}_{opset}: {str(error).splitlines()[0]}")
                continue
            keep(f"tf2onnx_{name}_{opset}.onnx", proto.SerializeToString(deterministic=True), version("tf2onnx", "tensorflow"))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            try:
                model.export(str(path), format="onnx", verbose=False)
            except Exception as error:
                print(f"keras_{name}: {str(error).splitlines()[0]}")
                continue
            keep(f"keras_{name}.onnx", path.read_bytes(), version("keras", "tf2onnx", "tensorflow"))


def make_sklearn() -> None:
    import numpy as np
    from skl2onnx import to_onnx
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    draw = np.random.default_rng(1)
    points = draw.normal(size=(60, 4)).astype(np.float32)
    classes, numbers = (points[:, 0] > points[:, 1]) + 1 * (points[:, 2] > 0), points @ draw.normal(size=(4, 2))
    for dtype in (np.float32, np.float64):
        given = points.astype(dtype)
        regressor = MLPRegressor(hidden_layer_sizes=(5, 3), max_iter=30, random_state=1).fit(given, numbers.astype(dtype))
        keep(f"sklearn_regressor_{dtype.__name__}.onnx", to_onnx(regressor, given[:1]).SerializeToString(), version("skl2onnx"))
    classifier = make_pipeline(StandardScaler(), MLPClassifier(hidden_layer_sizes=(5,), max_iter=30, random_state=1)).fit(
        points, classes
    )
    data = to_onnx(classifier, points[:1], options={"zipmap": False}).SerializeToString()
    keep("sklearn_classifier.onnx", data, version("skl2onnx"))


MAKERS: dict[str, Callable[[], None]] = {
    "torch": make_torch,
    "keras": make_keras,
    "tensorflow": make_tensorflow,
    "sklearn": make_sklearn,
}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for maker in sys.argv[1:] or MAKERS:
        try:
            MAKERS[maker]()
        except ImportError as error:
            print(f"{maker} is left out: {error}")
    place = FOLDER / "made.json"
    before = json.loads(place.read_text()) if place.exists() else {}
    place.write_text(json.dumps(dict(sorted((before | MADE).items())), indent=1) + "\n")
