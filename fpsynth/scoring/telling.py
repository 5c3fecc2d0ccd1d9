"""The scoreboard, and what was shrunk, as a story."""

from __future__ import annotations

from collections.abc import Iterator

from fpsynth.corpus.instances.layout import ALL
from fpsynth.report.story import Part, Section, Space, Story, Table, Title, told
from fpsynth.report.text import RIGHT, WRONG, Span, Text, clean
from fpsynth.scoring.job import BenchRun
from fpsynth.scoring.judging import ERROR
from fpsynth.scoring.scoreboard import COUNTED, SCORED, Scoreboard, counted_rows, scored_rows
from fpsynth.wording import counted

_SHOWN = 12
"""Wrong answers that are listed, and reasons of errors."""


def scoreboard_story(board: Scoreboard) -> Story:
    """The table, what is wrong, and what the words mean."""
    subject = f"bench · {counted(len(board.instances), 'instance')} · {counted(len(board.verifiers), 'verifier')}"
    counts = Table(COUNTED, [_row(row) for row in counted_rows(board)], indent=0, gap=1, words=COUNTED)
    scores = Table(SCORED, list(scored_rows(board)), indent=0, gap=2)
    parts: list[Part] = [Title(subject), Space(), counts, Space(), scores]
    if board.wrong():
        parts.append(Section("Wrong answers", tuple(_wrong(board))))
    if any(run.column == ERROR for run in board.runs):
        parts.append(Section("Errors", tuple(_errors(board))))
    parts.append(Section("Words", tuple(_words(board))))
    return Story(tuple(parts))


def _row(row: tuple[str, ...]) -> tuple[Text, ...]:
    """Wrong answers in the tone of what is wrong."""
    cells: list[Text] = list(row)
    for place in (4, 5, 6):
        if row[place] != "0":
            cells[place] = Span(row[place], WRONG)
    if row[1] == ALL:
        return tuple(cells)
    if row[3] == row[2]:
        cells[3] = Span(row[3], RIGHT)
    return tuple(cells)


def _wrong(board: Scoreboard) -> Iterator[Part]:
    header = ("instance", "verifier", "seed", "says", "but")
    shown = board.wrong()[:_SHOWN]
    yield Table(header, [(one.instance, one.verifier, str(one.seed), one.verdict, clean(one.reason)) for one in shown])
    left = len(board.wrong()) - len(shown)
    if left:
        yield from told(
            f"and {counted(left, 'more wrong answer')}: runs.csv in the folder that holds the scoreboard has them all."
        )


def _errors(board: Scoreboard) -> Iterator[Part]:
    """Why runs ended without an answer, each reason of a verifier once."""
    reasons: dict[tuple[str, str], list[BenchRun]] = {}
    for run in board.runs:
        if run.column == ERROR:
            reasons.setdefault((run.verifier, run.reason), []).append(run)
    listed = sorted(reasons.items(), key=lambda item: -len(item[1]))
    rows = [(name, str(len(runs)), runs[0].instance, clean(reason)) for (name, reason), runs in listed[:_SHOWN]]
    yield Table(("verifier", "runs", "first", "why"), rows)
    left = len(listed) - len(rows)
    if left:
        yield from told(f"and {counted(left, 'more reason')}: runs.csv in the folder that holds the scoreboard has them all.")


def _words(board: Scoreboard) -> Iterator[Part]:
    limits = f"{board.limits.timeout:g} s and {board.limits.memory / (1 << 30):g} GiB"
    yield from told(
        "right: unsat where the corpus proves it, sat with a point of the box that is unsafe in exact arithmetic or in ONNX"
        " Runtime; verdicts that are about one arithmetic are held against that alone. false sat: its point is neither, or"
        " nothing is unsafe. false unsat: a witness of the corpus is unsafe, in float alone or over the reals.",
        "seeds wrong: of how many runs of the category it was wrong on at least one instance that is no control. points: of the"
        " VNN competition, 10 for a correct answer, -150 for a wrong one, which ONNX Runtime alone decides, at points up to"
        " 1e-4 beside the box too: a sat that is right over the reals costs them where its point does not replay there. score:"
        " points in percent of the best verifier's in the category, of all categories their sum; 0 where none has any.",
        f"Each verifier had {limits} for an instance.",
    )
    for asked in board.verifiers:
        yield from told(f"{asked.name}: {asked.kind}{f', {asked.version[:40]}' if asked.version else ', of no known version'}.")
