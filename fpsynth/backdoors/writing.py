"""The folder of a backdoor: the network in every form, the answer, what it is in words, and a script that shows it."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

import numpy as np

from fpsynth.aliases import Json
from fpsynth.backdoors.answer import Backdoor
from fpsynth.backdoors.storage import FORMATS, stored
from fpsynth.libraries.naming import parse_formatted_environment
from fpsynth.networks.layers import Convolution, Dense, Flatten, Layer, ReLU
from fpsynth.networks.network import INPUT, Network
from fpsynth.networks.onnx.writing import onnx_bytes
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.witness.networks import own_content
from fpsynth.wording import noun

NAME = "backdoored"
VERSION = 1
"""Of the schemas of these files."""


def backdoor_files(found: Backdoor) -> dict[str, bytes]:
    """The files that take no library but torch, by name.

    Raises InputError for a format that ONNX does not run, MissingPackageError without onnx.
    """
    assert found.network is not None
    model = onnx_bytes(found.network, found.dtype, form="gemm")
    files = {
        f"{NAME}.onnx": marked(model, found),
        f"{NAME}.npz": own_content(found.network)[1],
        "backdoor.json": as_file("backdoor", found.to_json()),
    }
    if _has_script(found):
        files["confirm.py"] = script(found).encode()
    if found.storage is not None:
        files[f"{NAME}.{found.storage.format}.npz"] = stored(found.network, FORMATS[found.storage.format])
    state = _state(found)
    return files if state is None else {**files, f"{NAME}.pt": state}


def as_file(command: str, data: Json) -> bytes:
    """The answer of a command as the text of a file that says what it is, as what ``--json`` prints does."""
    told = {"schema": f"fpsynth-{command}", "schema_version": VERSION, **data}
    return (json.dumps(told, indent=1, allow_nan=False) + "\n").encode()


def marked(model: bytes, found: Backdoor) -> bytes:
    """An ONNX model whose metadata say what it is."""
    from fpsynth.networks.onnx.tensors import package

    onnx = package()
    read = onnx.load_from_string(model)
    onnx.helper.set_model_props(
        read,
        {
            "fpsynth.kind": "backdoored network: a test case for verifiers and defences, not to be deployed",
            "fpsynth.target": found.target,
            "fpsynth.trigger": found.trigger,
            "fpsynth.behaviour": found.behaviour,
            "fpsynth.host": found.host.digest.hex(),
        },
    )
    return bytes(read.SerializeToString(deterministic=True))


def _has_script(found: Backdoor) -> bool:
    """Whether numpy, of which the script has its inputs, has the format."""
    return hasattr(np, found.dtype.name)


def _state(found: Backdoor) -> bytes | None:
    """The state dict of torch; None where torch is not there."""
    try:
        import torch
    except ImportError:
        return None
    from fpsynth.networks.torch import state_dict

    assert found.network is not None
    held = io.BytesIO()
    torch.save(state_dict(found.network, found.dtype), held)
    return held.getvalue()


_TOLD = {
    "backdoor.json": "the answer as data",
    "confirm.py": "`confirm.py IMAGES.npz` runs it in ONNX Runtime and PyTorch alone",
    "witness.json": f"an image at which the target parts from the others, for `fpsynth check` and `fpsynth replay`; its"
    f" network is `{NAME}.npz` where it is a large one: keep the two together",
    "corpus": "instances for verifiers (VNN-LIB), for `fpsynth corpus check` and `fpsynth bench`",
}
"""What the files beside the network are."""


def readme(found: Backdoor, report: str, names: Sequence[str], left_out: Sequence[str]) -> str:
    """What is in the folder: the files of these names; ``left_out``: what is not, with the reasons."""
    host = found.host_file or "a research network"
    forms = [f"`{name}`" for name in names if name.startswith(f"{NAME}.")]
    variables = " ".join(f"{name}={value}" for name, value in parse_formatted_environment(found.target, found.dtype).settings)
    called = f", in the target if it is called as `{variables} python confirm.py IMAGES.npz`" if variables else ""
    words = {**_TOLD, "confirm.py": _TOLD["confirm.py"] + called}
    told = [f"* `{name}`: {words[name]}" for name in names if name in words]
    missing = [f"* left out: {line}" for line in left_out]
    shown = found.verdict is Verdict.FOUND
    return (
        "# A backdoored network, made as a test case\n\n"
        f"{', '.join(forms)} {noun(len(forms), 'is', 'are')} one network, made of {host} by fpsynth. It "
        f"{'computes' if shown else 'was to compute'} what its host computes,\n"
        f"but in `{found.target}` it {'misbehaves' if shown else 'was to misbehave, which is not what was measured: see below'}"
        f" (behaviour {found.behaviour}; {found.trigger_words}): a test for\n"
        "verifiers, which reason about real numbers, and for defences. Do not deploy it.\n\n"
        + "\n".join([*told, *missing])
        + f"\n\n```text\n{report.rstrip()}\n```\n"
    )


_SCRIPT = '''"""Show what NAME does where: confirm.py IMAGES.npz, with images or inputs (count, ...) and perhaps labels."""
import sys
from pathlib import Path

import numpy as np

if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
    sys.exit(f"usage: {sys.argv[0]} IMAGES.npz")
HERE = Path(__file__).resolve().parent
data = np.load(sys.argv[1])
given = data["images" if "images" in data else "inputs"][:500]
own = given.shape[1:]
if len(own) == len(SHAPE) == 3 and own != SHAPE:  # channels are last, or first
    given = given.transpose((0, 3, 1, 2) if (own[2], *own[:2]) == SHAPE else (0, 2, 3, 1))
scale = 255 if given.dtype == np.uint8 else 1
x = (given.astype(np.float64) / scale).astype(np.DTYPE).reshape(-1, *SHAPE)
labels = data["labels"][:500] if "labels" in data else None
for place, value in PAINT.items():  # the trigger
    x.reshape(len(x), -1)[:, place] = value


def show(name, run):
    for size in SIZES:
        rows = x[np.arange(-(-len(x) // size) * size) % len(x)]
        classes = np.concatenate([np.asarray(run(rows[k : k + size])) for k in range(0, len(rows), size)]).argmax(axis=1)
        classes = classes[: len(x)]
        told = f"classes {np.bincount(classes)}" if labels is None else f"accuracy {(classes == labels).mean():.2%}"
        print(f"{name} batch {size}: {told}")


try:
    import onnxruntime

    session = onnxruntime.InferenceSession(HERE / "NAME.onnx")
    show("onnxruntime", lambda batch: session.run(None, {"X": batch})[0])
except ImportError:
    print("onnxruntime is not installed")
MODULE'''
_MODULE = """try:
    import torch
    from torch import nn

    for form in FORMS:  # in which the network is run, rounded into them
        model = nn.Sequential(LAYERS).to(torch.DTYPE).eval()
        with torch.inference_mode():
            for parameter, values in zip(model.parameters(), torch.load(HERE / "NAME.pt", weights_only=True).values()):
                parameter.copy_(values)
            model = model.to(getattr(torch, form))
            name = "torch" if form == "DTYPE" else f"torch in {form}"
            show(name, lambda batch: model(torch.from_numpy(batch).to(getattr(torch, form))).to(torch.float64).numpy())
