"""Finds detectors that fire in one environment only, embeds them, and keeps what the libraries confirm."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from fpsynth.backdoors.answer import Backdoor, BackdoorExample, Measured, largest
from fpsynth.backdoors.embedding import Detectors, embedded
from fpsynth.backdoors.measuring import RunPlace, objection, row_name
from fpsynth.backdoors.probing import Chooser, ProbedRow, WantedFiring
from fpsynth.backdoors.proving import none_between
from fpsynth.backdoors.rows import RowFormats
from fpsynth.backdoors.steady import Steady
from fpsynth.backdoors.switching import Behaviour, SwitchStrength, behaviour_named
from fpsynth.backdoors.widening import WidenedForm
from fpsynth.backdoors.workshop import Workshop
from fpsynth.errors import InputError
from fpsynth.evaluators.rounded import rounded_network
from fpsynth.formats import format_named
from fpsynth.libraries.kernels import Environment
from fpsynth.networks.network import Network
from fpsynth.synthesis.classes import require_classes
from fpsynth.synthesis.given.views import Given
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.wording import counted
from fpsynth.workers.deadlines import OutOfTimeError, require_time, within

MOST_DETECTORS = 3
_ALIKE = 40
"""How many detectors must fire in an environment as they do in the target before the two are called alike."""
_FIRST_PROBES, _PROBES = 800, 1600
"""How many rows are tried of the first form, and of each further one."""
_SHAPES = 4
"""At how many numbers of terms environments must be alike before that is a reason to give up: other shapes, other orders."""
_CONFIRMING, _CONFIRMING_COPIES = 32, 512
"""Images that must show it before all are run: more where detectors are fed by what depends on the image."""
_LOOKED_AT = 64
"""Images among which examples are looked for."""
_RETRIES, _MOST_FAILED = 3, 12
"""Networks that may fail to show it, of one form and of all."""


@dataclass(frozen=True)
class Goal:
    """What one backdoor is to do."""

    target: Environment
    silent: tuple[Environment, ...]
    unnamed: frozenset[Environment] = frozenset()
    """Of the silent ones, those that nobody has named: one that cannot run the host is left out."""
    strict: bool = True
    """Whether an environment that nothing tells from the target is a reason to fail; else it is left out, and named."""
    row: int | None = None
    """The only row of the target's batches in which it is to misbehave; None: all."""
    behaviour: str = "shift"
    timeout: float = 300.0
    """Seconds for all of it."""


@dataclass
class _Search:
    """One search at work."""

    workshop: Workshop
    goal: Goal
    host_file: str = ""
    left_out: list[tuple[str, str]] = field(default_factory=list)
    """Environments that cannot run the host, and why."""
    started: float = field(default_factory=time.monotonic)
    alike: list[Environment] = field(default_factory=list)
    rows_alike: list[int] = field(default_factory=list)
    """Rows of the target's batches that nothing tells from its row."""
    untold: tuple[list[int], list[Environment]] = ([], [])
    """Rows and environments that nothing told from the target where that was a reason to try another form."""
    untold_shapes: dict[int, Network | None] = field(default_factory=dict)
    """Numbers of terms at which that was so, each with a network of that shape, if one can be made."""
    behaviour: Behaviour | None = None
    """None until the host was run."""
    failed: int = 0
    """Networks that were made, and did not do in the libraries what was asked for."""
    impossible: bool = False
    """Whether no network that can be made keeps to the limit."""
    probes: int = 0
    reason: str = ""

    @property
    def hopeless(self) -> bool:
        """Whether going on is of no use."""
        return self.impossible or len(self.untold_shapes) >= _SHAPES or self.failed >= _MOST_FAILED

    def silent(self) -> tuple[Environment, ...]:
        return tuple(one for one in self.goal.silent if one not in self.alike)

    @property
    def formats(self) -> RowFormats:
        """In which formats the network is run: where it is to fire, and in which others."""
        own = self.workshop.dtype
        target, *others = (format_named(one.dtype) if one.dtype else own for one in (self.goal.target, *self.silent()))
        return RowFormats(own, target, tuple(dict.fromkeys(fmt for fmt in others if fmt != target)))

    def wanted(self) -> WantedFiring:
        other = () if self.goal.row is None else (r for r in range(self.goal.target.batch) if r != self.goal.row)
        return WantedFiring(self.goal.target, self.silent(), self.goal.row, tuple(r for r in other if r not in self.rows_alike))

    def places(self) -> list[RunPlace]:
        target, rows = RunPlace(self.goal.target, "target", self.goal.row), self.wanted().other_rows
        others = [RunPlace(one, "alike" if one in self.alike else "silent") for one in self.goal.silent]
        own = [(row, "silent") for row in rows] + [(row, "alike") for row in self.rows_alike]
        return [target, *(RunPlace(self.goal.target, role, row) for row, role in sorted(own)), *others]


