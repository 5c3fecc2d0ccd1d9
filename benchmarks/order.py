"""Times of fpsynth's search for a flip between two orders beside the naive encoding of both sums in z3's default solver.

python -m benchmarks.order [--seeds N] [--limit SECONDS] [--terms 3,8,64] [--orders pairwise,random:1] [--out FOLDER]

prints a table and writes order.json and order.txt.  Both sides answer the same question: numbers in [-1, 1] whose sum from left
to right has another sign than their sum in another order.  Every answer is computed again by the exact interpreter.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS, aligned, conditions, keep, machine, short, shown, spread, whole_numbers
from fpsynth.errors import InputError
from fpsynth.evaluators.recheck import failures
from fpsynth.formats import FLOAT32
from fpsynth.orders import Order, parse_order
from fpsynth.orders.comparing import equal
from fpsynth.predicates import Predicate
from fpsynth.problems import Assignment
from fpsynth.rounding import from_bits, from_fraction
from fpsynth.solvers.engines import engines_named, packages
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.flips import FlipQuestion, find_flip
from fpsynth.synthesis.flips.question import MAX_TERMS
from fpsynth.synthesis.flips.solving import build, solve
from fpsynth.synthesis.settings import Settings
from fpsynth.witness.data import View

FMT = FLOAT32
UNIT = Interval(Fraction(-1), Fraction(1))
TERMS, ORDERS = "3,8,64,512,4096", "pairwise,random:1"
NAIVE, OURS, Z3 = "naive z3", "fpsynth", "z3, fpsynth's encodings"
Z3_TERMS = 3
"""z3 alone is given whole questions of so few terms at most: what larger ones would take fpsynth does not ask of a solver."""
MANY = 64
"""From so many terms on the naive side is run with fewer seeds: it never comes to an end."""
FEW_SEEDS = 3
"""Seeds there, and of the single solver."""
FEWER_SEEDS = 1
"""Seeds there of the naive side against the second and further orders."""
GRACE = 20.0
"""Seconds that a naive process may run on past its limit before it is killed."""
MEMORY = 4 << 30
"""Bytes of address space of a naive process."""


@dataclass(frozen=True)
class Case:
    """Left to right against another order, of so many terms."""

    terms: int
    order: Order
    naive_seeds: int

    @property
    def question(self) -> FlipQuestion:
        """The question: all inputs are 1, so that the weights are the numbers that are summed."""
        return FlipQuestion(
            question="order",
            format=FMT,
            terms=self.terms,
            predicate=Predicate("sign"),
            views=(_view("a", "reference", Order()), _view("b", "deployed", self.order)),
            weights=UNIT,
            inputs=UNIT,
            ones=True,
        )


def _view(name: str, role: str, order: Order) -> View:
    return View(name, str(order), role, Deployment(Arithmetic(FMT, order=order)))


@dataclass(frozen=True)
class Run:
    """One run of one column."""

    seed: int
    solved: bool
    seconds: float
    """Wall time of encoding and solving; fpsynth's includes its own exact re-check and the start of workers, if any."""
    process_seconds: float | None = None
    """Wall time with the start of the process, for naive runs."""
    how: str = ""
    """What found the solution."""
    reason: str = ""
    """Why there is none."""


def naive(case: Case, seed: int, limit: float) -> Run:
    """Run the naive encoding in a fresh process.  Raises RuntimeError where z3's model is no solution."""
    trees = {name: order.tree(case.terms).steps for name, order in (("a", Order()), ("b", case.order))}
    arguments = [str(FMT.exponent_bits), str(FMT.precision), str(seed), str(limit), str(MEMORY)]
    start = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("naive_order.py")), *arguments],
            input=json.dumps({"terms": case.terms, **trees}),
            capture_output=True,
            text=True,
            check=False,
            timeout=limit + GRACE,
        )
    except subprocess.TimeoutExpired:
        return Run(seed, False, limit, limit + GRACE, reason="killed: it did not stop at its limit")
    spent = time.monotonic() - start
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [""])[-1][:200]
        return Run(seed, False, limit, spent, reason=f"the process ended with status {done.returncode}: {last}")
    answer = json.loads(done.stdout)
    if answer["status"] != "sat":
        return Run(seed, False, limit, spent, reason=f"{answer['status']}: {answer['reason']}")
    recheck(case, {f"w0_{k}": from_bits(bits, FMT) for k, bits in enumerate(answer["model"])})
    return Run(seed, True, answer["seconds"], spent, how="z3")


