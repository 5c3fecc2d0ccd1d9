"""For ``library_checks``: holds layer types, graphs and kernels of layers of a library against references."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fpsynth.evaluators.float64 import float64_outputs
from fpsynth.formats import FORMATS, Format
from fpsynth.libraries.base import CannotRun, Library
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.libraries.layer_shapes import layer_shape
from fpsynth.libraries.operands import narrowed, widened
from fpsynth.libraries.registry import library_named
from fpsynth.networks import layers as kinds
from fpsynth.networks.layers import Layer, Sums
from fpsynth.networks.layers.structure import PADDING
from fpsynth.networks.network import INPUT, Network, Node

BATCHES = (1, 3)
ALL = sys.argv[2:] == ["all"]
QUICK = (
    "dense",
    "conv padded",
    "conv strided",
    "conv dilated",
    "conv grouped",
    "conv line",
    "average padded",
    "average ceil",
    "global average",
    "affine",
    "add constants",
)
"""What is looked at in numbers that are rounded, unless everything is asked for."""
ONE_TABLE = ("jax",)
"""Libraries whose variants call the same functions for a layer, compiled one by one or together."""
DRAW = np.random.default_rng(5)


def integers(*shape: int) -> Any:
    """Small ones: no sum of their products is rounded, in no format."""
    return DRAW.integers(-2, 3, shape).astype(np.float64)


def layer_cases() -> dict[str, tuple[Layer, tuple[int, ...]]]:
    """Every layer type by name, with the attributes that change what a library does, and an input's shape."""
    conv, flat = kinds.Convolution, (2, 6, 5)
    pool, most = kinds.AveragePooling, kinds.MaxPooling
    found: dict[str, tuple[Layer, tuple[int, ...]]] = {
        "dense": (kinds.Dense(integers(3, 6), integers(3)), (6,)),
        "dense without bias": (kinds.Dense(integers(3, 6)), (6,)),
        "dense of rows": (kinds.Dense(integers(3, 5), integers(3)), (2, 5)),
        "conv": (conv(integers(4, 2, 3, 3), integers(4)), flat),
        "conv without bias": (conv(integers(4, 2, 1, 1)), flat),
        "conv padded": (conv(integers(4, 2, 3, 3), integers(4), padding=1), flat),
        "conv strided": (conv(integers(4, 2, 3, 2), integers(4), stride=2, padding=((1, 1), (0, 0))), flat),
        "conv strides": (conv(integers(4, 2, 3, 2), integers(4), stride=(2, 1)), flat),
        "conv uneven": (conv(integers(4, 2, 3, 3), integers(4), padding=((0, 1), (2, 0))), flat),
        "conv dilated": (conv(integers(4, 2, 2, 2), integers(4), dilation=(2, 3)), flat),
        "conv grouped": (conv(integers(4, 2, 2, 2), integers(4), groups=2, padding=1), (4, 6, 5)),
        "conv depthwise": (conv(integers(4, 1, 3, 3), integers(4), groups=2, stride=2, padding=1), flat),
        "conv depthwise strides": (conv(integers(2, 1, 3, 3), groups=2, stride=(2, 1)), flat),
        "conv dilated strided": (conv(integers(4, 2, 2, 2), dilation=2, stride=2), flat),
        "conv line": (conv(integers(4, 2, 3), integers(4), padding=1), (2, 7)),
        "conv line strided": (conv(integers(4, 2, 3), integers(4), stride=2, padding=((0, 1),)), (2, 7)),
        "conv line depthwise": (conv(integers(4, 1, 3), integers(4), groups=2, padding=1), (2, 7)),
        "conv line dilated": (conv(integers(4, 2, 3), dilation=2), (2, 7)),
        "batch normalisation": (kinds.BatchNormalisation(integers(2), [3.75, 0.75], integers(2), integers(2), 0.25), flat),
        "batch normalisation of numbers": (
            kinds.BatchNormalisation(integers(2), [0.75, 3.75], integers(2), integers(2), 0.25),
            (2,),
        ),
        "affine": (kinds.Affine(integers(2), integers(2)), flat),
        "affine of numbers": (kinds.Affine(integers(2), integers(2)), (2,)),
        "average": (pool((2, 2)), flat),
        "average overlapping": (pool((2, 4), (1, 1)), flat),
        "average padded": (pool((4, 2), (2, 1), ((1, 1), (1, 1))), flat),
        "average padded, not counted": (pool((2, 2), (2, 2), ((1, 1), (0, 0)), count_padding=False), (2, 4, 4)),
        "average same": (pool((2, 2), (2, 2), ((0, 0), (0, 1)), count_padding=False), flat),
        "average ceil": (pool((2, 2), (2, 2), ceil=True), flat),
        "average ceil, not counted": (pool((2, 2), (2, 2), ceil=True, count_padding=False), flat),
        "average uneven": (pool((2, 2), (1, 1), ((0, 1), (1, 0))), flat),
        "average line": (pool((2,), (1,)), (2, 7)),
        "average line same": (pool((2,), (2,), ((0, 1),), count_padding=False), (2, 7)),
        "global average": (kinds.GlobalAveragePooling(), (2, 4, 4)),
        "global average without axes": (kinds.GlobalAveragePooling(keep_axes=False), (2, 4, 4)),
        "global average of a line": (kinds.GlobalAveragePooling(), (2, 8)),
        "maximum": (most((2, 2)), flat),
        "maximum padded": (most((3, 3), (2, 2), 1), flat),
        "maximum overlapping": (most((3, 2), (1, 1)), flat),
        "maximum ceil": (most((2, 2), ceil=True), flat),
        "maximum uneven": (most((2, 2), (1, 1), ((0, 1), (1, 0))), flat),
        "maximum line": (most((3,), (2,), 1), (2, 7)),
        "add constant": (kinds.AddConstant(integers(5)), flat),
        "add constants": (kinds.AddConstant(integers(2, 6, 5)), flat),
        "subtract constants": (kinds.SubtractConstant(integers(2, 6, 5)), flat),
        "subtract constant": (kinds.SubtractConstant(integers(2, 1, 1)), flat),
        "subtract from constant": (kinds.SubtractConstant(integers(2, 6, 5), turned=True), flat),
        "multiply constant": (kinds.MultiplyConstant(integers(1, 6, 1)), flat),
        "divide constant": (kinds.DivideConstant(2.0 ** integers(2, 6, 5)), flat),
        "relu": (kinds.ReLU(), flat),
        "leaky relu": (kinds.LeakyReLU(0.25), flat),
        "clip": (kinds.Clip(-1.0, 1.0), flat),
        "clip below": (kinds.Clip(lower=-1.0), flat),
        "clip above": (kinds.Clip(upper=1.0), flat),
        "relu 1": (kinds.Clip(0.0, 1.0), flat),
        "flatten": (kinds.Flatten(), flat),
        "reshape": (kinds.Reshape((3, -1, 4)), (2, 6, 5)),
        "transpose": (kinds.Transpose((2, 0, 1)), flat),
        "pad": (kinds.Pad(((0, 0), (1, 0), (2, 1))), flat),
        "pad what may be channels": (kinds.Pad(((1, 0), (2, 1), (0, 0))), flat),
        "pad with a number": (kinds.Pad(((1, 0), (1, 0), (2, 1)), 3.0), flat),
    }
    return found


