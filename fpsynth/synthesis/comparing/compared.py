"""Run a network in several environments on the same inputs, and compare what comes out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.evaluators.cancelling import cancelling_at
from fpsynth.evaluators.rounding_bounds import rounding_bounds
from fpsynth.evaluators.work import array_work, batch_work, require_within
from fpsynth.formats import Format, holds
from fpsynth.libraries.kernels import Environment
from fpsynth.networks.cancellation import Cancellation
from fpsynth.networks.endings import ending_words
from fpsynth.networks.layers import BatchNormalisation
from fpsynth.networks.network import Network
from fpsynth.revealing.network_json import network_from_kept
from fpsynth.revealing.network_result import NetworkReveal
from fpsynth.revealing.revealer import Revealer
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.classes import require_classes
from fpsynth.synthesis.comparing.parting import Parting, partings
from fpsynth.synthesis.options import Progress
from fpsynth.wording import counted

ONE_INPUT, ALL_INPUTS = 60.0, 7200.0
"""Seconds that evaluating one input may be estimated at, and all inputs in all environments: a comparison has no time limit."""


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


def compare(
    network: Network,
    dtype: Format,
    inputs: Floats,
    environments: Sequence[Environment],
    *,
    labels: NDArray[np.int64] | None = None,
    vectors: int = 1000,
    seed: int = 0,
    progress: Progress = lambda text: None,
) -> NetworkComparison:
    """Run ``network`` on ``inputs`` (inputs, numbers), both rounded into ``dtype``, in every environment.

    Raises InputError for a network of one output, which has no classes, for inputs of another size than the network's, and for
    numbers of either beyond the format's range; and BeyondReachError, before anything is run, where that would take hours, or
    more memory than there is.
    """
    from fpsynth.evaluators.rounded import rounded_network, rounded_points, rounded_points_words

    require_classes(network)
    require_comparable(network, dtype, len(inputs), len(environments))
    size = int(np.prod(network.input_shape))
    if inputs.ndim != 2 or inputs.shape[1] != size or not len(inputs):
        raise InputError(f"the network has {size} inputs, but the points are of shape {inputs.shape}")
    points = rounded_points(inputs, dtype)
    network, rounded = rounded_network(network, dtype)
    normalised = any(isinstance(node.layer, BatchNormalisation) for node in network.nodes)
    shaped = points.reshape(len(points), *network.input_shape)
    free = None if normalised else rounding_bounds(network, shaped, dtype)
    ran = []
    with Revealer() as revealer:
        for number, where in enumerate(environments, 1):
            if number > 1 and where.process != environments[number - 2].process:
                revealer.close()  # one library in memory at a time
            progress(f"{where} ({number} of {len(environments)}): revealing and running")
            ran.append(_ran(revealer, network, dtype, points, where, labels, vectors, seed))
    if free is not None:
        ran = [one if one.logits is None else replace(one, exact_distance=_distance(one.logits, free)) for one in ran]
    there = [one for one in ran if one.logits is not None]
    pairs = tuple(_pair(a, b) for a, b in itertools.combinations(there, 2))
    found = NetworkComparison(
        network=network,
        dtype=dtype,
        inputs=len(points),
        environments=tuple(ran),
        pairs=pairs,
        could_change=len(points) if free is None else int(free.may_change().sum()),
        any_order=float("inf") if free is None else float(free.computed.max()),
        bounded=free is not None,
        points=points,
        rounded=rounded,
        rounded_inputs=int((inputs != points).sum()),
        notes=tuple(filter(None, (ending_words(network), rounded_points_words(inputs, points, dtype)))),
        labels=labels,
        cancellations=cancelling_at(network, shaped),
    )
    if not found.changed:
        return found
    progress("finding the layer and the neuron where environments part")
    return replace(found, partings=partings(found))


def _spoken_of(found: NetworkReveal, dtype: Format) -> bool:
    """Whether every sum is rounded to nearest into the format or a wider one, and nothing else is rounded."""
    for deployment in found.deployments.values():
        for how in (deployment.default, *(one for _, one in (*deployment.layers, *deployment.exceptions))):
            kept = all(fmt is not None and holds(fmt, dtype) for fmt in (how.format, how.sum_format))
            narrowed = any(each is not None for each in (how.operands, how.products, how.alignment, how.given))
            if not kept or narrowed or how.rounding is not Rounding.RNE:
                return False
    return True


def require_comparable(network: Network, dtype: Format, inputs: int, environments: int) -> None:
    """Raise BeyondReachError where so many inputs in so many environments take far longer than anybody waits."""
    one = array_work(network, Deployment(Arithmetic(dtype)))
    require_within("evaluating the network at one input", one, ONE_INPUT, ": only a smaller network can be compared")
    what = f"evaluating the network at {counted(inputs, 'input')} in {counted(environments, 'environment')}"
    # for each environment in the arithmetic that is revealed and with bounds; and once with bounds for any order
    everything = batch_work(network, inputs).times(2 * environments + 1)
    require_within(what, everything, ALL_INPUTS, ": compare at fewer inputs, or in fewer environments (library)")


def _distance(logits: Floats, free: Any) -> float:
    """How far logits are from their exact values at most."""
    return float((np.abs(logits - free.values) + free.exact).max())


def _ran(
    revealer: Revealer,
    network: Network,
    dtype: Format,
    points: Floats,
    where: Environment,
    labels: NDArray[np.int64] | None,
    vectors: int,
    seed: int,
) -> Ran:
    try:
        answer = revealer.network(network, dtype, where, inputs=points, vectors=vectors, seed=seed)
    except InputError as error:
        return Ran(str(where), not_run=str(error))
    logits = np.asarray(answer["logits"])
    correct = None if labels is None else int((logits.argmax(axis=1) == labels).sum())
    return Ran(
        name=str(where),
        logits=logits,
        reproduced=answer["reproduced"],
        of=logits.size,
        bounds=np.asarray(answer["bounds"]),
        correct=correct,
        reveal=answer["reveal"],
        found=network_from_kept(answer["kept"], network.logits, where, dtype),
    )


def _pair(a: Ran, b: Ran) -> EnvironmentPair:
    assert a.logits is not None
    assert b.logits is not None
    changed = np.flatnonzero(a.classes != b.classes)
    with np.errstate(invalid="ignore"):
        difference = np.abs(a.logits - b.logits)
    same = a.logits == b.logits
    return EnvironmentPair(
        a.name, b.name, tuple(changed.tolist()), float(np.where(same, 0.0, difference).max()), int(same.sum())
    )
