"""The witness of a backdoor: an image at which the target parts from silent environments, in the one format of witnesses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from fpsynth.backdoors.answer import Backdoor, BackdoorExample
from fpsynth.confirmation.replay import replay
from fpsynth.errors import InputError
from fpsynth.evaluators.real import exact_logits
from fpsynth.evaluators.work import affordable_extra, exact_work
from fpsynth.libraries.naming import parse_formatted_environment
from fpsynth.predicates import Predicate
from fpsynth.synthesis.given.running import measured_views, outputs_in_row
from fpsynth.synthesis.given.views import Given, GivenView, given_view
from fpsynth.synthesis.proofs import versions_used
from fpsynth.synthesis.requests.backdoor import BackdoorRequest
from fpsynth.witness.data import Provenance, Witness, only_point

_ARGMAX = Predicate("argmax")


def of_own_format(found: Backdoor, name: str) -> bool:
    """Whether an environment runs the network in the format of its numbers."""
    return parse_formatted_environment(name, found.dtype).dtype in ("", found.dtype.name)


def require_own_format(found: Backdoor) -> None:
    """Raise InputError where the target rounds the network into another format: witnesses and instances are of one."""
    if not of_own_format(found, found.target):
        raise InputError(f"{found.target} rounds the network, which is of {found.dtype}, into another format")


def told_silent(found: Backdoor) -> tuple[str, ...]:
    """The silent environments that are told of beside the target: the first of each library, in the network's own format."""
    first: dict[str, str] = {}
    for name in found.quiet if of_own_format(found, found.target) else ():
        if not of_own_format(found, name):
            continue
        first.setdefault(name.partition(":")[0], name)
    return tuple(first.values())


def backdoor_witness(found: Backdoor, given: Given) -> Witness:
    """The first example as a witness, run again in its environments: the reference is a silent one, the others stay silent.

    ``given``: the backdoored network, and what reveals it.  Raises InputError, with the reason, where there is none.
    """
    require_own_format(found)
    views, notes = _views(found, given)
    if len(views) < 2:
        raise InputError(notes[0])
    for example in found.examples:
        witness = _witness(found, given, views, example)
        if witness is not None:
            told = replace(witness, provenance=_provenance(found, given, example, (*_left_out(found, views), *notes)))
            given.progress("running the witness in its environments")
            return replay(told, libraries=(), batches=(1,))
    raise InputError(
        "no image among the first ones that alone fills a batch is put into another class by the target and by no silent"
        " environment"
    )


def _views(found: Backdoor, given: Given) -> tuple[list[GivenView], list[str]]:
    """A silent environment, the target, then the other silent ones; and what could not be revealed, with the reason.

    Raises InputError where the target cannot be.
    """
    deployed = given_view(given, found.target, "b", "deployed")
    silent: list[GivenView] = []
    notes: list[str] = []
    for name in told_silent(found):
        role, own = ("silent", f"silent{len(silent)}") if silent else ("reference", "a")
        try:
            silent.append(given_view(given, name, own, role))
        except InputError as error:
            notes.append(f"not revealed: {error}")
    if not silent:
        return [deployed], notes or ["no environment of the same format was measured to be silent"]
    return [silent[0], deployed, *silent[1:]], notes


def _witness(found: Backdoor, given: Given, views: Sequence[GivenView], example: BackdoorExample) -> Witness | None:
    """Where every view gives the class that it should, over the reals as well; None elsewhere."""
    point = np.array([example.point], np.float64)
    outputs = [outputs_in_row(view, given, point, [view.view.row])[0] for view in views]
    filled = measured_views(views, given, example.point, outputs)
    a, b, *silent = (view.logits for view in filled)
    if not _ARGMAX.holds(a, b) or any(_ARGMAX.fires(own, a) for own in silent):
        return None
    graph = given.network.logits
    real = exact_logits(graph, example.point) if affordable_extra(exact_work(graph, example.point)) else ()
    if real and real.index(max(real)) != a.index(max(a)):
        return None
    return Witness(
        question=BackdoorRequest.question,
        format=found.dtype,
        network=graph,
        points=only_point(example.point),
        predicate=_ARGMAX,
        views=tuple(filled),
        real=real,
        measure=_ARGMAX.measure(a, b),
    )


def _left_out(found: Backdoor, views: Sequence[GivenView]) -> Iterator[str]:
    """Which environments were measured to be silent and have no view."""
    told = {view.view.environment for view in views}
    named = {name: str(parse_formatted_environment(name, found.dtype)) for name in found.quiet}
    rest = [name for name, text in named.items() if not told & {name, text}]
    if rest:
        yield f"silent as well, by runs of all images, and without a view here: {', '.join(rest)}"


def _provenance(found: Backdoor, given: Given, example: BackdoorExample, notes: Sequence[str]) -> Provenance:
    return Provenance(
        engine="backdoor",
        encoding=f"image {example.image} of those that were given, trigger {found.trigger}",
        seed=given.seed,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions={**versions_used(), **found.versions},
        seconds_solve=round(found.seconds, 3),
        seconds_total=round(found.seconds_total, 3),
        notes=tuple(notes),
    )
