"""backdoor, in Python: networks that misbehave in one environment, as test cases."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from fpsynth.errors import InputError
from fpsynth.synthesis.requests.backdoor import ALL, BackdoorRequest
from fpsynth.synthesis.requests.distinct import require_whole_batches
from fpsynth.synthesis.requests.environments import environments_of, names_of
from fpsynth.synthesis.requests.functions import asking

if TYPE_CHECKING:
    from fpsynth.aliases import Floats
    from fpsynth.backdoors.answer import Backdoor
    from fpsynth.backdoors.workshop import Workshop
    from fpsynth.libraries.kernels import Environment


@asking(BackdoorRequest)
def backdoor(request: BackdoorRequest) -> Backdoor:
    """Make a network that computes what a host computes, but misbehaves in one environment: a test case for defenders.

    ``network``, ``images``: files of the host and of what it is measured on.  ``target``: LIBRARY[:OPTIONS] such as
    ``torch:batch=1``; with ``row=N`` only images in that row of a batch count.  ``silent``: environments in which nothing is to
    change; by default every library that is installed at every batch size, of which those that nothing tells from the target
    are named in the answer.  Raises InputError for what cannot be used.
    """
    from fpsynth.backdoors.search import Goal
    from fpsynth.backdoors.search import backdoor as made
    from fpsynth.backdoors.workshop import MakerSettings
    from fpsynth.backdoors.workshop import Workshop as Shop
    from fpsynth.libraries.naming import parse_network_environment
    from fpsynth.networks.points import load_points
    from fpsynth.networks.reading import read_network
    from fpsynth.revealing.revealer import Revealer

    target = parse_network_environment(request.target)
    host = read_network(request.network).network
    images, labels = load_points(request.images, host.input_shape)
    if request.limit is not None:
        images, labels = images[: request.limit], None if labels is None else labels[: request.limit]
    silent, strict = _silent(request, target)
    settings = MakerSettings(
        request.trigger,
        request.max_weight if request.weight_limit is None else request.weight_limit,
        request.copies,
        request.layer,
        request.seed,
    )
    row = target.row if "row=" in request.target else None
    tell = request.progress or (lambda text: None)
    with Revealer() as revealer:
        shop = Shop(host, images, labels, request.format, revealer, settings, tell)
        goal = Goal(
            replace(target, row=0),
            tuple(one for one in silent if row is None or one != replace(target, row=0)),
            strict,
            row,
            request.behaviour,
            request.timeout,
        )
        found = made(shop, goal, os.path.basename(os.fspath(request.network)))
    if found.network is None or not request.verify:
        return found
    from fpsynth.backdoors.judging import judged

    judgements = [
        one
        for images, triggered in _shown(shop, request.verify)
        for one in judged(shop.host, found.network, images, Fraction(str(request.eps)), request.format, tell, triggered)
    ]
    return replace(found, judged=tuple(judgements))


def _shown(shop: Workshop, count: int) -> list[tuple[Floats, bool]]:
    """The images that verifiers are shown: as they are, and with the trigger where there is one."""
    clean = shop.images[:count]
    if not shop.trigger.units:
        return [(clean, True)]
    if shop.trigger.paint:
        return [(clean, False), (shop.bench.painted[:count], True)]
    inside = shop.trigger.there(shop.images)
    return [(some[:count], fires) for some, fires in ((shop.images[~inside], False), (shop.images[inside], True)) if len(some)]


def _silent(request: BackdoorRequest, target: Environment) -> tuple[tuple[Environment, ...], bool]:
    """The silent environments, and whether each of them is a must."""
    from fpsynth.libraries.naming import parse_network_environment

    names = request.silent_names
    if names not in ((), (ALL,)):
        if ALL in names:
            raise InputError("all silent environments, or some by name: not both")
        return tuple(parse_network_environment(name) for name in names), True
    libraries = names_of(request.library)
    require_whole_batches(libraries)
    threads = request.threads if isinstance(request.threads, Sequence) else (request.threads,)
    listed = environments_of(libraries, request.batches, tuple(threads))
    here = replace(target, row=0)
    return tuple(one for one in listed if one != here), request.only_in
