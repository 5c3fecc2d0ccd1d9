"""Times of ``fpsynth tie`` beside the published constraints given as they are to z3's default solver.

python -m benchmarks.tie [--seeds N] [--limit SECONDS] [--formats a,b] [--out FOLDER]

prints a table and writes tie.json and tie.txt.  The two sides do not answer the same question: fpsynth's answer is certified,
at the largest ratio of certified radius and distance that there is where that is known; the published constraints leave
certification out, which is easier.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fpsynth import api
from fpsynth.corpus.smtlib.table import published_problem
from fpsynth.errors import InputError
from fpsynth.evaluators.recheck import failures
from fpsynth.files import write_atomically
from fpsynth.formats import Format, format_named
from fpsynth.libraries.machine import cores, cpu
from fpsynth.packages import package_version
from fpsynth.rounding import from_bits
from fpsynth.solvers.engines import ENGINES, packages
from fpsynth.synthesis.ties.run import run_tie  # noqa: F401  (imported before the clock runs: the process is a running one)
from fpsynth.version import __version__

FORMATS = ("float32", "float64", "float16", "bfloat16", "tf32", "float8_e5m2")
"""The formats that the published constraints can be stated in: z3 has no sort for float8_e4m3fn."""
DEMANDED = {"float32": 50.0, "float64": 50.0}
"""Least ratio of the medians; 1 for the others."""
NAIVE, AUTO = "naive z3", "fpsynth"
SOLVERS = {AUTO: "auto", **{name: name for name in ENGINES}}
"""Column to fpsynth's --solver."""
FEWER_SEEDS = 5
"""Seeds of the columns that are not compared."""
GRACE = 20.0
"""Seconds that a naive process may run on past its limit before it is killed."""
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Run:
    """One run of one column."""

    seed: int
    solved: bool
    seconds: float
    """Wall time of encoding and solving; fpsynth's includes the start of its workers and the exact re-check."""
    process_seconds: float | None = None
    """Wall time with the start of the process, for naive runs."""
    ratio: float | None = None
    """Certified radius over distance, for fpsynth's runs."""
    engine: str = ""
    reason: str = ""


def naive(fmt: Format, seed: int, limit: float) -> Run:
    """Run the published constraints in a fresh process.  Raises RuntimeError where z3's model is none."""
    arguments = [str(fmt.exponent_bits), str(fmt.precision), str(seed), str(limit)]
    start = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("naive_tie.py")), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=limit + GRACE,
        )
    except subprocess.TimeoutExpired:
        return Run(seed, False, limit, limit, reason="killed: it did not stop at its limit")
    spent = time.monotonic() - start
    answer = json.loads(done.stdout)
    if answer["status"] != "sat":
        return Run(seed, False, limit, spent, reason=answer["status"])
    wrong = failures(published_problem(fmt), {name: from_bits(bits, fmt) for name, bits in answer["model"].items()})
    if wrong:
        raise RuntimeError(f"z3's model of the published constraints in {fmt} is wrong: {wrong[0]}")
    return Run(seed, True, answer["seconds"], spent, engine="z3")


def ours(solver: str) -> Callable[[Format, int, float], Run]:
    """Return the function that runs fpsynth with one choice of solver."""

    def run(fmt: Format, seed: int, limit: float) -> Run:
        start = time.monotonic()
        result = api.tie(fmt.name, solver=solver, seed=seed, timeout=limit, replay=False)
        spent = time.monotonic() - start
        if not result.witnesses:
            return Run(seed, False, limit, reason=result.reason)
        witness = result.witnesses[0]
        engine = f"{witness.provenance.engine} {witness.provenance.encoding}" if witness.provenance else ""
        return Run(seed, True, spent, ratio=witness.ratio, engine=engine)

    return run


def column(run: Callable[[Format, int, float], Run], fmt: Format, seeds: int, limit: float) -> dict[str, Any]:
    """Run all seeds; a run that was not solved counts as its limit in the median."""
    runs = [run(fmt, seed, limit) for seed in range(seeds)]
    times = [r.seconds for r in runs]
    return {
        "median": statistics.median(times),
        "min": min(times),
        "max": max(times),
        "unsolved": sum(not r.solved for r in runs),
        "runs": [{key: value for key, value in asdict(r).items() if value not in (None, "")} for r in runs],
    }