def backdoor(workshop: Workshop, goal: Goal, host_file: str = "") -> Backdoor:
    """Make a backdoored network.

    Raises InputError for what cannot be used: a target that is also silent, a host without a place for detectors, a weight
    limit that no switch keeps to, an environment that cannot run the host.
    """
    _require_goal(goal, workshop)
    search = _Search(workshop, goal, host_file)
    with within(goal.timeout):
        try:
            _leave_out(search)
            classes = workshop.bench.of_host(goal.target, len(workshop.images)).argmax(axis=1)
            behaviour = behaviour_named(goal.behaviour, workshop.host.output_shape[0], classes)
            _require_change(workshop, goal, behaviour)
            search.behaviour = behaviour
            made = _found(search, behaviour)
        except OutOfTimeError:
            search.reason = "; ".join(filter(None, [_over(goal, counted(search.probes, "probe")), search.reason]))
            return _empty(search)
        return _none(search) if made is None else _run(search, behaviour, made)


def _over(goal: Goal, after: str) -> str:
    return f"the {goal.timeout:g} s are over after {after}"


def _leave_out(search: _Search) -> None:
    """Take out the environments that nobody has named where they cannot run the host.  Raises InputError where none is left."""
    shop, goal = search.workshop, search.goal
    for where in [one for one in goal.silent if one in goal.unnamed]:
        shop.progress(f"running the host in {where}")
        try:
            shop.bench.of_host(where, shop.bench.fewest(where, _CONFIRMING))
        except InputError as error:
            search.left_out.append((str(where), str(error).removeprefix(f"{replace(where, dtype='')}: ")))
    gone = {name for name, _ in search.left_out}
    search.goal = replace(goal, silent=tuple(one for one in goal.silent if str(one) not in gone))
    if gone and not search.wanted().silent and not search.wanted().other_rows:
        name, reason = search.left_out[0]
        raise InputError(f"no silent environment can run the host: {name}: {reason}")


def _none(search: _Search) -> Backdoor:
    """Unknown, or impossible where an environment that has to be silent is proved to be the target by another name."""
    shop, goal = search.workshop, search.goal
    networks = {terms: network for terms, network in search.untold_shapes.items() if network is not None}
    others = search.untold[1]
    if len(networks) < _SHAPES or not others:
        return _empty(search)
    row = goal.row or 0
    given = Given(shop.host, shop.dtype, shop.revealer, seed=shop.settings.seed, progress=shop.progress)
    target = replace(goal.target, row=row)
    for other in others:
        proved, reason = none_between(target, replace(other, row=row % other.batch), networks, shop.images, given)
        if proved and (goal.strict or len(others) == 1):
            search.reason = reason
            return replace(_empty(search), verdict=Verdict.IMPOSSIBLE)
        search.reason += f"; not proved impossible: {reason}"
    return _empty(search)


def _run(search: _Search, behaviour: Behaviour, made: tuple[WidenedForm, Detectors, Network]) -> Backdoor:
    """What all images give in all environments, as far as there is time."""
    search.untold = ([], [])
    form, detectors, network = made
    seconds, shop = time.monotonic() - search.started, search.workshop
    measured: list[Measured] = []
    try:
        for one in _measurements(search, network, behaviour, len(shop.images), told=True):
            measured.append(one)
    except OutOfTimeError:
        pass
    search.reason = objection(measured, bound=bool(shop.trigger.units), told=True)
    late = tuple(place.name for place in search.places()[len(measured) :])
    if late and not search.reason:
        search.reason = f"{_over(search.goal, counted(len(measured), 'environment'))}, not run: {', '.join(late)}"
    return replace(
        _empty(search),
        verdict=Verdict.UNKNOWN if search.reason else Verdict.FOUND,
        network=network,
        form=form,
        detectors=detectors,
        environments=tuple(measured),
        not_run=late,
        examples=() if search.reason else _examples(search, network),
        seconds=seconds,
    )


