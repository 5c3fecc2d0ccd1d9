"""compare, and reveal of whole networks, in Python: a network from a file in the libraries of this machine."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fpsynth.aliases import PathLike, Progress
from fpsynth.errors import InputError
from fpsynth.formats import format_named
from fpsynth.synthesis.requests.distinct import require_distinct
from fpsynth.synthesis.requests.environments import environments_of, names_of
from fpsynth.synthesis.requests.functions import asking
from fpsynth.synthesis.requests.libraries import CompareRequest, require_once
from fpsynth.synthesis.requests.reading import MAX_VECTORS, Batches
from fpsynth.synthesis.requests.shared import check_seed

if TYPE_CHECKING:
    from fpsynth.synthesis.comparing.comparison import NetworkComparison


def reveal_network(
    network: PathLike,
    environment: str,
    *,
    batch: Batches = None,
    threads: int | None = None,
    dtype: str = "float32",
    vectors: int = 10_000,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[dict[str, Any], ...]:
    """Find out in which arithmetic each layer of a network is computed, at each batch size; as JSON data.

    ``network``: a file of any format that is read.  ``environment``: LIBRARY[:OPTIONS] such as ``torch`` or
    ``onnxruntime:optimize=off``; ``batch`` and ``threads``: where it says none itself (else 1, and as many as the library
    takes).  Raises InputError for what cannot be read or used.
    """
    from fpsynth.networks.reading import read_network
    from fpsynth.revealing.revealer import Revealer

    require_once(environment, batch=batch, threads=threads)
    read = read_network(network)
    check_seed(seed)
    if not 1 <= vectors <= MAX_VECTORS:
        raise InputError(f"vectors must be from 1 to {MAX_VECTORS}")
    wanted = environments_of([environment], 1 if batch is None else batch, (threads,))
    found = []
    with Revealer() as revealer:
        for where in wanted:
            if progress:
                progress(f"revealing {read.network.logits.output} and what leads to it in {where}")
            answer = revealer.network(read.network, format_named(dtype), where, vectors=vectors, seed=seed)
            found.append(answer["reveal"])
    return tuple(found)


@asking(CompareRequest)
def compare(request: CompareRequest) -> NetworkComparison:
    """Run a network on the same inputs in several environments: which classes change, how far logits part, what could change.

    ``network``: a file of any format that is read.  ``images``: an .npz with ``images`` (uint8 is divided by 255) and perhaps
    ``labels``, or with ``inputs``.  ``library``: names of libraries, or environments such as
    ``tensorflow:TF_ENABLE_ONEDNN_OPTS=0``; all that are installed by default.  Raises InputError for what cannot be used.
    """
    from fpsynth.networks.points import load_points, require_classes
    from fpsynth.networks.reading import read_network
    from fpsynth.synthesis.comparing.compared import compare as compared

    if request.library is not None:
        require_distinct(names_of(request.library), "a comparison")
        _require_taken(names_of(request.library), batch=request.batch, threads=request.threads)
    read = read_network(request.network)
    points, labels = load_points(request.images, read.network.input_shape)
    require_classes(labels, math.prod(read.network.logits.output_shape))
    names = names_of(request.library)
    compared_network = compared(
        read.network,
        request.format,
        points,
        environments_of(names, request.batches, request.thread_counts),
        labels=labels,
        vectors=request.vectors,
        seed=request.seed,
        progress=request.progress or _silent,
    )
    return replace(compared_network, files=(os.fspath(request.network), os.fspath(request.images)))


def _require_taken(names: Sequence[str], **options: object) -> None:
    """Raise InputError for an option that every environment says itself, so that none takes it."""
    for name, value in options.items():
        if value is not None and all(f"{name}=" in environment for environment in names):
            raise InputError(f"every environment says its own {name}: leave the option {name} out, or {name}=N of one of them")


def _silent(text: str) -> None:
    """No progress."""