def measure(formats: list[Format], seeds: int, limit: float) -> dict[str, Any]:
    """Run every column of every format, one run at a time."""
    table: dict[str, Any] = {}
    for fmt in formats:
        columns = {NAIVE: column(naive, fmt, seeds, limit)}
        for name, solver in SOLVERS.items():
            columns[name] = column(ours(solver), fmt, seeds if name == AUTO else min(seeds, FEWER_SEEDS), limit)
            print(f"{fmt}: {name} {columns[name]['median']:.2f} s", file=sys.stderr, flush=True)
        ratio = columns[NAIVE]["median"] / columns[AUTO]["median"]
        table[fmt.name] = {
            "columns": columns,
            "median_ratio": ratio,
            "at_least": columns[NAIVE]["unsolved"] > 0,  # the naive runs would have taken longer
            "demanded": DEMANDED.get(fmt.name, 1.0),
            "met": ratio >= DEMANDED.get(fmt.name, 1.0),
        }
    return table


def conditions(seeds: int, limit: float) -> dict[str, Any]:
    """What was run, on what machine, with which versions."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": cpu()["cpu"],
        "cores": cores(),
        "os": platform.system(),
        "python": platform.python_version(),
        "versions": {"fpsynth": __version__, **{name: package_version(name) for name in (*packages(), "numpy")}},
        "seeds": seeds,
        "seeds_of_single_solvers": min(seeds, FEWER_SEEDS),
        "limit": limit,
    }


NOTES = f"""\
Median (least to greatest) wall time in seconds; +n: n runs were not solved and count as the limit.
"{NAIVE}": 0.1 < w1 < w2 < 1, 0.1 < xa < xb < 1, fpEQ(w1*xa, w2*xa), fpGT(w2*xb, w1*xb) given to z3.Solver() in a fresh process
with smt.random_seed and sat.random_seed set; encoding and solving, without the start of the process and the import of z3
(with them: "process").  "{AUTO}": fpsynth.api.tie(dtype, solver="auto", replay=False) in a running process; the sampler looks
first, then workers are started; answers are re-checked within that time; besides the tie, its query demands
certification, at the largest ratio of certified radius and distance where that is known ("ratio": the least that was
reached).  The other columns: one --solver alone.
"""


def text(results: dict[str, Any]) -> str:
    """The table as text."""
    said = results["conditions"]
    names = list(next(iter(results["formats"].values()))["columns"])  # of the day on which they were measured
    head = ["format", NAIVE, "process", *names[1:], "ratio", "times faster", "demanded", ""]
    rows = [head]
    for fmt, entry in results["formats"].items():
        columns = entry["columns"]
        process = statistics.median(run["process_seconds"] for run in columns[NAIVE]["runs"])
        cells = [_cell(columns[name]) for name in names]
        ratios = [run["ratio"] for run in columns[AUTO]["runs"] if "ratio" in run]
        rows.append(
            [
                fmt,
                cells[0],
                f"{process:.2f}",
                *cells[1:],
                f"{min(ratios):.9g}" if ratios else "-",
                f"{'>= ' * entry['at_least']}{entry['median_ratio']:.3g}",
                f"{entry['demanded']:g}",
                "met" if entry["met"] else "not met",
            ]
        )
    widths = [max(len(row[k]) for row in rows) for k in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    versions = ", ".join(f"{name} {version}" for name, version in said["versions"].items())
    machine = f"{said['cpu']}, {said['cores']} cores, {said['os']}, Python {said['python']}; {versions}; {said['date']}"
    counts = f"{said['seeds']} seeds ({said['seeds_of_single_solvers']} for a single solver), limit {said['limit']:g} s"
    return "\n".join([*lines, "", NOTES.rstrip("\n"), counts, machine, ""])


def _cell(entry: dict[str, Any]) -> str:
    late = f" +{entry['unsolved']}" if entry["unsolved"] else ""
    return f"{entry['median']:.2f} ({entry['min']:.2f} to {entry['max']:.2f}){late}"


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write.  Returns 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tie", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="of the two columns that are compared (default 10)")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for each run (default 120)")
    parser.add_argument("--formats", default=",".join(FORMATS), help=f"some of {','.join(FORMATS)}")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for tie.json and tie.txt")
    options = parser.parse_args(arguments)
    try:
        if options.seeds < 1 or options.limit <= 0:
            raise InputError("there must be at least one seed, and the limit must be above 0")
        formats = [format_named(name) for name in options.formats.split(",")]
        if unusable := [str(fmt) for fmt in formats if fmt.name not in FORMATS]:
            raise InputError(f"the published constraints cannot be stated in {', '.join(unusable)}")
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    results = {
        "conditions": conditions(options.seeds, options.limit),
        "formats": measure(formats, options.seeds, options.limit),
    }
    table = text(results)
    print(table, end="")
    options.out.mkdir(parents=True, exist_ok=True)
    write_atomically(options.out / "tie.json", json.dumps(results, indent=1) + "\n")
    write_atomically(options.out / "tie.txt", table)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
