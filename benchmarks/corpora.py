"""Do categories beat every real verifier whatever the seed, and do sound verifiers prove the robust twins?  Resumable.

python -m benchmarks.corpora [--seeds N] [--count N] [--category NAME] [--tools NAMES] [--timeout SECONDS] [--jobs N]
                             [--hard CORPUS] [--budget SECONDS] [--work FOLDER] [--out FOLDER]

For each seed from 1 a corpus of the categories is made in the folder --work and every tool asked about it; what is done stands
there, and the same command goes on from it whatever has ended it.  --hard is what ``fpsynth corpus make --out hard --count 320
--seed 1`` has written: on its controls that are safe in ONNX Runtime fpsynth's practically sound verifiers are asked, in the
order that the corpus records, one after the other for --budget seconds each.  Prints tables and writes corpora.json and
corpora.txt.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import fpsynth
from benchmarks.common import RESULTS, aligned, conditions, keep, machine
from benchmarks.verifiers import TOOLS, beside
from fpsynth.corpus.instances.data import RUNTIME, UNSAT, Instance
from fpsynth.corpus.instances.layout import MANIFEST
from fpsynth.corpus.labels.environments import computed_from
from fpsynth.corpus.labels.points import grid_of
from fpsynth.formats import FLOAT32
from fpsynth.scoring.judging import RIGHT, WRONG
from fpsynth.scoring.scoreboard import Scoreboard
from fpsynth.verifiers.claims import Box
from fpsynth.verifiers.external import installed
from fpsynth.verifiers.relaxation_verifier import RelaxationVerifier
from fpsynth.verifiers.relaxations.reasoning import sound

CATEGORIES = ("rare", "blind", "order")
SOUND = ("crown", "bab")
"""Practically sound verifiers, the quickest first."""


@dataclass(frozen=True)
class SeedRow:
    """What a tool said of a category of one corpus."""

    seed: int
    tool: str
    category: str
    wrong: tuple[str, ...]
    """Instances, no controls, on which it was wrong."""
    with_controls_right: tuple[str, ...]
    """Those of them of which it answered every control as it should."""
    asked: int
    """Instances that are no controls."""
    controls_right: int
    controls: int
    controls_otherwise: tuple[str, ...]
    """Controls that it did not answer as it should, with the column of its answer."""


def seed_rows(seed: int, board: Scoreboard, categories: Sequence[str]) -> Iterator[SeedRow]:
    """A row for each tool and category."""
    of = {one.name: one.control_of for one in board.instances}
    for asked in board.verifiers:
        for category in categories:
            tally = board.tally(asked.name, category)
            plain = [run for run in tally.runs if run.instance not in tally.controls]
            controls = [run for run in tally.runs if run.instance in tally.controls]
            otherwise = [run for run in controls if run.column != RIGHT]
            missed = {of[run.instance] for run in otherwise}
            wrong = tuple(run.instance for run in plain if run.column in WRONG)
            yield SeedRow(
                seed=seed,
                tool=asked.name,
                category=category,
                wrong=wrong,
                with_controls_right=tuple(name for name in wrong if name not in missed),
                asked=len(plain),
                controls_right=len(controls) - len(otherwise),
                controls=len(controls),
                controls_otherwise=tuple(f"{run.instance}: {run.column}" for run in otherwise),
            )


def boards(arguments: argparse.Namespace, tools: Sequence[str]) -> Iterator[tuple[int, Scoreboard]]:
    """The scoreboard of each seed: made, asked and read again, whatever is not there yet."""
    for seed in range(1, arguments.seeds + 1):
        corpus = arguments.work / f"seed_{seed}"

        def told(text: str, seed: int = seed) -> None:
            print(f"seed {seed} of {arguments.seeds}: {text}", file=sys.stderr, flush=True)

        if not (corpus / MANIFEST).exists():
            fpsynth.corpus.make(corpus, count=arguments.count, seed=seed, category=arguments.category, progress=told)
        place = arguments.work / f"board_{seed}"
        yield seed, fpsynth.bench(corpus, tools, out=place, timeout=arguments.timeout, jobs=arguments.jobs, progress=told)


def seed_table(rows: Sequence[SeedRow], seeds: int) -> list[str]:
    """By tool and category: in how many seeds it was wrong, and how it answered the controls."""
    table: list[tuple[str, ...]] = [
        ("verifier", "category", "wrong in seeds", "controls right too", "of", "instances wrong", "controls right")
    ]
    for tool, category in dict.fromkeys((row.tool, row.category) for row in rows):
        here = [row for row in rows if (row.tool, row.category) == (tool, category)]
        wrong, asked = sum(len(row.wrong) for row in here), sum(row.asked for row in here)
        right, controls = sum(row.controls_right for row in here), sum(row.controls for row in here)
        beaten, cleanly = sum(bool(row.wrong) for row in here), sum(bool(row.with_controls_right) for row in here)
        counts = map(str, (beaten, cleanly, len(here)))
        table.append((tool, category, *counts, f"{wrong} of {asked}", f"{right} of {controls}"))
    return [*aligned(table), "", *beaten_by(rows, seeds), "", *controls_otherwise(rows)]


def controls_otherwise(rows: Sequence[SeedRow]) -> Iterator[str]:
    """A line for each tool that did not answer every control as it should: how, and how often."""
    yield "Controls that were not answered as they should be:"
    for tool in dict.fromkeys(row.tool for row in rows):
        told = [text for row in rows if row.tool == tool for text in row.controls_otherwise]
        counts = Counter(f"{name.split('_0')[0]} {column}" for name, column in (text.split(": ") for text in told))
        yield f"  {tool}: {', '.join(f'{count} x {what}' for what, count in sorted(counts.items())) or 'none'}"


def beaten_by(rows: Sequence[SeedRow], seeds: int) -> Iterator[str]:
    """A line for each category: in how many seeds every tool was wrong on at least one instance of it."""
    for category in dict.fromkeys(row.category for row in rows):
        here = [row for row in rows if row.category == category]
        every = sum(all(row.wrong for row in here if row.seed == seed) for seed in {row.seed for row in here})
        tools = len({row.tool for row in here})
        yield f"{category}: all of {tools} verifiers were wrong on an instance that is no control in {every} of {seeds} seeds"


@dataclass(frozen=True)
class ProvedTwin:
    """A control that is safe in ONNX Runtime."""

    instance: str
    family: str
    category: str
    proved_by: str
    """The first verifier that proved it; empty where none did."""
    seconds: float


def twins(instances: Sequence[Instance], budget: float) -> Iterator[ProvedTwin]:
    """Ask the practically sound verifiers about every control that is safe in ONNX Runtime, in its recorded order."""
    for one in instances:
        label = one.label(RUNTIME)
        if not one.control_of or label is None or label.verdict != UNSAT or label.computed is None:
            continue
        begun = time.monotonic()
        name = next((name for name in SOUND if _proves(name, one, budget)), "")
        yield ProvedTwin(one.name, one.family, one.category, name, round(time.monotonic() - begun, 3))


def _proves(name: str, one: Instance, budget: float) -> bool:
    label = one.label(RUNTIME)
    assert label is not None
    assert label.computed is not None
    computed = computed_from(label.computed, one.network, label.semantics)
    low, high = zip(*grid_of(one.box).ends(), strict=True)
    judge = RelaxationVerifier(name, sound(FLOAT32, computed.deployment))
    claim = judge.verify(computed.network, Box(tuple(low), tuple(high)), one.unsafe, budget=budget)
    if claim.verdict == "sat":
        raise AssertionError(f"{name} says sat of {one.name}, which is safe by {label.basis}")
    return claim.verdict == UNSAT


def twin_table(proved: Sequence[ProvedTwin]) -> list[str]:
    """By family and verifier, and all together."""
    table = [("family", "category", "twins", *(f"by {name}" for name in SOUND), "proved", "seconds")]
    for family in dict.fromkeys(one.family for one in proved):
        here = [one for one in proved if one.family == family]
        counts = [sum(one.proved_by == name for one in here) for name in SOUND]
        seconds = sum(one.seconds for one in here)
        table.append((family, here[0].category, str(len(here)), *map(str, counts), str(sum(counts)), f"{seconds:.1f}"))
    done = sum(bool(one.proved_by) for one in proved)
    share = 100 * done / len(proved) if proved else 0.0
    missed = ", ".join(one.instance for one in proved if not one.proved_by)
    last = f"{done} of {len(proved)} robust twins are proved for the revealed order ({share:.1f} %)"
    return [*aligned(table), "", f"{last}; not proved: {missed or 'none'}"]


def main() -> None:
    """Make, ask, prove, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--count", type=int, default=12, help="instances of each seed, controls included")
    parser.add_argument("--category", action="append")
    parser.add_argument("--tools", default=",".join(TOOLS))
    parser.add_argument("--timeout", type=float, default=60.0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--hard", type=Path)
    parser.add_argument("--budget", type=float, default=20.0)
    parser.add_argument("--work", type=Path, default=Path("corpora.work"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    arguments.category = arguments.category or list(CATEGORIES)
    tools = [name for name in arguments.tools.split(",") if name and installed(name) is not None]
    said = conditions(["numpy", "onnxruntime", "torch", "scipy"])
    lines, results = [machine(said)], dict[str, Any](conditions=said)
    if tools and arguments.seeds:
        asked = _seeds(arguments, tools)
        results["seeds"] = asked
        rows = [SeedRow(**row) for row in asked["rows"]]
        lines += ["", f"{arguments.count} instances for each of {arguments.seeds} seeds, {arguments.timeout:g} s for each:", ""]
        lines += seed_table(rows, arguments.seeds)
    if arguments.hard is not None:
        corpus = fpsynth.corpus.list(arguments.hard)
        proved = list(twins(corpus.instances, arguments.budget))
        digest = hashlib.sha256((arguments.hard / MANIFEST).read_bytes()).hexdigest()
        results["twins"] = {
            **{"sha256": digest, "instances": len(corpus.instances), "seed": corpus.seed, "budget": arguments.budget},
            "rows": [asdict(one) for one in proved],
        }
        lines += [
            "",
            f"Robust twins of a corpus of {len(corpus.instances)} (seed {corpus.seed}), {arguments.budget:g} s each:",
            "",
        ]
        lines += twin_table(proved)
    text = "\n".join(lines) + "\n"
    print(text)
    keep(arguments.out, "corpora", results, text)


def _seeds(arguments: argparse.Namespace, tools: Sequence[str]) -> dict[str, Any]:
    """What came of all seeds, as data: no paths."""
    rows: list[SeedRow] = []
    digests, versions = {}, dict[str, str]()
    for seed, board in boards(arguments, tools):
        digests[str(seed)] = board.digest
        versions |= {one.name: one.version for one in board.verifiers}
        rows += seed_rows(seed, board, arguments.category)
    return {
        "count": arguments.count,
        "timeout": arguments.timeout,
        "sha256": digests,
        "versions": versions,
        "beside": {name: beside(name) for name in versions},
        "rows": [asdict(row) for row in rows],
    }


if __name__ == "__main__":
    main()
