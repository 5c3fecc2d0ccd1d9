"""Finds detectors that fire in one environment only, embeds them, and keeps what the libraries confirm."""

from __future__ import annotations

import time
from dataclasses import replace

from fpsynth.backdoors.answer import Backdoor, BackdoorExample, Measured, Survival, largest
from fpsynth.backdoors.embedding import Detectors
from fpsynth.backdoors.inplace import InplaceForm
from fpsynth.backdoors.measuring import RunPlace, objection, row_name
from fpsynth.backdoors.probing import Chooser, ProbedRow
from fpsynth.backdoors.proving import Shape, in_words, none_between
from fpsynth.backdoors.seeking import MOST_DETECTORS, PROBES, BackdoorSearch, Goal, Made, forms_in_turn
from fpsynth.backdoors.steady import Steady
from fpsynth.backdoors.survival import survival
from fpsynth.backdoors.surviving import surviving
from fpsynth.backdoors.switching import Behaviour, behaviour_named
from fpsynth.backdoors.widening import WidenedForm
from fpsynth.backdoors.workshop import Workshop
from fpsynth.errors import InputError
from fpsynth.networks.network import Network
from fpsynth.synthesis.classes import require_classes
from fpsynth.synthesis.given.views import Given
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.wording import counted
from fpsynth.workers.deadlines import OutOfTimeError, require_time, within

_ALIKE = 40
"""How many detectors must fire in an environment as they do in the target before the two are called alike."""
_CONFIRMING, _CONFIRMING_COPIES = 32, 512
"""Images that must show it before all are run: more where detectors are fed by what depends on the image."""
_LOOKED_AT = 64
"""Images among which examples are looked for."""
_PROBES_OF_EACH = 8
"""In place: how many rows are tried at most, for each two of the inputs that feed them."""
_INSISTING, _INSISTENT_SETS = 4, 400
"""Where no proof says that what seems to be alike is: how many times as many sets of a form are tried, and how many in all."""
_RETRIES = 3
"""Networks of one form that may fail to show it."""


def backdoor(workshop: Workshop, goal: Goal, host_file: str = "") -> Backdoor:
    """Make a backdoored network.

    Raises InputError for what cannot be used: a target that is also silent, a host without a place for detectors, a weight
    limit that no switch keeps to, an environment that cannot run the host.
    """
    _require_goal(goal, workshop)
    search = BackdoorSearch(workshop, goal, host_file)
    with within(goal.timeout):
        try:
            _leave_out(search)
            classes = workshop.bench.of_host(goal.target, len(workshop.images)).argmax(axis=1)
            behaviour = behaviour_named(goal.behaviour, workshop.host.output_shape[0], classes)
            _require_change(workshop, goal, behaviour)
            search.behaviour = behaviour
            made = _found(search, behaviour)
            if made is None:
                answer = _none(search)
                if answer.verdict is Verdict.IMPOSSIBLE or not _may_differ(search):
                    return answer
                before = search.probes
                made = _insisted(search, behaviour)
                more = f"{answer.reason}; {counted(search.probes - before, 'further row')} told nothing more"
                answer = replace(answer, probes=search.probes, reason=more)
        except OutOfTimeError:
            search.reason = "; ".join(filter(None, [_over(goal, counted(search.probes, "probe")), search.reason]))
            return _empty(search)
        return answer if made is None else _run(search, behaviour, made)


def _may_differ(search: BackdoorSearch) -> bool:
    """Whether all that speaks against telling environments apart is that no detector did so far."""
    settings = search.workshop.settings
    return search.untold_often and bool(search.untold[1]) and settings.inplace is None and settings.survive is None


def _insisted(search: BackdoorSearch, behaviour: Behaviour) -> Made | None:
    """More rows at the same places: kernels that share their work among threads may part in a few outputs only."""
    shop, reason = search.workshop, search.reason
    search.insistent, left = True, _INSISTENT_SETS
    steady = shop.steady(search.goal.target)
    for form, count, sets in forms_in_turn(shop, steady):
        made = _in_form(search, behaviour, form, steady, count, min(_INSISTING * sets, left))
        if made is not None:
            return made
        left -= _INSISTING * sets
        if search.hopeless or left <= 0:
            break
    search.reason = reason
    return None


def _over(goal: Goal, after: str) -> str:
    return f"the {goal.timeout:g} s are over after {after}"


def _leave_out(search: BackdoorSearch) -> None:
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


