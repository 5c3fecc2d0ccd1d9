"""Formats that numpy has no dtype for, as bit patterns: the same numbers, and the same results, as with ml_dtypes."""

import numpy as np
import pytest

from fpsynth.evaluators.bit_patterns import bits_to_floats
from fpsynth.formats import BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2, FLOAT16, FORMATS
from fpsynth.libraries import operands
from fpsynth.libraries.base import CannotRun
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.libraries.operands import dtype_name, exact_array, images, narrowed, numpy_dtype, placed, widened
from fpsynth.libraries.registry import library_named

NARROW = (BFLOAT16, FLOAT8_E4M3FN, FLOAT8_E5M2)


@pytest.fixture
def without_ml_dtypes(monkeypatch):
    monkeypatch.setattr(operands, "_ml_dtypes", lambda: None)


def every_pattern(fmt):
    """All encodings of a format, as an array of bit patterns."""
    whole = np.arange(1 << fmt.bits).astype(f"u{fmt.bits // 8}")
    return whole.view([(fmt.name, whole.dtype)])


def same_bits(a, b):
    """Equal in every bit, but for those of a NaN."""
    return bool(np.all((a.view(np.int64) == b.view(np.int64)) | (np.isnan(a) & np.isnan(b))))


@pytest.mark.parametrize("fmt", NARROW, ids=str)
def test_every_pattern_goes_to_float64_and_back(without_ml_dtypes, fmt):
    patterns = every_pattern(fmt)
    wide = widened(patterns)
    assert same_bits(wide, bits_to_floats(np.arange(1 << fmt.bits), fmt))
    back = narrowed(wide, fmt, patterns=True)
    assert back.dtype == patterns.dtype
    number = ~np.isnan(wide)
    assert np.array_equal(back[number], patterns[number])
    assert np.all(np.isnan(widened(back[~number])))
    assert same_bits(widened(exact_array(wide, fmt, patterns=True)), wide)


@pytest.mark.parametrize("fmt", NARROW, ids=str)
def test_torch_and_ml_dtypes_read_every_pattern_as_we_do(fmt):
    torch = pytest.importorskip("torch")
    ml_dtypes = pytest.importorskip("ml_dtypes")
    from fpsynth.libraries.torch import _shared

    patterns = every_pattern(fmt)
    wide = widened(patterns)
    tensor = _shared(patterns)
    assert tensor.dtype == getattr(torch, fmt.name)
    assert same_bits(tensor.to(torch.float64).numpy(), wide)
    whole = patterns.view(f"u{fmt.bits // 8}")
    with np.errstate(invalid="ignore"):  # of signalling NaNs
        assert same_bits(whole.view(getattr(ml_dtypes, fmt.name)).astype(np.float64), wide)


def test_a_tensor_comes_back_as_bit_patterns(without_ml_dtypes):
    torch = pytest.importorskip("torch")
    from fpsynth.libraries.torch import _array, _shared

    values = np.array([0.0, -0.0, 2.0**-133, -(2.0**-126), np.inf, -np.inf, 1.0078125])
    array = _array(_shared(narrowed(values, BFLOAT16, patterns=True)))
    assert (array.dtype.names, dtype_name(array)) == (("bfloat16",), "bfloat16")
    assert same_bits(widened(array), values)
    assert np.all(np.isnan(widened(_array(torch.tensor([float("nan")], dtype=torch.bfloat16)))))


def test_what_is_not_of_the_format_is_refused(without_ml_dtypes):
    """1.00390625 is the middle between two numbers of bfloat16; the smallest of them is 2**-133."""
    for value in (1.00390625, 2.0**-134, 1e39):
        with pytest.raises(CannotRun, match="hold numbers that are not bfloat16"):
            exact_array([[1.0, value]], BFLOAT16, patterns=True)


def test_numpy_itself_gets_no_patterns(without_ml_dtypes):
    for fmt in NARROW:
        with pytest.raises(CannotRun, match="without the package ml_dtypes"):
            numpy_dtype(fmt)
    with pytest.raises(CannotRun, match="no dtype tf32"):
        numpy_dtype(FORMATS["tf32"], patterns=True)
    assert numpy_dtype(FLOAT16, patterns=True) == np.float16


def test_with_ml_dtypes_nothing_changes():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    assert numpy_dtype(BFLOAT16, patterns=True) == ml_dtypes.bfloat16
    assert dtype_name(np.zeros(1, ml_dtypes.float8_e5m2)) == "float8_e5m2"


def test_patterns_are_placed_and_padded_like_numbers(without_ml_dtypes):
    rows = narrowed(np.arange(18.0).reshape(2, 9), BFLOAT16, patterns=True)
    moved = placed(rows, 6)
    assert moved.__array_interface__["data"][0] % 64 == 6
    assert np.array_equal(widened(moved), widened(rows))
    padded = widened(images(rows))
    assert padded.shape == (2, 1, 7, 7)
    assert np.array_equal(padded[:, 0, 2:5, 2:5].reshape(2, 9), widened(rows))
    assert padded.sum() == widened(rows).sum()


@pytest.mark.parametrize("operation", ["linear", "matmul", "sum", "vdot", "conv2d"])
@pytest.mark.parametrize("fmt", NARROW, ids=str)
def test_a_layer_of_torch_has_the_same_bits_as_with_ml_dtypes(monkeypatch, operation, fmt):
    pytest.importorskip("torch")
    pytest.importorskip("ml_dtypes")
    library = library_named("torch")
    batch = 1 if operation == "vdot" else 3
    kernel = Kernel(Environment("torch", operation, batch=batch), fmt, 9)
    drawn = np.random.default_rng(1).integers(-8, 9, (2, 3, 9)).astype(np.float64)
    rows, weights = drawn[0, :batch], drawn[1, :1]

    def computed():
        try:
            operation = library.operation(kernel)
        except CannotRun as reason:
            return str(reason)
        return widened(operation(narrowed(rows, fmt, patterns=True), narrowed(weights, fmt, patterns=True), None)).tobytes()

    usual = computed()
    monkeypatch.setattr(operands, "_ml_dtypes", lambda: None)
    assert computed() == usual