def cases() -> dict[str, Network]:
    """A network of one layer for each of ``layer_cases``, and small ones with several inputs and an end."""
    found = {name: Network((Node("one", layer),), shape, "one") for name, (layer, shape) in layer_cases().items()}
    x = kinds.ReLU()
    two = (Node("two", x),)
    found["add"] = Network((*two, Node("one", kinds.Add(), (INPUT, "two"))), (2, 3), "one")
    found["add itself"] = Network((Node("one", kinds.Add(), (INPUT, INPUT)),), (2, 3), "one")
    found["add three"] = Network((*two, Node("one", kinds.Add(), ("two", INPUT, INPUT))), (2, 3), "one")
    found["concat"] = Network((*two, Node("one", kinds.Concat(0), (INPUT, "two"))), (2, 3), "one")
    found["concat last"] = Network((*two, Node("one", kinds.Concat(1), (INPUT, "two", INPUT))), (2, 3), "one")
    found["concat one"] = Network((Node("one", kinds.Concat(1)),), (2, 3), "one")
    for kind in (kinds.Argmax(), kinds.Softmax()):
        dense = Node("one", kinds.Dense(integers(3, 4)))
        found[kind.kind] = Network((dense, Node("end", kind, ("one",))), (4,), "end")
    return found


def residual(seed: int) -> Network:
    """A random graph of convolutions, pooling, residual additions and concatenations, with small integers as its numbers."""
    draw = np.random.default_rng(seed)

    def conv(inputs: int, outputs: int) -> Layer:
        weight = draw.integers(-1, 2, (outputs, inputs, 3, 3)).astype(np.float64)
        return kinds.Convolution(weight, draw.integers(-2, 3, outputs).astype(np.float64), padding=1)

    nodes, last, channels = [Node("stem", conv(2, 4))], "stem", 4
    for block in range(3):
        inner, joined = f"conv{block}", f"join{block}"
        nodes += [Node(f"relu{block}", kinds.ReLU(), (last,)), Node(inner, conv(channels, channels), (f"relu{block}",))]
        if draw.random() < 0.5:
            nodes.append(Node(joined, kinds.Add(), (inner, last) if draw.random() < 0.5 else (last, inner)))
        else:
            nodes.append(Node(joined, kinds.Concat(0), (inner, last)))
            channels *= 2
        last = joined
    dense = draw.integers(-1, 2, (3, channels * 4)).astype(np.float64)
    nodes += [
        Node("pool", kinds.MaxPooling((2, 2)), (last,)),
        Node("flat", kinds.Flatten(), ("pool",)),
        Node("head", kinds.Dense(dense, draw.integers(-2, 3, 3).astype(np.float64)), ("flat",)),
    ]
    return Network(tuple(nodes), (2, 4, 4), "head")


