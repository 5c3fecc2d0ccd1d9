"""Options that several questions have; one whose words differ is ``replace(OPTION, help=...)`` there."""

from __future__ import annotations

from dataclasses import replace

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
    given=False,
)
FEWER_TERMS = replace(TERMS, help="inputs of the neuron (default %(default)s)")
DTYPE = Option("(default %(default)s)", given=True)
WEIGHTS = Option("range of the weights, ends included (default -1:1)", "LO:HI", given=False)
INPUTS = Option("range of the inputs, ends included (default -1:1)", "LO:HI", given=False)
SOLVERS = f"auto, {', '.join(NAMES[:-1])} or {NAMES[-1]}"
"""The names of the engines, in words."""
SOLVER = Option(f"{SOLVERS} (default %(default)s)", check=check_solver, given=False)
SEED = Option("of everything random (default %(default)s)", number=int, check=check_seed, given=True)
TIMEOUT = Option(
    "for reveals and search together; the replay comes on top (default %(default)g)",
    "SECONDS",
    number=float,
    check=check_seconds,
    given=True,
)
JOBS = Option(
    "solver processes at a time (default: one per processor)",
    "N",
    number=int,
    check=between(1, MAX_JOBS, "the number of jobs"),
    given=False,
)
VECTORS = Option(
    "hostile vectors that check a reveal (default %(default)s)",
    "N",
    number=int,
    check=between(1, MAX_VECTORS, "the number of vectors"),
    given=True,
)
REPLAY = Option("do not run the libraries", record=False, given=True)
LIBRARY = Option(
    "libraries of the replay, with commas between them (default all)", "NAMES", several=True, record=False, given=True
)
ENVIRONMENTS = replace(
    LIBRARY,
    help="libraries, or environments such as onnxruntime:optimize=off (may be repeated; default all that are installed)",
)
"""Where a whole network is run."""
THREADS = Option(
    "numbers of threads, with commas between them (default as many as a library takes)",
    "NUMBERS",
    reads=integers("the numbers of threads"),
)
BATCH = Option(
    f"batch sizes of the replay (default {SIZES})", "SIZES", reads=integers("the batch sizes"), record=False, given=True
)
DEVICE = Option("cpu or cuda (default %(default)s)", "DEVICE", record=False, given=True)


NETWORK = Option(
    "of a network that is given, not of one that is made up: an ONNX, .keras or .npz file, or the verified certifier's text",
    "MODEL",
    record=False,
    given=True,
)
IMAGES = Option(
    "inputs of the network that is given, images (uint8 is divided by 255) or others, of two classes at least, whose boundary"
    " is searched",
    "X.npz",
    record=False,
    given=True,
)


def side(text: str, *, several: bool = False) -> Option:
    """The option of a side of a question, or of several; a record tells of all sides together."""
    return Option(text, "SIDE", several=several, environment=True, record=False, given=True)


def maximise(objectives: str) -> Option:
    """The option that means the same everywhere: what is to be as large as can be found."""
    return Option(
        f"look for a larger one, with a quarter of the time: {objectives} (default: the first)",
        "OBJECTIVE",
        bare=True,
        record=lambda request: request.sought,
        given=False,
    )
