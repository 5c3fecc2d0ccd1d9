"""Runs of one network in many environments: the settings worth trying, the sweep of a replay, a process for each group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fpsynth.errors import InputError
from fpsynth.formats import Format
from fpsynth.libraries.cudnn import ALGORITHMS
from fpsynth.libraries.kernels import Environment, Pairs
from fpsynth.libraries.pool import CallResult, LibraryCall, LibraryPool, pool_for, require_device
from fpsynth.libraries.registry import NAMES, library_named

if TYPE_CHECKING:
    from fpsynth.networks.network import Network

BATCHES = (1, 4, 64)
"""Batch sizes of a replay: a vector, a few rows, and as many as a kernel's blocks hold."""

CUDA_BATCHES = (*BATCHES, 1024)
"""The same on a GPU, whose blocks hold more."""

PROCESSES = 2
"""Libraries in memory at a time, the one that is asked included; the next is imported meanwhile."""

Settings = tuple[tuple[str, str], ...]

SETTINGS: dict[str, tuple[Settings, ...]] = {
    "numpy": (  # OpenBLAS's kernels for other CPUs; np.sum is numpy's own and heeds none of them
        (("OPENBLAS_CORETYPE", "Prescott"),),
        (("OPENBLAS_CORETYPE", "Nehalem"),),
        (("OPENBLAS_CORETYPE", "Sandybridge"),),
        (("OPENBLAS_CORETYPE", "Haswell"),),
    ),
    "torch": (  # MKL computes layers, dot products and convolutions of single images; oneDNN the other convolutions
        (("MKL_CBWR", "COMPATIBLE"),),
        (("MKL_CBWR", "AVX"),),
        (("MKL_CBWR", "AVX2"),),
        (("ONEDNN_MAX_CPU_ISA", "SSE41"),),
        (("ONEDNN_MAX_CPU_ISA", "AVX"),),
        (("ONEDNN_MAX_CPU_ISA", "AVX2"),),
        (("ONEDNN_DEFAULT_FPMATH_MODE", "BF16"),),
    ),
    "tensorflow": (  # oneDNN computes float32 and Eigen the rest; without oneDNN Eigen computes everything
        (("TF_ENABLE_ONEDNN_OPTS", "0"),),
        (("ONEDNN_MAX_CPU_ISA", "SSE41"),),
        (("ONEDNN_MAX_CPU_ISA", "AVX2"),),
        (("ONEDNN_DEFAULT_FPMATH_MODE", "BF16"),),
    ),
    "onnxruntime": (),  # its kernels are chosen by the CPU alone
    "jax": (  # XLA compiles for the CPU that it is told of; float32 convolutions are oneDNN's
        (("XLA_FLAGS", "--xla_cpu_max_isa=SSE4_2"),),
        (("XLA_FLAGS", "--xla_cpu_prefer_vector_width=512"),),
        (("ONEDNN_MAX_CPU_ISA", "SSE41"),),
    ),
    "cupy": (),  # it has no CPU
}
"""Variables that make a library compute as on another CPU, or in a lower precision, each found to change some of its sums.

Tried on a CPU with AVX-512 and without effect there: MKL_CBWR=AVX512, ATEN_CPU_CAPABILITY, NPY_DISABLE_CPU_FEATURES,
OPENBLAS_CORETYPE=SapphireRapids, TF_XLA_FLAGS=--tf_xla_auto_jit=2, XLA_FLAGS=--xla_cpu_max_isa=AVX2.
"""

CUDA_SETTINGS: dict[str, tuple[Settings, ...]] = {
    "torch": (  # cuBLAS splits sums as far as its workspace holds their parts; cuBLASLt chooses for itself
        (("CUBLAS_WORKSPACE_CONFIG", ":16:8"),),
        (("TORCH_BLAS_PREFER_CUBLASLT", "1"),),
    ),
    "tensorflow": (),
    "jax": (  # XLA times kernels of its own against those of the libraries
        (("XLA_FLAGS", "--xla_gpu_autotune_level=0"),),
        (("XLA_FLAGS", "--xla_gpu_enable_triton_gemm=false"),),
    ),
    "cupy": (),
}
"""Variables worth trying on a GPU."""

SWITCHES: dict[str, tuple[Pairs, ...]] = {
    "torch": (
        (("tf32", "on"),),
        (("deterministic", "on"),),
        (("compile", "on"),),
        (("reduced", "off"),),
        (("accumulate", "float16"),),
    ),
    "tensorflow": ((("tf32", "off"),), (("deterministic", "on"),), (("xla", "on"),)),
    "jax": (
        (("deterministic", "on"),),
        (("precision", "highest"),),
        (("precision", "BF16_BF16_F32"),),
        (("precision", "BF16_BF16_F32_X3"),),
        (("precision", "TF32_TF32_F32_X3"),),
    ),
    "cupy": ((("tf32", "on"),), (("accelerators", "none"),)),
}
"""Switches worth trying on a GPU."""

