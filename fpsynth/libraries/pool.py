"""Libraries at work: a process for each, started at once, asked when ready; what fails there is a reason, not an error."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

from fpsynth.errors import InputError
from fpsynth.formats import Format
from fpsynth.libraries.base import Outputs
from fpsynth.libraries.kernels import Pairs, Process
from fpsynth.libraries.machine import has_gpu
from fpsynth.libraries.registry import NAMES, library_named, names_for
from fpsynth.libraries.worker import load_request, outputs_from_message, run_request
from fpsynth.workers.deadlines import time_left
from fpsynth.workers.kept import ended, spoilt, started
from fpsynth.workers.messages import Message
from fpsynth.workers.process import NoAnswer, Worker, heard

if TYPE_CHECKING:
    from fpsynth.networks.network import Network

DEVICES = ("cpu", "cuda")
LOST = ("crashed: ", "no answer within ")
"""How the reasons begin of a library that has not answered: what it would have said is not known."""
_SLOWEST_FIRST = ("tensorflow", "torch", "jax", "cupy", "onnxruntime", "numpy")


@dataclass(frozen=True)
class LibraryCall:
    """One call of a library: ``rows`` says for each row of the batch which of the points fills it."""

    variant: str
    rows: tuple[int, ...]
    layout: str = ""
    """Of the operands (see ``libraries.calls``); empty for the variant's own."""


@dataclass(frozen=True)
class CallResult:
    """What came of a call: the outputs, or the reason why there are none."""

    outputs: Outputs | None = None
    not_run: str = ""


@dataclass
class PoolMember:
    """A library in the pool."""

    name: str
    variants: tuple[str, ...]
    version: str | None
    """The installed version; None if the library is absent."""
    reason: str = ""
    """Why it cannot be used (any more); empty while it can."""
    environment: dict[str, str] = field(default_factory=dict)
    """What the library said of itself and of the machine once it was ready."""
    seconds: float = 0.0
    """How long importing and warming up took."""
    worker: Worker | None = None
    ready: bool = False

    @property
    def usable(self) -> Worker | None:
        """Its process, while it can be used."""
        return None if self.reason else self.worker

    def hear(self, said: Message | NoAnswer) -> Message | None:
        """Take in what the process says of itself; return what it answers instead."""
        if isinstance(said, NoAnswer):
            self.fail(f"{LOST[0]}{said}")
        elif "failed" in said:
            self.fail(said["failed"])
        elif "ready" in said:
            self.ready, self.version, self.environment = True, said["version"], said["describe"]
            self.seconds = said["seconds"]
        else:
            if "raised" in said and self.worker is not None:
                spoilt(self.worker)
            return said
        return None

    def fail(self, reason: str) -> None:
        """Give the library up."""
        self.reason = self.reason or reason
        if self.worker is not None:
            self.worker.kill()


def require_device(device: str) -> None:
    """Raise InputError for an unknown device, and for cuda where there is no GPU."""
    problem = _device_problem(device)
    if problem:
        raise InputError(problem)


def _device_problem(device: str) -> str:
    if device not in DEVICES:
        return f"unknown device {device!r}; choose from {', '.join(DEVICES)}"
    if device == "cuda" and not has_gpu():
        return "device cuda: no GPU (or no CUDA driver) on this machine"
    return ""