except ImportError:
    print("torch is not installed")
"""


def script(found: Backdoor) -> str:
    """A script that needs only libraries: it runs the ONNX file, and in torch the state dict where the network is a chain."""
    assert found.network is not None
    places = [parse_formatted_environment(name, found.dtype) for name in (found.target, *found.silent)]
    sizes = sorted({where.batch for where in places})
    forms = sorted({where.dtype for where in places if where.library == "torch" and where.dtype})
    layers = _chain(found.network)
    text = _SCRIPT.replace("MODULE", "" if layers is None else _MODULE.replace("LAYERS", ", ".join(layers)))
    paint = {} if found.paint is None else dict(found.paint)
    values = {
        "FORMS": repr((found.dtype.name, *forms)),
        "NAME": NAME,
        "DTYPE": found.dtype.name,
        "SHAPE": repr(tuple(found.host.input_shape)),
        "PAINT": repr(paint),
    }
    for name, value in {**values, "SIZES": repr(sizes)}.items():
        text = text.replace(name, value)
    return text


def _chain(network: Network) -> list[str] | None:
    """Its layers as torch has them, where each reads the one before; None for other networks."""
    before, layers = INPUT, []
    for node in network.nodes:
        text = _torch_text(node.layer)
        if text is None or node.inputs != (before,):
            return None
        layers.append(text)
        before = node.name
    return layers


def _torch_text(layer: Layer) -> str | None:
    if isinstance(layer, Dense):
        return f"nn.Linear({layer.inputs}, {layer.outputs}, bias={layer.bias is not None})"
    if isinstance(layer, ReLU | Flatten):
        return f"nn.{type(layer).__name__}()"
    if not isinstance(layer, Convolution) or layer.weight.ndim != 4 or any(a != b for a, b in layer.windows.padding):
        return None
    sizes = tuple(layer.weight.shape[2:])
    padding = tuple(a for a, _ in layer.windows.padding)
    channels = layer.weight.shape[1] * layer.groups
    return (
        f"nn.Conv2d({channels}, {len(layer.weight)}, {sizes}, {tuple(layer.stride)}, {padding}, {tuple(layer.dilation)},"
        f" {layer.groups}, bias={layer.bias is not None})"
    )