def wrong(
    library: Library,
    network: Network,
    dtype: Format,
    variant: str,
    points: Any,
    allowed: Any = 0.0,
    batches: Sequence[int] = BATCHES,
) -> str:
    """Why a variant does not give the reference's logits for these points, in batches of each size; empty where it does."""
    expected = float64_outputs(network.logits, points.reshape(-1, *network.input_shape)).reshape(len(points), -1)
    for batch in batches:
        try:
            outputs = library.run(network, points[:batch].tolist(), dtype, variant)
        except CannotRun as reason:
            return f"not run: {reason}"
        logits = np.array(outputs.logits)
        if logits.shape != expected[:batch].shape:
            return f"batch {batch}: {logits.shape}, not {expected[:batch].shape}"
        if not (np.abs(logits - expected[:batch]) <= np.broadcast_to(allowed, expected.shape)[:batch]).all():
            return f"batch {batch}: {logits.tolist()}, not {expected[:batch].tolist()}"
        if outputs.classes != tuple(logits.argmax(axis=1).tolist()):
            return f"batch {batch}: classes {outputs.classes}"
    return ""


def exact(library: Library, dtype: Format) -> Iterator[tuple[str, str]]:
    """Every case where nothing is rounded, and what is wrong with it."""
    for number, (name, network) in enumerate(cases().items()):
        points = integers(max(BATCHES), int(np.prod(network.input_shape)))
        for variant in variants_in_turn(library, number):
            yield f"{variant}: {name}", wrong(library, network, dtype, variant, points, batches=BATCHES if ALL else BATCHES[1:])


def variants_in_turn(library: Library, number: int) -> tuple[str, ...]:
    """All of them, or one after the other where one table serves them, unless everything is asked for."""
    variants = library.variants
    return (variants[number % len(variants)],) if library.name in ONE_TABLE and not ALL else variants


def in_turn(number: int) -> Sequence[int]:
    """Sizes of batches: one after the other, unless everything is asked for."""
    return BATCHES if ALL else (BATCHES[number % len(BATCHES)],)


def graphs(library: Library, dtype: Format) -> Iterator[tuple[str, str]]:
    """Random graphs of integers, and what is wrong with them."""
    for seed in range(3):
        network = residual(seed)
        points = integers(max(BATCHES), int(np.prod(network.input_shape)))
        for variant in variants_in_turn(library, seed):
            yield f"{variant}: graph {seed}", wrong(library, network, dtype, variant, points, batches=in_turn(seed))


def real_numbers(layer: Layer, dtype: Format) -> Layer:
    """The layer with random numbers of a format instead of its own."""
    arrays: dict[str, Any] = {}
    for name in layer.parameters:
        if (array := getattr(layer, name)) is not None:
            numbers = DRAW.standard_normal(array.shape)
            arrays[name] = widened(narrowed(np.abs(numbers) + 0.5 if name in ("variance", "value") else numbers, dtype))
    return replace(layer, **arrays) if not isinstance(layer, kinds.Dense) else kinds.Dense(arrays["weight"], arrays.get("bias"))


