"""cuDNN is called as its headers say: against a simulated library in C that checks what it is given, and computes with it."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import pytest
from shared_library import compiled

from fpsynth.libraries.cudnn import ALGORITHMS, Cudnn, load_cudnn
from fpsynth.libraries.machine import loaded_libraries
from fpsynth.libraries.operands import CannotRun

SIMULATED = r"""
#include <stdlib.h>
#include <string.h>
#include <stddef.h>
/* the signatures of cudnn_ops.h and cudnn_cnn.h; "device" memory is the process's own */
typedef struct { int kind, type, format, n, c, h, w; } Shape;
typedef struct { int pad_h, pad_w, u, v, dh, dw, mode, type, math; } How;
typedef struct { void *stream; } Handle;
int live = 0, handles = 0, math_seen = -1, broken = 0;
void *stream_seen = 0;
static char last[512];
static int no(int status, const char *why) { strcpy(last, why); return status; }
int cudnnCreate(Handle **h) { *h = calloc(1, sizeof(Handle)); handles++; return 0; }
int cudnnSetStream(Handle *h, void *stream) { h->stream = stream; return 0; }
const char *cudnnGetErrorString(int status) { return status == 3000 ? "CUDNN_STATUS_NOT_SUPPORTED" : "CUDNN_STATUS_BAD_PARAM"; }
void cudnnGetLastErrorString(char *text, size_t size) { strncpy(text, last, size); last[0] = 0; }
int cudnnCreateTensorDescriptor(Shape **d) { *d = calloc(1, sizeof(Shape)); live++; return 0; }
int cudnnDestroyTensorDescriptor(Shape *d) { free(d); live--; return 0; }
int cudnnCreateFilterDescriptor(Shape **d) { return cudnnCreateTensorDescriptor(d); }
int cudnnDestroyFilterDescriptor(Shape *d) { return cudnnDestroyTensorDescriptor(d); }
int cudnnCreateConvolutionDescriptor(How **d) { *d = calloc(1, sizeof(How)); live++; return 0; }
int cudnnDestroyConvolutionDescriptor(How *d) { free(d); live--; return 0; }
int cudnnSetTensor4dDescriptor(Shape *d, int format, int type, int n, int c, int h, int w) {
    *d = (Shape){1, type, format, n, c, h, w}; return n > 0 && c > 0 && h > 0 && w > 0 ? 0 : no(2000, "sizes");
}
int cudnnSetFilter4dDescriptor(Shape *d, int type, int format, int k, int c, int h, int w) {
    *d = (Shape){2, type, format, k, c, h, w}; return 0;
}
int cudnnSetConvolution2dDescriptor(How *d, int pad_h, int pad_w, int u, int v, int dh, int dw, int mode, int type) {
    *d = (How){pad_h, pad_w, u, v, dh, dw, mode, type, 0}; return 0;
}
int cudnnSetConvolutionMathType(How *d, int math) { d->math = math; return 0; }
int cudnnGetConvolutionForwardWorkspaceSize(Handle *h, Shape *x, Shape *f, How *how, Shape *y, int algorithm, size_t *size) {
    if (algorithm == 6) return no(3000, "winograd is not supported\non this device");
    *size = algorithm == 1 ? 64 : 0;
    return 0;
}
#define CONVOLVE(T) for (int n = 0; n < y->n; n++) for (int k = 0; k < y->c; k++) \
    for (int i = 0; i < y->h; i++) for (int j = 0; j < y->w; j++) { \
        T sum = 0; \
        for (int c = 0; c < x->c; c++) for (int a = 0; a < f->h; a++) for (int b = 0; b < f->w; b++) \
            sum += ((const T *)from)[((n * x->c + c) * x->h + i + a) * x->w + j + b] \
                 * ((const T *)by)[((k * f->c + c) * f->h + a) * f->w + b]; \
        ((T *)to)[((n * y->c + k) * y->h + i) * y->w + j] = *(const T *)alpha * sum; }
