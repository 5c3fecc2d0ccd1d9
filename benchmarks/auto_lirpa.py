"""Bounds of auto_LiRPA and of fpsynth on the same images: how far apart they are, and how long each takes.

python -m benchmarks.auto_lirpa --checkout FOLDER [--images N] [--network NAMES] [--data FOLDER] [--out FOLDER]

prints a table and writes auto_lirpa.json and auto_lirpa.txt.  IBP and CROWN bounds of every logit around the first images of
MNIST's test set, at L-infinity 0.1, in one process: the difference is relative to the largest bound of an image.  auto_LiRPA is
in no package index: without a checkout of it, or what it needs, nothing is measured, in one line.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import RESULTS, aligned, conditions, keep, machine
from benchmarks.given_networks import DATA, NETWORKS, images
from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.networks.layers import Convolution, Dense, Flatten, ReLU
from fpsynth.networks.network import Network
from fpsynth.synthesis.verifying.asked import around_image
from fpsynth.verifiers.claims import Box
from fpsynth.verifiers.external.checkouts import commit, from_checkout
from fpsynth.verifiers.relaxations.bounding import BOUNDINGS
from fpsynth.verifiers.relaxations.crown import analysed
from fpsynth.verifiers.relaxations.lines import Selecting
from fpsynth.verifiers.relaxations.prepared import PreparedNetwork, prepared
from fpsynth.verifiers.relaxations.reasoning import NEAREST32, NEAREST64, REAL, Reasoning
from fpsynth.verifiers.relaxations.region import inputs_of

RADIUS = "0.1"
SHOWN = ("wk17a_mnist", "relu_stable_mnist")
SAME_ENDS = "CROWN of the same ends"
METHODS = {"IBP": "ibp", "CROWN": "crown", SAME_ENDS: "crown"}
"""auto_LiRPA's name of each, and fpsynth's.  auto_LiRPA takes the ends of hidden numbers that substitution gives, fpsynth the
closer of those and of intervals: the third row gives auto_LiRPA fpsynth's, and compares the last substitution alone."""
EXPLAINED = (
    "difference: the largest of two bounds of a logit, relative to the largest bound of the image; seconds: median of an image",
    "CROWN: fpsynth keeps the closer ends of intervals and substitution for hidden numbers, auto_LiRPA those of substitution",
    "CROWN of the same ends: auto_LiRPA is given fpsynth's for hidden numbers",
)
ARITHMETICS: dict[str, tuple[Reasoning, str]] = {
    "float32": (NEAREST32, "float32"),
    "float64": (NEAREST64, "float64"),
    "real": (REAL, "float64"),
}
"""What fpsynth computes, and in which type auto_LiRPA does: real is float64, rounded outward here and to nearest there."""


def main() -> None:
    """Bound, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.auto_lirpa", description=__doc__.partition("\n")[0])
    parser.add_argument("--checkout", type=Path, help="of auto_LiRPA")
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--network", default=",".join(SHOWN))
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    try:
        library = loaded(arguments.checkout)
    except InputError as error:
        print(f"auto_LiRPA is left out: {error}")
        return
    said = conditions(("numpy", "scipy", "torch"))
    rows: list[dict[str, Any]] = []
    for name in arguments.network.split(","):
        try:
            network, (points, _) = NETWORKS[name](arguments.data), images(arguments.data, arguments.images)
        except InputError as error:
            print(f"{name}: left out, {error}", file=sys.stderr)
            continue
        rows += [row for arithmetic in ARITHMETICS for row in measured(library, name, network, points, arithmetic)]
    header = ["network", "bounds", "arithmetic", "images", "difference", "fpsynth s", "auto_LiRPA s", "ratio"]
    version = f"auto_LiRPA {library.__version__} {commit(arguments.checkout)}".strip()
    text = "\n".join([*aligned([header, *map(row_text, rows)]), "", *EXPLAINED, "", f"{version}; {machine(said)}"]) + "\n"
    print(text)
    keep(arguments.out, "auto_lirpa", {"conditions": said, "auto_LiRPA": version, "rows": rows}, text)


def loaded(checkout: Path | None) -> Any:
    """The package.  Raises InputError, one line, where there is no checkout or it cannot be imported."""
    if checkout is None:
        raise InputError("name a checkout of it by --checkout FOLDER")
    from_checkout("auto-lirpa", checkout)  # which says what is no checkout
    sys.path.insert(0, str(checkout))
    try:
        import auto_LiRPA  # type: ignore[import-not-found]
    except ImportError as error:
        raise InputError(f"it cannot be imported: {error}") from None
    return auto_LiRPA


def measured(library: Any, name: str, network: Network, points: Floats, arithmetic: str) -> list[dict[str, Any]]:
    """A row for each method."""
    reasoning, dtype = ARITHMETICS[arithmetic]
    own, theirs = prepared(network, reasoning), bounded_module(library, network, dtype)
    rows = []
    for method, bounding in METHODS.items():
        differences, seconds = [], ([], [])  # type: tuple[list[float], tuple[list[float], list[float]]]
        for point in points:
            region, _ = around_image(point.tolist(), Fraction(RADIUS), "linf", None)
            assert isinstance(region, Box)
            started = time.perf_counter()
            first = own_bounds(own, region, bounding)
            between = time.perf_counter()
            known = hidden_ends(own, theirs, region) if method == SAME_ENDS else {}
            begun = time.perf_counter()
            second = their_bounds(library, theirs, network, region, method.partition(" ")[0], dtype, known)
            for times, passed in zip(seconds, (between - started, time.perf_counter() - begun), strict=True):
                times.append(passed)
            differences.append(difference(first, second))
        rows.append(
            {
                "network": name,
                "method": method,
                "arithmetic": arithmetic,
                "images": len(points),
                "differences": differences,
                "seconds": {"fpsynth": seconds[0], "auto_LiRPA": seconds[1]},
            }
        )
    return rows


def own_bounds(network: PreparedNetwork, region: Box, name: str) -> Floats:
    """fpsynth's (2, logits): lower and upper ones."""
    eye = np.eye(network.outputs)
    with np.errstate(all="ignore"):
        least = BOUNDINGS[name](network, inputs_of(region, network.reasoning), np.concatenate([eye, -eye])).least
    return np.array([least[: network.outputs], -least[network.outputs :]], np.float64)


