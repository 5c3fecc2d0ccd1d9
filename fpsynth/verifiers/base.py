"""The protocol of certifiers, and every certifier by its name."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol

from fpsynth.errors import InputError, unknown_name
from fpsynth.formats import Format
from fpsynth.networks.network import Network
from fpsynth.verifiers.lipschitz_ball import ball_certifier
from fpsynth.verifiers.lipschitz_exact import exact_certifier
from fpsynth.verifiers.lipschitz_sound import SoundCertifier, sound_certifier
from fpsynth.verifiers.margins import LipschitzCertifier, Progress, no_progress

NAMES = ("lipschitz", "lipschitz-exact", "lipschitz-sound")
"""Every certifier: rigorous ball arithmetic, the arithmetic of the verified certifier, and the one sound in floating point."""


class Certifier(Protocol):
    """Says for which radii (L2) around a point a network keeps its class."""

    @property
    def name(self) -> str:
        """One of NAMES."""

    def accepts(self, point: Sequence[float], logits: Sequence[float], radius: Fraction) -> bool:
        """Whether ``radius`` is certified at ``point``; ``logits`` are the floats a library computed there, read as exact.

        The point's class is the lowest index of the largest logit.
        """

    def supremum(self, point: Sequence[float], logits: Sequence[float]) -> Fraction:
        """Return the rational such that exactly the radii below it are accepted (0 where none is)."""


def certifier(
    name: str,
    network: Network,
    *,
    gram: int = 11,
    format: Format | None = None,
    progress: Progress | None = None,
) -> LipschitzCertifier | SoundCertifier:
    """Prepare the certifier called ``name`` for a network: all that depends on the network alone is computed here.

    ``gram`` is the number of Gram iterations for each spectral norm; ``format`` is needed by ``lipschitz-sound`` only: the
    one the network is deployed in.  Raises InputError for an unknown name, a missing format, and a network that the
    certifier cannot read; MissingPackageError where python-flint is needed and absent.
    """
    report = progress or no_progress
    if name == "lipschitz":
        return ball_certifier(network, gram, report)
    if name == "lipschitz-exact":
        return exact_certifier(network, gram, report)
    if name == "lipschitz-sound":
        if format is None:
            raise InputError("lipschitz-sound needs the format that the network is deployed in")
        return sound_certifier(network, format, gram, report)
    raise unknown_name("certifier", name, NAMES)
