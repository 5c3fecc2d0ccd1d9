"""cuDNN's convolution with an algorithm of one's choice: its C interface, called on torch's tensors in the GPU's memory.

torch leaves the choice to cuDNN.  The functions are those of cudnn_ops.h and cudnn_cnn.h (cuDNN 7 to 9); cuDNN 9 calls them
legacy and still has them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from fpsynth.libraries.machine import Loader, loaded_libraries
from fpsynth.libraries.operands import CannotRun

ALGORITHMS = (
    "implicit-gemm",
    "implicit-precomp-gemm",
    "gemm",
    "direct",
    "fft",
    "fft-tiling",
    "winograd",
    "winograd-nonfused",
)
"""cudnnConvolutionFwdAlgo_t, in the order of its values."""

TYPES = {"float32": 0, "float64": 1, "float16": 2, "bfloat16": 9}
"""cudnnDataType_t of the formats that it convolves."""

_NCHW, _CROSS_CORRELATION = 0, 1
_DEFAULT_MATH, _TENSOR_OP_MATH, _FMA_MATH = 0, 1, 3
"""cudnnMathType_t: the default may use TF32 for float32, FMA_MATH must not."""

_NAMES = ("libcudnn.so.9", "libcudnn.so.8", "libcudnn.so", "cudnn64_9.dll", "cudnn64_8.dll")
_POINTER = ctypes.c_void_p


class Cudnn:
    """The library.  It frees what it makes; raises CannotRun, with its own words in one line, for every status but success."""

    def __init__(self, library: Any) -> None:
        """``library``: a loaded libcudnn, as ctypes gives it."""
        self.library = library
        self._handle = _POINTER()
        for name in ("cudnnGetErrorString", "cudnnConvolutionForward", "cudnnGetConvolutionForwardWorkspaceSize"):
            if not hasattr(library, name):
                raise CannotRun(f"this cuDNN has no {name}: algorithms cannot be chosen")
        library.cudnnGetErrorString.restype = ctypes.c_char_p

    def call(self, function: str, *arguments: Any) -> None:
        """Call one of its functions."""
        status = getattr(self.library, function)(*arguments)
        if status != 0:
            said = self.library.cudnnGetErrorString(ctypes.c_int(status)) or b""
            raise CannotRun(
                f"{function}: {' '.join(said.decode(errors='replace').split())[:120] or status}{self._last(status)}"
            )

    def _last(self, status: int) -> str:
        """What cuDNN 9 adds to a status."""
        if not hasattr(self.library, "cudnnGetLastErrorString"):
            return ""
        text = ctypes.create_string_buffer(512)
        self.library.cudnnGetLastErrorString(text, ctypes.c_size_t(len(text)))
        words = " ".join(text.value.decode(errors="replace").split())
        return f" ({words[:120]})" if words else ""

    @property
    def handle(self) -> ctypes.c_void_p:
        """Its handle, made when it is first needed, on the GPU that is current then, and kept."""
        if not self._handle.value:
            self.call("cudnnCreate", ctypes.byref(self._handle))
        return self._handle

    @contextmanager
    def described(self, kind: str, *values: int) -> Iterator[ctypes.c_void_p]:
        """A descriptor of a kind such as ``Tensor``, set to four or more numbers, and destroyed after use."""
        descriptor = _POINTER()
        self.call(f"cudnnCreate{kind}Descriptor", ctypes.byref(descriptor))
        try:
            setter = {"Tensor": "cudnnSetTensor4dDescriptor", "Filter": "cudnnSetFilter4dDescriptor"}.get(
                kind, f"cudnnSet{kind}2dDescriptor"
            )
            self.call(setter, descriptor, *(ctypes.c_int(value) for value in values))
            yield descriptor
        finally:
            self.call(f"cudnnDestroy{kind}Descriptor", descriptor)

    def convolve(self, images: Any, kernels: Any, algorithm: str, tf32: bool, stream: int, memory: Callable[[int], Any]) -> Any:
        """The valid cross-correlation of images (batch, channels, rows, columns) with kernels (outputs, channels, ...).

        Both are contiguous tensors of one dtype on the GPU, and so is the result.  Sums are taken in float32 (float64 for
        float64).  ``algorithm``: one of ALGORITHMS.  ``tf32``: whether float32 may be rounded to TF32.  ``stream``: the CUDA
        stream.  ``memory``: makes a workspace of so many bytes.  Raises CannotRun for what the algorithm does not support.
        """
        dtype = str(images.dtype).removeprefix("torch.")
        if dtype not in TYPES:
            raise CannotRun(f"cuDNN convolves no {dtype}")
        (batch, channels, high, wide), (outputs, _, rows, columns) = images.shape, kernels.shape
        result = images.new_empty((batch, outputs, high - rows + 1, wide - columns + 1))
        number, summed = ALGORITHMS.index(algorithm), TYPES["float64" if dtype == "float64" else "float32"]
        scale = ctypes.c_double if dtype == "float64" else ctypes.c_float
        with ExitStack() as stack:
            enter = stack.enter_context
            from_ = enter(self.described("Tensor", _NCHW, TYPES[dtype], batch, channels, high, wide))
            to = enter(self.described("Tensor", _NCHW, TYPES[dtype], *result.shape))
            by = enter(self.described("Filter", TYPES[dtype], _NCHW, outputs, channels, rows, columns))
            how = enter(self.described("Convolution", 0, 0, 1, 1, 1, 1, _CROSS_CORRELATION, summed))
            self.call("cudnnSetConvolutionMathType", how, ctypes.c_int(_math(dtype, tf32)))
            self.call("cudnnSetStream", self.handle, _POINTER(stream))
            size = ctypes.c_size_t(0)
            self.call(
                "cudnnGetConvolutionForwardWorkspaceSize",
                self.handle,
                from_,
                by,
                how,
                to,
                ctypes.c_int(number),
                ctypes.byref(size),
            )
            space = memory(size.value)
            self.call(
                "cudnnConvolutionForward",
                self.handle,
                ctypes.byref(scale(1)),
                from_,
                _POINTER(images.data_ptr()),
                by,
                _POINTER(kernels.data_ptr()),
                how,
                ctypes.c_int(number),
                _POINTER(space.data_ptr() if size.value else None),
                size,
                ctypes.byref(scale(0)),
                to,
                _POINTER(result.data_ptr()),
            )
        return result


def _math(dtype: str, tf32: bool) -> int:
    """What torch asks for: tensor cores for 16-bit formats, and for float32 where TF32 is allowed."""
    if dtype in ("float16", "bfloat16"):
        return _TENSOR_OP_MATH
    return _FMA_MATH if dtype == "float32" and not tf32 else _DEFAULT_MATH


def load_cudnn(load: Loader = ctypes.CDLL) -> Cudnn:
    """The cuDNN that is in this process's memory already, else the one that the system finds.  Raises CannotRun."""
    loaded = [path for path in loaded_libraries() if path.rpartition("/")[2].startswith("libcudnn.so")]
    for name in (*loaded, *_NAMES):
        try:
            return Cudnn(load(name))
        except (OSError, CannotRun):  # another library of that name
            continue
    raise CannotRun("no cuDNN library was found: its algorithms cannot be chosen")
