"""The matrix: every environment of this machine revealed, and for every pair of different arithmetics a detector of each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction

from fpsynth.aliases import Progress
from fpsynth.errors import InputError
from fpsynth.formats import Format
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.libraries.pool import LibraryCall, LibraryPool, pool_for, require_device
from fpsynth.libraries.restrictions import restriction
from fpsynth.libraries.runs import sweep
from fpsynth.networks.network import Dense, Network, dense_relu
from fpsynth.predicates import Predicate
from fpsynth.revealing.result import Reveal
from fpsynth.revealing.revealer import Revealer
from fpsynth.solvers.engines import engines_named
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.comparison import compared, departing
from fpsynth.synthesis.contest import Contest
from fpsynth.synthesis.detecting.detectors import NAMES as PUBLISHED
from fpsynth.synthesis.detecting.detectors import Detector, detector
from fpsynth.synthesis.domain import UNIT, Interval
from fpsynth.synthesis.flips import FlipQuestion, FlipResult, find_flip
from fpsynth.synthesis.flips.arithmetics import same
from fpsynth.synthesis.grounds import Ground, doubts, weighed
from fpsynth.synthesis.planning import ONES, require_size
from fpsynth.synthesis.requests.libraries import MatrixRequest
from fpsynth.synthesis.settings import Clock, Settings
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.witness.data import View, Witness
from fpsynth.wording import counted

READ = 0
"""The output whose sign is read."""


@dataclass(frozen=True)
class Member:
    """An environment, and the arithmetic of its output ``READ`` in row 0; or why it has none."""

    environment: Environment
    reveal: Reveal | None = None
    reason: str = ""

    @property
    def arithmetic(self) -> Arithmetic:
        """The arithmetic of the sum that is read.  Raises InputError where it is not known."""
        if self.reveal is None:
            raise InputError(f"{self.environment} was not revealed: {self.reason}")
        return self.reveal.at(0, READ).arithmetic

    @property
    def ground(self) -> Ground:
        """What is known of the sum that is read.  Raises InputError where nothing is."""
        if self.reveal is None:
            raise InputError(f"{self.environment} was not revealed: {self.reason}")
        return Ground("", self.reveal, 0, (READ,))

    @property
    def explained(self) -> bool:
        """Whether the arithmetic explains every vector that the sum was checked on: else it is called equal to no other."""
        return self.reveal is not None and self.ground.explained


@dataclass(frozen=True)
class Cell:
    """A pair of classes of environments: a network whose output is below zero in the first and above zero in the second.

    Its negation, all weights negated (or the input, where a sum has none), does the opposite: there is a detector for either.
    """

    first: int
    second: int
    divergence: Witness | None
    reason: str = ""
    """Why there is no detector, or what disobeyed."""
    runs: int = 0
    """Runs of libraries, of the detector and of its negation, in the environments of the two classes."""
    obeyed: int = 0
    """Those in which the sign was the predicted one."""

    @property
    def confirmed(self) -> bool:
        """Whether every environment of both classes was run and did what was predicted."""
        return self.divergence is not None and self.runs == self.obeyed > 0


@dataclass(frozen=True)
class Published:
    """Where a published detector fires: its result in each environment that could run it."""

    name: str
    fires: tuple[str, ...]
    silent: tuple[str, ...]


@dataclass(frozen=True)
class Matrix:
    """All pairs of environments whose arithmetics differ."""

    dtype: Format
    terms: int
    outputs: int
    members: tuple[Member, ...]
    classes: tuple[tuple[int, ...], ...]
    """Positions in ``members`` of environments that share one arithmetic; each that is not explained is one by itself."""
    cells: tuple[Cell, ...]
    published: tuple[Published, ...]
    facts: dict[str, dict[str, str]] = field(default_factory=dict)
    """What each library says of itself and of the machine, by the environment's text."""
    seconds: float = 0.0

    @property
    def confirmed(self) -> int:
        """The number of pairs with a confirmed detector."""
        return sum(cell.confirmed for cell in self.cells)


def reveal_all(
    environments: Iterable[Environment],
    dtype: Format,
    terms: int,
    outputs: int,
    vectors: int,
    seed: int,
    progress: Progress | None,
) -> list[Member]:
    """Reveal each environment in turn; one that cannot be revealed is a member with a reason."""
    members: list[Member] = []
    todo = sorted(environments, key=lambda e: (e.library, e.switches, e.settings))  # those of one process together
    for process, group in itertools.groupby(todo, key=lambda e: e.process):
        del process
        with Revealer() as revealer:
            for environment in group:
                if progress:
                    progress(f"revealing {environment} ({len(members) + 1} of {len(todo)})")
                placed = replace(environment, outputs=outputs)
                try:
                    found = revealer.reveal(Kernel(placed, dtype, terms, outputs), vectors=vectors, seed=seed)
                    found.deployment()  # refuses a kernel that has no one arithmetic
                except InputError as error:
                    members.append(Member(placed, None, str(error)))
                else:
                    members.append(Member(placed, found))
    return members


