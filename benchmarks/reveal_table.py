"""Reveal what the libraries of this machine compute: one line per kernel, format and number of terms.

    python benchmarks/reveal_table.py [--terms 8,64] [--dtypes float32] [--libraries numpy,torch] [--out FOLDER] [--name NAME]

Writes NAME.txt and NAME.json after every kernel, so that what was measured is kept when it is stopped.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common import RESULTS, aligned, conditions, keep, machine, short, whole_numbers

from fpsynth.errors import InputError
from fpsynth.formats import format_named
from fpsynth.libraries.kernels import MAX_TERMS, Kernel
from fpsynth.libraries.naming import parse_environment
from fpsynth.revealing.result import Reveal
from fpsynth.revealing.revealer import Revealer

LAYERS = {
    "numpy": ("matmul", "dot", "dot-rows"),
    "torch": ("linear", "matmul"),
    "tensorflow": ("matmul",),
    "jax": ("jit", "eager"),
    "onnxruntime": ("gemm", "matmul"),
}
PRIMITIVES = {
    "numpy": ("sum", "vdot"),
    "torch": ("sum", "vdot", "conv2d"),
    "tensorflow": ("sum", "vdot", "conv2d"),
    "jax": ("sum", "vdot", "conv2d"),
    "onnxruntime": ("sum", "vdot", "conv2d"),
}
BATCHES = (1, 4, 64)
OUTPUTS = 10
"""Neurons of a layer, channels of a convolution."""


def kernels(libraries: list[str], dtypes: list[str], terms: list[int]) -> Iterator[Kernel]:
    """Everything that is measured, library by library within a format."""
    for dtype in dtypes:
        for library in libraries:
            for operation, batches in [
                *((operation, BATCHES) for operation in LAYERS[library]),
                *((operation, (1,)) for operation in PRIMITIVES[library]),
            ]:
                outputs = 1 if operation in ("sum", "vdot") else OUTPUTS
                for batch in batches:
                    where = parse_environment(f"{library}:{operation}:batch={batch},outputs={outputs}")
                    for count in terms:
                        yield Kernel(where, format_named(dtype), count, outputs)


def entry(kernel: Kernel, found: Reveal | str) -> dict[str, Any]:
    """What is kept of a reveal, or why there is none."""
    said = {
        "kernel": f"{kernel.environment.library}:{kernel.environment.operation}",
        "batch": kernel.environment.batch,
        "outputs": kernel.outputs,
        "dtype": kernel.dtype.name,
        "terms": kernel.terms,
    }
    if isinstance(found, str):
        return {**said, "refused": found}
    return {
        **said,
        "classes": [
            {
                "positions": len(cls.positions),
                "arithmetic": str(cls.arithmetic),
                "fused": cls.arithmetic.fused,
                "explained": cls.check.explained,
                "total": cls.check.total,
            }
            for cls in found.classes
        ],
        "repeats": found.repeats,
        "alignment": found.alignment,
        "tree_calls": found.tree_calls,
        "calls": found.calls,
        "seconds": found.seconds,
        "version": found.version,
        "notes": list(found.notes),
    }


def line(said: dict[str, Any]) -> list[str]:
    """One row of the table."""
    start = [said["kernel"], said["dtype"], str(said["terms"]), str(said["batch"])]
    if "refused" in said:
        return [*start, "-", "-", "-", "-", "-", "refused: " + said["refused"].split(": ", 1)[-1][:60]]
    classes = said["classes"]
    fused = {cls["fused"] for cls in classes}
    explained = f"{sum(cls['explained'] for cls in classes)}/{sum(cls['total'] for cls in classes)}"
    what = classes[0]["arithmetic"].removeprefix(said["dtype"] + " ")
    return [
        *start,
        str(len(classes)),
        "some" if len(fused) > 1 else "yes" if True in fused else "no",
        explained,
        f"{said['tree_calls']} / {said['calls']}",
        short(said["seconds"]),
        what if len(what) <= 60 else what[:57] + "...",
    ]


def table(conditions_said: dict[str, Any], entries: list[dict[str, Any]], vectors: int, seconds: float) -> str:
    """The text that is kept."""
    header = [
        "kernel",
        "format",
        "terms",
        "batch",
        "classes",
        "fused",
        "explained",
        "calls (order / all)",
        "s",
        "largest class",
    ]
    revealed = [said for said in entries if "refused" not in said]
    perfect = sum(all(cls["explained"] == cls["total"] for cls in said["classes"]) for said in revealed)
    lines = [
        f"What the libraries compute: reveals checked on {vectors} hostile vectors per class of positions, bit for bit",
        machine(conditions_said),
        f"layers have {OUTPUTS} outputs; {perfect} of {len(revealed)} kernels explained in full, {len(entries) - len(revealed)}"
        f" refused by their library; {seconds:.0f} s in all",
        "",
        *aligned([header, *map(line, entries)]),
    ]
    notes = [
        f"{said['kernel']} {said['dtype']} {said['terms']} batch {said['batch']}: {note}"
        for said in revealed
        for note in said["notes"]
        if "sign of a zero" not in note  # these are in the JSON
    ]
    return "\n".join([*lines, *(["", "notes", *notes] if notes else [])]) + "\n"


def main() -> int:
    """Measure and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terms", default="8,64,784")
    parser.add_argument("--dtypes", default="float32,float64,float16,bfloat16")
    parser.add_argument("--libraries", default=",".join(LAYERS))
    parser.add_argument("--vectors", type=int, default=10_000)
    parser.add_argument("--name", default="reveal_table", help="of the two files")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    terms = whole_numbers(arguments.terms, "--terms", 1, MAX_TERMS)
    said = conditions(("numpy", "torch", "tensorflow", "jax", "onnxruntime", "ml_dtypes"))
    entries: list[dict[str, Any]] = []
    started = time.monotonic()
    with Revealer() as revealer:
        for kernel in kernels(arguments.libraries.split(","), arguments.dtypes.split(","), terms):
            try:
                found: Reveal | str = revealer.reveal(kernel, vectors=arguments.vectors)
            except InputError as error:
                found = str(error)
            entries.append(entry(kernel, found))
            print("  ".join(line(entries[-1])), flush=True)
            text = table(said, entries, arguments.vectors, time.monotonic() - started)
            keep(arguments.out, arguments.name, {**said, "vectors": arguments.vectors, "entries": entries}, text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
