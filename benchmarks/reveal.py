"""Library calls and times of fpsynth's reveal beside a plain FPRev, for sums of 16 to 4096 terms in the libraries here.

python -m benchmarks.reveal [--kernels numpy:sum,torch:linear:batch=4] [--terms 16,64] [--runs N] [--vectors N] [--out FOLDER]

prints a table and writes reveal.json and reveal.txt.  Kernels are separated by blanks or semicolons.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS, aligned, conditions, keep, machine, short, shown, spread, whole_numbers
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32
from fpsynth.libraries.kernels import MAX_TERMS, Environment, Kernel
from fpsynth.libraries.naming import parse_environment
from fpsynth.libraries.registry import library_named
from fpsynth.orders import Tree
from fpsynth.orders.comparing import equal
from fpsynth.revealing.file import kernel_to_json
from fpsynth.revealing.result import Reveal
from fpsynth.revealing.revealer import Revealer
from fpsynth.workers.messages import Message
from fpsynth.workers.process import Cause, NoAnswer, Worker

KERNELS = (
    "numpy:sum",
    "numpy:matmul",
    "torch:linear",
    "torch:linear:batch=4",
    "torch:linear:batch=64,threads=1",
    "torch:sum",
    "tensorflow:matmul",
    "tensorflow:matmul:batch=64,threads=1",
    "onnxruntime:matmul",
    "jax:jit",
)
"""Threads that wait for one another on a busy machine would drown the large ones' times."""
TERMS = "16,64,256,1024,4096"
WORKER = "benchmarks.reveal_worker"
TIMEOUT = 900.0
"""Seconds that one request may take."""
PACKAGES = ("numpy", "torch", "tensorflow", "onnxruntime", "jax", "jaxlib")


@contextmanager
def _worker(environment: Environment) -> Iterator[Worker]:
    """A process with the environment's library loaded.  Raises InputError where that fails."""
    with Worker(WORKER, variables=dict(environment.settings)) as worker:
        request = {"load": environment.library, "device": environment.device, "threads": environment.threads}
        _asked(worker, request)
        yield worker


def _asked(worker: Worker, request: Message) -> Message:
    worker.send(request)
    try:
        answer = worker.receive(TIMEOUT)
    except NoAnswer as lost:
        raise InputError(str(lost) if lost.cause is Cause.TIME else f"the library crashed ({lost})") from None
    if "failed" in answer:
        raise InputError(answer["failed"])
    return answer


def _reveal(revealer: Revealer, kernel: Kernel, vectors: int, seed: int) -> tuple[Reveal, float]:
    """A reveal and its wall time, seen from the process that asks."""
    start = time.monotonic()
    found = revealer.reveal(kernel, vectors=vectors, seed=seed)
    return found, time.monotonic() - start


def measure(kernel: Kernel, worker: Worker, revealer: Revealer, runs: int, vectors: int) -> dict[str, Any]:
    """Run FPRev, fpsynth's search for the order, and the whole reveal without and with the check, in turn."""
    times: dict[str, list[float]] = {"fprev": [], "order": [], "unchecked": [], "checked": []}
    same, explained, total, notes = True, 0, 0, []
    described = kernel_to_json(kernel)
    for seed in range(runs):
        plain = _asked(worker, {"fprev": described})
        _, unchecked = _reveal(revealer, kernel, 1, seed)
        found, checked = _reveal(revealer, kernel, vectors, seed)
        first = found.at(0, 0)
        classes = [first, *(cls for cls in found.classes if cls is not first)]
        order = _asked(worker, {"order": described, "positions": [cls.positions for cls in classes]})
        trees = [Tree(kernel.terms, tuple(map(tuple, answer["steps"]))) for answer in (plain, order)]
        trees.append(first.arithmetic.order.tree(kernel.terms))
        same = same and equal(trees[0], trees[1]) and equal(trees[0], trees[2])
        explained += sum(cls.check.explained for cls in found.classes)
        total += sum(cls.check.total for cls in found.classes)
        notes += [f"seed {seed}: {note}" for note in found.notes]
        for name, seconds in (("fprev", plain["seconds"]), ("order", order["seconds"])):
            times[name].append(seconds)
        times["unchecked"].append(unchecked)
        times["checked"].append(checked)
    table = {name: spread(seconds) for name, seconds in times.items()}
    return {
        "terms": kernel.terms,
        "classes": len(classes),
        "calls": {"fprev": plain["calls"], "order": found.tree_calls, "order_alone": order["calls"], "all": found.calls},
        "seconds": {name: {**table[name], "runs": seconds} for name, seconds in times.items()},
        "ratio": table["fprev"]["median"] / table["order"]["median"],
        "same_tree": same,
        "explained": explained,
        "vectors": total,
        "notes": notes,
    }


