"""Real verifiers on instances whose certificates are false in floating point: what each says, and what that is worth.

python -m benchmarks.verifiers [FOLDER] [--tools NAMES] [--timeout SECONDS] [--out FOLDER]

FOLDER (default ../shared/data/rare) holds pairs NAME.onnx and NAME.vnnlib; properties without a network of their name are about
tie_gemm.onnx.  Counterexamples in ONNX Runtime are searched for first: every float where a box has few, else floats on the
diagonal, the kinks of the first layer and what lies beside them.  Prints a table and writes verifiers.json and verifiers.txt.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import RESULTS, aligned, conditions, keep, machine, short
from fpsynth.errors import InputError
from fpsynth.networks.network import Network
from fpsynth.networks.reading import read_network
from fpsynth.verifiers.external import Worth, installed, judge, run, tool_named
from fpsynth.verifiers.external.base import ToolAnswer
from fpsynth.verifiers.external.judging import WORDS, evaluate
from fpsynth.verifiers.external.running_onnx import run_onnx
from fpsynth.verifiers.properties import ExactBox, Property
from fpsynth.verifiers.vnnlib import load_vnnlib
from fpsynth.witness.numerals import hex_text

FOLDER = Path("../shared/data/rare")
TOOLS = ("maraboupy", "pynever", "vibecheck-nn", "neuralsat", "abstractnn", "bound-propagation")
TIE = "tie_gemm"
COMPUTING = ("numpy", "torch", "onnxruntime", "gurobipy", "ortools", "scipy")
SAMPLES = 20_000
BESIDE = 8
"""Floats on each side of a kink."""


@dataclass(frozen=True)
class Instance:
    """A question, and the points that are known to answer it with sat."""

    name: str
    onnx: Path
    vnnlib: Path
    network: Network
    box: ExactBox
    unsafe: Property
    witnesses: tuple[tuple[float, ...], ...]


def instances(folder: Path) -> Iterator[Instance]:
    """Those of a folder, by name."""
    for query in sorted(folder.glob("*.vnnlib")):
        own = query.with_suffix(".onnx")
        model = own if own.exists() else folder / f"{TIE}.onnx"
        network = read_network(model).network
        ((box, unsafe),) = load_vnnlib(query).boxes
        witnesses = searched(network, model, box, unsafe)
        yield Instance(query.stem, model, query, network, box, unsafe, witnesses)


def searched(network: Network, model: Path, box: ExactBox, unsafe: Property) -> tuple[tuple[float, ...], ...]:
    """One counterexample in ONNX Runtime, or none, among the candidates of ``candidates``."""
    points = [point for point in candidates(network, box).astype(np.float64).tolist() if box.contains(point)]
    ran = run_onnx(model, points)
    unsafe_points = (point for point, outputs in zip(ran.points, ran.outputs, strict=True) if unsafe.violated(outputs))
    return tuple(
        point for point in [next(unsafe_points, ())] if point and evaluate(network, model, box, unsafe, point).violates_deployed
    )


def candidates(network: Network, box: ExactBox) -> NDArray[np.float32]:
    """Points (n, inputs) that are worth a try."""
    lower, upper = (np.array([float(end) for end in ends], np.float32) for ends in (box.lower, box.upper))
    if len(lower) == 1 and lower[0] > 0 and _floats(lower[0], upper[0]) <= SAMPLES:
        bits = np.arange(lower.view(np.int32)[0], upper.view(np.int32)[0] + 1, dtype=np.int32)
        return bits.view(np.float32).reshape(-1, 1)
    along = np.random.default_rng(0).uniform(0, 1, (SAMPLES, 1)).astype(np.float32)
    return np.concatenate([lower + along * (upper - lower), *_kinks(network, lower)]).astype(np.float32)


def _floats(low: np.float32, high: np.float32) -> int:
    return int(np.array([high]).view(np.int32)[0]) - int(np.array([low]).view(np.int32)[0]) + 1


def _kinks(network: Network, lower: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Where units of the first layer that read one input are 0, and the floats beside."""
    first = network.dense_layers[0]
    if first.bias is None:
        return
    for row, bias in zip(first.weight, first.bias, strict=True):
        (read,) = np.nonzero(row)
        if len(read) == 1 and bias:
            zero = np.float32(-bias / row[read[0]])
            place = np.tile(lower, (2 * BESIDE + 1, 1))
            for step in range(-BESIDE, BESIDE + 1):
                beside = zero
                for _ in range(abs(step)):
                    beside = np.nextafter(beside, np.float32(np.inf if step > 0 else -np.inf))
                place[step + BESIDE, read[0]] = beside
            yield place


