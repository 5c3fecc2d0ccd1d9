"""Kernels revealed with a loaded library, unless the cache on disk has them: one by one, or as the layers of a network."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from fpsynth.aliases import Json
from fpsynth.errors import InputError
from fpsynth.libraries.base import Library, one_line
from fpsynth.libraries.kernels import Kernel
from fpsynth.revealing.cache import Cache
from fpsynth.revealing.file import kernel_to_json, reveals_from_json, reveals_to_json
from fpsynth.revealing.kernel import reveal_kernel
from fpsynth.revealing.result import Read, Reveal

KernelReveals = Callable[[Kernel, int, int], Reveal]
"""What reveals a kernel, all positions of it, given the number of vectors and the seed."""


@dataclass
class CachedKernels:
    """Reveals of one library, in its process."""

    library: Library
    facts: Mapping[str, str] = field(default_factory=dict)
    """What the library and the machine say of themselves: each reveal tells it."""
    cache: Cache | None = None
    _asked_now: dict[tuple[Kernel, int, int, Read], Reveal] = field(default_factory=dict)
    """Layers of a network may be of one shape."""

    def __call__(self, kernel: Kernel, vectors: int, seed: int, read: Read = ()) -> Reveal:
        """The reveal of a kernel: as it was kept, else a new one, to be kept.  Raises CannotRun as ``reveal_kernel`` does.

        For positions that are ``read`` one of all positions will do, too.
        """
        asked = placeless(kernel), vectors, seed
        keys = [(*asked, those) for those in dict.fromkeys(((), read))]
        known = next((self._asked_now[key] for key in keys if key in self._asked_now), None)
        known = known or next(filter(None, itertools.starmap(self._kept, keys)), None) or self._new(*asked, read)
        self._asked_now[*asked, _looked_at(known, read)] = known
        return replace(known, kernel=kernel)

    def _new(self, kernel: Kernel, vectors: int, seed: int, read: Read) -> Reveal:
        found = reveal_kernel(self.library, kernel, vectors, seed, read)
        told = replace(found, facts={**self.facts, **self._launched(kernel)}, revealed=now())
        self.keep(told, vectors, seed, read)
        return told

    def keep(self, found: Reveal, vectors: int, seed: int, read: Read = ()) -> None:
        """Keep a reveal, unless the results of its kernel change between repeats: then another run is another answer."""
        read = _looked_at(found, read)
        self._asked_now.pop((placeless(found.kernel), vectors, seed, read), None)
        if self.cache is not None and found.repeats == "same":
            placed = replace(found, kernel=placeless(found.kernel))
            self.cache.put(_asked(placed.kernel, vectors, seed, read), reveals_to_json([placed]))

    def _kept(self, kernel: Kernel, vectors: int, seed: int, read: Read = ()) -> Reveal | None:
        """What the cache has, read as strictly as a file of somebody else's."""
        answer = None if self.cache is None else self.cache.get(_asked(kernel, vectors, seed, read))
        try:
            (found,) = () if answer is None else reveals_from_json(answer)
        except (InputError, ValueError):
            return None
        fits = found.kernel == kernel and found.repeats == "same" and found.revealed
        return replace(found, cached=True) if fits else None

    def _launched(self, kernel: Kernel) -> dict[str, str]:
        """The GPU's own kernels that were measured, as a fact."""
        try:
            names = self.library.launched(kernel)
        except Exception as error:  # profilers are fragile, and a reveal is worth having without them
            return {"launched": f"not known: {one_line(error)}"}
        return {"launched": "; ".join(names)} if names else {}


def now() -> str:
    """The time, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def placeless(kernel: Kernel) -> Kernel:
    """The kernel without what only says which of its results somebody looks at, or that a whole network is run."""
    where = kernel.environment
    return replace(kernel, environment=replace(where, row=0, output=None, outputs=kernel.outputs, whole=False))


def _looked_at(found: Reveal, read: Read) -> Read:
    """The positions that a reveal answers for: all, empty, where it has looked at all, whatever was read."""
    return () if found.whole else read


def _asked(kernel: Kernel, vectors: int, seed: int, read: Read = ()) -> Json:
    of_some = {"read": [list(position) for position in read]} if read else {}
    return {"kernel": kernel_to_json(kernel), "vectors": vectors, "seed": seed, **of_some}