def classes_of(members: Sequence[Member], terms: int) -> list[tuple[int, ...]]:
    """Group the revealed members by arithmetic, the first of each group first.

    One whose arithmetic does not explain every vector computes something else: it is put together with no other.
    """
    groups: list[list[int]] = []
    for index, member in enumerate(members):
        if member.reveal is None:
            continue
        for group in groups:
            first = members[group[0]]
            if member.explained and first.explained and same(first.arithmetic, member.arithmetic, terms):
                group.append(index)
                break
        else:
            groups.append([index])
    return [tuple(group) for group in groups]


def detectors(
    members: Sequence[Member],
    classes: Sequence[Sequence[int]],
    dtype: Format,
    terms: int,
    domain: Interval,
    settings: Settings,
    progress: Progress | None,
) -> list[Cell]:
    """A detector for each pair of classes."""
    cells: list[Cell] = []
    for first, second in itertools.combinations(range(len(classes)), 2):
        views = []
        for name, role, cls in (("a", "reference", first), ("b", "deployed", second)):
            member = members[classes[cls][0]]
            views.append(View(name, str(member.environment), role, Deployment(member.arithmetic)))
        if progress:
            progress(f"synthesising {len(cells) + 1}: {views[0].label} against {views[1].label}")
        concerned = [members[k].environment for cls in (first, second) for k in classes[cls]]
        question = FlipQuestion(
            question="order",
            format=dtype,
            terms=terms,
            predicate=Predicate("relu"),
            views=tuple(views),
            weights=ONES if any(restriction(environment).no_weights for environment in concerned) else domain,
            inputs=Interval(Fraction(-1), Fraction(1)),
        )
        result = find_flip(question, settings)
        if result.divergence is not None:
            cells.append(Cell(first, second, result.divergence))
            continue
        grounds = tuple(
            replace(members[classes[cls][0]].ground, view=view.name) for cls, view in zip((first, second), views, strict=True)
        )
        cells.append(_undetected(first, second, question, result, grounds, progress))
    return cells


def _undetected(
    first: int,
    second: int,
    question: FlipQuestion,
    result: FlipResult,
    grounds: tuple[Ground, ...],
    progress: Progress | None,
) -> Cell:
    """A cell without a detector of the arithmetics.

    It is called impossible in the revealed arithmetics only, and only where these explain everything and the libraries
    themselves were seen to give the same.
    """
    difference, divergence = "", None
    if result.verdict is Verdict.IMPOSSIBLE and not doubts(grounds):
        outputs = grounds[0].reveal.kernel.outputs
        contest = Contest(
            question=question.question,
            format=question.format,
            terms=question.terms,
            outputs=outputs,
            read=(READ,),
            views=question.views,
            grounds=grounds,
            weights=question.weights,
            inputs=question.inputs,
            predicate=question.predicate,
        )
        comparison = compared(contest, progress)
        difference, divergence = departing(comparison), comparison.divergence
    verdict, reason, _ = weighed(result.verdict, result.reason, result.proof, grounds, difference)
    return Cell(first, second, divergence, "" if divergence is not None else f"{verdict.value}: {reason}")


def confirm(
    cells: Sequence[Cell],
    members: Sequence[Member],
    classes: Sequence[Sequence[int]],
    dtype: Format,
    outputs: int,
    progress: Progress | None,
) -> list[Cell]:
    """Run each detector and its negation in every environment of its two classes."""
    class_of = {index: number for number, cls in enumerate(classes) for index in cls}
    runs, obeyed, reasons = [0] * len(cells), [0] * len(cells), [cell.reason for cell in cells]
    for process, group in itertools.groupby(
        sorted(class_of, key=lambda k: str(members[k].environment.process)), key=lambda k: members[k].environment.process
    ):
        if progress:
            chosen = " ".join("=".join(pair) for pair in (*process.switches, *process.settings))
            progress(f"running the detectors in {process.library} {chosen}")
        indices = list(group)
        with pool_for(process) as pool:
            for number, cell in enumerate(cells):
                concerned = [k for k in indices if class_of[k] in (cell.first, cell.second)]
                if cell.divergence is None or not concerned:
                    continue
                for sign in (1.0, -1.0):
                    wanted = {k: sign * (1 if class_of[k] == cell.second else -1) for k in concerned}
                    got = _signs(
                        pool,
                        process.library,
                        cell.divergence,
                        sign,
                        [members[k].environment for k in concerned],
                        outputs,
                        dtype,
                    )
                    for k, value in zip(concerned, got, strict=True):
                        runs[number] += 1
                        if value is not None and value * wanted[k] > 0:
                            obeyed[number] += 1
                        elif not reasons[number]:
                            did = "was not run, or gave no number" if value is None else f"gives {value}"
                            reasons[number] = f"{members[k].environment} {did}"
    return [replace(cell, runs=runs[n], obeyed=obeyed[n], reason=reasons[n]) for n, cell in enumerate(cells)]


