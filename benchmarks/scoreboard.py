"""The scoreboard: real verifiers and fpsynth's models over a corpus, instance by instance, resumable.

python -m benchmarks.scoreboard CORPUS [--tools NAMES] [--own NAMES] [--seeds N] [--timeout SECONDS] [--jobs N] [--dask ADDRESS]
                                [--category NAME] [--work FOLDER] [--out FOLDER] [--name NAME]

--tools also takes esbmc and cbmc, where they are on the path.  CORPUS is what ``fpsynth corpus make`` has written, or the
corpus of a backdoor; the results kept as scoreboard are of ``fpsynth corpus make --out CORPUS --count 320 --seed 1``,
those as backdoor_tools_* of ``fpsynth backdoor``, as the documents say.  What is done stands in the folder --work (default:
CORPUS.bench), from which the same command goes on whatever has ended it.  Prints the scoreboard, of a small corpus what each
verifier says of each instance, too, and writes NAME.json and NAME.txt.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS, aligned, conditions, keep, machine, short
from benchmarks.verifiers import TOOLS, beside
from fpsynth.report.renderers.style import Style
from fpsynth.report.telling import rendered
from fpsynth.scoring.running import BenchRequest, bench
from fpsynth.scoring.scoreboard import Scoreboard
from fpsynth.scoring.telling import scoreboard_story
from fpsynth.verifiers.external import installed

OWN = (
    *("ibp@float32", "crown@float32", "crown@real", "bab@real", "milp@real"),
    *("crown@sound:any", "crown@sound:onnxruntime:batch=1", "bab@sound:onnxruntime:batch=1"),
)
"""Models of verifiers that allow for no rounding, sound ones of the reals, and practically sound ones."""
SOUND = "@sound:"
FEW = 12
"""Instances at most whose verdicts are listed one by one."""
_FOLDERS = re.compile(r"(?<![\w.:/])/(?:[^/\s'\"]+/)*(?=[^/\s'\"])")
"""Of absolute paths."""


def summary(board: Scoreboard) -> list[str]:
    """What the scoreboard is kept for, in lines: whom which category beats, and whether sound verifiers are wrong."""
    lines = ["Categories in which a verifier was wrong on an instance that is no control, in so many of its seeds:"]
    for asked in board.verifiers:
        tallies = [board.tally(asked.name, category) for category in board.categories]
        beaten = [f"{one.category} {one.seeds_wrong}/{one.seeds}" for one in tallies if one.seeds_wrong]
        lines.append(f"  {asked.name}: {', '.join(beaten) or 'none'}")
    sound = [asked.name for asked in board.verifiers if SOUND in asked.name]
    wrong = sum(board.tally(name).wrong for name in sound)
    total = sum(len(board.tally(name).runs) for name in sound)
    lines += ["", f"Practically sound verifiers were wrong in {wrong} of {total} runs."]
    return lines


def said_of_each(board: Scoreboard) -> list[str]:
    """What each verifier says of each instance of a small corpus, and in how many seconds: a table."""
    told: dict[tuple[str, str], list[str]] = {}
    for run in board.runs:
        told.setdefault((run.instance, run.verifier), []).append(f"{run.verdict} {short(run.seconds)}")
    instances = list(dict.fromkeys(run.instance for run in board.runs))
    if len(instances) > FEW:
        return []
    rows = [[asked.name, *(", ".join(told.get((one, asked.name), ["-"])) for one in instances)] for asked in board.verifiers]
    return ["", "Verdicts, and seconds:", *aligned([["verifier", *instances], *rows])]


def text(board: Scoreboard, said: dict[str, Any]) -> str:
    """The results as text."""
    told = rendered(scoreboard_story(board), "text", Style(width=128))
    packages = (
        f"  {one.name}: {', '.join(f'{p} {v}' for p, v in beside(one.name).items())}"
        for one in board.verifiers
        if installed_one(one.name)
    )
    parts = [machine(said), "", told, *summary(board), *said_of_each(board), "", "Versions beside real verifiers:", *packages]
    return "\n".join(parts) + "\n"


def placeless(board: Scoreboard) -> Scoreboard:
    """The same without any folder of this machine: of each path its last part is left."""

    def cut(words: str) -> str:
        return _FOLDERS.sub("", words)

    return replace(
        board,
        corpus=Path(board.corpus).name,
        verifiers=tuple(replace(one, what=cut(one.what), more=cut(one.more)) for one in board.verifiers),
        runs=tuple(replace(run, reason=cut(run.reason)) for run in board.runs),
    )


def installed_one(name: str) -> bool:
    """Whether a verifier is a real one that is installed."""
    return name in TOOLS and installed(name) is not None


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--tools", default=",".join(TOOLS))
    parser.add_argument("--own", default=" ".join(OWN), help="with blanks between them")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=60.0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--dask")
    parser.add_argument("--category", action="append", default=[])
    parser.add_argument("--work", type=Path)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--name", default="scoreboard")
    arguments = parser.parse_args()
    names = [name for name in arguments.tools.split(",") if name]
    missing = [name for name in names if name in TOOLS and installed(name) is None]
    if missing:
        print(f"left out, as they are not installed: {', '.join(missing)}", file=sys.stderr)
    said = conditions(["numpy", "onnxruntime", "scipy", "highspy"])
    board = bench(
        BenchRequest(
            arguments.corpus,
            [*(name for name in names if name not in missing), *arguments.own.split()],
            out=arguments.work or arguments.corpus.with_name(f"{arguments.corpus.name}.bench"),
            categories=arguments.category,
            seeds=arguments.seeds,
            timeout=arguments.timeout,
            jobs=arguments.jobs,
            dask=arguments.dask,
            progress=lambda told: print(told, file=sys.stderr, flush=True),
        )
    )
    board = placeless(board)
    shown = text(board, said)
    print(shown)
    versions = {one.name: beside(one.name) for one in board.verifiers if installed_one(one.name)}
    keep(arguments.out, arguments.name, {"conditions": said, "beside": versions, **board.to_json()}, shown)


if __name__ == "__main__":
    main()
