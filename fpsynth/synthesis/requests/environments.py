"""The environments that a question about a whole network names: libraries, batch sizes and numbers of threads, as texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from fpsynth.synthesis.requests.reading import Batches, Libraries, batches_of, check_batches

if TYPE_CHECKING:
    from fpsynth.libraries.kernels import Environment


def names_of(library: Libraries) -> list[str]:
    """Names of libraries, which may share a text, and environments, which have commas of their own; None: all installed."""
    from fpsynth.libraries.registry import NAMES, library_named

    if library is None:
        return [name for name in NAMES if library_named(name).version()]
    given = [library] if isinstance(library, str) else list(library)
    libraries = "|".join(map(re.escape, NAMES))
    begins = re.compile(rf",(?=\s*(?:{libraries})\s*(?:[:,]|$))")  # other commas stand between options, or names that are none
    return [
        name.strip() for text in given for part in begins.split(text) for name in ([part] if ":" in part else part.split(","))
    ]


def environments_of(names: Sequence[str], batch: Batches, threads: Sequence[int | None]) -> list[Environment]:
    """Every environment at every batch size and with every number of threads that it does not name itself."""
    from fpsynth.libraries.naming import parse_network_environment

    sizes = batches_of(batch, "cpu")
    check_batches(sizes)
    found: dict[Environment, None] = {}
    for name in names:
        where = parse_network_environment(name)
        for size in (where.batch,) if "batch=" in name else sizes:
            for count in (where.threads,) if "threads=" in name else threads:
                found[replace(where, batch=size, threads=count)] = None
    return list(found)