class LibraryPool:
    """The libraries called ``names``, each in a process of its own.  Use it as a context manager, which starts them."""

    def __init__(
        self,
        names: Sequence[str] = NAMES,
        device: str = "cpu",
        *,
        timeout: float = 120.0,
        environment: Mapping[str, str] | None = None,
        threads: int | None = None,
        switches: Pairs = (),
        need_gpu: bool = True,
    ) -> None:
        """``names``: where these are all there are, those that do not know the device are left out.

        ``timeout``: seconds that a library may take to get ready and answer a request.

        ``environment``: variables to set in the processes, such as those that choose kernels.  ``threads`` that each library
        may use; None: as many as it takes by itself.  ``switches`` to set in each library.  Raises InputError for an unknown
        library or device, for ``cuda`` where there is no GPU (without ``need_gpu`` that is a reason why nothing can be run),
        and for less than one thread.
        """
        no_gpu = _device_problem(device)
        if no_gpu and (need_gpu or device not in DEVICES):
            raise InputError(no_gpu)
        if threads is not None and threads < 1:
            raise InputError(f"a library cannot work with {threads} threads")
        self.device, self.timeout, self.variables, self.threads = device, timeout, dict(environment or {}), threads
        self.switches = switches
        self.members: dict[str, PoolMember] = {}
        for name in dict.fromkeys(names_for(device, names)):
            library = library_named(name)
            member = PoolMember(name, library.variants, library.version())
            if device not in library.devices:
                member.reason = f"{name} does not run on {device}"
            elif member.version is None:
                member.reason = "not installed"
            else:
                member.reason = no_gpu
            self.members[name] = member

    def start(self) -> None:
        """Start the processes; returns at once.  The slowest to import goes first."""
        for name in sorted(self.members, key=_SLOWEST_FIRST.index):
            member = self.members[name]
            if not member.reason and member.worker is None:
                settings = self.device, self.threads, self.switches
                member.worker = started("fpsynth.libraries.worker", holds=(name, *settings), variables=self.variables)
                member.worker.send(load_request(name, *settings))

    def wait(self) -> None:
        """Wait until every library is ready or has failed."""
        self._ask(dict.fromkeys(self.members), lambda name, message: None)

    def run(
        self,
        network: Network,
        dtype: Format,
        points: Sequence[Sequence[float]],
        calls: Mapping[str, Sequence[LibraryCall]],
    ) -> dict[str, list[CallResult]]:
        """Run ``network`` in the libraries that ``calls`` names; return one answer per call.

        Raises InputError where a point has another number of entries than the network has inputs.
        """
        size = math.prod(network.input_shape)
        if any(len(point) != size for point in points):
            raise InputError(f"the network has {size} inputs, but a point has another number of entries")
        answers: dict[str, dict[int, CallResult]] = {name: {} for name in calls}
        requests: dict[str, Message | None] = {
            name: run_request(network, dtype, points, [(c.variant, c.rows, c.layout) for c in calls[name]]) for name in calls
        }

        def receive(name: str, message: Message) -> None:
            ran = "logits" in message
            answer = CallResult(outputs_from_message(message)) if ran else CallResult(not_run=message["not_run"])
            answers[name][message["call"]] = answer

        self._ask(requests, receive)
        return {
            name: [
                of_library.get(k) or CallResult(not_run=self.members[name].reason or "no answer")
                for k in range(len(calls[name]))
            ]
            for name, of_library in answers.items()
        }

    def abilities(self) -> dict[str, dict[str, dict[str, str]]]:
        """Have each library try every variant on every format: library, variant, dtype, what is in the way (empty: nothing)."""
        able: dict[str, dict[str, dict[str, str]]] = {name: {} for name in self.members}
        self._ask(
            {name: {"probe": True} for name in self.members}, lambda name, message: able.update({name: message["abilities"]})
        )
        return able

    def _ask(self, requests: Mapping[str, Message | None], receive: Callable[[str, Message], None]) -> None:
        """Send each library its request and hand on its answers, until all are done or have failed.

        A request of None asks only for readiness.
        """
        self.start()
        owners = {worker: member for name in requests if (worker := (member := self.members[name]).usable) is not None}
        for worker, member in owners.items():
            if (request := requests[member.name]) is not None:
                worker.send(request)  # which waits until the library is there
        try:
            self._hear_out(owners, receive)
        except BaseException:
            self.close()  # what is still to come would be taken for answers to the next request
            raise

    def _hear_out(self, owners: Mapping[Worker, PoolMember], receive: Callable[[str, Message], None]) -> None:
        """Hand on answers until all are complete, or the time is over, which fails those that are late."""
        deadline = time.monotonic() + time_left(self.timeout)
        while waiting := [worker for worker, member in owners.items() if member.usable and not worker.idle]:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                for worker in waiting:
                    owners[worker].fail(f"{LOST[1]}{self.timeout:g} s")
                return
            for worker, said in heard(waiting, remaining):
                message = owners[worker].hear(said)
                if message is not None:
                    receive(owners[worker].name, message)

    def close(self) -> None:
        """End the processes."""
        for member in self.members.values():
            if member.usable is not None:
                ended(member.usable)
                member.reason = "the pool is closed"

    def __enter__(self) -> LibraryPool:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def pool_for(process: Process, names: Sequence[str] = (), *, timeout: float = 120.0) -> LibraryPool:
    """The pool of one library's process; or of several libraries, ``names``, whose processes are alike.

    Where it needs a GPU and there is none, that is the reason why nothing can be run.
    """
    return LibraryPool(
        names or [process.library],
        process.device,
        timeout=timeout,
        environment=dict(process.settings),
        threads=process.threads,
        switches=process.switches,
        need_gpu=False,
    )