def ours(case: Case, seed: int, limit: float) -> Run:
    """Run fpsynth's search with its default choice of engines.  Raises RuntimeError where its answer is no solution."""
    start = time.monotonic()
    result = find_flip(case.question, Settings(engines_named("auto"), seed, limit))
    spent = time.monotonic() - start
    if result.divergence is None:
        return Run(seed, False, limit, reason=f"{result.verdict.value}: {result.reason}")
    (weights,) = result.divergence.network.dense_layers[0].weight.tolist()
    recheck(case, {f"w0_{k}": from_fraction(Fraction(weight)) for k, weight in enumerate(weights)})
    return Run(seed, True, spent, how=result.reason.removeprefix("found by "))


def z3_alone(case: Case, seed: int, limit: float) -> Run:
    """Give the whole question to z3 alone in fpsynth's encodings, at once in as many processes as there are cores."""
    start = time.monotonic()
    outcome = solve(case.question, range(case.terms), Settings(engines_named("z3"), seed, limit), limit)
    spent = time.monotonic() - start
    if outcome.assignment is None:
        return Run(seed, False, limit, reason=f"{outcome.status}: {outcome.reason}")
    recheck(case, outcome.assignment)
    return Run(seed, True, spent, how=outcome.winner.encoding if outcome.winner else "")


def recheck(case: Case, assignment: Assignment) -> None:
    """Compute both sums again, exactly, rounding after each addition."""
    wrong = failures(build(case.question, range(case.terms)), assignment)
    if wrong:
        raise RuntimeError(f"{case.terms} terms, {case.order}: a claimed solution is none: {wrong[0]}")


def _column(runs: Sequence[Run]) -> dict[str, Any]:
    """A run that was not solved counts as its limit in the median."""
    return {
        **spread([run.seconds for run in runs]),
        "unsolved": sum(not run.solved for run in runs),
        "rechecked": sum(run.solved for run in runs),
        "runs": [{key: value for key, value in asdict(run).items() if value not in (None, "")} for run in runs],
    }


def measure_case(case: Case, seeds: int, limit: float) -> dict[str, Any]:
    """Run every column with every seed, the columns in turn, one run at a time."""
    columns: dict[str, tuple[Callable[[Case, int, float], Run], int]] = {NAIVE: (naive, case.naive_seeds), OURS: (ours, seeds)}
    if case.terms <= Z3_TERMS:
        columns[Z3] = (z3_alone, min(seeds, FEW_SEEDS))
    runs: dict[str, list[Run]] = {name: [] for name in columns}
    for seed in range(seeds):
        for name, (run, count) in columns.items():
            if seed < count:
                runs[name].append(run(case, seed, limit))
                last = runs[name][-1]
                outcome = last.how if last.solved else last.reason
                print(f"{case.terms} {case.order} {name}: {last.seconds:.3f} s, {outcome}", file=sys.stderr, flush=True)
    table = {name: _column(made) for name, made in runs.items()}
    return {
        "terms": case.terms,
        "a": str(Order()),
        "b": str(case.order),
        "columns": table,
        "median_ratio": table[NAIVE]["median"] / table[OURS]["median"],
        "at_least": table[NAIVE]["unsolved"] > 0,  # the naive runs would have taken longer
    }


def cases(terms: Sequence[int], orders: Sequence[Order], seeds: int) -> list[Case]:
    """The cases; where an order of so few terms is the one from left to right, reverse takes its place."""
    made: dict[tuple[int, Order], Case] = {}
    for n in terms:
        for position, order in enumerate(orders):
            other = parse_order("reverse") if equal(order.tree(n), Order().tree(n)) else order
            fewer = FEWER_SEEDS if position else FEW_SEEDS
            made.setdefault((n, other), Case(n, other, seeds if n < MANY else min(seeds, fewer)))
    return list(made.values())


