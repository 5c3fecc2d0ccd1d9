"""The process in which a library is revealed: imports it when told to, then reveals kernels; arrays never leave it.

Requests, one JSON object each: {"load": name, "device": device, "threads": number or null, "switches": {...}};
{"reveal": kernel, "vectors": number, "seed": number}; {"digest": kernel, "seed": number}.
"""

from __future__ import annotations

import gc

from fpsynth.libraries.base import CannotRun, Library, one_line
from fpsynth.libraries.machine import cpu, kernel_variables
from fpsynth.libraries.registry import library_named
from fpsynth.processes import Message, serve
from fpsynth.revealing.file import kernel_from_json, reveal_to_json


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
            found = reveal_kernel(self.library, kernel_from_json(request["reveal"]), request["vectors"], request["seed"])
            return {"reveal": {**reveal_to_json(found), "facts": self.facts}}
        except CannotRun as reason:
            return {"failed": str(reason)}
        except Exception as error:  # what a library raises is its reason; a bug of ours must be seen as such
            return {"failed": f"{type(error).__name__}: {one_line(error)}"}

    def _load(self, request: Message) -> Message:
        self.library = library_named(request["load"])
        gc.disable()  # importing makes many objects and no garbage
        try:
            self.library.start(request["device"], request["threads"], request["switches"])
        finally:
            gc.enable()
        self.facts = {**cpu(), **self.library.describe(request["device"]), **kernel_variables()}
        return {"ready": True}


if __name__ == "__main__":
    serve(_Server())
