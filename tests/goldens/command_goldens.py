"""Goldens of commands: what those of the documents print with ``--json``, and more that any machine answers alike.

No library is run: ``--no-replay`` is added where a replay would follow.  What a search reaches depends on its time wherever it
goes on looking for more, or takes seconds; here are only those that are seeded and end by themselves, long before their time.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

from goldens.comparing import read, write
from goldens.documents import COMMANDS
from goldens.normal import normal
from goldens.running import HERE, ROOT, run

Json = Any

FOLDER = HERE / "commands"

_REVEALS = "reveals a library, whose arithmetic depends on the machine (see reveal_goldens.py)"
_RUNS = "runs libraries, whose results depend on the machine"
_CORPUS = "is about a corpus, whose labels depend on the machine"
_TWO_BATCHES = "order --a torch:linear:batch=1 --b torch:linear:batch=4 --terms 8 --predicate argmax --max-weight 1"
VERIFYING = tuple(" ".join(command.split()) for document, command in COMMANDS if document.name == "verifiers.md")
"""Those of the page about verifiers."""
LEFT_OUT = {
    "tie --count 20 --out corpus": "looks for larger ratios in the time that there is: its numbers vary",
    "replay corpus": _RUNS,
    "interval --a sequential --b torch:linear:batch=1 --terms 16": _REVEALS,
    "reveal torch:linear --terms 784 --outputs 10 --batch 1,64": _REVEALS,
    _TWO_BATCHES: _REVEALS,
    f"{_TWO_BATCHES} --library torch": _REVEALS,
    "matrix --out matrix": _REVEALS,
    "compare cnn.onnx --images x.npz": _REVEALS,
    "order --network cnn.onnx --images x.npz --a torch:batch=1 --b onnxruntime:batch=1": _REVEALS,
    "tie --network cnn.onnx --images x.npz --order torch:batch=1": _REVEALS,
    "verify --network n.onnx --property p.vnnlib --verifier bab --arithmetic sound:onnxruntime:batch=1": _REVEALS,
    "corpus make --out hard --count 300 --seed 1": _REVEALS,
    "backdoor --network cnn.onnx --images x.npz --target torch:batch=1": _REVEALS,
    'bench hard --verifier "mine=./mytool {onnx} {vnnlib}" --verifier crown --out board': _CORPUS,
    "corpus list hard": _CORPUS,
    "corpus check hard": _CORPUS,
    "corpus replay hard": _RUNS,
    "corpus export hard --out forms": _CORPUS,
    "bench hard --verifier maraboupy --verifier crown --verifier crown@sound:any --out board --jobs 2": _CORPUS,
    'bench hard --verifier "mine=./mytool {onnx} {vnnlib} --timeout {timeout} --seed {seed}" --seeds 10 --json': _CORPUS,
    "shrink hard/tolerance/border_0001 --verifier maraboupy --out small": _CORPUS,
    "shrink flip.json --out simple": "looks for simpler numbers in the time that there is",
    "reveal torch:linear:device=cuda,tf32=on --terms 784 --outputs 16 --batch 1,64": "needs a GPU",
    "order --a torch:linear:batch=64,outputs=16 --only-in torch:linear:batch=64,outputs=16,device=cuda"
    " --silent numpy:matmul:batch=64,outputs=16 --terms 64 --library torch,numpy": "needs a GPU",
    **dict.fromkeys(VERIFYING, "is about files that the page makes: tests/test_docs.py runs the page in order"),
}
"""Commands of the documents without a golden, and why."""
FIRST = {
    "explain found.json": "tie --dtype float16 --out found.json",
    "explain flip.json": "order --a sequential,fused,accumulator=float32 --b groups:16,fused,align=25,accumulator=float32"
    " --dtype float16 --terms 32 --predicate relu --no-replay --out flip.json",
    "check corpus": "tie --dtype float16 --no-replay --out corpus",
}
"""What is run before, in the same folder."""
DOCUMENTED = tuple(dict.fromkeys(" ".join(command.split()) for _, command in COMMANDS))
"""The commands of the documents, each once, with single spaces."""
FURTHER = tuple(
    line
    for line in """
