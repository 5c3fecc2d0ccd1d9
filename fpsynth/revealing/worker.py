"""The process in which a library is revealed: imports it when told to, then reveals kernels; arrays never leave it.

Requests: {"load": name, "device": device, "threads": number or null, "switches": {...}};
{"reveal": kernel, "vectors": number, "seed": number, "read": [[row, output], ...], empty for all}, answered from
the cache on disk where that has it ("cached": true);
{"keep": reveal, ...} for one of which more has become known, as it was asked for; {"digest": kernel, "seed": number};
{"results": kernel, "rows": [...], "outputs": [...], "vectors": {...} or "operands": [[point, weights], ...]} for what it
returns (see ``comparing``), where points, weights and results are arrays; {"network": ...}, {"outputs_of": ...} and
{"keras_file_of": ...}, see ``network_answers``.  The answer to what cannot be done is
{"failed": reason, "dead": whether the process had better not be asked again}.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fpsynth.libraries.base import CannotRun, one_line
from fpsynth.libraries.machine import cpu, kernel_variables
from fpsynth.libraries.worker import started
from fpsynth.revealing.cache import cache_for
from fpsynth.revealing.file import kernel_from_json, reveal_from_json, reveal_to_json
from fpsynth.revealing.identity import identity
from fpsynth.workers.messages import Message

if TYPE_CHECKING:
    from fpsynth.revealing.kernels import CachedKernels
    from fpsynth.revealing.result import Read

_DEAD = re.compile(
    r"CUDA error|CUDA_ERROR|cudaError|device-side assert|illegal memory|misaligned address|launch failure|out of memory"
    r"|RESOURCE_EXHAUSTED|CU(?:BLAS|DNN)_STATUS_(?:ALLOC_FAILED|EXECUTION_FAILED|INTERNAL_ERROR|NOT_INITIALIZED)",
    re.IGNORECASE,
)
"""What is said of errors after which a process cannot use the GPU any more, or holds memory that others need."""


def _positions(request: Message) -> Read:
    """Of what rows and outputs the arithmetics are wanted; empty: of all."""
    return tuple((row, output) for row, output in request["read"])


def failure(error: Exception) -> Message:
    """What a library raised, as an answer."""
    reason = str(error) if isinstance(error, CannotRun) else f"{type(error).__name__}: {one_line(error)}"
    return {"failed": reason, "dead": _DEAD.search(reason) is not None}


class _Server:
    """Answers requests with one library, chosen by the first of them."""

    def __init__(self) -> None:
        self.kernels: CachedKernels | None = None

    def __call__(self, request: Message) -> Message:
        try:
            if "load" in request:
                return self._load(request)
            assert self.kernels is not None, "load a library first"
            return self._answered(self.kernels, request)
        except Exception as error:  # what a library raises is its reason; a bug of ours must be seen as such
            return failure(error)

    def _answered(self, kernels: CachedKernels, request: Message) -> Message:
        from fpsynth.revealing.kernel import digest

        if "outputs_of" in request:
            from fpsynth.revealing.network_answers import outputs_answer

            return outputs_answer(kernels.library, request)
        if "keras_file_of" in request:
            from fpsynth.revealing.network_answers import keras_answer

            return keras_answer(request)
        if "digest" in request:
            return {"digest": digest(kernels.library, kernel_from_json(request["digest"]), request["seed"])}
        if "network" in request:
            from fpsynth.revealing.network_answers import network_answer

            return network_answer(kernels, request)
        if "results" in request:
            from fpsynth.revealing.bench import KernelBench
            from fpsynth.revealing.comparing import answered

            kernel = kernel_from_json(request["results"])
            return answered(KernelBench(kernels.library.operation(kernel), kernel), request)
        if "keep" in request:
            kernels.keep(reveal_from_json(request["keep"]), request["vectors"], request["seed"], _positions(request))
            return {"kept": True}
        found = kernels(kernel_from_json(request["reveal"]), request["vectors"], request["seed"], _positions(request))
        return {"reveal": reveal_to_json(found), "cached": found.cached}

    def _load(self, request: Message) -> Message:
        library = started(request)
        try:
            described = library.describe(request["device"])
        except Exception as error:  # a reveal is worth having without them
            described = {"facts": f"not known: {one_line(error)}"}
        from fpsynth.revealing.kernels import (
            CachedKernels,
        )  # numpy is not to come before the library, which says with how many threads

        kept = cache_for(lambda: identity(library, request, described))
        self.kernels = CachedKernels(library, {**cpu(), **described, **kernel_variables()}, kept)
        return {"ready": True}


handler = _Server
"""What the process answers with (see ``workers.serving``)."""
