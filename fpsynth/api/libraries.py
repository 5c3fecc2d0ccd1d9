"""environments, reveal and matrix, in Python: what the libraries of this machine are, and in which arithmetic they compute."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from fpsynth.api.keywords import OLDER, Batches, Libraries, batches_of, formerly, libraries_of
from fpsynth.errors import InputError
from fpsynth.formats import format_named
from fpsynth.synthesis.options import MAX_VECTORS, Progress, check_batches, check_limits

if TYPE_CHECKING:
    from fpsynth.libraries.environments import Installation
    from fpsynth.revealing.result import Reveal
    from fpsynth.synthesis.matrix import Matrix

MAX_OUTPUTS = 4096
MAX_THREADS = 99_999


@formerly(**OLDER)
def environments(library: Libraries = None, *, device: str = "cpu") -> Installation:
    """Say for each library whether it is installed here, and what it can run; and which solvers there are."""
    from fpsynth.libraries.environments import installation

    return installation(libraries_of(library), device)


@formerly(**OLDER)
def reveal(
    environment: str,
    *,
    terms: int = 8,
    batch: Batches = None,
    outputs: int | None = None,
    dtype: str = "float32",
    bias: bool = False,
    threads: int | None = None,
    vectors: int = 10_000,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[Reveal, ...]:
    """Find out in which arithmetic an environment sums, at each batch size, and check the answer on ``vectors`` vectors.

    ``environment``: LIBRARY:OPERATION[:OPTIONS] such as ``torch:linear:layout=NN``.  ``batch``, ``outputs`` and
    ``threads``: where the environment does not say them itself (else 1, 1 and as many as the library takes).  ``terms``:
    products in each sum, from 1 to 65 536.  ``bias``: of a layer with biases.  Raises InputError for what cannot be used, and
    for what the library refuses.
    """
    from fpsynth.libraries.kernels import MAX_TERMS, Kernel
    from fpsynth.libraries.naming import parse_environment
    from fpsynth.revealing.revealer import Revealer

    parsed = parse_environment(environment)
    for name, value in (("batch", batch), ("outputs", outputs), ("threads", threads)):
        if value is not None and f"{name}=" in environment.partition(":")[2]:
            what = {"batch": "the batch size", "outputs": "the number of outputs", "threads": "the number of threads"}[name]
            raise InputError(f"say {what} once: as {name}=N of the environment, or with --{name}")
    if threads is not None:
        if not 1 <= threads <= MAX_THREADS:
            raise InputError(f"the number of threads must be from 1 to {MAX_THREADS}")
        parsed = replace(parsed, threads=threads)
    sizes = (parsed.batch,) if batch is None else tuple(dict.fromkeys(batches_of(batch, parsed.device)))
    check_batches(sizes)
    check_limits(1, seed, None)
    width = parsed.outputs or (1 if outputs is None else outputs)
    if not 1 <= terms <= MAX_TERMS or not 1 <= width <= MAX_OUTPUTS or not 1 <= vectors <= MAX_VECTORS:
        raise InputError(f"terms and outputs must be from 1 to {MAX_TERMS}, vectors from 1 to {MAX_VECTORS}")
    if parsed.operation == "vdot" and sizes != (1,):
        raise InputError("vdot takes one pair of vectors: batch 1")
    found = []
    with Revealer() as revealer:
        for number, batch in enumerate(sizes, start=1):
            if progress:
                progress(f"revealing {parsed.library}:{parsed.operation} at batch {batch} ({number} of {len(sizes)})")
            if parsed.row >= batch:
                raise InputError(f"row {parsed.row} is not in a batch of {batch}: rows are counted from 0")
            placed = replace(parsed, batch=batch, outputs=width)
            kernel = Kernel(placed, format_named(dtype), terms, width, bias)
            found.append(revealer.reveal(kernel, vectors=vectors, seed=seed, threads=True))
    return tuple(found)


@formerly(**OLDER)
def matrix(
    *,
    terms: int = 64,
    outputs: int = 2,
    dtype: str = "float32",
    batch: Batches = None,
    library: Libraries = None,
    settings: bool = True,
    vectors: int = 10_000,
    seed: int = 0,
    timeout: float = 20.0,
    device: str = "cpu",
    reveals: Sequence[str | os.PathLike[str]] = (),
    progress: Progress | None = None,
) -> Matrix:
    """Reveal every environment of this machine and find a detector for each pair of different arithmetics, both ways round.

    ``settings``: also with the variables, switches and layouts that make a library choose other kernels.  ``timeout``: seconds
    for the search of one detector.  ``reveals``: reveal files, perhaps of another machine, whose environments are further
    members.
    Raises InputError for what cannot be used.
    """
    from fpsynth.libraries.kernels import MAX_TERMS
    from fpsynth.revealing.file import load_reveals
    from fpsynth.synthesis.matrix import run_matrix

    batches = batches_of(batch, device)
    check_batches(batches)
    check_limits(timeout, seed, None)
    if not 1 <= terms <= MAX_TERMS or not 1 <= outputs <= MAX_OUTPUTS or not 1 <= vectors <= MAX_VECTORS:
        raise InputError(f"terms and outputs must be from 1 to {MAX_TERMS}, vectors from 1 to {MAX_VECTORS}")
    return run_matrix(
        format_named(dtype),
        terms,
        outputs,
        libraries_of(library),
        batches,
        settings,
        vectors=vectors,
        seed=seed,
        timeout=timeout,
        device=device,
        reveals=[found for path in reveals for found in load_reveals(path)],
        progress=progress,
    )
