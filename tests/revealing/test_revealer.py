"""Real libraries, revealed in processes of their own: everything explained, refusals in one line, nothing left behind."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import replace

import pytest
from processors import has_tiles, needs_bfloat16
from profiles import slow

from fpsynth.errors import InputError
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, format_named
from fpsynth.libraries.base import CannotRun
from fpsynth.libraries.kernels import Kernel
from fpsynth.libraries.naming import parse_environment
from fpsynth.libraries.registry import library_named
from fpsynth.orders import Tree, parse_order
from fpsynth.revealing.file import reveal_from_json, reveal_to_json
from fpsynth.revealing.result import Reveal, pairs_reversed
from fpsynth.revealing.revealer import Revealer
from fpsynth.revealing.worker import failure
from fpsynth.rounding import Flush
from fpsynth.sums.arithmetic import Arithmetic


@pytest.fixture(scope="module")
def revealer():
    """One process per library for all tests of this file."""
    with Revealer() as shared:
        yield shared


def of(revealer: Revealer, environment: str, dtype=FLOAT32, terms=8, outputs=1, vectors=300, **more) -> Reveal:
    """Skip where the library is absent."""
    where = parse_environment(environment)
    if library_named(where.library).version() is None:
        pytest.skip(f"{where.library} is not installed")
    return revealer.reveal(Kernel(where, dtype, terms, outputs, **more), vectors=vectors)


KERNELS = [
    *((f"{name}:batch={batch}", 3) for name in ("numpy:matmul", "torch:linear", "jax:jit") for batch in (1, 4, 64)),
    *((f"{name}:batch={batch}", 3) for name in ("tensorflow:matmul", "onnxruntime:gemm") for batch in (1, 64)),
    ("numpy:sum", 1),
    ("numpy:vdot", 1),
    ("torch:sum", 1),
]


@pytest.mark.parametrize(
    ("environment", "outputs", "terms"),
    [
        pytest.param(*kernel, terms, marks=slow if (terms == 8) == (k % 2 == 0) else ())
        for terms in (8, 64)
        for k, kernel in enumerate(KERNELS)
    ],
)
def test_libraries_are_explained(revealer, environment, outputs, terms):
    found = of(revealer, environment, terms=terms, outputs=outputs)
    assert found.explained, (found.notes, [str(cls.check) for cls in found.classes])
    assert all(cls.check.total >= 300 for cls in found.classes)
    assert found.alignment
    assert found.calls > found.tree_calls >= 1
    assert found.tree_calls <= len(found.classes) * terms * (terms - 1) / 2 + 1


LAYOUTS = (
    *("numpy:matmul:batch=4,layout=NN", "numpy:matmul:batch=4,layout=TsNe", "numpy:dot-rows:batch=4,layout=TN"),
    *("torch:linear:batch=4,layout=NN", "torch:matmul:batch=4,layout=NTe", "torch:sum:batch=4,layout=T"),
    *("tensorflow:matmul:batch=4,layout=TT", "tensorflow:function:batch=1,layout=NT"),
    *("jax:jit:batch=4,layout=TT", "jax:eager:batch=4,layout=NN", "onnxruntime:gemm:batch=4,layout=TN"),
)


@pytest.mark.parametrize("text", LAYOUTS)
def test_every_layout_is_explained(revealer, text):
    """What a reveal finds is what the layout does, in every library."""
    found = of(revealer, text, terms=16, outputs=1 if ":sum" in text else 3)
    assert found.explained, (found.notes, [str(cls.check) for cls in found.classes])
    assert str(found.kernel.environment) == text
    assert reveal_from_json(reveal_to_json(found)) == found


@needs_bfloat16
@pytest.mark.parametrize("terms", [2, 64, *(pytest.param(terms, marks=slow) for terms in (4, 8, 1000))])
@pytest.mark.parametrize("batch", [1, 64])
@pytest.mark.parametrize("library", ["torch", "tensorflow"])
def test_bfloat16_kernels_are_explained_on_every_vector(revealer, library, batch, terms):
    """AVX512-BF16 takes the second product of a pair first; AMX adds even and odd products of each 32 apart."""
    found = of(revealer, f"{library}:matmul:batch={batch},outputs=64", BFLOAT16, terms, 64, vectors=10_000)
    assert found.explained, [(str(cls.arithmetic), str(cls.check)) for cls in found.classes]
    assert sum(cls.check.total for cls in found.classes) >= 10_000
    for cls in found.classes:
        if cls.arithmetic.fused:
            assert (0, 1) in pairs_reversed(cls.arithmetic, terms) or (has_tiles() and of_tiles(cls.arithmetic, terms))
            assert cls.arithmetic.flush is Flush.UNBOUNDED


def of_tiles(how: Arithmetic, terms: int) -> bool:
    """Whether the first sums are TDPBF16PS's, by Intel's manual: even and odd products of a tile's 32, then both."""
    return sums(parse_order("lanes:2").tree(min(terms, 32))) <= sums(how.order.tree(terms))


