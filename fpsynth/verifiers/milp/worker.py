"""A process that solves programs: what HiGHS prints, takes and does not end in time stays there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fpsynth.verifiers.milp.model import Model, Solution, Sphere
from fpsynth.verifiers.milp.settings import SOLVERS
from fpsynth.verifiers.relaxations.maps import scipy_sparse
from fpsynth.workers.messages import Message

_ARRAYS = ("lower", "upper", "binary", "least", "most", "objective")


def handler() -> Callable[[Message], Message]:
    """What answers (see ``workers.serving``)."""
    return answer


def answer(request: Message) -> Message:
    """What a solver says of a program."""
    said = SOLVERS[request["solver"]].solve(_model(request), request["tolerance"], request["seconds"])
    return {"status": said.status, "words": said.words, "bound": said.bound, "value": said.value, "point": said.point}


def request_of(model: Model, solver: str, tolerance: float, seconds: float) -> Message:
    """A program as it travels."""
    sphere = model.sphere
    return {
        **{name: getattr(model, name) for name in _ARRAYS},
        "matrix": [model.matrix.data, model.matrix.indices, model.matrix.indptr],
        "constant": model.constant,
        "sphere": None if sphere is None else [sphere.variables, sphere.centre, sphere.radius],
        "solver": solver,
        "tolerance": tolerance,
        "seconds": seconds,
    }


def _model(request: Message) -> Model:
    data, columns, starts = request["matrix"]
    shape = (len(request["least"]), len(request["lower"]))
    matrix: Any = scipy_sparse().csr_array((data, columns, starts), shape=shape)
    sphere = None if request["sphere"] is None else Sphere(*request["sphere"])
    arrays = {name: request[name] for name in _ARRAYS}
    return Model(**arrays, matrix=matrix, constant=request["constant"], sphere=sphere)


def solution_of(message: Message) -> Solution:
    """An answer that has arrived."""
    return Solution(message["status"], message["words"], message["bound"], message["value"], message["point"])