@dataclass(frozen=True)
class Row:
    """What a tool says of an instance."""

    instance: Instance
    answer: ToolAnswer
    judgement: Worth

    def cells(self) -> tuple[str, ...]:
        """As the table has it."""
        said, judged = self.answer, self.judgement
        more = said.reason or judged.reason
        return said.tool, said.version, self.instance.name, said.verdict, short(said.seconds), judged.word, more[:90]

    def json(self) -> dict[str, Any]:
        """As the file has it."""
        said, judged = self.answer, self.judgement
        return {
            "tool": said.tool,
            "version": said.version,
            "instance": self.instance.name,
            "verdict": said.verdict,
            "reason": said.reason,
            "point": [hex_text(x) for x in said.point],
            "seconds": round(said.seconds, 2),
            "memory": said.memory,
            "left": said.left,
            "judged": judged.word,
            "why": judged.reason,
        }


def measured(asked: list[Instance], names: list[str], timeout: float) -> Iterator[Row]:
    """Every tool on every instance."""
    for name in names:
        tool = tool_named(name)
        for one in asked:
            answer = run(tool, one.onnx, one.vnnlib, timeout=timeout)
            judgement = judge(answer, one.network, one.onnx, one.box, one.unsafe, one.witnesses)
            row = Row(one, answer, judgement)
            print("  ".join(row.cells()), file=sys.stderr, flush=True)
            yield row


def table(rows: list[Row], asked: list[Instance], said: dict[str, Any], timeout: float) -> str:
    """The results as text."""
    head = ("tool", "version", "instance", "verdict", "seconds", "judged", "why")
    known = [(one.name, ", ".join(map(hex_text, one.witnesses[0])) if one.witnesses else "none") for one in asked]
    counts = [[name, *(str(_count(rows, name, word)) for word in WORDS)] for name in dict.fromkeys(r.answer.tool for r in rows)]
    lines = [
        f"Real verifiers, {timeout:g} s each, on instances that are robust over the reals; one run each.",
        machine(said),
        "",
        *aligned([head, *(row.cells() for row in rows)]),
        "",
        "Versions beside them:",
        *(
            f"{name}: {', '.join(f'{p} {v}' for p, v in beside(name).items())}"
            for name in dict.fromkeys(r.answer.tool for r in rows)
        ),
        "",
        "Instances by what their verdicts are worth:",
        *aligned([("tool", *WORDS), *counts]),
        "",
        "Counterexamples in ONNX Runtime (CPU, batch 1) that were searched for, against which unsat is held:",
        *aligned([("instance", "point"), *known]),
    ]
    return "\n".join(lines) + "\n"


def beside(name: str) -> dict[str, str]:
    """What computes for an installed tool, with versions."""
    found = installed(name)
    packages = found.packages if found else {}
    return {package: packages[package] for package in COMPUTING if package in packages}


def _count(rows: list[Row], tool: str, word: str) -> int:
    return sum(row.answer.tool == tool and row.judgement.word == word for row in rows)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--tools", default=",".join(TOOLS))
    parser.add_argument("--timeout", type=float, default=60.0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        raise InputError(f"{arguments.folder} is no folder")
    names = [name for name in arguments.tools.split(",") if installed(name)]
    asked = list(instances(arguments.folder))
    said = conditions(["numpy", "onnxruntime"])
    rows = list(measured(asked, names, arguments.timeout))
    text = table(rows, asked, said, arguments.timeout)
    print(text)
    keep(
        arguments.out,
        "verifiers",
        {"conditions": said, "beside": {name: beside(name) for name in names}, "rows": [row.json() for row in rows]},
        text,
    )


if __name__ == "__main__":
    main()
