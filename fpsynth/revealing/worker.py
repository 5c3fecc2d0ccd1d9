"""The process in which a library is revealed: imports it when told to, then reveals kernels; arrays never leave it.

Requests: {"load": name, "device": device, "threads": number or null, "switches": {...}};
{"reveal": kernel, "vectors": number, "seed": number}; {"digest": kernel, "seed": number};
{"results": kernel, "rows": [...], "outputs": [...], "vectors": {...} or "operands": [[point, weights], ...]} for what it
returns (see ``comparing``), where points, weights and results are arrays; {"network": ...} and {"outputs_of": ...}, see
``network_answers``.  The answer to what cannot be done is
{"failed": reason, "dead": whether the process had better not be asked again}.
"""

from __future__ import annotations

import re

from fpsynth.libraries.base import CannotRun, Library, one_line
from fpsynth.libraries.kernels import Kernel
from fpsynth.libraries.machine import cpu, kernel_variables
from fpsynth.libraries.worker import started
from fpsynth.revealing.file import kernel_from_json, reveal_to_json
from fpsynth.workers.messages import Message

_DEAD = re.compile(
    r"CUDA error|CUDA_ERROR|cudaError|device-side assert|illegal memory|misaligned address|launch failure|out of memory"
    r"|RESOURCE_EXHAUSTED|CU(?:BLAS|DNN)_STATUS_(?:ALLOC_FAILED|EXECUTION_FAILED|INTERNAL_ERROR|NOT_INITIALIZED)",
    re.IGNORECASE,
)
"""What is said of errors after which a process cannot use the GPU any more, or holds memory that others need."""


def failure(error: Exception) -> Message:
    """What a library raised, as an answer."""
    reason = str(error) if isinstance(error, CannotRun) else f"{type(error).__name__}: {one_line(error)}"
    return {"failed": reason, "dead": _DEAD.search(reason) is not None}


def _launched(library: Library, kernel: Kernel) -> dict[str, str]:
    """The GPU's own kernels that were measured, as a fact."""
    try:
        names = library.launched(kernel)
    except Exception as error:  # profilers are fragile, and a reveal is worth having without them
        return {"launched": f"not known: {one_line(error)}"}
    return {"launched": "; ".join(names)} if names else {}


class _Server:
    """Answers requests with one library, chosen by the first of them."""

    def __init__(self) -> None:
        self.library: Library | None = None
        self.facts: dict[str, str] = {}

    def __call__(self, request: Message) -> Message:
        try:
            if "load" in request:
                return self._load(request)
            assert self.library is not None, "load a library first"
            from fpsynth.revealing.kernel import digest, reveal_kernel

            if "digest" in request:
                return {"digest": digest(self.library, kernel_from_json(request["digest"]), request["seed"])}
            if "network" in request:
                from fpsynth.revealing.network_answers import network_answer

                return network_answer(self.library, request)
            if "outputs_of" in request:
                from fpsynth.revealing.network_answers import outputs_answer

                return outputs_answer(self.library, request)
            if "results" in request:
                from fpsynth.revealing.bench import Bench
                from fpsynth.revealing.comparing import answered

                kernel = kernel_from_json(request["results"])
                return answered(Bench(self.library.operation(kernel), kernel), request)
            kernel = kernel_from_json(request["reveal"])
            found = reveal_kernel(self.library, kernel, request["vectors"], request["seed"])
            return {"reveal": {**reveal_to_json(found), "facts": {**self.facts, **_launched(self.library, kernel)}}}
        except Exception as error:  # what a library raises is its reason; a bug of ours must be seen as such
            return failure(error)

    def _load(self, request: Message) -> Message:
        self.library = started(request)
        try:
            described = self.library.describe(request["device"])
        except Exception as error:  # a reveal is worth having without them
            described = {"facts": f"not known: {one_line(error)}"}
        self.facts = {**cpu(), **described, **kernel_variables()}
        return {"ready": True}


handler = _Server
"""What the process answers with (see ``workers.serving``)."""