def _signs(
    pool: LibraryPool,
    library: str,
    flip: Witness,
    sign: float,
    environments: Sequence[Environment],
    outputs: int,
    dtype: Format,
) -> list[float | None]:
    """What output ``READ`` is in each environment: the detector stands there, the other outputs have zero weights.

    With sign -1 it is its negation: that of the weights, or, where all are 1 as those of a sum must be, of the input.
    """
    row, point = flip.network.dense_layers[0].weight[0].tolist(), flip.point
    if set(row) == {1.0}:
        point = tuple(sign * x for x in point)
    else:
        row = tuple(sign * w for w in row)
    zero = (0.0,) * len(row)
    network = dense_relu([Dense([row if j == READ else zero for j in range(outputs)])])
    calls = [LibraryCall(environment.operation, (0,) * environment.batch, environment.layout) for environment in environments]
    answers = pool.run(network, dtype, (point,), {library: calls})[library]
    values = []
    for environment, answer in zip(environments, answers, strict=True):
        logits = None if answer.outputs is None else answer.outputs.logits[environment.row][READ]
        values.append(logits if logits is not None and math.isfinite(logits) else None)
    return values


def published(members: Sequence[Member], dtype: Format, outputs: int, progress: Progress | None) -> list[Published]:
    """Run the published detectors, as one neuron among ``outputs``, in every environment; those that the format holds."""
    known: list[Detector] = []
    for name in PUBLISHED:
        with suppress(InputError):
            known.append(detector(name, dtype))
    fires: dict[str, list[str]] = {one.name: [] for one in known}
    silent: dict[str, list[str]] = {one.name: [] for one in known}
    order = sorted((m for m in members if m.reveal is not None), key=lambda m: str(m.environment.process))
    for process, group in itertools.groupby(order, key=lambda m: m.environment.process):
        environments = [member.environment for member in group]
        if progress:
            progress(f"running the published detectors in {process.library}")
        with pool_for(process) as pool:
            for one in known:
                network = _among(one, outputs)
                calls = [LibraryCall(e.operation, (0,) * e.batch, e.layout) for e in environments]
                answers = pool.run(network, dtype, (one.point,), {process.library: calls})[process.library]
                for environment, answer in zip(environments, answers, strict=True):
                    value = None if answer.outputs is None else answer.outputs.logits[environment.row][READ]
                    if value is not None and math.isfinite(value):
                        (fires if one.fires(Fraction(value)) else silent)[one.name].append(str(environment))
    return [Published(one.name, tuple(fires[one.name]), tuple(silent[one.name])) for one in known]


def _among(one: Detector, outputs: int) -> Network:
    """The detector as output ``READ`` of a layer whose other neurons have zero weights."""
    neuron = one.network.dense_layers[0]
    zero = (0.0,) * neuron.inputs
    weight = tuple(neuron.weight[0].tolist() if j == READ else zero for j in range(outputs))
    bias = None if neuron.bias is None else tuple(float(neuron.bias[0]) if j == READ else 0.0 for j in range(outputs))
    return dense_relu([Dense(weight, bias)])


def _known(found: Reveal, dtype: Format, terms: int, outputs: int) -> Member:
    """An environment that was revealed before.  Raises InputError where that was of another layer, or is no one arithmetic."""
    kernel = found.kernel
    if (kernel.dtype, kernel.terms, kernel.outputs, kernel.bias) != (dtype, terms, outputs, False):
        there = f"{counted(kernel.terms, 'term')}, {counted(kernel.outputs, 'output')}, {kernel.dtype}"
        here = f"{counted(terms, 'term')}, {counted(outputs, 'output')}, {dtype}"
        raise InputError(
            f"{kernel.environment} was revealed for {there}{' and a bias' if kernel.bias else ''}; the matrix is of {here}"
        )
    found.deployment()
    return Member(replace(kernel.environment, outputs=outputs), found)


def run_matrix(request: MatrixRequest, reveals: Sequence[Reveal] = ()) -> Matrix:
    """Reveal, synthesise and confirm (see the top of the file).  Raises InputError where nothing can be revealed.

    ``reveals``: further environments, perhaps of another machine, with the arithmetics that were revealed there; they must be
    of the same layer.
    """
    dtype, terms, outputs, progress = request.format, request.terms, request.outputs, request.progress
    known = [_known(found, dtype, terms, outputs) for found in reveals]
    require_size(terms, outputs)
    require_device(request.device)
    clock = Clock(request.timeout)
    environments = sweep(request.libraries, request.batches, request.device, varied=request.settings)
    members = [*reveal_all(environments, dtype, terms, outputs, request.vectors, request.seed, progress), *known]
    if all(member.reveal is None for member in members):
        raise InputError(f"no environment could be revealed: {members[0].reason if members else 'no library is installed'}")
    classes = classes_of(members, terms)
    search = Settings(engines_named("auto"), request.seed, request.timeout)
    cells = detectors(members, classes, dtype, terms, UNIT, search, progress)
    cells = confirm(cells, members, classes, dtype, outputs, progress)
    return Matrix(
        dtype=dtype,
        terms=terms,
        outputs=outputs,
        members=tuple(members),
        classes=tuple(classes),
        cells=tuple(cells),
        published=tuple(published(members, dtype, outputs, progress)),
        seconds=clock.spent,
    )
