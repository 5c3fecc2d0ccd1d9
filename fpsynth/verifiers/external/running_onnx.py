"""An ONNX file at points in ONNX Runtime, one at a time as the competition's checker does it, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpsynth.aliases import PathLike
from fpsynth.errors import MissingPackageError, WorkerLostError
from fpsynth.files import read_bytes_limited
from fpsynth.libraries.onnxruntime_failures import known_failure
from fpsynth.packages import how_to_install, package_version
from fpsynth.workers.kept import ended, spoilt, started
from fpsynth.workers.messages import Message
from fpsynth.workers.process import NoAnswer, Worker

SECONDS = 120.0
_WORKER = "fpsynth.verifiers.external.running_onnx"
MAX_BYTES = 1 << 30
_DTYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}


@dataclass(frozen=True)
class OnnxRun:
    """What came of it."""

    points: tuple[tuple[float, ...], ...]
    """As the model was given them: rounded to its input's format."""
    outputs: tuple[tuple[float, ...], ...]
    version: str


@contextmanager
def runner() -> Iterator[Worker]:
    """A process that ``run_onnx`` may ask again and again; kept for the next question where a user says so."""
    worker = started(_WORKER, holds=_WORKER)
    try:
        yield worker
    finally:
        ended(worker)


def runtime_version() -> str:
    """That of onnxruntime.  Raises MissingPackageError where it is not installed."""
    version = package_version("onnxruntime")
    if version is None:
        raise MissingPackageError(f"onnxruntime is not installed: {how_to_install('onnxruntime')}")
    return version


def run_onnx(model: PathLike, points: Sequence[Sequence[float]], worker: Worker | None = None) -> OnnxRun:
    """Run a model at each point: default options, CPU, batch 1.  ``worker``: a ``runner``; None: one for this model alone.

    Raises InputError for a file that cannot be read, MissingPackageError without onnxruntime, and WorkerLostError where
    ONNX Runtime refuses the model or does not answer.
    """
    version = runtime_version()
    data = np.frombuffer(read_bytes_limited(model, MAX_BYTES), np.uint8)
    with runner() if worker is None else nullcontext(worker) as asked:
        asked.send({"model": data, "points": np.array(points, np.float64)})
        try:
            answer = asked.receive(SECONDS)
        except NoAnswer as lost:
            raise WorkerLostError(f"ONNX Runtime {version} did not run the model: {lost}") from None
        if "failed" in answer:
            spoilt(asked)
    if "failed" in answer:
        raise WorkerLostError(f"ONNX Runtime {version} did not run the model: {answer['failed']}")
    given, outputs = (tuple(map(tuple, answer[name].tolist())) for name in ("points", "outputs"))
    return OnnxRun(given, outputs, version)


def handler() -> Callable[[Message], Message]:
    """Return what answers {model: its bytes, points (n, inputs)} with {points as given, outputs (n, outputs)} or {failed}."""
    import onnxruntime

    def handle(request: Message) -> Message:
        try:
            session = onnxruntime.InferenceSession(request["model"].tobytes(), providers=["CPUExecutionProvider"])
            return _run(session, request["points"])
        except Exception as error:  # whatever the library throws must arrive as a reason
            return {"failed": known_failure(error) or " ".join(f"{type(error).__name__}: {error}".split())[:300]}

    return handle


def _run(session: Any, points: np.ndarray[Any, Any]) -> Message:
    (end,) = session.get_inputs()
    shape = [length if isinstance(length, int) and length > 0 else 1 for length in end.shape]
    with np.errstate(over="ignore"):
        given = points.astype(_DTYPES[end.type])
    outputs = [session.run(None, {end.name: row.reshape(shape)})[0].reshape(-1) for row in given]
    return {"points": given.astype(np.float64), "outputs": np.array(outputs).astype(np.float64)}