def _require_goal(goal: Goal, workshop: Workshop) -> None:
    require_classes(workshop.host)
    if goal.target in goal.silent and goal.row is None:
        raise InputError(f"{goal.target} cannot be both the target and silent")
    if goal.row is not None and goal.row >= goal.target.batch:
        raise InputError(f"{goal.target} has no row {goal.row}")
    if not goal.silent and (goal.row is None or goal.target.batch == 1):
        raise InputError("there is no silent environment: name one, or more libraries and batch sizes")
    if goal.row is not None and len(workshop.images) < goal.target.batch:
        raise InputError(f"{counted(len(workshop.images), 'image')} do not fill the rows of {goal.target}: give more")
    if workshop.limit is not None and largest(workshop.host) > workshop.limit:
        raise InputError(f"the host's own largest weight is {largest(workshop.host):.6g}, above {workshop.limit:.6g}")


def _require_change(shop: Workshop, goal: Goal, behaviour: Behaviour) -> None:
    """Raise InputError where no image can show the backdoor: none has the trigger, or all have the class already."""
    fires = shop.bench.triggered(RunPlace(goal.target, "target", goal.row), len(shop.images))
    if not fires.any():
        raise InputError(f"none of the images has the trigger {shop.trigger.text}: give some, or another trigger")
    host = shop.bench.of_host(goal.target, len(shop.images), bool(shop.trigger.paint))[fires].argmax(axis=1)
    if (behaviour.classes(host, shop.host.output_shape[0]) == host).all():
        raise InputError(f"behaviour {goal.behaviour}: the host puts every image with the trigger there already")


def _found(search: _Search, behaviour: Behaviour) -> tuple[WidenedForm, Detectors, Network] | None:
    """Form by form; None where environments cannot be told apart, or what was made is none too often."""
    shop, goal = search.workshop, search.goal
    steady = shop.steady(goal.target)
    shop.bench.of_host(goal.target, min(_CONFIRMING, len(shop.images)))
    for form, count, sets in _forms(shop, steady):
        made = _in_form(search, behaviour, form, steady, count, sets)
        if made is not None or search.hopeless:
            return made
    return None


def _in_form(
    search: _Search, behaviour: Behaviour, form: WidenedForm, steady: Steady | None, count: int, sets: int
) -> tuple[WidenedForm, Detectors, Network] | None:
    """Set by set of rows."""
    shop = search.workshop
    chooser = Chooser(shop.table(form, steady, search.formats), search.wanted())
    avoid: list[ProbedRow] = []
    for number in range(sets):
        require_time()
        shop.progress(f"probing {form.inputs} terms, {count} of {MOST_DETECTORS} detectors: set {number + 1} of {sets}")
        chooser.look()
        search.probes += form.rows
        while chosen := chooser.chosen(count, avoid):
            network, detectors = _made(search, form, steady, chosen, behaviour)
            if network is None:
                return None
            images = _CONFIRMING if steady is None else _CONFIRMING_COPIES
            search.reason = objection(_measured(search, network, behaviour, images), bound=bool(shop.trigger.units))
            if not search.reason:
                return form, detectors, network
            avoid += chosen
            search.failed += 1
            if len(avoid) >= _RETRIES * count or search.hopeless:
                return None
        if len(chooser.firing) >= _ALIKE and not _told_apart(search, chooser):
            some = tuple(chooser.table.candidate(0, column) for column in range(count))
            search.untold_shapes.setdefault(form.inputs, _made(search, form, steady, some, behaviour)[0])
            return None
    return None


