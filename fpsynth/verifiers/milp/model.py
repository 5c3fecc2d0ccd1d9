"""Mixed-integer programs, whoever solves them: variables with bounds, linear rows, binaries, and a linear objective."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.verifiers.relaxations.maps import scipy_sparse

Indices = NDArray[np.int64]
MAX_ENTRIES = 1 << 22
"""Numbers in the rows of a program: some half a gigabyte in a solver, before it begins."""
LARGEST_ENTRY, LARGEST_END = 1e15, 1e20
"""In HiGHS larger entries of rows are a mistake; in both larger ends are infinite."""


@dataclass(frozen=True, eq=False)
class Sphere:
    """sum of (x[variables] - centre)^2 <= radius^2."""

    variables: Indices
    centre: Floats
    radius: float


@dataclass(frozen=True, eq=False)
class Model:
    """Minimise objective * x + constant where least <= A x <= most and lower <= x <= upper, some x being 0 or 1."""

    lower: Floats
    """(variables,); infinite where there is no bound."""
    upper: Floats
    binary: NDArray[np.bool_]
    matrix: Any
    """A, a csr_array (rows, variables)."""
    least: Floats
    """(rows,); infinite where there is no bound."""
    most: Floats
    objective: Floats
    constant: float = 0.0
    sphere: Sphere | None = None
    """What holds beside the rows; only solvers of quadratic rows take it."""

    @property
    def takeable(self) -> bool:
        """Whether solvers take all of its numbers as what they are, and not as infinite ones or as a mistake."""
        ends = np.abs(np.concatenate([self.lower, self.upper, self.least, self.most]))
        entries = np.abs(np.concatenate([self.matrix.data, self.objective, [self.constant]]))
        return bool((ends[np.isfinite(ends)] < LARGEST_END).all() and (entries < LARGEST_ENTRY).all())


@dataclass(frozen=True, eq=False)
class Solution:
    """What a solver says of a program."""

    status: str
    """optimal, infeasible, time (is over), or unclear."""
    words: str
    """The same as the solver says it."""
    bound: float
    """No point has a smaller objective; infinite where it says that there is none, minus infinite where it knows nothing."""
    value: float = np.inf
    """The objective at its point; infinite where it has none."""
    point: Floats | None = None
    """(variables,)"""


Solve = Callable[[Model, float, float], Solution]
"""A program, the tolerance of rows and integers, and seconds (infinite: no limit), in a process that may be killed."""


@dataclass(eq=False)
class Building:
    """A program that is being written."""

    lower: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    binary: list[bool] = field(default_factory=list)
    least: list[float] = field(default_factory=list)
    most: list[float] = field(default_factory=list)
    rows: list[Any] = field(default_factory=list)
    """Pairs (columns, values) of single rows and csr_arrays of several, in their order."""
    entries: int = 0

    def copy(self) -> Building:
        """One that can be continued by itself."""
        ends = self.lower.copy(), self.upper.copy(), self.binary.copy()
        return Building(*ends, self.least.copy(), self.most.copy(), self.rows.copy(), self.entries)

    def variables(self, lower: Floats, upper: Floats) -> Indices:
        """New ones, a bound each."""
        start = len(self.lower)
        self.lower += lower.tolist()
        self.upper += upper.tolist()
        self.binary += [False] * len(lower)
        return np.arange(start, len(self.lower))

    def variable(self, lower: float = -np.inf, upper: float = np.inf, *, binary: bool = False) -> int:
        """A new one."""
        self.lower.append(lower)
        self.upper.append(upper)
        self.binary.append(binary)
        return len(self.lower) - 1

    def row(self, terms: Sequence[tuple[int, float]], least: float = -np.inf, most: float = np.inf) -> None:
        """least <= sum of value * variable <= most, over pairs (variable, value)."""
        self.rows.append(terms)
        self.least.append(least)
        self.most.append(most)
        self._count(len(terms))

    def block(self, matrix: Any, columns: Indices, least: Floats, most: Floats) -> None:
        """Rows least <= A x[columns] <= most of a csr_array A."""
        self._count(len(matrix.data))
        self.rows.append((matrix, columns))
        self.least += least.tolist()
        self.most += most.tolist()

    def _count(self, entries: int) -> None:
        self.entries += entries
        if self.entries > MAX_ENTRIES:
            raise InputError(f"a program of more than {MAX_ENTRIES} entries is too large for milp: ask crown, or bab")

    def model(self, objective: Sequence[tuple[int, float]], constant: float, sphere: Sphere | None) -> Model:
        """The program, with this objective."""
        costs = np.zeros(len(self.lower))
        for variable, value in objective:
            costs[variable] += value
        lower, upper, least, most = (np.array(part, np.float64) for part in (self.lower, self.upper, self.least, self.most))
        return Model(lower, upper, np.array(self.binary, bool), self._matrix(), least, most, costs, constant, sphere)

    def _matrix(self) -> Any:
        rows, columns, values = [], [], []
        start = 0
        for part in self.rows:
            if isinstance(part, tuple):
                matrix, read = part
                counts = np.diff(matrix.indptr)
                rows.append(np.repeat(np.arange(start, start + len(counts)), counts))
                columns.append(read[matrix.indices])
                values.append(matrix.data)
                start += len(counts)
            else:
                rows.append(np.full(len(part), start))
                columns.append(np.array([variable for variable, _ in part], np.int64))
                values.append(np.array([value for _, value in part], np.float64))
                start += 1
        flat = [np.concatenate(one) if one else np.zeros(0) for one in (values, rows, columns)]
        found = scipy_sparse().csr_array((flat[0], (flat[1], flat[2])), shape=(start, len(self.lower)))
        found.sum_duplicates()
        found.eliminate_zeros()
        return found