def sums(tree: Tree) -> set[frozenset[int]]:
    """The leaves of every partial sum."""
    below = [frozenset([k]) for k in range(tree.leaves)]
    for step in tree.steps:
        below.append(frozenset().union(*(below[node] for node in step)))
    return set(below[tree.leaves :])


def test_a_convolution(revealer):
    assert of(revealer, "torch:conv2d", terms=9, outputs=2).explained


@pytest.mark.parametrize("environment", ["numpy:matmul:batch=4", "torch:linear", "tensorflow:matmul"])
def test_float64(revealer, environment):
    assert of(revealer, environment, FLOAT64, terms=24).explained


@pytest.mark.parametrize("dtype", [FLOAT16, BFLOAT16])
def test_half_precision_sums_have_a_wide_accumulator(revealer, dtype):
    found = of(revealer, "torch:linear:batch=4", dtype, terms=16)
    assert found.explained
    assert found.classes[0].arithmetic.accumulator == FLOAT32


def test_numpy_sums_pairwise(revealer):
    """((0+1)+(2+3))+((4+5)+(6+7)), as numpy's documentation and FPRev (ATC 2025) have it."""
    found = of(revealer, "numpy:sum", terms=8)
    assert str(found.classes[0].arithmetic) == "float32 pairwise"


def test_a_bias_is_added_at_some_place(revealer):
    found = of(revealer, "torch:linear:batch=4", terms=8, outputs=3, bias=True)
    assert found.explained


def test_settings_reach_the_library(revealer):
    """MKL's and OpenBLAS's switches choose other kernels in a process of their own."""
    plain = of(revealer, "numpy:matmul:batch=4", terms=32, outputs=2)
    old = of(revealer, "numpy:matmul:batch=4,OPENBLAS_CORETYPE=Nehalem", terms=32, outputs=2)
    if old.facts.get("blas_kernels", "") == plain.facts.get("blas_kernels", ""):
        pytest.skip("numpy's BLAS has no kernels of other processors")
    assert old.explained
    assert not any(cls.arithmetic.fused for cls in old.classes), "a Nehalem has no fused multiply-add"


def test_threads_are_compared_on_request(revealer):
    plain = of(revealer, "numpy:sum", terms=8)
    assert plain.threads == ""
    compared = revealer.reveal(plain.kernel, vectors=300, threads=True)
    assert compared.threads == "the same results with 1 thread"
    assert compared.classes == plain.classes


@pytest.mark.parametrize(
    ("environment", "dtype", "terms", "outputs", "says"),
    [
        ("numpy:sum", "float32", 0, 1, "number of terms must be from 1 to 65536"),
        ("numpy:sum", "float32", 65_537, 1, "number of terms must be from 1 to 65536"),
        ("numpy:sum", "float32", 4, 2, "sum has one output"),
        ("numpy:matmul:batch=64", "float32", 4, 4096, "batch times outputs"),
        ("numpy:matmul", "tf32", 4, 1, "numpy has no dtype tf32"),
        ("numpy:matmul", "bfloat16", 4, 1, "float32|without the package ml_dtypes"),
        ("numpy:matmul:device=cuda", "float32", 4, 1, "cuda"),
    ],
)
def test_refusals(revealer, environment, dtype, terms, outputs, says):
    with pytest.raises(InputError, match=says) as refused:
        of(revealer, environment, format_named(dtype), terms, outputs)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["basic:sum", "numpy:cumsum", "numpy", "numpy:sum:batch=0", "numpy:sum:rows=2"])
