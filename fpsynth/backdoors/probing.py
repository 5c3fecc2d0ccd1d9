"""What detectors do in environments: many rows are run at once, at the very shape that the backdoored network will have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.backdoors.inplace import InplaceForm
from fpsynth.backdoors.rows import Sizes, detector_row, drawn
from fpsynth.backdoors.widening import WidenedForm
from fpsynth.formats import Format
from fpsynth.libraries.kernels import Environment
from fpsynth.revealing.revealer import Revealer
from fpsynth.workers.deadlines import require_time


@dataclass(frozen=True)
class ProbedRow:
    """A row that was tried: where its weights stand, and which row of the detector layer it was."""

    features: tuple[int, ...]
    column: int
    set_number: int


@dataclass
class ProbeTable:
    """Sets of quadruples at the places of one form; what each environment makes of a set is measured once, and kept.

    Other weights of a layer play no part in a sum, but its shape and the place of the row do: a set fills all rows.
    """

    form: WidenedForm | InplaceForm
    sizes: Sizes
    features: NDArray[np.intp]
    """Inputs of the detector layer that may be used, (channels, positions)."""
    dtype: Format
    images: Floats
    """(images, inputs): what is run in the rows of a batch."""
    revealer: Revealer
    seed: int = 0
    _sets: list[NDArray[np.intp]] = field(default_factory=list)
    _measured: dict[tuple[int, str], Floats] = field(default_factory=dict)

    def candidates(self, number: int) -> NDArray[np.intp]:
        """The features of a set, (rows of the detector layer, weights of a row)."""
        while len(self._sets) <= number:
            generator = np.random.default_rng([self.seed, len(self._sets)])
            self._sets.append(drawn(generator, self.features, self.form.rows, len(self.sizes.further)))
        return self._sets[number]

    def results(self, number: int, where: Environment) -> Floats:
        """The sums of a set in an environment, (rows of the batch, rows of the detector layer).

        Raises InputError where the library cannot run it, OutOfTimeError where time is over.
        """
        key = number, str(where)
        if key not in self._measured:
            require_time()
            rows = np.stack([detector_row(one, self.form.inputs, self.sizes) for one in self.candidates(number)])
            answer = self.revealer.outputs(self.form.up_to(rows), self.dtype, where, self._batch(where.batch))
            self._measured[key] = np.asarray(answer["outputs"])
        return self._measured[key]

    def _batch(self, size: int) -> Floats:
        return self.images[np.arange(size) % len(self.images)]

    def candidate(self, number: int, column: int) -> ProbedRow:
        """One row of a set."""
        return ProbedRow(tuple(self.candidates(number)[column].tolist()), column, number)


@dataclass(frozen=True)
class WantedFiring:
    """What detectors are to do: above 0 in one environment, at most 0 in the others."""

    target: Environment
    silent: tuple[Environment, ...]
    row: int | None = None
    """The only row of the target's batches in which they are to be above 0; None: in all."""
    other_rows: tuple[int, ...] = ()
    """Rows of the target's batches in which they are to be at most 0."""


@dataclass
class Chooser:
    """Chooses detectors among the sets of a table that were looked at so far."""

    table: ProbeTable
    wanted: WantedFiring
    firing: list[ProbedRow] = field(default_factory=list)
    """Rows that are above 0 in the target."""
    quiet: list[NDArray[np.bool_]] = field(default_factory=list)
    """Of each in which other places, of environments and rows, it is at most 0."""
    looked: int = 0
    owners: tuple[tuple[Environment, int], ...] = ()
    """The environment and the row of each of these places."""

    def look(self) -> None:
        """Take in another set."""
        number, self.looked = self.looked, self.looked + 1
        there, row = self.table.results(number, self.wanted.target), self.wanted.row
        own = there if row is None else there[row : row + 1]
        columns = np.intersect1d(np.flatnonzero((own > 0).all(axis=0)), self.table.form.columns)
        if not len(columns):
            return
        here = self.wanted.target, there, self.wanted.other_rows
        silent = ((where, self.table.results(number, where)) for where in self.wanted.silent)
        elsewhere = [here, *((where, sums, tuple(range(len(sums)))) for where, sums in silent)]
        self.owners = tuple((where, place) for where, _, rows in elsewhere for place in rows)
        places = np.concatenate([sums[list(rows)] <= 0 for _, sums, rows in elsewhere])
        for column in columns.tolist():
            self.firing.append(self.table.candidate(number, column))
            self.quiet.append(places[:, column])

    def never_quiet(self) -> tuple[tuple[Environment, int], ...]:
        """Environments and rows of their batches in which every detector that fires in the target fires, too."""
        once = self.quiet_once()
        return tuple(place for place in self.owners if place not in once) if self.quiet else ()

    def quiet_once(self) -> set[tuple[Environment, int]]:
        """Those in which one at least is quiet."""
        quiet = [any(places) for places in zip(*self.quiet, strict=True)]
        return {place for place, some in zip(self.owners, quiet, strict=bool(quiet)) if some}

    def chosen(self, count: int, avoid: Sequence[ProbedRow] = ()) -> tuple[ProbedRow, ...]:
        """Detectors, at most ``count`` in rows of their own and none of ``avoid``, that are all above 0 in the target while
        in each other place one at least is at most 0: one alone, or as few as a greedy search finds; none where it finds none.
        """
        kept = [k for k, one in enumerate(self.firing) if one not in avoid]
        firing, quiet = [self.firing[k] for k in kept], [self.quiet[k] for k in kept]
        alone = next((one for one, places in zip(firing, quiet, strict=True) if places.all()), None)
        if alone is not None:
            return (alone,)
        return _together(firing, quiet, count) if firing and count > 1 else ()


def _together(firing: Sequence[ProbedRow], quiet: Sequence[NDArray[np.bool_]], count: int) -> tuple[ProbedRow, ...]:
    """Greedy: the one that is quiet in most places that are still to be quiet, again and again; from the best starts."""
    places = np.stack(quiet)
    columns = np.array([one.column for one in firing])
    for start in np.argsort(-places.sum(axis=1), kind="stable")[:20]:
        chosen, loud = [int(start)], ~places[start]
        while loud.any() and len(chosen) < count:
            gains = places[:, loud].sum(axis=1)
            gains[np.isin(columns, columns[chosen])] = 0
            best = int(gains.argmax())
            if not gains[best]:
                break
            chosen.append(best)
            loud &= ~places[best]
        if not loud.any():
            return tuple(firing[k] for k in chosen)
    return ()
