"""One job: a verifier asked about an instance, and judged; as JSON, so that any process of any machine can do it."""

from __future__ import annotations

import atexit
import base64
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from fpsynth.aliases import Json
from fpsynth.corpus.instances.data import Instance
from fpsynth.corpus.instances.records import instance_from_json, instance_to_json
from fpsynth.errors import InputError, MissingPackageError
from fpsynth.formats import FLOAT32
from fpsynth.networks.onnx import OPSET, network_from_onnx, onnx_bytes
from fpsynth.scoring.asking import AskedVerifier, asked_from
from fpsynth.scoring.judging import COLUMNS, ERROR, UNKNOWN, judged
from fpsynth.scoring.software import labelled_for
from fpsynth.scoring.versions import require_same
from fpsynth.scratch import remove_abandoned, scratch
from fpsynth.verifiers.external.base import FAILED, ToolAnswer
from fpsynth.verifiers.external.writing import PLAIN, Dialect, written
from fpsynth.witness.numerals import hexes_of
from fpsynth.workers.kept import processes_kept
from fpsynth.workers.messages import Message

Key = tuple[str, str, int]
"""Instance, verifier, seed."""


@dataclass(frozen=True)
class Limits:
    """What a verifier may take for an instance."""

    timeout: float
    """Seconds that it is told it has."""
    memory: int
    """Bytes of all its processes together."""


@dataclass(frozen=True)
class BenchRun:
    """What came of a job."""

    instance: str
    verifier: str
    seed: int
    verdict: str
    """As the verifier says it: sat, unsat or unknown."""
    column: str
    """One of ``judging.COLUMNS``."""
    reason: str
    points: int
    """Of the VNN competition."""
    seconds: float
    memory: int | None
    """The most bytes that it held."""
    point: tuple[str, ...] = ()
    """Of ``sat``: hexadecimal floats."""
    left: int = 0
    """Processes that it left behind."""

    @property
    def key(self) -> Key:
        """Which job it is of."""
        return self.instance, self.verifier, self.seed


def run_from(data: Mapping[str, Any]) -> BenchRun:
    """What ``asdict`` of a Run says.  Raises InputError for anything else."""
    try:
        made: Callable[..., BenchRun] = BenchRun
        run = made(**{**data, "point": tuple(map(str, data["point"]))})
    except (TypeError, KeyError) as error:
        raise InputError(f"no run: {error}") from None
    texts = (run.instance, run.verifier, run.verdict, run.column, run.reason)
    whole = (run.seed, run.points, run.left, run.memory or 0)
    if not all(isinstance(text, str) for text in texts) or not all(type(number) is int for number in whole):
        raise InputError("no run: texts must be texts, and seed, points, memory and left whole numbers")
    if run.column not in COLUMNS or type(run.seconds) not in (int, float) or not 0 <= run.seconds < 1e9:
        raise InputError(f"no run: {run.column!r} is no column, or {run.seconds!r} no number of seconds")
    return run


def request_of(instance: Instance, asked: AskedVerifier, seed: int, limits: Limits) -> Json:
    """A job as data."""
    return {
        "instance": instance_to_json(instance),
        "model": base64.b64encode(model_of(instance)).decode(),
        "verifier": asked.to_json(),
        "seed": seed,
        "limits": asdict(limits),
    }


def model_of(instance: Instance) -> bytes:
    """Its ONNX file."""
    return onnx_bytes(instance.network, FLOAT32, form="gemm", batch=1, opset=OPSET)


def run_job(request: Json) -> Json:
    """Do a job; what is not understood of an answer or cannot be asked is an error of the verifier's row."""
    network, _ = network_from_onnx(base64.b64decode(request["model"]))
    instance = instance_from_json(request["instance"], network)
    asked = asked_from(request["verifier"])
    return asdict(done(instance, asked, request["seed"], Limits(**request["limits"])))


def run_job_elsewhere(request: Json, versions: Mapping[str, str]) -> Json:
    """Do a job in a process of a cluster, and take away what one that was killed on this machine has left.

    ``versions``: those of ``judging_versions`` where the bench was asked.  Raises InputError where others are here.
    """
    require_same(versions, asked_from(request["verifier"]))
    remove_abandoned()
    return run_job(request)


def done(instance: Instance, asked: AskedVerifier, seed: int, limits: Limits, verdict: str = "") -> BenchRun:
    """Ask and judge; ``verdict``: any other is not judged, where nothing depends on it.

    Raises MissingPackageError without onnxruntime.
    """
    with scratch() as folder:
        model, query = folder / "network.onnx", folder / "property.vnnlib"
        model.write_bytes(model_of(instance))
        try:
            query.write_text(question_of(instance, asked))
            answer = asked.ask(model, query, seed, limits.timeout, limits.memory)
        except InputError as error:
            answer = ToolAnswer("unknown", str(error), cause=FAILED, tool=asked.name)
        if verdict and answer.verdict != verdict:
            return _run(instance, asked, seed, answer, UNKNOWN, f"it does not say {verdict}", 0)
        try:
            known = instance if answer.verdict == UNKNOWN else labelled_for(asked.semantics, instance)
            worth = judged(answer, known, model, asked.semantics)
        except MissingPackageError:  # without ONNX Runtime nothing is judged here
            raise
        except InputError as error:  # it was lost: no fault of the verifier's
            return _run(instance, asked, seed, answer, ERROR, f"not judged: {error}", 0)
    return _run(instance, asked, seed, answer, worth.column, worth.reason, worth.points)


def question_of(instance: Instance, asked: AskedVerifier) -> str:
    """The property as the verifier reads it."""
    dialect: Dialect = PLAIN if asked.kind in ("file", "function") else asked.tool().dialect
    shapes = instance.network.input_shape, instance.network.logits.output_shape
    return written(instance.box, instance.unsafe, *shapes, dialect)


def _run(
    instance: Instance, asked: AskedVerifier, seed: int, answer: ToolAnswer, column: str, reason: str, points: int
) -> BenchRun:
    return BenchRun(
        instance=instance.name,
        verifier=asked.name,
        seed=seed,
        verdict=answer.verdict,
        column=column,
        reason=reason,
        points=points,
        seconds=round(answer.seconds, 3),
        memory=answer.memory,
        point=tuple(hexes_of(answer.point)),
        left=answer.left,
    )


def lost(key: Key, reason: str) -> BenchRun:
    """A job whose process was lost."""
    return BenchRun(*key, verdict="unknown", column=ERROR, reason=reason, points=0, seconds=0.0, memory=None)


def handler() -> Callable[[Message], Message]:
    """Return what answers the requests of ``request_of``; {failed: why} where no job can be done here.

    The process that runs ONNX models stays for the next request.
    """
    stays = ExitStack()
    stays.enter_context(processes_kept(1))
    atexit.register(stays.close)

    def handle(request: Message) -> Message:
        try:
            return run_job(request)
        except (OSError, MissingPackageError) as error:  # a full disk, say
            return {"failed": str(error)}

    return handle