def magnitude(layer: Layer) -> Layer:
    """The same layer with the absolute values of its numbers (of means the negative ones, since they are subtracted)."""
    signs = {"mean": -1.0} if not isinstance(layer, kinds.SubtractConstant) else {"value": -1.0}
    arrays = {n: signs.get(n, 1.0) * np.abs(a) for n in layer.parameters if (a := getattr(layer, n)) is not None}
    return replace(layer, **arrays) if not isinstance(layer, kinds.Dense) else kinds.Dense(arrays["weight"], arrays.get("bias"))


def looked_at() -> dict[str, tuple[Layer, tuple[int, ...]]]:
    """Those of ``layer_cases`` whose numbers are to be rounded."""
    return {name: case for name, case in layer_cases().items() if ALL or name in QUICK}


def rounded(library: Library, dtype: Format) -> Iterator[tuple[str, str]]:
    """Layers of random numbers: no logit is further from the reference than rounding in any order takes it."""
    for number, (name, (plain, shape)) in enumerate(looked_at().items()):
        layer = real_numbers(plain, dtype)
        if isinstance(layer, kinds.SubtractConstant) and layer.turned:
            continue  # the reference of absolute values would cancel
        network = Network((Node("one", layer),), shape, "one")
        points = widened(narrowed(DRAW.standard_normal((max(BATCHES), int(np.prod(shape)))), dtype))
        bound = Network((Node("one", magnitude(layer)),), shape, "one")
        structure = network.structure("one")
        terms = structure.terms + 6 if isinstance(structure, Sums) else 1
        sums = float64_outputs(bound, np.abs(points).reshape(-1, *shape)).reshape(len(points), -1)
        allowed = 2 * terms * 2.0**-dtype.precision * np.abs(sums)
        for variant in variants_in_turn(library, number):
            yield f"{variant}: {name}", wrong(library, network, dtype, variant, points, allowed, in_turn(number // 2))


def kernels(library: Library, dtype: Format, batch: int) -> Iterator[tuple[str, str]]:
    """Layers as kernels, at several positions: other sums than the whole layer gives there for an image with these taps."""
    for number, (name, (plain, shape)) in enumerate(looked_at().items(), 1):
        network = Network((Node("one", plain),), shape, "one")
        structure = network.structure("one")
        if not isinstance(structure, Sums) or structure.normalisation is not None or isinstance(plain, kinds.DivideConstant):
            continue
        if isinstance(plain, kinds.SubtractConstant) and plain.turned:
            continue
        for variant in variants_in_turn(library, number):
            yield f"{variant}: {name}", kernel_differs(library, real_numbers(plain, dtype), shape, dtype, batch, variant)


def kernel_differs(library: Library, layer: Layer, shape: Sequence[int], dtype: Format, batch: int, variant: str) -> str:
    """Where ``operation`` is not the whole layer's output, bit for bit; two images with other weights for each position."""
    asked, sums = layer_shape(layer, tuple(shape)), Network((Node("one", layer),), tuple(shape), "one").structure("one")
    assert isinstance(sums, Sums)
    outputs = sums.groups if sums.weight is None else sums.classes
    for position in sorted({0, asked.inner, sums.positions - 1}):
        kernel = Kernel(Environment(library.name, variant, batch), dtype, sums.terms, outputs, False, asked, position)
        biased = replace(
            kernel, bias=sums.bias is not None and (sums.weight is not None or sums.bias.size == layer_size(layer))
        )
        try:
            operation = library.operation(biased)
        except CannotRun as reason:
            return f"not run: {reason}"
        for _ in range(2):
            numbers = real_numbers(layer, dtype)
            why = one_differs(library, numbers, tuple(shape), biased, operation)
            if why:
                return f"position {position}: {why}"
    return ""


def layer_size(layer: Layer) -> int:
    """How many numbers its first parameter has."""
    return next(iter(layer.arrays())).size


def one_differs(library: Library, layer: Layer, shape: tuple[int, ...], kernel: Kernel, operation: Any) -> str:
    """One image: its taps at the position, the first group's numbers, and the whole layer's outputs."""
    network = Network((Node("one", layer),), shape, "one")
    sums = network.structure("one")
    assert isinstance(sums, Sums)
    if sums.weight is not None and not kernel.bias and sums.bias is not None:
        return "the bias was left out"
    batch = kernel.environment.batch
    points = widened(narrowed(DRAW.standard_normal((batch, int(np.prod(shape)))), kernel.dtype))
    (read,) = sums.taps.at(np.array([kernel.position]))
    rows = np.where(read == PADDING, 7.0, points[:, read])  # what stands for the padding must not matter
    weights = np.ones((kernel.outputs, kernel.terms)) if sums.weight is None else sums.weight[0]
    bias = None if not kernel.bias or sums.bias is None else sums.bias[0] if sums.weight is not None else sums.bias[:, 0]
    logits = np.array(library.run(network, points.tolist(), kernel.dtype, kernel.environment.operation).logits)
    narrow = [None if a is None else narrowed(np.asarray(a, np.float64), kernel.dtype) for a in (rows, weights, bias)]
    found = widened(operation(*narrow))
    if sums.weight is not None:
        expected = logits[:, [sums.flat(0, of_class, kernel.position) for of_class in range(sums.classes)]]
    elif kernel.bias or sums.bias is not None:
        return unweighted_bias(found, rows, bias, kernel.dtype)
    else:
        expected = np.repeat(logits[:, [sums.flat(0, 0, kernel.position)]], kernel.outputs, axis=1)
    return "" if np.array_equal(found, expected) else f"{found.tolist()}, not {expected.tolist()}"


def unweighted_bias(found: Any, rows: Any, bias: Any, dtype: Format) -> str:
    """A constant added to, or subtracted from, each number: every group reads the row, and adds its own."""
    own = np.float32 if dtype == FORMATS["float32"] else np.float64
    expected = rows.astype(own) + (0 if bias is None else bias[None, :].astype(own))
    good = np.array_equal(found, np.broadcast_to(expected, found.shape))
    return "" if good else f"{found.tolist()}, not {expected.tolist()}"


def refusals(library: Library) -> dict[str, str]:
    """What is said of kernels that cannot be."""
    layer, shape = layer_cases()["conv"]
    asked, variant = layer_shape(layer, shape), library.variants[0]
    plain = Kernel(Environment(library.name, variant), FORMATS["float32"], 18, 4, True, asked, 0)
    normal = layer_shape(*layer_cases()["batch normalisation"])
    unbiased = layer_shape(*layer_cases()["conv without bias"])
    asks = {
        "terms": replace(plain, terms=9),
        "outputs": replace(plain, outputs=3),
        "position": replace(plain, position=12),
        "bias": replace(plain, layer=unbiased, terms=2),
        "normalisation": replace(plain, layer=normal, terms=1, outputs=2),
        "results": replace(plain, environment=replace(plain.environment, batch=500_000)),
        "many": replace(plain, layer=None, terms=65_537),
        "layout": replace(plain, environment=replace(plain.environment, layout=library.calls[variant].own)),
    }
    found = {}
    for name, kernel in asks.items():
        try:
            library.operation(kernel)
        except CannotRun as reason:
            found[name] = str(reason)
    return found


def report(name: str) -> dict[str, Any]:
    """Everything that the tests look at, in float32 alone or in all formats."""
    library = library_named(name)
    library.load("cpu")
    formats = [FORMATS[dtype] for dtype in FOUND[name]] if ALL else [FORMATS["float32"]]
    wide = [fmt for fmt in formats if fmt.bits >= 32]
    return {
        "exact": {fmt.name: dict(exact(library, fmt)) for fmt in formats},
        "graphs": {fmt.name: dict(graphs(library, fmt)) for fmt in formats if fmt.precision >= 11},
        "rounded": {fmt.name: dict(rounded(library, fmt)) for fmt in wide},
        "kernels": {f"{fmt.name}, {n}": dict(kernels(library, fmt, n)) for fmt in wide for n in BATCHES if ALL or n > 1},
        "float64": {
            v: wrong(library, residual(7), FORMATS["float64"], v, integers(3, 32), batches=in_turn(k))
            for k, v in enumerate(library.variants)
        },
        "refusals": refusals(library),
        "kinds": sorted({type(node.layer).kind for network in cases().values() for node in network.nodes}),
    }


FOUND = {
    "numpy": ("float32", "float64"),
    "torch": ("float32", "float64", "float16", "bfloat16"),
    "tensorflow": ("float32", "float64", "bfloat16"),
    "onnxruntime": ("float32", "float64"),
    "jax": ("float32", "float64", "float16", "bfloat16"),
}
"""Formats in which libraries have most layers."""
