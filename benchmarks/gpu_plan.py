"""What benchmarks/gpu.py runs: kernels to reveal, the important ones first, and questions across devices."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fpsynth.errors import InputError
from fpsynth.formats import format_named
from fpsynth.libraries.kernels import Kernel
from fpsynth.libraries.naming import parse_environment
from fpsynth.libraries.registry import library_named

OUTPUTS = 16
"""Neurons of a layer, channels of a convolution: a multiple of 8, which tensor cores ask for."""
WIDE = 512
"""Neurons of the layers whose kernels may differ because there are many."""


@dataclass(frozen=True)
class Case:
    """Kernels that differ in their number of terms alone."""

    where: str
    """LIBRARY:OPERATION:OPTIONS, without device and number of outputs."""
    dtype: str
    terms: tuple[int, ...]
    outputs: int = OUTPUTS


@dataclass(frozen=True)
class Question:
    """Two sides on which a network is to disagree, and others on which it is not to."""

    name: str
    dtype: str
    a: str
    b: str
    silent: tuple[str, ...] = ()
    """Sides that do as ``a`` does: with them, the network departs in ``b`` only."""


SMALL, ALL = (8, 64), (8, 64, 784, 4096)

FIRST = (
    Case("torch:linear:batch=64", "float32", ALL),
    Case("torch:linear:batch=64,tf32=on", "float32", ALL),
    Case("torch:linear:batch=64", "float16", ALL),
    Case("torch:linear:batch=64", "bfloat16", ALL),
    Case("torch:linear:batch=1", "float32", ALL),
    Case("torch:sum:batch=1", "float32", ALL, 1),
    Case("torch:conv2d:batch=1,tf32=off", "float32", (8, 64, 784)),
    Case("torch:linear:batch=1", "float16", ALL),
    Case("torch:linear:batch=64", "float64", ALL),
    Case("torch:linear:batch=1,tf32=on", "float32", ALL),
    Case("jax:jit:batch=64", "float32", ALL),
    Case("cupy:matmul:batch=64", "float32", ALL),
    Case("torch:sum:batch=64", "float32", ALL, 1),
    Case("torch:conv2d:batch=64,tf32=off", "float32", (8, 64, 784)),
    Case("torch:conv2d:batch=64,tf32=on", "float32", (8, 64, 784)),
    Case("torch:linear:batch=64,accumulate=float16", "float16", ALL),
    Case("torch:linear:batch=64,reduced=off", "float16", (784, 4096)),
    Case("torch:linear:batch=64,deterministic=on", "float32", ALL),
    Case("torch:linear:batch=64,compile=on", "float32", (8, 64, 784)),
    Case("torch:linear:batch=1,compile=on", "float32", (8, 64, 784)),
    Case("torch:conv2d:batch=64", "float16", (8, 64, 784)),
    Case("torch:conv2d:batch=64,cudnn=implicit-gemm,tf32=off", "float32", (64, 784)),
    Case("torch:conv2d:batch=64,cudnn=implicit-precomp-gemm,tf32=off", "float32", (64, 784)),
    Case("torch:conv2d:batch=64,cudnn=winograd,tf32=off", "float32", (9, 72)),
    Case("torch:conv2d:batch=64,cudnn=winograd-nonfused,tf32=off", "float32", (9, 72)),
    Case("torch:conv2d:batch=64,cudnn=off", "float32", (64, 784)),
    Case("torch:linear:batch=1024", "float32", (64, 784)),
    Case("torch:linear:batch=1024", "float16", (64, 784)),
    Case("torch:linear:batch=4", "float32", ALL),
    Case("torch:linear:batch=4", "float16", ALL),
    Case("torch:linear:batch=64", "float32", (64, 784), WIDE),
    Case("torch:linear:batch=64", "float16", (64, 784), WIDE),
    Case("torch:linear:batch=1", "float32", ALL, 1),
    Case("torch:linear:batch=64", "float32", ALL, 1),
    Case("torch:linear:batch=1", "bfloat16", ALL),
    Case("torch:linear:batch=1", "float64", ALL),
    Case("torch:sum:batch=1", "float16", ALL, 1),
    Case("torch:sum:batch=1", "float64", ALL, 1),
    Case("torch:vdot:batch=1", "float32", ALL, 1),
    Case("jax:jit:batch=1", "float32", ALL),
    Case("jax:jit:batch=64,precision=highest", "float32", ALL),
    Case("jax:jit:batch=64,precision=tensorfloat32", "float32", ALL),
    Case("jax:jit:batch=64", "bfloat16", ALL),
    Case("jax:jit:batch=64", "float16", ALL),
    Case("jax:sum:batch=1", "float32", ALL, 1),
    Case("jax:conv2d:batch=64", "float32", (8, 64, 784)),
    Case("cupy:matmul:batch=1", "float32", ALL),
    Case("cupy:matmul:batch=64", "float16", ALL),
    Case("cupy:matmul:batch=64,tf32=on", "float32", ALL),
    Case("cupy:matmul:batch=64", "float64", ALL),
    Case("cupy:sum:batch=1", "float32", ALL, 1),
    Case("tensorflow:matmul:batch=64", "float32", ALL),
    Case("tensorflow:matmul:batch=64,tf32=off", "float32", ALL),
    Case("tensorflow:matmul:batch=64", "float16", ALL),
)
"""What is revealed first, a case at a time; what the time allows beyond that is everything in ``rest``."""


def kernels(device: str, libraries: Sequence[str], terms: Sequence[int] = ()) -> tuple[list[Kernel], list[str]]:
    """The kernels of the installed ones among ``libraries``, in the order in which they are worth having; and what cannot be.

    ``terms``: only these numbers of terms; all where it is empty.  On the CPU there are no switches: they are for a GPU.
    """
    usable = [name for name in libraries if library_named(name).version() and device in library_named(name).devices]
    found: dict[Kernel, None] = {}
    refused: dict[str, None] = {}
    for case in itertools.chain(FIRST, rest(usable)):
        if case.where.partition(":")[0] not in usable:
            continue
        try:
            where = parse_environment(f"{case.where},outputs={case.outputs}" + (",device=cuda" if device == "cuda" else ""))
        except InputError as error:
            refused[f"{case.where}: {error}"] = None
            continue
        if device == "cuda" or not where.switches:
            wanted = [count for count in case.terms if not terms or count in terms]
            found |= {Kernel(where, format_named(case.dtype), count, case.outputs): None for count in wanted}
    return list(found), list(refused)


def rest(libraries: Sequence[str]) -> Iterator[Case]:
    """Every variant and primitive at every batch size in every format."""
    for name, batch, dtype in itertools.product(libraries, (1, 4, 64, 1024), ("float32", "float16", "bfloat16", "float64")):
        library = library_named(name)
        for operation in library.operations:
            if dtype in library.dtypes and (operation != "vdot" or batch == 1):
                yield Case(f"{name}:{operation}:batch={batch}", dtype, ALL, 1 if operation in ("sum", "vdot") else OUTPUTS)


def questions() -> list[Question]:
    """Pairs of arithmetics across devices, shapes and precisions; and each again with others that must not depart."""

    def cpu(batch: int, library: str = "torch:linear") -> str:
        return f"{library}:batch={batch},outputs={OUTPUTS}"

    def gpu(batch: int, *options: str) -> str:
        return ",".join((cpu(batch), "device=cuda", *options))

    return [
        Question("CPU, GPU", "float32", cpu(64), gpu(64)),
        Question("CPU, GPU only", "float32", cpu(64), gpu(64), (cpu(1), cpu(64, "numpy:matmul"), gpu(64, "tf32=on"))),
        Question("GPU batch 1, 64", "float32", gpu(1), gpu(64)),
        Question("GPU batch 1, 64 only", "float32", gpu(1), gpu(64), (gpu(64, "tf32=on"), cpu(64, "numpy:matmul"))),
        Question("float32, TF32", "float32", gpu(64, "tf32=off"), gpu(64, "tf32=on")),
        Question("float32, TF32 only", "float32", gpu(64, "tf32=off"), gpu(64, "tf32=on"), (gpu(1, "tf32=off"), cpu(64))),
        Question("float16 CPU, GPU", "float16", cpu(64), gpu(64)),
        Question("float16 CPU, GPU only", "float16", cpu(64), gpu(64), (cpu(1), gpu(64, "accumulate=float16"))),
    ]


def rehearsed() -> list[Question]:
    """Questions of the same kinds for a machine without a GPU: batch sizes, variables and formats in place of devices."""
    one, many = (f"torch:linear:batch={batch},outputs={OUTPUTS}" for batch in (1, 64))
    other = f"{many},MKL_CBWR=COMPATIBLE"
    return [
        Question("batch 1, 64", "float32", one, many),
        Question("batch 1, 64 only", "float32", one, many, (f"numpy:matmul:batch=1,outputs={OUTPUTS}",)),
        Question("kernels", "float32", many, other),
        Question("float16 batch 1, 64", "float16", one, many),
    ]