def _none(search: BackdoorSearch) -> Backdoor:
    """Unknown, or impossible where environments that have to be silent are proved to be the target by another name.

    One such is enough where all must be silent; else it must be all of them, and other rows of the target were none.
    """
    shop, goal = search.workshop, search.goal
    others = search.untold[1]
    if not search.untold_often or not others:
        return _empty(search)
    reason, networks = search.reason, _of_all_shapes(search)
    missing = sorted(search.shapes_tried.keys() - networks.keys())
    if missing:
        search.reason = f"{reason}; not proved impossible: no network with detectors in layers of {in_words(missing)} was made"
        return _empty(search)
    row = goal.row or 0
    given = Given(shop.host, shop.dtype, shop.revealer, seed=shop.settings.seed, progress=shop.progress)
    target = replace(goal.target, row=row)
    shown: list[tuple[bool, str]] = []
    for other in others if goal.strict else (*others, *search.alike):
        shown.append(none_between(target, replace(other, row=row % other.batch), networks, shop.images, given))
        if shown[-1][0] == goal.strict:
            break  # one is enough to decide it
    proofs = [reason for proved, reason in shown if proved]
    whole = goal.strict or (len(shown) == len(goal.silent) and not search.wanted().other_rows)
    if proofs and whole and (goal.strict or len(proofs) == len(shown)):
        search.reason = "; ".join(proofs)
        return replace(_empty(search), verdict=Verdict.IMPOSSIBLE)
    search.reason += "".join(f"; not proved impossible: {reason}" for proved, reason in shown if not proved)
    return _empty(search)


def _of_all_shapes(search: BackdoorSearch) -> dict[Shape, Network]:
    """A network of each shape that was tried, whether enough detectors fired there or not, where one can be made."""
    shop, behaviour = search.workshop, search.behaviour
    assert behaviour is not None
    steady, networks = shop.steady(search.goal.target), dict(search.untold_shapes)
    for shape, form in search.shapes_tried.items():
        if shape not in networks:
            networks[shape] = _any_made(search, form, steady, shape[2], behaviour)
    return {shape: network for shape, network in sorted(networks.items()) if network is not None}


def _run(search: BackdoorSearch, behaviour: Behaviour, made: Made) -> Backdoor:
    """What all images give in all environments, as far as there is time."""
    search.untold = ([], [])
    form, detectors, network = made
    seconds, shop = time.monotonic() - search.started, search.workshop
    measured: list[Measured] = []
    try:
        for one in search.measurements(network, behaviour, len(shop.images), told=True):
            measured.append(one)
    except OutOfTimeError:
        pass
    search.reason = objection(measured, bound=bool(shop.trigger.units), told=True)
    late = tuple(place.name for place in search.places()[len(measured) :])
    if late and not search.reason:
        search.reason = f"{_over(search.goal, counted(len(measured), 'environment'))}, not run: {', '.join(late)}"
    survived = _survival(search, network, behaviour)
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
        survival=survived,
        storage=shop.stored(search.goal.target),
    )


def _survival(search: BackdoorSearch, network: Network, behaviour: Behaviour) -> Survival | None:
    """Where it was asked for; draws that it does not survive are a reason."""
    shop = search.workshop
    if shop.settings.survive is None:
        return None
    try:
        found = survival(shop.bench, network, search.places(), behaviour, shop.settings.survive, shop.settings.seed)
    except OutOfTimeError:
        search.reason = search.reason or f"{_over(search.goal, 'it was made')}, not run with changed weights"
        return None
    if found.lost and not search.reason:
        search.reason = f"it survives {found.survived} of {found.draws} changes of its weights: {found.lost[0]}"
    return found


def _require_goal(goal: Goal, workshop: Workshop) -> None:
    require_classes(workshop.host)
    settings = workshop.settings
    special = {"in place": settings.inplace, "surviving changes": settings.survive, "stored": settings.storage}
    other = next((where for where in (goal.target, *goal.silent) if where.dtype), None)
    what = next((what for what, asked in special.items() if asked is not None), None)
    if other is not None and what is not None:
        raise InputError(f"{what}, a backdoor is of one format, that of the network: {other} has another")
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


def _found(search: BackdoorSearch, behaviour: Behaviour) -> Made | None:
    """Form by form; None where environments cannot be told apart, or what was made is none too often."""
    shop, goal = search.workshop, search.goal
    if shop.settings.inplace is not None:
        return _in_place(search, behaviour)
    if shop.settings.survive is not None:
        return surviving(search, behaviour, shop.settings.survive)
    steady = shop.steady(goal.target)
    shop.bench.of_host(goal.target, min(_CONFIRMING, len(shop.images)))
    for form, count, sets in forms_in_turn(shop, steady):
        made = _in_form(search, behaviour, form, steady, count, sets)
        if made is not None or search.hopeless:
            return made
    return None


