"""The scoreboard: verifier by category, how many answers were right, and in how many ways the others were not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cached_property

from fpsynth.aliases import Json
from fpsynth.corpus.instances.data import Instance
from fpsynth.corpus.instances.layout import ALL
from fpsynth.scoring.asking import AskedVerifier
from fpsynth.scoring.job import BenchRun, Limits
from fpsynth.scoring.judging import COLUMNS, WRONG
from fpsynth.version import __version__


@dataclass(frozen=True)
class Tally:
    """What a verifier said of a category: counts of runs by column."""

    verifier: str
    category: str
    instances: int
    """In the category, controls included."""
    seeds: int
    """How many runs each instance has at most."""
    runs: tuple[BenchRun, ...]
    controls: frozenset[str]
    """Names of the instances among them that are controls."""

    def count(self, column: str) -> int:
        """Runs in a column."""
        return sum(run.column == column for run in self.runs)

    @property
    def wrong(self) -> int:
        """Runs that were wrong in any way."""
        return sum(run.column in WRONG for run in self.runs)

    @property
    def controls_right(self) -> tuple[int, int]:
        """Of runs on controls: how many were right, of how many."""
        told = [run.column for run in self.runs if run.instance in self.controls]
        return told.count(COLUMNS[0]), len(told)

    @property
    def points(self) -> float:
        """Of the VNN competition, of one run of each instance on average."""
        return float(Fraction(sum(run.points for run in self.runs), max(1, self.seeds)))

    @property
    def seeds_wrong(self) -> int:
        """Of how many seeds it was wrong at least once on an instance that is no control."""
        return len({run.seed for run in self.runs if run.column in WRONG and run.instance not in self.controls})

    @property
    def seconds(self) -> float:
        """That it ran."""
        return sum(run.seconds for run in self.runs)

    def to_json(self, share: float) -> Json:
        """As data; ``share``: the score that it has beside the other verifiers."""
        right, controls = self.controls_right
        total = len(self.runs)
        return {
            "verifier": self.verifier,
            "category": self.category,
            "instances": self.instances,
            "seeds": self.seeds,
            "runs": total,
            **{column: self.count(column) for column in COLUMNS},
            "wrong_rate": self.wrong / total if total else None,
            "seeds_wrong": self.seeds_wrong,
            "controls_right": right,
            "controls": controls,
            "points": self.points,
            "score_percent": share,
            "seconds": round(self.seconds, 3),
            "by_seed": [self._of_seed(seed) for seed in sorted({run.seed for run in self.runs})],
        }

    def _of_seed(self, seed: int) -> Json:
        told = [run for run in self.runs if run.seed == seed]
        counts = {column: sum(run.column == column for run in told) for column in COLUMNS}
        return {"seed": seed, **counts, "points": sum(run.points for run in told)}


@dataclass(frozen=True)
class Scoreboard:
    """Every run on a corpus."""

    corpus: str
    """Where it lies."""
    digest: str
    """SHA-256 of its manifest."""
    instances: tuple[Instance, ...]
    verifiers: tuple[AskedVerifier, ...]
    runs: tuple[BenchRun, ...]
    """By instance, verifier and seed."""
    limits: Limits

    @property
    def categories(self) -> tuple[str, ...]:
        """Each once, in the corpus's order."""
        return tuple(dict.fromkeys(one.category for one in self.instances))

    def tally(self, verifier: str, category: str = ALL) -> Tally:
        """What a verifier said of a category, or of all."""
        chosen = [one for one in self.instances if category in (ALL, one.category)]
        runs = tuple(run for one in chosen for run in self._runs_of.get((verifier, one.name), ()))
        controls = frozenset(one.name for one in chosen if one.control_of)
        seeds = len({run.seed for run in runs})
        return Tally(verifier, category, len(chosen), seeds, runs, controls)

    @cached_property
    def _runs_of(self) -> Mapping[tuple[str, str], Sequence[BenchRun]]:
        """By verifier and instance."""
        grouped: dict[tuple[str, str], list[BenchRun]] = {}
        for run in self.runs:
            grouped.setdefault((run.verifier, run.instance), []).append(run)
        return grouped

    def tallies(self) -> tuple[Tally, ...]:
        """Verifier by verifier, each category, and where there are several all of them."""
        categories = (*self.categories, *((ALL,) if len(self.categories) > 1 else ()))
        return tuple(self.tally(one.name, category) for one in self.verifiers for category in categories)

    def share(self, verifier: str, category: str = ALL) -> float:
        """The score of the VNN competition: points in percent of the best verifier's in that category, 0 where none has any and
        for less than none; of all categories their sum.
        """
        if category == ALL:
            return sum(self.share(verifier, one) for one in self.categories)
        best = max(self.tally(one.name, category).points for one in self.verifiers)
        return max(0.0, 100 * self.tally(verifier, category).points / best) if best > 0 else 0.0

    def to_json(self) -> Json:
        """Everything."""
        tallies = self.tallies()
        return {
            "corpus": self.corpus,
            "sha256": self.digest,
            "instances": len(self.instances),
            "categories": list(self.categories),
            "fpsynth": __version__,
            "limits": asdict(self.limits),
            "verifiers": [one.to_json() for one in self.verifiers],
            "scoreboard": [one.to_json(self.share(one.verifier, one.category)) for one in tallies if one.category != ALL],
            "totals": [self.tally(one.name).to_json(self.share(one.name)) for one in self.verifiers],
            "runs": [asdict(run) for run in self.runs],
        }

    def wrong(self) -> Sequence[BenchRun]:
        """The runs that were wrong."""
        return [run for run in self.runs if run.column in WRONG]


def counted_rows(board: Scoreboard) -> Iterator[tuple[str, ...]]:
    """How many runs of each verifier and category are in each column, under ``COUNTED``."""
    for one in board.tallies():
        yield one.verifier, one.category, str(len(one.runs)), *(str(one.count(column)) for column in COLUMNS)


COUNTED = ("verifier", "category", "runs", *(column.replace("_", " ") for column in COLUMNS))


def scored_rows(board: Scoreboard) -> Iterator[tuple[str, ...]]:
    """What follows from that, under ``SCORED``."""
    for one in board.tallies():
        score, (right, controls) = board.share(one.verifier, one.category), one.controls_right
        of_seeds = f"{one.seeds_wrong} of {one.seeds}"
        yield one.verifier, one.category, of_seeds, f"{right} of {controls}", f"{one.points:g}", f"{score:.0f} %"


SCORED = ("verifier", "category", "seeds wrong", "controls right", "points", "score")
"""Points and score are those of the VNN competition (see ``judging``)."""