def measure_kernel(environment: Environment, terms: Sequence[int], runs: int, vectors: int) -> dict[str, Any]:
    """All numbers of terms of one environment; or why it was not run."""
    entry: dict[str, Any] = {"kernel": str(environment), "terms": [], "not_run": "", "absent": False}
    if library_named(environment.library).version() is None:
        return {**entry, "not_run": f"{environment.library} is not installed", "absent": True}
    try:
        with _worker(environment) as worker, Revealer(timeout=TIMEOUT) as revealer:
            plain = Kernel(environment, FLOAT32, 2, environment.outputs or 1)
            _reveal(revealer, plain, 1, 0)  # what is imported and made ready at first use is there when the clock runs
            for request in ({"fprev": kernel_to_json(plain)}, {"order": kernel_to_json(plain), "positions": [[(0, 0)]]}):
                _asked(worker, request)
            for n in terms:
                entry["terms"].append(measure(replace(plain, terms=n), worker, revealer, runs, vectors))
                line = entry["terms"][-1]
                seconds = ", ".join(f"{name} {short(entry['median'])} s" for name, entry in line["seconds"].items())
                print(f"{environment} {n}: {seconds}, same tree: {line['same_tree']}", file=sys.stderr, flush=True)
    except InputError as error:
        entry["not_run"] = str(error)
    return entry


NOTES = """\
Medians (least to greatest) of wall times in seconds in processes that have the library loaded, one run at a time, in turn.
"FPRev": the published algorithm, one call per probe, at row 0, output 0.  "order": the part of fpsynth that does the same for
every position of the output; where rows or outputs share one arithmetic, which it has found out before, their probes go through
a call together ("ratio": FPRev's seconds by these).  "unchecked": all of fpsynth.revealing.revealer's Revealer.reveal but the
check: classes of positions, orders, fusing, accumulator, rounding, flushing, repeats and alignment.  "checked": the same with
the check on hostile random vectors; "all calls": those of this.  "same tree": FPRev and both searches of fpsynth found equal
trees in every run.  "explains": vectors of all runs whose results the revealed arithmetic gives bit for bit.
"""


def text(results: dict[str, Any]) -> str:
    """The table as text."""
    head = ["kernel", "terms", "FPRev calls", "order calls", "all calls", "FPRev", "order", "unchecked", "checked", "ratio"]
    rows = [[*head, "same tree", "classes", "explains"]]
    absent = []
    for entry in results["kernels"]:
        if entry["not_run"]:
            absent.append(f"{entry['kernel']}: {'stopped' if entry['terms'] else 'not run'}, {entry['not_run']}")
        for line in entry["terms"]:
            calls = line["calls"]
            rows.append(
                [
                    entry["kernel"],
                    str(line["terms"]),
                    *(str(calls[name]) for name in ("fprev", "order", "all")),
                    *(shown(line["seconds"][name]) for name in ("fprev", "order", "unchecked", "checked")),
                    f"{line['ratio']:.3g}",
                    "yes" if line["same_tree"] else "no",
                    str(line["classes"]),
                    f"{line['explained']}/{line['vectors']}",
                ]
            )
    said = results["conditions"]
    counts = f"{said['runs']} runs, {said['vectors']} vectors each, float32."
    return "\n".join([*aligned(rows), *absent, "", NOTES.rstrip("\n"), counts, machine(said), ""])


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write.  Returns 2 for bad input, 1 where a library that is installed failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reveal", description=__doc__.splitlines()[0])
    parser.add_argument("--kernels", default=" ".join(KERNELS), help="environments, separated by blanks or semicolons")
    parser.add_argument("--terms", default=TERMS, help=f"default {TERMS}")
    parser.add_argument("--runs", type=int, default=3, help="of which the median is taken (default 3)")
    parser.add_argument("--vectors", type=int, default=10_000, help="that the check draws (default 10000)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for reveal.json and reveal.txt")
    options = parser.parse_args(arguments)
    try:
        if options.runs < 1 or options.vectors < 1:
            raise InputError("there must be at least one run and one vector")
        terms = whole_numbers(options.terms, "the numbers of terms", 2, MAX_TERMS)
        environments = [parse_environment(name) for name in re.split(r"[\s;]+", options.kernels.strip())]
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    results: dict[str, Any] = {"conditions": {**conditions(PACKAGES), "runs": options.runs, "vectors": options.vectors}}
    results["kernels"] = []
    for environment in environments:
        results["kernels"].append(measure_kernel(environment, terms, options.runs, options.vectors))
        keep(options.out, "reveal", results, text(results))  # after each kernel: a run takes long
    print(text(results), end="")
    return int(any(entry["not_run"] and not entry["absent"] for entry in results["kernels"]))


if __name__ == "__main__":
    raise SystemExit(main())