CONVOLUTIONS: dict[str, tuple[Pairs, ...]] = {
    "torch": (
        (("tf32", "off"),),
        (("cudnn", "off"),),
        *((("cudnn", algorithm), ("tf32", value)) for algorithm in ALGORITHMS for value in ("off", "on")),
    )
}
"""The same for conv2d alone."""


def batches_for(device: str) -> tuple[int, ...]:
    """Batch sizes of a replay on a device."""
    return CUDA_BATCHES if device == "cuda" else BATCHES


def variations(environment: Environment) -> list[Environment]:
    """The environment itself, and with each of the settings, switches and layouts worth trying instead of its own.

    In a batch of one row both letters of x are the same memory: layouts that begin with T are left out there.

    Without those with which its operation cannot be computed, as far as that is known beforehand.
    """
    name, on_gpu = environment.library, environment.device == "cuda"
    library = library_named(name)
    switches = SWITCHES.get(name, ()) if on_gpu else ()
    if on_gpu and environment.operation == "conv2d":
        switches += CONVOLUTIONS.get(name, ())
    settings = (CUDA_SETTINGS if on_gpu else SETTINGS).get(name, ())
    return [
        environment,
        *(
            replace(environment, switches=pairs, settings=())
            for pairs in switches
            if not library.objection(environment.operation, environment.device, dict(pairs))
        ),
        *(replace(environment, settings=pairs, switches=()) for pairs in settings),
        *(
            replace(environment, layout=layout, settings=(), switches=())
            for layout in library.calls[environment.operation].tried
            if layout[0] == "N" or environment.batch > 1
        ),
    ]


@dataclass(frozen=True)
class Run:
    """What an environment made of a network."""

    environment: Environment
    answers: tuple[CallResult, ...]
    """One per point, from a batch that holds nothing but copies of it."""
    version: str = ""
    """Of the library; empty if it is not installed."""
    facts: dict[str, str] = field(default_factory=dict)
    """CPU, builds, kernels, threads, settings."""


def sweep(
    names: Sequence[str] = NAMES, batches: Sequence[int] | None = None, device: str = "cpu", *, varied: bool = False
) -> list[Environment]:
    """Every variant of every library that is installed and knows the device, at each of the batch sizes.

    ``batches``: None for those of the device.  ``varied``: also with each setting, switch and layout that is worth trying.
    Raises InputError for an unknown library.
    """
    sizes = batches_for(device) if batches is None else batches
    libraries = [library_named(name) for name in names]
    plain = [
        Environment(library.name, variant, batch=batch, device=device)
        for library in libraries
        if library.version() is not None and device in library.devices
        for variant in library.variants
        for batch in sizes
    ]
    return [varied for one in plain for varied in variations(one)] if varied else plain


def run_in(
    environments: Sequence[Environment],
    network: Network,
    dtype: Format,
    points: Sequence[Sequence[float]],
    *,
    timeout: float = 120.0,
    processes: int = PROCESSES,
    progress: Callable[[str], None] | None = None,
) -> list[Run]:
    """Run ``network`` in every environment, on a batch of copies of each point; return one Run per environment, in their order.

    Environments that can share a process do; at most ``processes`` of them are there at a time, and each may take ``timeout``
    seconds to get ready and answer.  The row, output and number of outputs that an environment names play no part here: the
    answers hold all rows and outputs that the network has.  sum, vdot and conv2d run networks of one layer.  Raises InputError
    where a point does not fit the network, and for cuda without a GPU.
    """
    if processes < 1:
        raise InputError(f"{processes} processes cannot run anything")
    for device in {environment.device for environment in environments}:
        require_device(device)
    groups: dict[object, list[int]] = {}
    for number, environment in enumerate(environments):
        groups.setdefault(environment.process, []).append(number)
    shares = list(groups.values())
    found: dict[int, Run] = {}
    with ExitStack() as stack:
        for share, pool in zip(shares, _pools(stack, [environments[s[0]] for s in shares], timeout, processes), strict=True):
            first = environments[share[0]]
            if progress is not None:
                chosen = ("=".join(pair) for pair in (*first.switches, *first.settings))
                progress(f"running the network in {' '.join((first.library, *chosen))}")
            calls = [
                LibraryCall(environments[number].operation, (k,) * environments[number].batch, environments[number].layout)
                for number in share
                for k in range(len(points))
            ]
            answers = iter(pool.run(network, dtype, points, {first.library: calls})[first.library])
            member = pool.members[first.library]
            for number in share:
                mine = tuple(next(answers) for _ in points)
                found[number] = Run(environments[number], mine, member.version or "", member.environment)
    return [found[number] for number in range(len(environments))]


def _pools(stack: ExitStack, firsts: Sequence[Environment], timeout: float, processes: int) -> Iterator[LibraryPool]:
    """A pool for each process, started ahead of its turn, closed after it, and by the stack whatever happens."""
    pools: list[LibraryPool] = []
    for turn in range(len(firsts)):
        for first in firsts[len(pools) : turn + processes]:
            pools.append(pool_for(first.process, timeout=timeout))
            stack.enter_context(pools[-1])
        yield pools[turn]
        pools[turn].close()
