"""The main loop of every worker: ``python -m fpsynth.workers.serving MODULE`` answers requests with what the module handles.

``MODULE.handler()`` returns the function that answers: a request with a message, or with the messages that it yields, each sent
as soon as it is there.  Whatever else writes to standard output (libraries do) lands in the log instead of between messages.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import math
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

from fpsynth.workers.messages import Incoming, Message, packed

Handler = Callable[[Message], Iterator[Message] | Message]

PARENT = "FPSYNTH_WORKER_PARENT"
"""The variable that tells a worker the process that started it."""
MEMORY = "FPSYNTH_WORKER_MEMORY"
"""The variable that limits its address space, in bytes."""
REST = "FPSYNTH_WORKER_REST"
"""The variable that says how many seconds without a request a worker waits before it ends by itself."""


def main(module: str) -> None:
    """Serve until no more requests can come.  An error of the handler ends the process: its traceback is in the log."""
    _die_with_parent()
    _limit_memory()
    requests, answers = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)  # what libraries start must not read our requests
    handle: Handler = importlib.import_module(module).handler()
    with contextlib.suppress(EOFError, BrokenPipeError):
        _serve(requests, answers, handle)


def _serve(requests: int, answers: int, handle: Handler) -> None:
    incoming = Incoming(requests)
    rest = float(os.environ.pop(REST, "inf"))
    while select.select([requests], [], [], None if rest == math.inf else rest)[0]:
        arrived = incoming.read()
        assert arrived is not None
        assert arrived.content is not None
        result = handle(arrived.content)
        if isinstance(result, dict):
            _send(answers, result, True)
            continue
        for message in result:
            _send(answers, message, False)
        _send(answers, None, True)


def _send(descriptor: int, content: Message | None, last: bool) -> None:
    for piece in packed(content, last):
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def _limit_memory() -> None:
    limit = os.environ.pop(MEMORY, "")  # what it starts itself is limited as it is
    if limit:
        import resource  # not on Windows, where no limit is set

        resource.setrlimit(resource.RLIMIT_AS, (int(limit), int(limit)))


def _die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies (Linux); elsewhere watch for the change of parent."""
    parent = int(os.environ.get(PARENT, os.getppid()))  # told by the parent: it may be gone before we ask
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG
            if os.getppid() == parent:
                return
            os._exit(1)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    main(sys.argv[0])