int cudnnConvolutionForward(Handle *handle, const void *alpha, Shape *x, const void *from, Shape *f, const void *by, How *how,
                            int algorithm, void *space, size_t size, const void *beta, Shape *y, void *to) {
    int plain = how->pad_h == 0 && how->pad_w == 0 && how->u == 1 && how->v == 1 && how->dh == 1 && how->dw == 1;
    if (broken) return no(2000, "broken");
    if (!plain || how->mode != 1 || x->format || y->format || f->format || x->kind != 1 || f->kind != 2) return no(2000, "how");
    if (x->c != f->c || y->n != x->n || y->c != f->n) return no(2000, "channels");
    if (y->h != x->h - f->h + 1 || y->w != x->w - f->w + 1) return no(2000, "sizes");
    if (algorithm == 1 && (size != 64 || !space)) return no(2000, "workspace");
    if (algorithm == 1) memset(space, 7, size);
    math_seen = how->math; stream_seen = handle->stream;
    if (x->type != how->type) return no(2000, "types");
    if (x->type == 0 && *(const float *)alpha == 1 && *(const float *)beta == 0) { CONVOLVE(float) return 0; }
    if (x->type == 1 && *(const double *)alpha == 1 && *(const double *)beta == 0) { CONVOLVE(double) return 0; }
    return no(2000, "scales");
}
"""


@pytest.fixture
def simulated(tmp_path: Path) -> Any:
    return ctypes.CDLL(compiled(SIMULATED, tmp_path / "libsimulated.so"))


def number(library: Any, name: str) -> int:
    return ctypes.c_int.in_dll(library, name).value


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("algorithm", ["implicit-gemm", "implicit-precomp-gemm", "winograd-nonfused"])
def test_it_convolves_what_torch_convolves_and_frees_what_it_made(simulated: Any, dtype: str, algorithm: str) -> None:
    torch = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(1)
    library = Cudnn(simulated)
    for batch, channels, outputs, side in ((1, 1, 1, 1), (3, 2, 4, 3), (2, 5, 1, 2)):
        size = (batch, channels, 7, 6)
        images = torch.randint(-4, 5, size, generator=generator).to(getattr(torch, dtype))
        kernels = torch.randint(-4, 5, (outputs, channels, side, side), generator=generator).to(images.dtype)
        found = library.convolve(
            images,
            kernels,
            algorithm,
            tf32=False,
            stream=4711,
            memory=lambda size: torch.empty(max(size, 1), dtype=torch.uint8),
        )
        assert found.is_contiguous()
        assert torch.equal(found, torch.nn.functional.conv2d(images, kernels))
    assert number(simulated, "live") == 0
    assert number(simulated, "handles") == 1
    assert ctypes.c_void_p.in_dll(simulated, "stream_seen").value == 4711


@pytest.mark.parametrize(("dtype", "tf32", "math"), [("float32", False, 3), ("float32", True, 0), ("float64", False, 0)])
def test_tf32_is_forbidden_where_it_is_not_wanted(simulated: Any, dtype: str, tf32: bool, math: int) -> None:
    """CUDNN_FMA_MATH is 3, CUDNN_DEFAULT_MATH 0."""
    torch = pytest.importorskip("torch")
    ones = torch.ones((1, 1, 2, 2), dtype=getattr(torch, dtype))
    Cudnn(simulated).convolve(ones, ones, "gemm", tf32=tf32, stream=0, memory=lambda size: torch.empty(1, dtype=torch.uint8))
    assert number(simulated, "math_seen") == math


def test_what_is_not_supported_or_fails_is_one_line_and_nothing_is_left(simulated: Any) -> None:
    torch = pytest.importorskip("torch")
    ones, library = torch.ones((1, 1, 2, 2)), Cudnn(simulated)

    def reason(algorithm: str, images: Any = ones) -> str:
        with pytest.raises(CannotRun) as refusal:
            library.convolve(images, images, algorithm, tf32=False, stream=0, memory=lambda size: torch.empty(64))
        return str(refusal.value)

    assert reason("winograd") == (
        "cudnnGetConvolutionForwardWorkspaceSize: CUDNN_STATUS_NOT_SUPPORTED (winograd is not supported on this device)"
    )
    ctypes.c_int.in_dll(simulated, "broken").value = 1
    assert reason("direct") == "cudnnConvolutionForward: CUDNN_STATUS_BAD_PARAM (broken)"
    assert reason("gemm", ones.to(torch.int32)) == "cuDNN convolves no int32"
    assert number(simulated, "live") == 0


def test_a_library_without_the_functions_is_refused(tmp_path: Path) -> None:
    empty = ctypes.CDLL(compiled("int nothing;", tmp_path / "libempty.so"))
    with pytest.raises(CannotRun, match="has no cudnnGetErrorString"):
        Cudnn(empty)


def test_where_there_is_no_library_that_is_said() -> None:
    def nothing(name: str) -> Any:
        raise OSError(f"{name}: cannot open shared object file")

    with pytest.raises(CannotRun, match="no cuDNN library was found: its algorithms cannot be chosen"):
        load_cudnn(nothing)


def test_the_library_in_memory_is_taken_if_it_is_the_right_one(tmp_path: Path) -> None:
    if not loaded_libraries():
        pytest.skip("needs /proc")
    empty, right = tmp_path / "libcudnn.so.8", tmp_path / "libcudnn.so.9"
    ctypes.CDLL(compiled("int nothing;", empty))
    ctypes.CDLL(compiled(SIMULATED, right))
    asked: list[str] = []

    def load(name: str) -> Any:
        asked.append(name)
        if not name.startswith(str(tmp_path)):
            raise OSError("of another test")
        return ctypes.CDLL(name)

    assert number(load_cudnn(load).library, "live") == 0
    assert [name for name in asked if name.startswith(str(tmp_path))] == [str(empty), str(right)]


def test_the_algorithms_are_in_the_order_of_cudnn() -> None:
    assert ALGORITHMS.index("implicit-gemm") == 0
    assert ALGORITHMS.index("winograd") == 6
    assert ALGORITHMS.index("winograd-nonfused") == 7