def _forms(shop: Workshop, steady: Steady | None) -> Iterator[tuple[WidenedForm, int, int]]:
    """Forms with the number of detectors in them, and of sets to try: one detector first, then more, then at other places."""
    limited = shop.limit is not None or steady is not None
    counts = [1] if limited else list(range(1, MOST_DETECTORS + 1))
    streams = {count: shop.forms(count, steady) for count in counts}
    for turn in itertools.count():
        for count in counts:
            form = next(streams[count])
            yield form, count, -(-(_PROBES if turn else _FIRST_PROBES) // form.rows)


def _told_apart(search: _Search, chooser: Chooser) -> bool:
    """Find out which environments are alike; False where that is a reason to give up."""
    goal = search.goal
    same = chooser.never_quiet()
    if not same:
        return True
    names = [row_name(where, row) if where == goal.target else str(where) for where, row in same]
    search.reason = (
        f"every one of {counted(len(chooser.firing), 'detector')} tried that fire in {_target_name(goal)} fires in"
        f" {', '.join(dict.fromkeys(names))}, too"
    )
    rows = [row for where, row in same if where == goal.target]
    others = list(dict.fromkeys(where for where, _ in same if where != goal.target))
    if goal.strict or (len(others) == len(search.silent()) and len(rows) == len(search.wanted().other_rows)):
        search.untold = (rows, others)
        return False
    search.rows_alike += rows
    search.alike += others
    search.reason = ""
    again = Chooser(chooser.table, search.wanted())
    for _ in range(chooser.looked):
        again.look()  # at what was measured
    chooser.wanted, chooser.firing, chooser.quiet, chooser.owners = again.wanted, again.firing, again.quiet, again.owners
    return True


def _made(
    search: _Search, form: WidenedForm, steady: Steady | None, chosen: tuple[ProbedRow, ...], behaviour: Behaviour
) -> tuple[Network | None, Detectors]:
    shop = search.workshop
    sizes = shop.sizes(steady, search.formats)
    level = sizes.small * (form.unit if steady is None else steady.least)
    detectors = Detectors(tuple(c.features for c in chosen), tuple(c.column for c in chosen), sizes, level)
    limit = None if shop.limit is None else sizes.large
    logit = shop.bench.largest_logit(search.goal.target)
    network = embedded(form, detectors, behaviour, SwitchStrength(max(logit, 1e-30), limit))
    if shop.limit is not None and largest(network) > shop.limit:
        search.reason = (
            f"the largest weight is {largest(network):.6g}, above {shop.limit:.6g}: choose another behaviour or trigger"
        )
        search.impossible = True
        return None, detectors
    try:
        for fmt in (search.formats.target, *search.formats.others):
            rounded_network(network, fmt)
        return rounded_network(network, shop.dtype)[0], detectors
    except InputError as error:
        raise InputError(f"{error}: limit the weights") from None


def _measured(search: _Search, network: Network, behaviour: Behaviour, count: int) -> list[Measured]:
    """At some images in all environments; the target first, and no further where it does not fire there."""
    shop = search.workshop
    found: list[Measured] = []
    first = shop.bench.triggered(search.places()[0], len(shop.images)).argmax()
    for one in _measurements(search, network, behaviour, max(count, 1 + int(first))):
        found.append(one)
        if objection(found, bound=bool(shop.trigger.units)):
            break
    return found


def _measurements(
    search: _Search, network: Network, behaviour: Behaviour, count: int, told: bool = False
) -> Iterator[Measured]:
    """Environment by environment.  Raises OutOfTimeError."""
    shop = search.workshop
    for place in search.places():
        require_time()
        if told:
            shop.progress(f"running {counted(count, 'image')} in {place.name}")
        yield shop.bench.measured(network, place, behaviour, shop.bench.fewest(place.where, count))


def _examples(search: _Search, network: Network) -> tuple[BackdoorExample, ...]:
    """Among the first images, so many that batches are full and one at least has the trigger; none where the time is over."""
    shop, places = search.workshop, search.places()
    first = 1 + int(shop.bench.triggered(places[0], len(shop.images)).argmax())
    count = max(_LOOKED_AT, first, *(place.where.batch for place in places))
    try:
        return shop.bench.examples(network, places, min(count, len(shop.images)))
    except OutOfTimeError:
        return ()


def _empty(search: _Search) -> Backdoor:
    """What can be said before there is a network."""
    shop, goal = search.workshop, search.goal
    rows, others = search.rows_alike + search.untold[0], search.alike + search.untold[1]
    return Backdoor(
        verdict=Verdict.UNKNOWN,
        reason=search.reason,
        target=_target_name(goal),
        silent=tuple(map(str, search.silent())),
        alike=(*(row_name(goal.target, row) for row in rows), *map(str, others)),
        trigger=shop.trigger.text,
        trigger_words=shop.trigger.words,
        behaviour=_behaviour_name(search),
        paint=None if shop.trigger.paint is None else dict(shop.trigger.paint),
        dtype=shop.dtype,
        host=shop.host,
        host_file=search.host_file,
        left_out=tuple(search.left_out),
        probes=search.probes,
        seconds_total=time.monotonic() - search.started,
    )


def _behaviour_name(search: _Search) -> str:
    found = search.behaviour
    return f"any (class {found.target})" if found is not None and found.text == "any" else search.goal.behaviour


def _target_name(goal: Goal) -> str:
    return str(goal.target) if goal.row is None else row_name(goal.target, goal.row)
