"""The process in which a library's order is found twice, by FPRev as published and by fpsynth, and both are timed.

Requests: {"load": name, "device": device, "threads": number or null}, {"fprev": kernel}, and
{"order": kernel, "positions": lists of pairs (row, output) that share one arithmetic}.
"""

from __future__ import annotations

import time

from benchmarks.naive_reveal import Probe, fprev
from fpsynth.libraries.base import CannotRun, Library
from fpsynth.libraries.registry import library_named
from fpsynth.revealing.bench import KernelBench
from fpsynth.revealing.file import kernel_from_json
from fpsynth.revealing.masks import tree_of
from fpsynth.workers.messages import Message


class _Server:
    """Answers requests with one library, chosen by the first of them."""

    def __init__(self) -> None:
        self.library: Library | None = None

    def __call__(self, request: Message) -> Message:
        try:
            if "load" in request:
                self.library = library_named(request["load"])
                self.library.load(request["device"], request["threads"])
                return {"ready": True}
            assert self.library is not None, "load a library first"
            return self._fprev(self.library, request) if "fprev" in request else self._order(self.library, request)
        except CannotRun as reason:
            return {"failed": str(reason)}

    def _fprev(self, library: Library, request: Message) -> Message:
        probe = Probe(library, kernel_from_json(request["fprev"]))
        start = time.monotonic()
        tree = fprev(probe.terms, probe)
        return {"seconds": time.monotonic() - start, "calls": probe.calls, "steps": tree.steps}

    def _order(self, library: Library, request: Message) -> Message:
        kernel = kernel_from_json(request["order"])
        bench = KernelBench(library.operation(kernel), kernel)
        start = time.monotonic()
        trees = [tree_of(bench, [(row, output) for row, output in positions]) for positions in request["positions"]]
        return {"seconds": time.monotonic() - start, "calls": bench.calls, "steps": trees[0].steps}


handler = _Server
"""What the process answers with (see ``workers.serving``)."""