def hidden_ends(network: PreparedNetwork, module: Any, region: Box) -> dict[str, Any]:
    """What fpsynth knows of the inputs of ReLUs, by auto_LiRPA's names of the nodes."""
    import torch

    with np.errstate(all="ignore"):
        found = analysed(network, inputs_of(region, network.reasoning)).found
    own = [layer.sources[0] for layer in network.layers if isinstance(layer.made, Selecting)]
    nodes = [node.inputs[0] for node in module.nodes() if type(node).__name__ == "BoundRelu"]
    return {
        node.name: [torch.tensor(end).reshape((1, *node.output_shape[1:])) for end in (found[name].lower, found[name].upper)]
        for name, node in zip(own, nodes, strict=True)
    }


def their_bounds(
    library: Any, module: Any, network: Network, region: Box, method: str, dtype: str, known: Mapping[str, Any] | None = None
) -> Floats:
    """auto_LiRPA's; ``known``: ends of hidden numbers that it takes for its own."""
    import torch

    shape = (1, *network.input_shape)
    lower, upper = (torch.tensor(end, dtype=getattr(torch, dtype)).reshape(shape) for end in (region.lower, region.upper))
    box = library.PerturbationLpNorm(norm=float("inf"), x_L=lower, x_U=upper)
    given = {"interm_bounds": known} if known else {}
    with torch.no_grad():
        ends = module.compute_bounds(x=(library.BoundedTensor((lower + upper) / 2, box),), method=method, **given)
    return np.array([end.detach().double().numpy().reshape(-1) for end in ends])


def difference(first: Floats, second: Floats) -> float:
    """The largest difference of two arrays of bounds, relative to the largest bound."""
    return float(np.abs(first - second).max() / np.abs(second).max())


def bounded_module(library: Any, network: Network, dtype: str) -> Any:
    """The network as auto_LiRPA bounds it."""
    import torch

    module = torch_module(network).to(getattr(torch, dtype))
    return library.BoundedModule(module, torch.zeros((1, *network.input_shape), dtype=getattr(torch, dtype)), device="cpu")


def torch_module(network: Network) -> Any:
    """A chain of convolutions, dense layers, ReLUs and what lies between them as a torch.nn.Sequential, in float64.

    Raises InputError for other layers.
    """
    import torch

    parts: list[Any] = []
    for node in network.logits.nodes:
        match node.layer:
            case Dense() as layer:
                own = torch.nn.Linear(layer.inputs, layer.outputs, bias=layer.bias is not None)
                parts.append(filled(own, layer.weight, layer.bias))
            case Convolution() as layer if len(layer.weight.shape) == 4:
                parts.append(convolution(layer))
            case ReLU():
                parts.append(torch.nn.ReLU())
            case Flatten():
                parts.append(torch.nn.Flatten())
            case layer:
                raise InputError(f"{node.name}, a {layer.kind}, is not written for auto_LiRPA")
    return torch.nn.Sequential(*parts).double().eval()


def convolution(layer: Convolution) -> Any:
    """With as much padding on both sides, which auto_LiRPA bounds: kernels get zeros where the layer pads less.

    Raises InputError where it would have to for dilated kernels.
    """
    import torch

    outputs, inputs, *_ = layer.weight.shape
    most = [max(pair) for pair in layer.padding]
    room = [(wide - before, wide - after) for wide, (before, after) in zip(most, layer.padding, strict=True)]
    if any(map(any, room)) and any(step != 1 for step in layer.dilation):
        raise InputError("a dilated convolution with uneven padding is not written for auto_LiRPA")
    weight = np.pad(np.array(layer.weight, np.float64), ((0, 0), (0, 0), *room))
    own = torch.nn.Conv2d(
        inputs * layer.groups,
        outputs,
        weight.shape[2:],
        stride=layer.stride,
        padding=tuple(most),
        dilation=layer.dilation,
        groups=layer.groups,
        bias=layer.bias is not None,
    )
    return filled(own, weight, layer.bias)


def filled(module: Any, weight: Floats, bias: Floats | None) -> Any:
    """With these numbers."""
    import torch

    module.double()
    with torch.no_grad():
        module.weight.copy_(torch.tensor(np.array(weight, np.float64)))
        if bias is not None:
            module.bias.copy_(torch.tensor(np.array(bias, np.float64)))
    return module


def row_text(row: dict[str, Any]) -> list[str]:
    """A row of the table."""
    own, theirs = (statistics.median(row["seconds"][name]) for name in ("fpsynth", "auto_LiRPA"))
    count, most = str(row["images"]), max(row["differences"])
    times = ["", "", ""] if row["method"] == SAME_ENDS else [f"{own:.3g}", f"{theirs:.3g}", f"{own / theirs:.2f}"]
    return [row["network"], row["method"], row["arithmetic"], count, f"{most:.1e}", *times]


if __name__ == "__main__":
    main()
