"""A scoreboard in the forms that other programs read: CSV, and JUnit's XML with a test for each run."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Mapping
from xml.etree import ElementTree

from fpsynth.aliases import PathLike
from fpsynth.corpus.instances.layout import ALL
from fpsynth.files import write_atomically
from fpsynth.report.renderers.style import Style
from fpsynth.report.telling import rendered
from fpsynth.scoring.job import BenchRun
from fpsynth.scoring.judging import COLUMNS, ERROR, RIGHT, WRONG
from fpsynth.scoring.scoreboard import Scoreboard
from fpsynth.scoring.telling import scoreboard_story
from fpsynth.wording import printable

_FIELDS = (
    *("verifier", "category", "instances", "seeds", "runs", *COLUMNS),
    *("wrong_rate", "seeds_wrong", "controls_right", "controls", "points", "score_percent", "seconds"),
)


def csv_text(board: Scoreboard) -> str:
    """A row for each verifier and category."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, _FIELDS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(one.to_json(board.share(one.verifier, one.category)) for one in board.tallies() if one.category != ALL)
    return stream.getvalue()


def runs_csv(board: Scoreboard) -> str:
    """A row for each run."""
    stream = io.StringIO()
    names = ("instance", "verifier", "seed", "verdict", "column", "points", "seconds", "memory", "reason", "point")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    for run in board.runs:
        writer.writerow([" ".join(run.point) if name == "point" else getattr(run, name) for name in names])
    return stream.getvalue()


def junit(board: Scoreboard) -> str:
    """A suite for each verifier, a case for each run: wrong answers fail, no answers are skipped, crashes are errors."""
    categories = {one.name: one.category for one in board.instances}
    suites = ElementTree.Element("testsuites", name="fpsynth bench")
    for asked in board.verifiers:
        runs = [run for run in board.runs if run.verifier == asked.name]
        counts = {
            "tests": len(runs),
            "failures": sum(run.column in WRONG for run in runs),
            "errors": sum(run.column == ERROR for run in runs),
            "skipped": sum(run.column not in (RIGHT, ERROR, *WRONG) for run in runs),
        }
        told = {name: str(value) for name, value in counts.items()}
        time = f"{sum(run.seconds for run in runs):.3f}"
        suite = ElementTree.SubElement(suites, "testsuite", {"name": printable(asked.name), "time": time, **told})
        for run in runs:
            _case(suite, run, categories[run.instance])
    ElementTree.indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def _case(suite: ElementTree.Element, run: BenchRun, category: str) -> None:
    name = run.instance if not run.seed else f"{run.instance}[seed {run.seed}]"
    told = {"classname": printable(f"{run.verifier}.{category}"), "name": name, "time": f"{run.seconds:.3f}"}
    case = ElementTree.SubElement(suite, "testcase", told)
    if run.column != RIGHT:
        kind = "failure" if run.column in WRONG else "error" if run.column == ERROR else "skipped"
        message = printable(f"{run.column.replace('_', ' ')}: {run.verdict}; {run.reason}")
        ElementTree.SubElement(case, kind, message=message)


FORMS: Mapping[str, Callable[[Scoreboard], str]] = {
    "json": lambda board: json.dumps({"schema": "fpsynth-bench", "schema_version": 1, **board.to_json()}, indent=1) + "\n",
    "csv": csv_text,
    "markdown": lambda board: rendered(scoreboard_story(board), "markdown", Style()),
    "junit": junit,
}
"""Name to what writes it, for ``--form``."""
FILES: Mapping[str, Callable[[Scoreboard], str]] = {
    "scoreboard.txt": lambda board: rendered(scoreboard_story(board), "text", Style(width=120)),
    "scoreboard.json": FORMS["json"],
    "scoreboard.csv": csv_text,
    "scoreboard.md": FORMS["markdown"],
    "runs.csv": runs_csv,
    "junit.xml": junit,
}
"""What the folder of a bench holds beside its table."""


def write_forms(board: Scoreboard, folder: PathLike) -> None:
    """Write FILES into the folder of a bench, each whole.  Raises InputError where that cannot be done."""
    for name, text in FILES.items():
        write_atomically(os.path.join(folder, name), text(board))
