"""Times of ``fpsynth order`` for layers as large as those of real networks, beside revealing every position first.

python -m benchmarks.order_layers [--terms 1617,4096] [--outputs N] [--dtype float32,float64] [--pairs A~B ...]
    [--limit SECONDS] [--out FOLDER]

prints a table and writes order_layers.json and order_layers.txt.  Every answer is checked again by the exact interpreter, and
what its environments give is compared with what it says of them.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS, aligned, conditions, keep, machine, short, whole_numbers
from fpsynth import api
from fpsynth.errors import InputError
from fpsynth.formats import Format, format_named
from fpsynth.libraries.kernels import Kernel
from fpsynth.libraries.naming import parse_environment
from fpsynth.predicates import Predicate
from fpsynth.revealing.revealer import Revealer
from fpsynth.solvers.engines import engines_named
from fpsynth.sums.arithmetic import Deployment
from fpsynth.synthesis.domain import UNIT
from fpsynth.synthesis.flips import FlipQuestion, find_flip
from fpsynth.synthesis.planning import MAX_WEIGHTS
from fpsynth.synthesis.result import Result
from fpsynth.synthesis.settings import Clock, Settings
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.witness.data import View, Witness
from fpsynth.workers.deadlines import OutOfTimeError, within
from fpsynth.workers.kept import processes_kept

PAIRS = (
    *("torch:linear:batch=1~torch:linear:batch=10", "torch:linear:batch=1~onnxruntime:gemm:batch=10"),
    *("torch:linear:batch=10~tensorflow:matmul:batch=10", "numpy:matmul:batch=1~numpy:matmul:batch=64"),
    "jax:jit:batch=1~jax:jit:batch=64",
)
BEFORE, FIRST, FURTHER = "every position", "first", "further"


@dataclass(frozen=True)
class LayerCase:
    """Two environments and the layer that both evaluate."""

    a: str
    b: str
    terms: int
    outputs: int
    dtype: Format


@dataclass(frozen=True)
class LayerRun:
    """One run of one column."""

    verdict: str
    """Empty where there was none within the limit."""
    seconds: float
    processor_seconds: float | None
    """Of this process and all that it started, as far as the system tells."""
    reason: str


def processor_seconds() -> float | None:
    """What this process, its descendants and those of them that have ended have taken so far; None where /proc does not say."""
    parents: dict[int, int] = {}
    spent: dict[int, float] = {}
    try:
        tick = os.sysconf("SC_CLK_TCK")
        processes = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except (AttributeError, OSError, ValueError):
        return None
    for process in processes:
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        parents[process], spent[process] = int(fields[1]), sum(map(int, fields[11:15])) / tick

    def below(process: int) -> float:
        return spent.get(process, 0.0) + sum(below(child) for child, parent in parents.items() if parent == process)

    return below(os.getpid())


def _measured(run: Callable[[], tuple[str, str]], limit: float) -> LayerRun:
    """The verdict and the reason that ``run`` returns, and what it took; none past the limit."""
    begun, spent = time.monotonic(), processor_seconds()
    try:
        with within(limit):
            verdict, reason = run()
    except OutOfTimeError:
        verdict, reason = "", f"not in {limit:g} s"
    now, seconds = processor_seconds(), time.monotonic() - begun
    return LayerRun(verdict, seconds, None if now is None or spent is None else now - spent, reason)


def before(case: LayerCase, limit: float) -> LayerRun:
    """Reveal all positions of both kernels, then search; without a replay."""

    def run() -> tuple[str, str]:
        clock = Clock(limit)
        with Revealer() as revealer:
            views = [_view(case, revealer, *side) for side in ((case.a, "a", "reference"), (case.b, "b", "deployed"))]
        question = FlipQuestion("order", case.dtype, case.terms, Predicate("sign"), tuple(views), UNIT, UNIT)
        result = find_flip(question, Settings(engines_named("auto"), 0, clock.left))
        return result.verdict.value, result.reason

    return _measured(run, limit)


def _view(case: LayerCase, revealer: Revealer, text: str, name: str, role: str) -> View:
    where = replace(parse_environment(text), outputs=case.outputs)
    found = revealer.reveal(Kernel(where, case.dtype, case.terms, case.outputs))
    return View(name, text, role, Deployment(found.at(where.row, 0).arithmetic))


def ours(case: LayerCase, limit: float) -> LayerRun:
    """Ask ``order``, and have all libraries show the answer.  Raises RuntimeError where it is wrong."""

    def run() -> tuple[str, str]:
        terms, outputs, dtype = case.terms, case.outputs, case.dtype.name
        result: Result = api.order(case.a, case.b, terms=terms, outputs=outputs, dtype=dtype, timeout=limit)
        if result.verdict is Verdict.UNKNOWN:
            return "", result.reason
        for witness in result.witnesses:
            require_shown(witness)
        return result.verdict.value, result.reason

    return _measured(run, limit + 60.0)


def require_shown(witness: Witness) -> None:
    """Raise RuntimeError where a claim of a witness is wrong, or an environment gives something else than it says."""
    wrong = [finding.claim for finding in api.check(witness).findings if not finding.holds]
    for view in (view for view in witness.views if view.environment):
        own = [seen for seen in witness.observations if seen.view == view.name and view.row in seen.rows]
        if not any(tuple(map(Fraction, seen.logits)) == tuple(view.logits) for seen in own):
            wrong.append(f"{view.label} gives what it is said to")
    if wrong:
        raise RuntimeError(f"a claimed divergence is none: {wrong[0]}")


def measure_case(case: LayerCase, limit: float) -> dict[str, Any]:
    """Run every column once, each but the last with processes of its own: that asks the same the other way round."""
    runs = {BEFORE: before(case, limit)}
    with processes_kept():
        runs[FIRST] = ours(case, limit)
        runs[FURTHER] = ours(replace(case, a=case.b, b=case.a), limit)
    for name, run in runs.items():
        print(f"{case.terms} {case.dtype} {case.a} {case.b} {name}: {run.seconds:.1f} s, {run.reason}", file=sys.stderr)
    asked = {"a": case.a, "b": case.b, "terms": case.terms, "outputs": case.outputs, "dtype": case.dtype.name}
    return {**asked, "columns": {name: asdict(run) for name, run in runs.items()}}


NOTES = f"""\
Seconds of wall time, and in brackets seconds of processor time of all processes, until there is an answer.  Asked for is a
point and weights in [-1, 1] for which output 0 of a layer is on one side of zero in the one environment and on the other in
the other.  "{BEFORE}": all positions of both kernels are revealed, then the search; without a replay.  "{FIRST}":
fpsynth.order in new processes, which reveals the output that is read; with the replay in all libraries that are installed.
"{FURTHER}": the same the other way round, the processes kept (fpsynth.processes_kept).  Reveals are read from no cache.  Every
witness was checked again exactly, and both environments gave, bit for bit, what it says of them.
"""


def text(results: dict[str, Any]) -> str:
    """The table as text."""
    rows = [["terms", "dtype", "reference", "deployed", BEFORE, FIRST, FURTHER, "verdict"]]
    for entry in results["cases"]:
        columns = entry["columns"]
        cells = [_cell(columns[name]) for name in (BEFORE, FIRST, FURTHER)]
        rows.append([str(entry["terms"]), entry["dtype"], entry["a"], entry["b"], *cells, columns[FIRST]["verdict"] or "-"])
    said = results["conditions"]
    return "\n".join([*aligned(rows), "", NOTES.rstrip("\n"), f"Limit {said['limit']:g} s.", machine(said), ""])


def _cell(run: dict[str, Any]) -> str:
    seconds, spent = run["seconds"], run["processor_seconds"]
    told = short(seconds) if run["verdict"] else "not in the limit"
    return told if spent is None else f"{told} ({short(spent)})"


def _pair(text: str) -> tuple[str, str]:
    """Two environments with ~ between them.  Raises InputError for anything else."""
    a, mark, b = text.partition("~")
    if not mark:
        raise InputError(f"{text[:80]!r} must be two environments with ~ between them")
    for side in (a, b):
        parse_environment(side)
    return a, b


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write.  Returns 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.order_layers", description=__doc__.splitlines()[0])
    parser.add_argument("--terms", default="1617,4096", help="default %(default)s")
    parser.add_argument("--outputs", type=int, default=101, help="default 101")
    parser.add_argument("--dtype", default="float32", help="default %(default)s")
    parser.add_argument("--pairs", nargs="+", default=PAIRS, help="A~B; default " + " ".join(PAIRS))
    parser.add_argument("--limit", type=float, default=150.0, help="seconds for each run (default 150)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for order_layers.json and order_layers.txt")
    options = parser.parse_args(arguments)
    try:
        if options.limit <= 0 or options.outputs < 1:
            raise InputError("the limit must be above 0, and there must be at least one output")
        terms = whole_numbers(options.terms, "the numbers of terms", 3, MAX_WEIGHTS // options.outputs)
        formats = [format_named(name) for name in options.dtype.split(",")]
        pairs = [_pair(pair) for pair in options.pairs]
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    results: dict[str, Any] = {
        "conditions": {**conditions(("numpy", "torch", "tensorflow", "onnxruntime", "jax")), "limit": options.limit}
    }
    cases = [LayerCase(*pair, n, options.outputs, dtype) for n in terms for dtype in formats for pair in pairs]
    results["cases"] = [measure_case(case, options.limit) for case in cases]
    table = text(results)
    print(table, end="")
    keep(options.out, "order_layers", results, table)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