def test_unknown_environments(text):
    with pytest.raises(InputError):
        parse_environment(text)


def test_a_library_that_is_not_installed(monkeypatch, revealer):
    monkeypatch.setattr(type(library_named("torch")), "version", lambda self: None)
    with pytest.raises(InputError, match="torch is not installed"):
        revealer.reveal(Kernel(parse_environment("torch:linear"), FLOAT32, 4))


@pytest.mark.usefixtures("nothing_stays")
def test_no_process_is_left_behind():
    with Revealer() as own:
        of(own, "numpy:sum", terms=2, vectors=50)
        (worker,) = own._workers
        process = worker.process
        assert process.poll() is None
    assert process.poll() is not None
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_a_library_that_dies_is_one_line_and_can_be_started_again():
    with Revealer() as own:
        of(own, "numpy:sum", terms=2, vectors=50)
        (worker,) = own._workers
        os.kill(worker.process.pid, signal.SIGSTOP)  # so that it is asked before it dies
        killer = threading.Timer(0.3, worker.process.kill)
        killer.start()
        with pytest.raises(InputError, match="crashed"):
            of(own, "numpy:sum", terms=3, vectors=50)
        killer.join()
        assert of(own, "numpy:sum", terms=3, vectors=50).explained


def test_one_that_does_not_answer_is_given_up():
    with Revealer(timeout=0.001) as own, pytest.raises(InputError, match=r"no answer within 0.001 s"):
        of(own, "numpy:sum", terms=2)


BROKEN = """
from fpsynth.libraries.numpy import Numpy
from fpsynth.revealing import worker


class Gpu(Numpy):
    broken = False

    def describe(self, device):
        raise RuntimeError("NVML: not supported")

    def operation(self, kernel, offset=None):
        compute = super().operation(kernel, offset)

        def failing(rows, weights, bias):
            self.broken = self.broken or kernel.terms == 13
            if self.broken:
                raise RuntimeError("CUDA error: an illegal memory access was encountered")
            return compute(rows, weights, bias)

        return failing




def started(request):
    library = Gpu()
    library.start(request["device"], request["threads"], request["switches"])
    return library


worker.started = started
handler = worker.handler
"""
"""A process whose library fails for good once it has computed a sum of 13 terms, as a CUDA context does."""


def test_a_process_that_a_kernel_has_broken_is_started_again_for_the_next(tmp_path, monkeypatch):
    (tmp_path / "broken_gpu.py").write_text(BROKEN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("fpsynth.revealing.revealer.WORKER", "broken_gpu")
    with Revealer() as own:
        assert of(own, "numpy:sum", terms=3, vectors=50).facts["facts"] == "not known: NVML: not supported"
        (first,) = own._workers
        with pytest.raises(InputError, match="an illegal memory access was encountered") as refused:
            of(own, "numpy:sum", terms=13, vectors=50)
        assert "\n" not in str(refused.value)
        assert not own._workers
        assert of(own, "numpy:sum", terms=4, vectors=50).explained
        (second,) = own._workers
        assert second.process.pid != first.process.pid


@pytest.mark.parametrize(
    ("error", "dead"),
    [
        (RuntimeError("CUDA error: device-side assert triggered"), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (CannotRun("CUBLAS_STATUS_EXECUTION_FAILED when calling cublasGemmEx"), True),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate"), True),
        (CannotRun("CUBLAS_STATUS_NOT_SUPPORTED when calling cublasLtMatmul"), False),
        (CannotRun("torch has no variant sum"), False),
    ],
)
def test_errors_after_which_a_process_is_not_asked_again(error, dead):
    answer = failure(error)
    assert answer["dead"] is dead
    assert str(error) in answer["failed"]


def test_a_library_that_cannot_be_loaded_is_asked_again_for_the_next_kernel():
    """The process that failed is not kept."""
    with Revealer() as own:
        for _ in range(2):
            with pytest.raises(InputError, match="no switch warp=on"):
                own._ask(replace(parse_environment("numpy:sum"), switches=(("warp", "on"),)), {})
            assert not own._workers