NOTES = f"""\
Median (least to greatest) wall time in seconds; +n: n runs were not solved and count as the limit.  Asked for are float32
numbers v_k in [-1, 1] of which the sum from left to right is above zero and the sum in the other order is not, or the other
way round.  Where an order of so few terms is the one from left to right, it is compared with reverse instead.
"{NAIVE}": every v_k and every addition of both sums as they are (fpAdd), given to z3.Solver() in a fresh process of at
most {MEMORY >> 30} GiB, smt.random_seed and sat.random_seed set; encoding and solving, without the start of the process and
the import of z3 (with them: "process").  "{OURS}": fpsynth.synthesis.flips.find_flip with default engines in a running
process, its exact re-check included.  "{Z3}": the same question, all terms, to z3 alone in fpsynth's
encodings, for up to {Z3_TERMS} terms.  Columns take turns; "seeds": of each of them.  Every solution of every column was
computed again by the exact interpreter.
"""


def text(results: dict[str, Any]) -> str:
    """The table as text."""
    rows = [["terms", "against", NAIVE, "process", OURS, Z3, "times faster", "seeds", "naive out of", "found by"]]
    for entry in results["cases"]:
        columns = entry["columns"]
        process = spread([run["process_seconds"] for run in columns[NAIVE]["runs"]])["median"]
        rows.append(
            [
                str(entry["terms"]),
                entry["b"],
                _cell(columns[NAIVE]),
                short(process),
                _cell(columns[OURS]),
                _cell(columns[Z3]) if Z3 in columns else "-",
                f"{'>= ' * entry['at_least']}{entry['median_ratio']:.3g}" if not columns[OURS]["unsolved"] else "-",
                ", ".join(str(len(column["runs"])) for column in columns.values()),
                _ran_out(columns[NAIVE]),
                "; ".join(dict.fromkeys(run["how"] for run in columns[OURS]["runs"] if run["solved"])) or "-",
            ]
        )
    said = results["conditions"]
    limit = f"Limit {said['limit']:g} s."
    return "\n".join([*aligned(rows), "", NOTES.rstrip("\n"), limit, machine(said), ""])


def _cell(column: dict[str, Any]) -> str:
    return shown(column) + (f" +{column['unsolved']}" if column["unsolved"] else "")


def _ran_out(column: dict[str, Any]) -> str:
    """What the runs that were not solved ran out of, in words."""
    short_of = ["memory" if "memory" in run["reason"] else "time" for run in column["runs"] if not run["solved"]]
    return ", ".join(f"{what} {short_of.count(what)}x" for what in dict.fromkeys(short_of)) or "-"


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write.  Returns 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.order", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help=f"default 5; the naive side has fewer from {MANY} terms on")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for each run (default 120)")
    parser.add_argument("--terms", default=TERMS, help=f"default {TERMS}")
    parser.add_argument("--orders", default=ORDERS, help=f"compared with sequential; default {ORDERS}")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for order.json and order.txt")
    options = parser.parse_args(arguments)
    try:
        if options.seeds < 1 or options.limit <= 0:
            raise InputError("there must be at least one seed, and the limit must be above 0")
        terms = whole_numbers(options.terms, "the numbers of terms", 3, MAX_TERMS)
        orders = [parse_order(name) for name in options.orders.split(",")]
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    results: dict[str, Any] = {
        "conditions": {
            **conditions((*packages(), "numpy")),
            "seeds": options.seeds,
            "limit": options.limit,
            "memory": MEMORY,
        },
    }
    ours(Case(5, parse_order("reverse"), 1), 0, options.limit)  # what is imported at first use is there when the clock runs
    results["cases"] = [measure_case(case, options.seeds, options.limit) for case in cases(terms, orders, options.seeds)]
    table = text(results)
    print(table, end="")
    keep(options.out, "order", results, table)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
