"""backdoor, in Python: networks that misbehave in one environment, as test cases."""

from __future__ import annotations

import math
import os
import time
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
    from fpsynth.backdoors.answer import Backdoor
    from fpsynth.backdoors.seeking import Goal
    from fpsynth.libraries.kernels import Environment


@asking(BackdoorRequest)
def backdoor(request: BackdoorRequest) -> Backdoor:
    """Make a network that computes what a host computes, but misbehaves in one environment: a test case for defenders.

    ``network``, ``images``: files of the host and of what it is measured on.  ``target``: LIBRARY[:OPTIONS] such as
    ``torch:batch=1``; with ``row=N`` only images in that row of a batch count.  ``silent``: environments in which nothing is to
    change; by default every library that is installed at every batch size, of which those that nothing tells from the target
    are named in the answer, and so are those that cannot run the host.  An environment with ``dtype=FORMAT`` runs the network
    rounded into that format, and counts there is what the host does, rounded likewise.  Raises InputError for what cannot be
    used.
    """
    from fpsynth.workers.deadlines import within

    started = time.monotonic()
    with within(request.timeout):
        found = _within_time(request)
    return replace(found, seconds_total=time.monotonic() - started)


def _within_time(request: BackdoorRequest) -> Backdoor:
    """The answer, as far as there is time."""
    from fpsynth.backdoors.search import backdoor as made
    from fpsynth.backdoors.storage import FORMATS
    from fpsynth.backdoors.workshop import MakerSettings
    from fpsynth.backdoors.workshop import Workshop as Shop
    from fpsynth.networks.points import load_points, require_classes
    from fpsynth.networks.reading import read_network
    from fpsynth.revealing.revealer import Revealer

    goal = _goal(request)
    host = read_network(request.network).network
    images, labels = load_points(request.images, host.input_shape)
    require_classes(labels, math.prod(host.logits.output_shape))
    if request.limit is not None:
        images, labels = images[: request.limit], None if labels is None else labels[: request.limit]
    settings = MakerSettings(
        request.trigger,
        request.max_weight if request.weight_limit is None else request.weight_limit,
        request.copies,
        request.inplace,
        request.layer,
        request.seed,
        None if request.storage is None else FORMATS[request.storage],
        request.survive,
    )
    tell = request.progress or (lambda text: None)
    with Revealer() as revealer:
        shop = Shop(host, images, labels, request.format, revealer, settings, tell)
        found = made(shop, goal, os.path.basename(os.fspath(request.network)))
    eps = Fraction(str(request.eps))
    if found.network is None or not request.verify:
        return replace(found, eps=eps)
    from fpsynth.backdoors.judging import judged, shown

    copies = found.form is not None and found.form.copied is not None
    judgements = [
        one
        for images, triggered in shown(shop, request.verify)
        for one in judged(shop.host, found.network, images, eps, request.format, tell, triggered, copies)
    ]
    return replace(found, judged=tuple(judgements), eps=eps)


def _goal(request: BackdoorRequest) -> Goal:
    """What is asked for: where it is to misbehave, and where not."""
    from fpsynth.backdoors.seeking import Goal
    from fpsynth.libraries.naming import parse_formatted_environment

    given = parse_formatted_environment(request.target, request.format)
    row, target = given.row if "row=" in request.target else None, replace(given, row=0)
    names = request.silent_names
    named = names not in ((), (ALL,))
    if named and ALL in names:
        raise InputError("all silent environments, or some by name: not both")
    listed = [parse_formatted_environment(name, request.format) for name in names] if named else _listed(request)
    if not named:  # in the target's format, too
        listed = [replace(one, dtype=fmt) for fmt in dict.fromkeys(("", target.dtype)) for one in listed]
    silent = tuple(one for one in listed if one != target or (named and row is None))
    return Goal(
        target,
        silent,
        frozenset() if named else frozenset(one for one in silent if request.library is None or one.dtype),
        named or request.only_in,
        row,
        request.behaviour,
        request.timeout,
    )


def _listed(request: BackdoorRequest) -> list[Environment]:
    """The environments that are silent where none is named."""
    libraries = names_of(request.library)
    require_whole_batches(libraries)
    threads = request.threads if isinstance(request.threads, Sequence) else (request.threads,)
    return environments_of(libraries, request.batches, tuple(threads))
