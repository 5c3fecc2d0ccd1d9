"""What several environments make of a network: how each ran, every pair of them, and where two part."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats, Json
from fpsynth.formats import Format, holds
from fpsynth.networks.cancellation import Cancellation
from fpsynth.networks.network import Network
from fpsynth.revealing.network_result import NetworkReveal
from fpsynth.rounding import Rounding


@dataclass(frozen=True)
class Parting:
    """Where two environments part at one input."""

    a: str
    b: str
    input: int
    layer: str
    """Of the network; the first whose values decide."""
    neuron: int
    """Its output, flattened; of several the one that moves the logits most."""
    values: tuple[float, float]
    """What it is worth in a and in b."""
    alone: bool
    """Whether it decides alone: its value of b among all others of a gives the class of b."""
    size: float | None
    """The sum of the sizes of the neuron's summands: against this rounding is to be held; None for other layers."""
    position: tuple[int, ...]
    """The neuron as an index of the layer's output."""
    cancels: bool = False
    """Whether its weights cancel (``networks.cancellation``)."""

    def to_json(self) -> Json:
        """As data."""
        return {
            "a": self.a,
            "b": self.b,
            "input": self.input,
            "layer": self.layer,
            "neuron": self.neuron,
            "position": list(self.position),
            "values": list(self.values),
            "alone": self.alone,
            "size": self.size,
            "cancels": self.cancels,
        }


@dataclass(frozen=True)
class Ran:
    """A network in one environment."""

    name: str
    not_run: str = ""
    """Why it did not run; empty where it did."""
    logits: Floats | None = None
    """(inputs, outputs), as the library gave them."""
    reproduced: int = 0
    """Logits that the revealed arithmetics give bit for bit."""
    of: int = 0
    bounds: Floats | None = None
    """How far rounding in the revealed order can have moved each logit of the network as it is computed (a library may have
    folded weights); infinite where that is not known."""
    exact_distance: float = 0.0
    """The largest distance of a logit from its exact value, at most."""
    correct: int | None = None
    """Inputs whose class is their label; None without labels."""
    reveal: dict[str, Any] | None = None
    """See ``network_reveal_to_json``."""
    found: NetworkReveal | None = None
    """The same with the network as it is computed, and its deployment."""

    @property
    def library(self) -> str:
        """Whose environment it is."""
        return self.name.partition(":")[0]

    @property
    def version(self) -> str:
        """Of the library; empty where it did not run."""
        return "" if self.found is None else self.found.version

    @property
    def classes(self) -> NDArray[np.intp]:
        """The class of each input."""
        assert self.logits is not None
        return np.asarray(self.logits.argmax(axis=1))


@dataclass(frozen=True)
class EnvironmentPair:
    """Two environments."""

    a: str
    b: str
    changed: tuple[int, ...]
    """Inputs whose class is another one."""
    max_difference: float
    """Of two logits."""
    equal: int
    """Logits that are the same number."""


@dataclass(frozen=True)
class NetworkComparison:
    """What several environments make of a network."""

    network: Network
    dtype: Format
    inputs: int
    environments: tuple[Ran, ...]
    pairs: tuple[EnvironmentPair, ...]
    could_change: int
    """Inputs whose class two orders of summation could tell apart; the others keep it in any order."""
    any_order: float
    """The largest of the bounds on how far rounding in any order can move a logit."""
    bounded: bool
    """Whether these two were computed: not with a batch normalisation, which libraries compute in several ways."""
    points: Floats = field(repr=False, compare=False)
    """The inputs (inputs, numbers), rounded into ``dtype``."""
    rounded: int = 0
    """Numbers of the network that was given that are not in the format, and were rounded into it."""
    rounded_inputs: int = 0
    """Numbers of the inputs, likewise."""
    notes: tuple[str, ...] = ()
    """What else was made of what was given: a softmax at the end left out, inputs rounded."""
    labels: NDArray[np.int64] | None = field(default=None, repr=False, compare=False)
    """The label of each input; None without labels."""
    files: tuple[str, str] = ("", "")
    """The names of the files of the network and of the inputs, as they were given; empty where they are not from files."""
    partings: tuple[Parting, ...] = ()
    """Where environments part whose classes change, for some pairs."""
    cancellations: tuple[Cancellation, ...] = ()
    """Neurons whose weights cancel exactly, or whose products do at the inputs."""

    @property
    def otherwise(self) -> tuple[str, ...]:
        """Environments of which the bound of any order does not speak.

        They read or keep less than the format, align, or compute other weights than those of the network.
        """
        given = self.network.logits
        there = [(one.name, one.found) for one in self.environments if one.found is not None]
        return tuple(name for name, found in there if found.network != given or not _spoken_of(found, self.dtype))

    @property
    def alike(self) -> dict[str, tuple[str, ...]]:
        """The environments that gave the same logits at every input, bit for bit, by the first of them, which is among them."""
        by_logits: dict[bytes, list[str]] = {}
        for one in self.environments:
            if one.logits is not None:
                by_logits.setdefault(one.logits.tobytes(), []).append(one.name)
        return {names[0]: tuple(names) for names in by_logits.values()}

    @property
    def distinct_pairs(self) -> tuple[EnvironmentPair, ...]:
        """Those of environments of which each is the first that gave its logits."""
        first = self.alike
        return tuple(pair for pair in self.pairs if pair.a in first and pair.b in first)

    @property
    def changes(self) -> int:
        """Changed classes of all distinct pairs, each of which has a witness."""
        return sum(len(pair.changed) for pair in self.distinct_pairs)

    @property
    def changed(self) -> int:
        """Inputs whose class depends on the environment."""
        return len({number for pair in self.pairs for number in pair.changed})

    @property
    def verdict(self) -> str:
        """``same classes``, ``classes change``, or ``unknown`` where fewer than two environments ran."""
        if sum(not one.not_run for one in self.environments) < 2:
            return "unknown"
        return "classes change" if self.changed else "same classes"


def _spoken_of(found: NetworkReveal, dtype: Format) -> bool:
    """Whether every sum is rounded to nearest into the format or a wider one, and nothing else is rounded."""
    for deployment in found.deployments.values():
        for how in (deployment.default, *(one for _, one in (*deployment.layers, *deployment.exceptions))):
            kept = all(fmt is not None and holds(fmt, dtype) for fmt in (how.format, how.sum_format))
            narrowed = any(each is not None for each in (how.operands, how.products, how.alignment, how.given))
            if not kept or narrowed or how.rounding is not Rounding.RNE:
                return False
    return True
