"""Dead units of a host: channels and neurons that are 0 on all images that are given, or, proved, on the whole of [0, 1]^n."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.backdoors.sites import Site
from fpsynth.errors import InputError
from fpsynth.evaluators.float64 import numpy_outputs
from fpsynth.formats import Format
from fpsynth.networks.layers import Convolution, Dense, ReLU
from fpsynth.networks.network import Network, Node
from fpsynth.synthesis.requests.backdoor import CLAIMS
from fpsynth.verifiers.claims import Box
from fpsynth.verifiers.relaxations.crown import analysed
from fpsynth.verifiers.relaxations.prepared import prepared
from fpsynth.verifiers.relaxations.reasoning import sound
from fpsynth.verifiers.relaxations.region import inputs_of

PROVED, IMAGES = CLAIMS
"""Dead by sound bounds for all inputs between 0 and 1; dead on all images that are given."""
_CHUNK = 1000


@dataclass(frozen=True)
class DeadUnits:
    """What is known to be dead, and by what."""

    claim: str
    """``PROVED`` or ``IMAGES``."""
    images: int
    """On how many images that was looked at; 0 where it is proved."""
    painted: bool
    """Whether on those with the trigger painted into them, too."""
    units: Mapping[str, tuple[int, ...]]
    """Of each hidden layer, by its name: the channels that are 0 at all positions behind its ReLU, and those farthest below 0
    first."""

    @property
    def words(self) -> str:
        """On what they are 0."""
        if self.claim == PROVED:
            return (
                "all inputs between 0 and 1, by bounds that are sound for sums in its format, rounded to nearest in any order"
            )
        return f"all {self.images} images{', without and with the trigger' if self.painted else ''}, computed in float64"


def dead_units(site: Site, claim: str, dtype: Format, images: Floats, painted: Floats | None = None) -> DeadUnits:
    """The dead units of each hidden layer of a host that one ReLU reads and nothing else.

    ``images`` (count, inputs), and the same with a trigger: of ``IMAGES`` those that are looked at, in float64; of ``PROVED``
    the bounds (CROWN for all that is computed in ``dtype`` in any order of additions) must be about them, too.  Raises
    InputError for an image outside of [0, 1]^n where it is to be proved, and for layers that have no sound bounds.
    """
    layers, count = list(_hidden(site)), len(images)
    images = images if painted is None else np.concatenate([images, painted])
    if claim == IMAGES:
        most = {node.name: _most_of_images(site, node, images) for node in layers}
    else:
        outside = (images < 0) | (images > 1)
        if outside.any():
            raise InputError(
                f"units are proved to be dead for inputs between 0 and 1, but an image, or its trigger, has"
                f" {images[outside][0]:g}: claim it of the images instead"
            )
        most = _proved_most(site, dtype, layers)
    found = {name: tuple(int(k) for k in np.argsort(values, kind="stable") if values[k] <= 0) for name, values in most.items()}
    seen = claim == IMAGES
    return DeadUnits(claim, count if seen else 0, seen and painted is not None, found)


def _hidden(site: Site) -> Iterator[Node]:
    """The layers of sums before the logits, in order, that one ReLU reads and nothing else."""
    host = site.host
    for node in host.nodes[: host.nodes.index(host[site.tail[-1]])]:
        readers = [other for other in host.nodes if node.name in other.inputs]
        if isinstance(node.layer, Convolution | Dense) and len(readers) == 1 and isinstance(readers[0].layer, ReLU):
            yield node


def _part(site: Site, name: str) -> Network:
    """The host up to a layer."""
    nodes = site.host.nodes
    return Network(nodes[: nodes.index(site.host[name]) + 1], site.host.input_shape, name)


def _most_of_images(site: Site, node: Node, images: Floats) -> Floats:
    """The largest number of each channel of a layer over images, (channels,)."""
    part, channels = _part(site, node.name), site.host.shapes[node.name][0]
    most = np.full(channels, -np.inf)
    for first in range(0, len(images), _CHUNK):
        some = images[first : first + _CHUNK]
        values = np.asarray(numpy_outputs(part, some.reshape(len(some), *part.input_shape)))
        most = np.maximum(most, values.reshape(len(some), channels, -1).max(axis=(0, 2)))
    return most


def _proved_most(site: Site, dtype: Format, layers: list[Node]) -> dict[str, Floats]:
    """An upper bound of each channel of each layer over all inputs between 0 and 1."""
    part, reasoning = _part(site, layers[-1].name), sound(dtype)
    known = prepared(_with_relu(part), reasoning)
    size = int(np.prod(part.input_shape))
    box = Box((0.0,) * size, (1.0,) * size)
    found = analysed(known, inputs_of(box, reasoning)).found
    return {node.name: found[node.name].upper.reshape(part.shapes[node.name][0], -1).max(axis=1) for node in layers}


def _with_relu(part: Network) -> Network:
    """With a ReLU behind it, for whose sake its last layer is bounded as closely as all others."""
    last = Node(f"{part.output}_dead", ReLU(), (part.output,))
    return Network((*part.nodes, last), part.input_shape, last.name)
