"""environments, reveal and matrix, in Python: what the libraries of this machine are, and in which arithmetic they compute."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fpsynth.errors import InputError
from fpsynth.synthesis.requests.functions import asking
from fpsynth.synthesis.requests.libraries import MatrixRequest, RevealRequest, require_layer
from fpsynth.synthesis.requests.looking import EnvironmentsRequest
from fpsynth.synthesis.requests.reading import batches_of, check_batches

if TYPE_CHECKING:
    from fpsynth.libraries.environments import Installation
    from fpsynth.revealing.result import Reveal
    from fpsynth.synthesis.matrix import Matrix


@asking(EnvironmentsRequest)
def environments(request: EnvironmentsRequest) -> Installation:
    """Say for each library whether it is installed here, and what it can run; and which solvers there are."""
    from fpsynth.libraries.environments import installation
    from fpsynth.solvers.engines import packages

    return installation(request.libraries, request.device, packages())


@asking(RevealRequest)
def reveal(request: RevealRequest) -> tuple[Reveal, ...]:
    """Find out in which arithmetic an environment sums, at each batch size, and check the answer on ``vectors`` vectors.

    ``environment``: LIBRARY:OPERATION[:OPTIONS] such as ``torch:linear:layout=NN``.  ``batch``, ``outputs`` and
    ``threads``: where the environment does not say them itself (else 1, 1 and as many as the library takes).  Raises
    InputError for what cannot be used, and for what the library refuses.
    """
    from fpsynth.libraries.kernels import Kernel
    from fpsynth.libraries.naming import parse_environment
    from fpsynth.revealing.revealer import Revealer

    parsed, progress = parse_environment(request.environment), request.progress
    if request.threads is not None:
        parsed = replace(parsed, threads=request.threads)
    sizes = (parsed.batch,) if request.batch is None else tuple(dict.fromkeys(batches_of(request.batch, parsed.device)))
    check_batches(sizes)
    width = parsed.outputs or (1 if request.outputs is None else request.outputs)
    require_layer(request.terms, width, request.vectors)
    if parsed.operation == "vdot" and sizes != (1,):
        raise InputError("vdot takes one pair of vectors: batch 1")
    found = []
    with Revealer() as revealer:
        for number, batch in enumerate(sizes, start=1):
            if progress:
                progress(f"revealing {parsed.library}:{parsed.operation} at batch {batch} ({number} of {len(sizes)})")
            if parsed.row >= batch:
                raise InputError(f"row {parsed.row} is not in a batch of {batch}: rows are counted from 0")
            kernel = Kernel(replace(parsed, batch=batch, outputs=width), request.format, request.terms, width, request.bias)
            found.append(revealer.reveal(kernel, vectors=request.vectors, seed=request.seed, threads=True))
    return tuple(found)


@asking(MatrixRequest)
def matrix(request: MatrixRequest) -> Matrix:
    """Reveal every environment of this machine and find a detector for each pair of different arithmetics, both ways round.

    ``settings``: also with the variables, switches and layouts that make a library choose other kernels.  ``reveals``: reveal
    files, perhaps of another machine, whose environments are further members.  Raises InputError for what cannot be used.
    """
    from fpsynth.revealing.file import load_reveals
    from fpsynth.synthesis.matrix import run_matrix

    return run_matrix(request, [found for path in request.reveals for found in load_reveals(path)])
