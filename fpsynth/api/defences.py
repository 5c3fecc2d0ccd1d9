"""defend, in Python: what remedies do to a network that may have a backdoor of rounding."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from fpsynth.synthesis.requests.defend import DefendRequest
from fpsynth.synthesis.requests.environments import environments_of, names_of
from fpsynth.synthesis.requests.functions import asking

if TYPE_CHECKING:
    from fpsynth.backdoors.defence import Defence


@asking(DefendRequest)
def defend(request: DefendRequest) -> Defence:
    """Apply the known remedies against backdoors of rounding to a network, and measure what each does.

    ``network``, ``images``, ``host``: files.  ``remedy``: names of remedies with their strength, such as ``noise:1e-6``; six
    by default.  A random remedy makes ``draws`` networks.  Raises InputError for what cannot be used.
    """
    from dataclasses import replace

    from fpsynth.backdoors.defending import Defender
    from fpsynth.backdoors.remedies import DEFAULT, remedies_named
    from fpsynth.networks.points import load_points, require_classes
    from fpsynth.networks.reading import read_network
    from fpsynth.revealing.revealer import Revealer
    from fpsynth.synthesis.requests.distinct import require_distinct, require_whole_batches

    remedies = remedies_named(request.remedies or DEFAULT)
    names = names_of(request.library)
    if request.library is not None:
        require_distinct(names, "a defence")
        require_whole_batches(names)
    network = read_network(request.network).network
    host = None if request.host is None else read_network(request.host).network
    images, labels = load_points(request.images, network.input_shape)
    require_classes(labels, math.prod(network.logits.output_shape))
    count = len(images) if request.limit is None else request.limit
    labels = None if labels is None else labels[:count]
    environments = environments_of(names, request.batches, request.thread_counts)
    tell = request.progress or (lambda text: None)
    with Revealer() as revealer:
        defender = Defender(network, request.format, images[:count], labels, environments, revealer, host, request.seed, tell)
        found = defender.defended(remedies, request.draws)
    files = (request.network, request.images, *(() if request.host is None else (request.host,)))
    return replace(found, files=tuple(map(os.fspath, files)))