def _in_place(search: BackdoorSearch, behaviour: Behaviour) -> Made | None:
    """In the host's dead units: as they stand, then with channels exchanged."""
    if behaviour.target is None:
        raise InputError("in place a backdoor leads to one class: choose the behaviour class:K or any")
    shop = search.workshop
    first = shop.inplace_form
    if isinstance(first, str):
        search.reason = first
        return None
    probes = min(PROBES, _PROBES_OF_EACH * first.feeds.size**2)
    for form in shop.inplace_forms(first):
        made = _in_form(search, behaviour, form, None, 1, -(-probes // len(form.columns)))
        if made is not None or search.hopeless or search.untold_shapes:
            return made
    if not search.reason:
        search.reason = f"none of {counted(search.probes, 'detector')} in the host's dead units fires in the target alone"
    return None


def _in_form(
    search: BackdoorSearch, behaviour: Behaviour, form: WidenedForm | InplaceForm, steady: Steady | None, count: int, sets: int
) -> Made | None:
    """Set by set of rows."""
    shop = search.workshop
    chooser = Chooser(shop.table(form, steady, search.formats), search.wanted())
    avoid: list[ProbedRow] = []
    for number in range(sets):
        require_time()
        shop.progress(f"probing {form.inputs} terms, {count} of {MOST_DETECTORS} detectors: set {number + 1} of {sets}")
        chooser.look()
        search.probes += len(form.columns)
        search.shapes_tried.setdefault((form.inputs, form.rows, count), form)
        while chosen := chooser.chosen(count, avoid):
            search.shapes_tried.setdefault((form.inputs, form.rows, len(chosen)), form)
            network, detectors = _made(search, form, steady, chosen, behaviour)
            if network is None:
                return None
            images = _CONFIRMING if steady is None else _CONFIRMING_COPIES
            search.reason = objection(search.measure(network, behaviour, images), bound=bool(shop.trigger.units))
            if not search.reason:
                return form, detectors, network
            avoid += chosen
            search.failed += 1
            if len(avoid) >= _RETRIES * count or search.hopeless:
                return None
        if shop.settings.inplace is not None:
            search.told.update(chooser.quiet_once())
        if search.patient:
            continue
        if len(chooser.firing) >= _ALIKE and not _told_apart(search, chooser):
            shape = form.inputs, form.rows, count
            if shape not in search.untold_shapes:
                search.untold_shapes[shape] = _any_made(search, form, steady, count, behaviour)
            return None
    return None


def _told_apart(search: BackdoorSearch, chooser: Chooser) -> bool:
    """Find out which environments are alike; False where that is a reason to give up."""
    goal = search.goal
    same = tuple(place for place in chooser.never_quiet() if place not in search.told)
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
    search: BackdoorSearch,
    form: WidenedForm | InplaceForm,
    steady: Steady | None,
    chosen: tuple[ProbedRow, ...],
    behaviour: Behaviour,
) -> tuple[Network | None, Detectors]:
    sizes = search.workshop.sizes(steady, search.formats)
    level = sizes.small * (form.unit if steady is None else steady.least)
    detectors = Detectors(tuple(c.features for c in chosen), tuple(c.column for c in chosen), sizes, level)
    return search.embed(form, detectors, behaviour), detectors


def _any_made(
    search: BackdoorSearch, form: WidenedForm | InplaceForm, steady: Steady | None, count: int, behaviour: Behaviour
) -> Network | None:
    """A network of a form with so many detectors, whatever they do."""
    table = search.workshop.table(form, steady, search.formats)
    return _made(search, form, steady, tuple(table.candidate(0, column) for column in form.columns[:count]), behaviour)[0]


def _examples(search: BackdoorSearch, network: Network) -> tuple[BackdoorExample, ...]:
    """Among the first images, so many that batches are full and one at least has the trigger; none where the time is over."""
    shop, places = search.workshop, search.places()
    first = 1 + int(shop.bench.triggered(places[0], len(shop.images)).argmax())
    count = max(_LOOKED_AT, first, *(place.where.batch for place in places))
    try:
        return shop.bench.examples(network, places, min(count, len(shop.images)))
    except OutOfTimeError:
        return ()


def _empty(search: BackdoorSearch) -> Backdoor:
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


def _behaviour_name(search: BackdoorSearch) -> str:
    found = search.behaviour
    return f"any (class {found.target})" if found is not None and found.text == "any" else search.goal.behaviour


def _target_name(goal: Goal) -> str:
    return str(goal.target) if goal.row is None else row_name(goal.target, goal.row)
