"""The call that computes a real layer in each library, as text that its user could run: x, W and b are the operands.

It says what the functions in ``torch_layers``, ``numpy_layers`` and so on do with the attributes and sizes; a test runs
every text and compares the bits.  A layer that stands in no table here is named instead of called.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fpsynth.libraries.calls import Called, call_text, letters
from fpsynth.libraries.geometry import counts, depthwise, own_padding, spatial, symmetric
from fpsynth.libraries.kernels import Kernel
from fpsynth.libraries.layer_shapes import LayerShape
from fpsynth.networks.layers.windows import Padding

Writer = Callable[[Any, LayerShape, Kernel], str]
"""A layer, its shape and the kernel to the call."""


def layer_call(kernel: Kernel, called: Called) -> str:
    """The call and its operands, such as ``torch.nn.functional.conv2d(x, W, b, padding=(1, 1))  x (4, 1, 8, 8) NCHW, ...``.

    ``called``: how the kernel's operation multiplies matrices, as it does in dense layers over the last of several axes.
    """
    where, shape = kernel.environment, kernel.layer
    assert shape is not None
    if shape.kind == "dense":
        return _dense(kernel, shape, called)
    writer = _TABLES.get(where.library, {}).get(shape.kind)
    text = "" if writer is None else writer(shape.layer, shape, kernel)
    if not text:
        return f"the {shape} of {where.library}:{where.operation}"
    x = f"x {_tuple((where.batch, *shape.input_shape))} {'NCHW' if len(shape.input_shape) == 3 else 'C'}"
    sizes = dict(shape.parameters)
    held = {letter: sizes[name] for name, letter in _LETTERS.items() if name in sizes}
    if where.library == "tensorflow" and shape.kind == "convolution":
        held["W"] = (*held["W"][2:], held["W"][1], held["W"][0])
    operands = [f"{letter} {_tuple(size)}{' C' if letter == 'W' else ''}" for letter, size in held.items()]
    return f"{_in_variant(text, where.operation, [*held])}  {', '.join([x, *operands])}"


def _dense(kernel: Kernel, shape: LayerShape, called: Called) -> str:
    where, columns = kernel.environment, (kernel.terms, kernel.outputs)
    layout = where.layout or called.own
    text = call_text(called, layout, bias=kernel.bias)
    if where.library == "onnxruntime" and len(shape.input_shape) > 1:  # Gemm knows two axes only
        text, layout = "Add(MatMul(x, W), b)" if kernel.bias else "MatMul(x, W)", "NN"
    if where.operation == "dot-rows" and len(shape.input_shape) > 1:
        text = text.replace(" for row in x", f" for row in x.reshape(-1, {kernel.terms})")
    weight = columns[::-1] if letters(layout)[1][:1] == "T" else columns
    bias = [f"b ({kernel.outputs},)"] if kernel.bias else []
    return f"{text}  {', '.join([f'x {_tuple((where.batch, *shape.input_shape))} C', f'W {_tuple(weight)} C', *bias])}"


_LETTERS = {"weight": "W", "scale": "W", "value": "W", "bias": "b", "shift": "b"}
"""What a call writes for each parameter."""


def _in_variant(text: str, variant: str, held: Sequence[str]) -> str:
    """The call as a variant makes it: traced, or as it is."""
    function = {"jit": "jax.jit", "function": "tf.function"}.get(variant)
    names = ", ".join(["x", *held])
    return text if function is None else f"{function}(lambda {names}: {text})({names})"


def _tuple(numbers: Sequence[int]) -> str:
    return f"({', '.join(map(str, numbers))}{',' if len(numbers) == 1 else ''})"


def _pairs(padding: Padding) -> str:
    return f"({', '.join(map(_tuple, padding))}{',' if len(padding) == 1 else ''})"


def _padded_batch(padding: Padding) -> str:
    """Of all axes, batch and channels first."""
    return _pairs(((0, 0), (0, 0), *padding))


def _any(padding: Padding) -> bool:
    return any(map(any, padding))


def _channels(axes: int) -> str:
    """How a number for each channel is put in front of so many axes."""
    return f"reshape(-1{', 1' * axes})"


def _named(**arguments: tuple[Any, Any]) -> str:
    """Arguments by name that are not what they would be anyway: pairs of a value and that default."""
    return "".join(f", {name}={value}" for name, (value, usual) in arguments.items() if value != usual)


# torch


def _torch_convolution(layer: Any, shape: LayerShape, kernel: Kernel) -> str:
    axes = len(layer.stride)
    sides = tuple(before for before, _ in layer.padding)
    x = "x"
    if not symmetric(layer.padding):
        x, sides = f"torch.nn.functional.pad(x, {_torch_sides(layer.padding)})", (0,) * axes
    bias = ", b" if kernel.bias else ""
    ones, zeros = (1,) * axes, (0,) * axes
    more = _named(
        stride=(layer.stride, ones), padding=(sides, zeros), dilation=(layer.dilation, ones), groups=(layer.groups, 1)
    )
    return f"torch.nn.functional.conv{axes}d({x}, W{bias}{more})"


def _torch_sides(padding: Padding) -> str:
    return _tuple([side for pair in reversed(padding) for side in pair])


def _torch_average(layer: Any, shape: LayerShape, kernel: Kernel) -> str:
    axes, own = len(layer.kernel), own_padding(layer, shape.input_shape)
    call = f"torch.nn.functional.avg_pool{axes}d"
    if own is None:
        sides = _torch_sides(spatial(layer, shape.input_shape))
        return f"{call}(torch.nn.functional.pad(x, {sides}), {layer.kernel}, {layer.stride})"
    before, ceil, counted = own
    more = _named(padding=(before, (0,) * axes), ceil_mode=(ceil, False), count_include_pad=(counted, True))
    return f"{call}(x, {layer.kernel}, {layer.stride}{more})"


def _torch_global(layer: Any, shape: LayerShape, kernel: Kernel) -> str:
    axes = len(shape.input_shape)
    if layer.keep_axes and axes in (2, 3):
        return f"torch.nn.functional.adaptive_avg_pool{axes - 1}d(x, 1)"
    return f"x.mean(dim={_tuple(range(2, axes + 1))}, keepdim={layer.keep_axes})"


# numpy and CuPy


def _windows(np: str, layer: Any, padding: Padding) -> str:
    """(batch, channels, *places, *kernel)."""
    axes = tuple(range(2, 2 + len(padding)))
    geometry = layer.windows
    spans = tuple(d * (k - 1) + 1 for k, d in zip(geometry.kernel, geometry.dilation, strict=True))
    steps = ", ".join(f"::{step}" if step != 1 else ":" for step in (*geometry.stride, *geometry.dilation))
    view = f"{np}.lib.stride_tricks.sliding_window_view({np}.pad(x, {_padded_batch(padding)}), {spans}, axis={axes})"
    return f"{view}[:, :, {steps}]"


def _rows_convolution(np: str) -> Writer:
    def write(layer: Any, shape: LayerShape, kernel: Kernel) -> str:
        """For each group the windows as rows, times the weights as columns: (batch times places, outputs)."""
        axes, weight = len(layer.stride), layer.weight
        taps, channels, outputs = math.prod(weight.shape[1:]), weight.shape[1], len(weight) // layer.groups
        order = _tuple([0, *range(2, axes + 2), 1, *range(axes + 2, 2 * axes + 2)])
        view, filters = _windows(np, layer, layer.padding), "W"
        if layer.groups > 1:
            view = f"{view}[:, {channels} * g:{channels} * (g + 1)]"
            filters = f"W[{outputs} * g:{outputs} * (g + 1)]"
        rows, columns = f"{view}.transpose{order}.reshape(-1, {taps})", f"{filters}.reshape(-1, {taps}).T"
        variant = kernel.environment.operation
        text = f"{np}.{variant}({rows}, {columns})"
        if variant == "dot-rows":
            text = f"{np}.stack([{np}.dot({filters}.reshape(-1, {taps}), row) for row in {rows}])"
        if layer.groups > 1:
            text = f"{np}.concatenate([{text} for g in range({layer.groups})], axis=1)"
        return text + (" + b" if kernel.bias else "")

    return write


def _array_average(np: str) -> Writer:
    def write(layer: Any, shape: LayerShape, kernel: Kernel) -> str:
        divisor = _divisor(layer, shape)
        axes = tuple(range(2 + len(layer.kernel), 2 + 2 * len(layer.kernel)))
        windows = _windows(np, layer, spatial(layer, shape.input_shape))
        return divisor and f"{windows}.sum(axis={axes}, dtype=x.dtype) / x.dtype.type({divisor})"

    return write


def _divisor(layer: Any, shape: LayerShape) -> str:
    """What every window is divided by; empty where that is not one number."""
    numbers = {int(number) for number in counts(layer, shape.input_shape).reshape(-1)}
    return str(*numbers) if len(numbers) == 1 else ""


def _array_mean(layer: Any, shape: LayerShape, kernel: Kernel) -> str:
    return f"x.mean(axis={_tuple(range(2, len(shape.input_shape) + 1))}, keepdims={layer.keep_axes})"


# jax


def _jax_convolution(layer: Any, shape: LayerShape, kernel: Kernel) -> str:
    axes = len(layer.stride)
    letters = "HW"[2 - axes :]
    padding = _pairs(layer.padding) if _any(layer.padding) else '"VALID"'
    more = _named(rhs_dilation=(layer.dilation, (1,) * axes), feature_group_count=(layer.groups, 1))
    names = f'("NC{letters}", "OI{letters}", "NC{letters}")'
    text = f"lax.conv_general_dilated(x, W, {layer.stride}, {padding}, dimension_numbers={names}{more})"
    return text + (f" + b.{_channels(axes)}" if kernel.bias else "")


def _jax_average(layer: Any, shape: LayerShape, kernel: Kernel) -> str:
    divisor = _divisor(layer, shape)
    windows = f"{(1, 1, *layer.kernel)}, {(1, 1, *layer.stride)}, {_padded_batch(spatial(layer, shape.input_shape))}"
    return divisor and f"lax.reduce_window(x, x.dtype.type(0), lax.add, {windows}) / jnp.asarray({divisor}, x.dtype)"


def _jax_mean(layer: Any, shape: LayerShape, kernel: Kernel) -> str:
    return f"jnp.mean(x, axis={_tuple(range(2, len(shape.input_shape) + 1))}, keepdims={layer.keep_axes})"


# tensorflow


def _tensorflow_convolution(layer: Any, shape: LayerShape, kernel: Kernel) -> str:
    """Over two axes, channels last; grouped ones are of other calls."""
    if len(layer.stride) != 2 or layer.groups > 1:
        return ""
    if kernel.environment.operation == "keras":
        return _keras_convolution(layer, kernel)
    padding = f"[[0, 0], {list(layer.padding[0])}, {list(layer.padding[1])}, [0, 0]]" if _any(layer.padding) else '"VALID"'
    more = _named(dilations=(layer.dilation, (1, 1)))
    text = f"tf.nn.conv2d(tf.transpose(x, (0, 2, 3, 1)), W, {layer.stride}, {padding}{more})"
    text = f"tf.nn.bias_add({text}, b)" if kernel.bias else text
    return f"tf.transpose({text}, (0, 3, 1, 2))"


def _keras_convolution(layer: Any, kernel: Kernel) -> str:
    more = _named(strides=(layer.stride, (1, 1)), dilation_rate=(layer.dilation, (1, 1)), use_bias=(kernel.bias, True))
    zeros = [f"ZeroPadding2D({_pairs(layer.padding)})"] if _any(layer.padding) else []
    made = [*zeros, f"Conv2D({len(layer.weight)}, {layer.weight.shape[2:]}{more})"]
    return f"keras.Sequential([Permute((2, 3, 1)), {', '.join(made)}, Permute((3, 1, 2))])(x)"


# onnxruntime


def _onnx_convolution(layer: Any, shape: LayerShape, kernel: Kernel) -> str:
    axes = len(layer.stride)
    more = _named(
        strides=(list(layer.stride), [1] * axes),
        pads=(_onnx_pads(layer.padding), [0] * 2 * axes),
        dilations=(list(layer.dilation), [1] * axes),
        group=(layer.groups, 1),
    )
    return f"Conv(x, W{', b' if kernel.bias else ''}{more})"


def _onnx_pads(padding: Padding) -> list[int]:
    return [before for before, _ in padding] + [after for _, after in padding]


def _onnx_average(layer: Any, shape: LayerShape, kernel: Kernel) -> str:
    axes = len(layer.kernel)
    more = _named(
        strides=(list(layer.stride), [1] * axes),
        pads=(_onnx_pads(layer.padding), [0] * 2 * axes),
        ceil_mode=(int(layer.ceil), 0),
        count_include_pad=(int(layer.count_padding), 0),
    )
    return f"AveragePool(x, kernel_shape={list(layer.kernel)}{more})"


def _onnx_global(layer: Any, shape: LayerShape, kernel: Kernel) -> str:
    if layer.keep_axes:
        return "GlobalAveragePool(x)"
    return f"ReduceMean(x, axes={list(range(2, len(shape.input_shape) + 1))}, keepdims=0)"


# layers that multiply and add number by number


def _affine(layer: Any, shape: LayerShape, kernel: Kernel) -> str:
    spread = _channels(len(shape.input_shape) - 1)
    return f"x * W.{spread} + b.{spread}"


def _with_constant(sign: str, letter: str) -> Writer:
    def write(layer: Any, shape: LayerShape, kernel: Kernel) -> str:
        return f"{letter} {sign} x" if getattr(layer, "turned", False) else f"x {sign} {letter}"

    return write


def _plain_operators() -> dict[str, Writer]:
    return {
        "affine": _affine,
        "add constant": _with_constant("+", "W"),
        "subtract constant": _with_constant("-", "W"),
        "multiply constant": _with_constant("*", "W"),
    }


def _arrays(np: str) -> dict[str, Writer]:
    return {
        "convolution": _rows_convolution(np),
        "average pooling": _array_average(np),
        "global average pooling": _array_mean,
        **_plain_operators(),
    }


_TABLES: Mapping[str, Mapping[str, Writer]] = {
    "torch": {
        "convolution": _torch_convolution,
        "average pooling": _torch_average,
        "global average pooling": _torch_global,
        **_plain_operators(),
    },
    "numpy": _arrays("np"),
    "cupy": _arrays("cupy"),
    "jax": {
        "convolution": _jax_convolution,
        "average pooling": _jax_average,
        "global average pooling": _jax_mean,
        **_plain_operators(),
    },
    "tensorflow": {"convolution": _tensorflow_convolution},
    "onnxruntime": {
        "convolution": _onnx_convolution,
        "average pooling": _onnx_average,
        "global average pooling": _onnx_global,
    },
}
"""By library and kind of layer."""


_NAMES: Mapping[str, Mapping[str, str]] = {
    "torch": {"convolution": "conv{axes}d", "average pooling": "avg_pool{axes}d"},
    "jax": {"convolution": "conv_general_dilated", "average pooling": "reduce_window"},
    "tensorflow": {"convolution": "conv{axes}d"},
    "onnxruntime": {"convolution": "conv", "average pooling": "averagepool"},
}
"""What layers that windows are taken for are called, but for capitals; numpy and cupy multiply them as matrices."""


def call_name(library: str, layer: Any) -> str:
    """The name of a layer's call, but for capitals; empty where it is computed by what multiplies matrices, or has none."""
    if library == "tensorflow" and layer.kind == "convolution" and depthwise(layer):
        return "depthwise_conv2d"  # along one axis, too: as a row of an image
    name = _NAMES.get(library, {}).get(layer.kind, "")
    return name.format(axes=len(layer.windows.kernel)) if name else ""