tie --dtype float16 --out corpus
tie --dtype float8_e4m3fn --prove
tie --dtype float8_e5m2 --prove
tie --dtype bfloat16
tie --dtype float64 --weights 0.5:1 --inputs 0.5:1
tie --dtype tf32 --rounding RTZ
tie --dtype float16 --weights=-1:-0.1 --inputs=-1:-0.1
tie --dtype float16 --certifier lipschitz
tie --dtype float8_e4m3fn --weights 1:2 --inputs 1:2 --min-ratio 1000
order
order --a reverse --b strided:4 --dtype float16
order --a sequential --b pairwise --terms 3
order --predicate argmax --terms 8 --max-weight 1
order --max-weight 2 --out folder
order --gap 0.001
order --a strided:8/pairwise --b blocked:4-of-lanes:2 --terms 16
order --a head:4-then-lanes:8 --b interleaved:4 --terms 20
order --a groups:4 --b groups:4,fused --terms 12
order --a [[0,1],[2,3]] --b [0,[1,[2,3]]] --terms 4
order --a sequential,fused --b sequential,fused,rounded=1+3
order --a sequential --b sequential,flush --dtype float16
order --a sequential,operands=tf32 --b sequential,operands=tf32,operand_rounding=RTZ
order --a sequential --b sequential,accumulator=float32 --dtype bfloat16
order --a sequential --b sequential,rounding=RTP
order --a sequential,bias=first --b pairwise --terms 6
order --a sequential --b sequential --terms 8
order --silent reverse --silent real --terms 8
order --a sequential --only-in strided:4 --silent pairwise
order --terms 16 --camouflage
order --terms 8 --threshold 0>0.5
order --terms 8 --box 0.5:1
order --terms 256 --b random:1 --out wide.json
order --terms 64 --b lanes:8 --seed 5
order --weights 1:1 --inputs 1:1
order --weights 0.5:1 --inputs 1:1 --dtype float8_e5m2
precision
precision --a bfloat16 --b float32 --order pairwise
precision --a float16 --b float64 --gap 0.125
precision --a float16 --b float32 --predicate argmax
precision --a float32 --b float32
relu --b pairwise
relu --a real --b strided:2 --dtype float16
relu --a sequential --b pairwise,fused
interval --out folder
interval --a pairwise --b strided:4 --dtype float16
interval --a sequential --b sequential
interval --radius 1e-9 --terms 16
tree strided:8/pairwise --terms 16
tree blocked:256-of-lanes:8 --terms 20
tree head:4-then-lanes:8 --terms 20
tree blocked:4+bias:1 --terms 8
tree groups:4 --terms 9
tree interleaved:4 --terms 12
tree random:1 --terms 12
tree [[0,1],2]
tree [0,1,[2,3]]
tree pairwise --terms 9 --compare strided:2
tree sequential --terms 4 --compare [[[0,1],2],3]
tree zigzag --terms 8
order --a zigzag
order --a blocked:4+bias:1 --b sequential --terms 12
order --a sequential,rounded=1
order --terms 5000
tie --dtype float128
tie --shape 1
relu --b torch:lineal
precision --a float33
reveal numpy:matmul --terms 0
reveal nothing:matmul
check nowhere.json
""".splitlines()
    if line
)
"""Commands beside those of the documents; some are refused."""
ALL = tuple(command for command in dict.fromkeys((*DOCUMENTED, *FURTHER)) if command not in LEFT_OUT)

_REPLAYED = ("tie", "order", "precision", "relu", "interval")
_FROM_ROOT = ("benchmarks/",)
"""How files of this source tree begin in the commands."""


def golden_of(command: str) -> Path:
    """Where a golden stands: the command with all but letters, digits, dots, = and : written as one underscore."""
    return FOLDER / f"{re.sub(r'[^a-zA-Z0-9.=+]+', '_', command).strip('_')[:120]}.json"


def _run(command: str, folder: Path) -> Json:
    arguments = shlex.split(command)
    if arguments[0] in _REPLAYED and "--no-replay" not in arguments:
        arguments.append("--no-replay")
    for argument in arguments:
        if argument.startswith(_FROM_ROOT):
            (folder / argument).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / argument, folder / argument)
    return run(arguments, folder).golden(str(folder))


def answered(command: str, folder: Path) -> Json:
    """What a command says in an empty folder: the command, its exit code, and its JSON or the last line of its messages.

    Where it writes files, they come along.
    """
    if command in FIRST:
        assert _run(FIRST[command], folder)["code"] == 0
    golden = {"command": command, **_run(command, folder)}
    return golden | ({"files": _written(folder)} if "--out" in command.split() else {})


def _written(folder: Path) -> dict[str, Json]:
    """Every file below a folder: JSON normalised, text in lines, anything else as its SHA-256."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _content(path) for path in files}


def _content(path: Path) -> Json:
    if path.suffix == ".json":
        return normal(read(path))
    if path.suffix == ".onnx":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return path.read_text("utf-8").splitlines()


def write_all(folder: Path) -> None:
    """Write the goldens; ``folder``: an empty one, where each command gets one of its own."""
    for number, command in enumerate(ALL):
        place = folder / str(number)
        place.mkdir()
        write(golden_of(command), answered(command, place))
