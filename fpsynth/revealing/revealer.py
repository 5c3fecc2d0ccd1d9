"""Reveals on request: a process for each library and its settings, started when it is first needed, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from fpsynth.errors import InputError, MissingPackageError, WorkerLostError
from fpsynth.formats import format_named
from fpsynth.libraries.kernels import MAX_TERMS, Environment, Kernel, Process
from fpsynth.libraries.machine import has_gpu
from fpsynth.libraries.registry import library_named
from fpsynth.libraries.restrictions import restriction
from fpsynth.libraries.worker import load_request
from fpsynth.packages import how_to_install
from fpsynth.revealing.file import kernel_to_json, reveal_from_json, reveal_to_json
from fpsynth.revealing.result import Read, Reveal
from fpsynth.workers.kept import ended, spoilt, started
from fpsynth.workers.messages import Message
from fpsynth.workers.pool import Pool
from fpsynth.workers.process import Cause, NoAnswer, Worker

if TYPE_CHECKING:
    from fpsynth.aliases import Array
    from fpsynth.formats import Format
    from fpsynth.networks.network import Network
    from fpsynth.revealing.comparing import Vectors

Operands = tuple[Sequence[float], Sequence[Sequence[float]]]
"""A point, and the weights of every output."""
WORKER = "fpsynth.revealing.worker"
_NOT_TRIED = "not tried"
MAX_POSITIONS = 1 << 16
"""Rows times outputs of a kernel."""


class Revealer:
    """Reveals kernels.  Use it as a context manager, or call ``close``: either way no process is left behind."""

    def __init__(self, *, timeout: float = 600.0) -> None:
        """``timeout``: seconds that importing a library and revealing one kernel may take, each; see ``deadlines`` too."""
        self.timeout = timeout
        self._workers: Pool[Process] = Pool(
            lambda process: started(WORKER, holds=process, variables=dict(process.settings)), end=ended
        )
        self._found: dict[tuple[Kernel, int, int, Read], Reveal] = {}

    def reveal(self, kernel: Kernel, *, vectors: int = 10_000, seed: int = 0, threads: bool = False, read: Read = ()) -> Reveal:
        """Return the arithmetic of a kernel, checked on ``vectors`` hostile random vectors; each kernel is revealed once.

        What was revealed before on this machine, by the same libraries in the same process, is read from the cache on disk.

        ``threads``: find out, too, whether another number of threads changes the results.  ``read``: the positions, rows and
        outputs, whose arithmetics are wanted (empty: all), see ``reveal_kernel``.

        Raises InputError, in one line, where the library is not installed, refuses the format, the shape or the settings, or
        dies; another kernel can be revealed all the same, since a process that a kernel has broken is started again.  Raises
        OutOfTimeError where the time that ``deadlines`` gives is over first.
        """
        require_usable(kernel)
        key = (kernel, vectors, seed, read)
        asked = {"vectors": vectors, "seed": seed, "read": [list(position) for position in read]}
        if key not in self._found:
            answer = self._ask(kernel.environment, {"reveal": kernel_to_json(kernel), **asked})
            self._found[key] = replace(reveal_from_json(answer["reveal"]), cached=answer["cached"])
        if threads and not self._found[key].threads:
            told = self._found[key] = replace(self._found[key], threads=self._threads(kernel, seed))
            if not told.threads.startswith(_NOT_TRIED):
                self._ask(kernel.environment, {"keep": reveal_to_json(told), **asked})
        return self._found[key]

    def results(
        self,
        kernel: Kernel,
        rows: Sequence[int],
        outputs: Sequence[int],
        *,
        vectors: Vectors | None = None,
        operands: Sequence[Operands] = (),
    ) -> Array:
        """What a kernel returns at ``outputs`` for points that go into ``rows``: (points, ``outputs``).

        Either for hostile ``vectors``, or for ``operands``: pairs of a point and weights, (outputs, terms).  Raises InputError
        as ``reveal`` does.
        """
        import numpy as np

        require_usable(kernel)
        arrays = [[np.array(point, np.float64), np.array(weights, np.float64)] for point, weights in operands]
        asked = {"vectors": vectors.to_json()} if vectors is not None else {"operands": arrays}
        request = {"results": kernel_to_json(kernel), "rows": list(rows), "outputs": list(outputs), **asked}
        returned: Array = self._ask(kernel.environment, request)["results"]
        return returned

    def network(
        self,
        network: Network,
        dtype: Format,
        where: Environment,
        *,
        inputs: Array | None = None,
        vectors: int = 10_000,
        seed: int = 0,
    ) -> Message:
        """The answer of ``network_answer``: how a whole network is computed in an environment, and what it gives for inputs.

        Its numbers are rounded into ``dtype``, as a library that computes in that takes them, and a note says so.  Raises
        InputError as ``reveal`` does.
        """
        from fpsynth.evaluators.rounded import rounded_network, rounded_words
        from fpsynth.libraries.sending import network_message
        from fpsynth.networks.endings import ending_words

        _require_dtype(where, dtype)
        require_present(where)
        given, changed = rounded_network(network, dtype)
        asked = {"network": network_message(given), "environment": str(where), "dtype": dtype.name, "inputs": inputs}
        answer = self._ask(where, {**asked, "vectors": vectors, "seed": seed})
        told = (ending_words(network), rounded_words(changed, network, dtype) if changed else "")
        answer["reveal"]["notes"][:0] = filter(None, told)
        return answer

    def outputs(self, network: Network, dtype: Format, where: Environment, inputs: Array) -> Message:
        """What a network gives in an environment for inputs (points, inputs), and in how long: see ``outputs_answer``.

        Where the environment has a format of its own, it is that of the network and the inputs rounded into it.  Raises
        InputError as ``reveal`` does.
        """
        from fpsynth.libraries.sending import network_message

        if where.dtype:
            from fpsynth.evaluators.rounded import rounded_network, rounded_points

            dtype, where = format_named(where.dtype), replace(where, dtype="")
            network, inputs = rounded_network(network, dtype)[0], rounded_points(inputs, dtype)
        _require_dtype(where, dtype)
        require_present(where)
        asked = {"outputs_of": network_message(network), "environment": str(where), "dtype": dtype.name, "inputs": inputs}
        return self._ask(where, asked)

    def keras_file(self, network: Network, dtype: Format) -> bytes:
        """A .keras file of the model as which TensorFlow runs a network here, written by Keras itself.

        Raises InputError as ``reveal`` does, and for a network with a layer that Keras has not.
        """
        from fpsynth.libraries.sending import network_message

        where = Environment("tensorflow", "keras", whole=True)
        _require_dtype(where, dtype)
        require_present(where)
        answer = self._ask(where, {"keras_file_of": network_message(network), "dtype": dtype.name})
        return bytes(answer["content"])

    def close(self) -> None:
        """End the processes."""
        self._workers.close()

    def __enter__(self) -> Revealer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _threads(self, kernel: Kernel, seed: int) -> str:
        """Compare with one thread (with two, where one is what was asked for)."""
        own = kernel.environment.threads
        other = 2 if own == 1 else 1
        request = {"digest": kernel_to_json(kernel), "seed": seed}
        changed = replace(kernel, environment=replace(kernel.environment, threads=other))
        try:
            mine = self._ask(kernel.environment, request)["digest"]
            theirs = self._ask(changed.environment, {**request, "digest": kernel_to_json(changed)})["digest"]
        except InputError as error:
            return f"{_NOT_TRIED}: {error}"
        what = "thread" if other == 1 else "threads"
        return f"{'the same' if mine == theirs else 'other'} results with {other} {what}"

    def _ask(self, environment: Environment, request: Message) -> Message:
        """The answer of the environment's process, which is started where there is none.

        Raises InputError where there is no answer, or where it says why not.
        """
        process = environment.process
        with self._workers.borrowed(process) as worker:
            if not worker.sent:
                importing = load_request(process.library, process.device, process.threads, process.switches)
                self._answer(worker, environment, importing, last=True)
            return self._answer(worker, environment, request)

    def _answer(self, worker: Worker, environment: Environment, request: Message, last: bool = False) -> Message:
        """One answer; ``last``: the process is of no use where it failed."""
        worker.send(request)
        try:
            message = worker.receive(self.timeout)
        except NoAnswer as lost:
            reason = str(lost) if lost.cause is Cause.TIME else f"the library crashed ({lost})"
            raise WorkerLostError(f"{environment}: {reason}") from None
        if "failed" in message:
            spoilt(worker)
            if last or message["dead"]:  # such as a CUDA context after an error: the next kernel gets a new process
                worker.kill()
            raise InputError(f"{environment}: {message['failed']}")
        return message


def require_usable(kernel: Kernel) -> None:
    """Raise InputError for a kernel that cannot be run here, as far as that can be told without running a library."""
    environment = kernel.environment
    if not 1 <= kernel.terms <= MAX_TERMS:
        raise InputError(f"the number of terms must be from 1 to {MAX_TERMS}, not {kernel.terms}")
    if kernel.outputs < 1 or environment.batch * kernel.outputs > MAX_POSITIONS:
        raise InputError(f"batch times outputs must be from 1 to {MAX_POSITIONS}")
    if restriction(environment).one_output and (kernel.outputs > 1 or kernel.bias):
        raise InputError(f"{environment.library}:{environment.operation} has one output and no bias")
    _require_dtype(environment, kernel.dtype)
    require_present(environment)


def _require_dtype(environment: Environment, dtype: Format) -> None:
    library = library_named(environment.library)
    if dtype.name not in library.dtypes:
        raise InputError(f"{environment}: {library.name} has no dtype {dtype}; it has {', '.join(library.dtypes)}")


def require_present(environment: Environment) -> None:
    """Raise InputError where the library is not installed, or its device is not there."""
    if library_named(environment.library).version() is None:
        raise MissingPackageError(f"{environment.library} is not installed: {how_to_install(environment.library)}")
    if environment.device == "cuda" and not has_gpu():
        raise InputError("device cuda: no GPU (or no CUDA driver) on this machine; use device=cpu")
