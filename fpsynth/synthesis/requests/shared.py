"""Options that several questions have; one whose words differ is ``replace(OPTION, help=...)`` there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from fpsynth.errors import InputError
from fpsynth.solvers.engines import NAMES
from fpsynth.synthesis.requests.fields import Option, between
from fpsynth.synthesis.requests.reading import MAX_JOBS, MAX_VECTORS, check_seconds, check_solver, integers

KNOWN = "numpy,torch,tensorflow,onnxruntime,jax on a CPU, torch,tensorflow,jax,cupy on a GPU"
"""The libraries of a run where none are named."""
SIZES = "1,4,64, on a GPU also 1024"
"""The batch sizes of a replay where none are given."""
SIDES = (
    "an order, after which come ,fused ,rounded=1+3 (products not fused) ,flush or ,flush=unbounded ,accumulator=FORMAT "
    ",operands=tf32 ,operand_rounding=RTZ ,rounding=RTP, and for "
    "the aligned sums of tensor cores ,align=25 ,align_rounding=RNE ,align_cut=RTN; or real, a reveal file, or an environment "
    "such as torch:linear:batch=4, torch:linear:device=cuda or numpy:matmul:batch=4,layout=NN (calls and layouts: environments)"
)

check_seed = between(0, (1 << 31) - 1, "the seed")
"""Raises InputError for a seed that cannot be used."""

MAX_TERMS = 4096
TERMS = Option(
    "inputs of the neuron, 1 to 4096 (default %(default)s)",
    "N",
    number=int,
    check=between(1, MAX_TERMS, "the number of terms", told=True),
)
FEWER_TERMS = replace(TERMS, help="inputs of the neuron (default %(default)s)")
DTYPE = Option("(default %(default)s)")
WEIGHTS = Option("range of the weights, ends included (default -1:1)", "LO:HI")
INPUTS = Option("range of the inputs, ends included (default -1:1)", "LO:HI")
SOLVERS = f"auto, {', '.join(NAMES[:-1])} or {NAMES[-1]}"
"""The names of the engines, in words."""
SOLVER = Option(f"{SOLVERS} (default %(default)s)", check=check_solver)
SEED = Option("of everything random (default %(default)s)", number=int, check=check_seed)
TIMEOUT = Option(
    "for reveals and search together; the replay comes on top (default %(default)g)",
    "SECONDS",
    number=float,
    check=check_seconds,
)
JOBS = Option(
    "solver processes at a time (default: one per processor)", "N", number=int, check=between(1, MAX_JOBS, "the number of jobs")
)
VECTORS = Option(
    "hostile vectors that check a reveal (default %(default)s)",
    "N",
    number=int,
    check=between(1, MAX_VECTORS, "the number of vectors"),
)
REPLAY = Option("do not run the libraries", record=False)
LIBRARY = Option("libraries of the replay, with commas between them (default all)", "NAMES", several=True, record=False)
BATCH = Option(f"batch sizes of the replay (default {SIZES})", "SIZES", reads=integers("the batch sizes"), record=False)
DEVICE = Option("cpu or cuda (default %(default)s)", "DEVICE", record=False)


NETWORK = Option(
    "of a network that is given, not of one that is made up: an ONNX, .keras or .npz file, or the verified certifier's text",
    "MODEL",
    record=False,
)
POINTS = Option(
    "with --network: images (uint8 is divided by 255) or inputs, of two classes at least, whose boundary is searched",
    "X.npz",
    record=False,
)


def require_given(request: Any, names: Sequence[str]) -> None:
    """Raise InputError where a network is given without points, or with an option that only networks that are made up have."""
    if request.network is None:
        if request.points is not None:
            raise InputError("points are of a network that is given: name it with --network")
        return
    if request.points is None:
        raise InputError("a network that is given needs --points: inputs of two classes at least")
    defaults = {one.name: one.default for one in fields(request)}
    for name in names:
        if getattr(request, name) != defaults[name]:
            raise InputError(f"--{name.replace('_', '-')} is of networks that are made up: leave it out with --network")


def given(request: Any) -> dict[str, object]:
    """What a record says of a network that is given; nothing where none is."""
    if request.network is None:
        return {}
    return {"network": os.fspath(request.network), "points": os.fspath(request.points)}


def side(text: str, *, several: bool = False) -> Option:
    """The option of a side of a question, or of several; a record tells of all sides together."""
    return Option(text, "SIDE", several=several, environment=True, record=False)


def maximise(objectives: str) -> Option:
    """The option that means the same everywhere: what is to be as large as can be found."""
    return Option(
        f"look for a larger one, with a quarter of the time: {objectives} (default: the first)",
        "OBJECTIVE",
        bare=True,
        record=lambda request: request.sought,
    )
