"""Applies remedies to a suspect network, and runs what they make of it by the libraries themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats, Progress
from fpsynth.backdoors.defence import Defence, Draw, InEnvironment, Suspect, Tried, judged, parted
from fpsynth.backdoors.heuristics import compared
from fpsynth.backdoors.measuring import close_to
from fpsynth.backdoors.remedies import Remedied, Remedy, grid_of, largest_change
from fpsynth.errors import InputError
from fpsynth.evaluators.cancelling import cancelling_at
from fpsynth.evaluators.float64 import float64_outputs
from fpsynth.evaluators.rounded import rounded_network, rounded_points
from fpsynth.evaluators.rounding_bounds import rounding_bounds
from fpsynth.formats import Format
from fpsynth.libraries.kernels import Environment
from fpsynth.networks.cutting import until
from fpsynth.networks.network import Network
from fpsynth.revealing.revealer import Revealer
from fpsynth.synthesis.classes import require_classes


@dataclass
class _Ran:
    """A network in all environments: what is told, and its logits by the environment."""

    told: list[InEnvironment] = field(default_factory=list)
    logits: dict[str, Floats] = field(default_factory=dict)
    wrong: dict[str, NDArray[np.bool_]] = field(default_factory=dict)

    @property
    def suspect(self) -> Suspect:
        return Suspect(tuple(self.told), parted([one.argmax(axis=1) for one in self.logits.values()]))


@dataclass
class Defender:
    """The images and environments that remedies are measured on.

    Raises InputError for images of another size than the network's input, a network without classes, or another host's shape.
    """

    given: Network
    dtype: Format
    inputs: Floats
    """(images, inputs)."""
    labels: NDArray[np.int64] | None
    environments: Sequence[Environment]
    revealer: Revealer
    host: Network | None = None
    seed: int = 0
    progress: Progress = lambda text: None

    def __post_init__(self) -> None:
        require_classes(self.given)
        self.network = rounded_network(self.given.logits, self.dtype)[0]
        size = int(np.prod(self.network.input_shape))
        if self.inputs.ndim != 2 or self.inputs.shape[1] != size or not len(self.inputs):
            raise InputError(f"the network has {size} inputs, but the images are of shape {self.inputs.shape}")
        if self.host is not None:
            self.host = rounded_network(self.host.logits, self.dtype)[0]
            if (self.host.input_shape, self.host.output_shape) != (self.network.input_shape, self.network.output_shape):
                raise InputError("the host has other inputs or outputs than the network: is it the host of this one?")
        self.images = rounded_points(self.inputs, self.dtype)
        self.shaped = self.images.reshape(len(self.images), *self.network.input_shape)
        self.real = float64_outputs(self.network, self.shaped)
        self.right = self.real if self.host is None else float64_outputs(self.host, self.shaped)

    @property
    def settled(self) -> int:
        """Images whose right class is certain: see ``Defence``."""
        if self.host is not None:
            return len(self.images)
        try:
            bounds = rounding_bounds(self.network, self.shaped, self.dtype)
        except InputError:
            return 0
        return int((~type(bounds)(bounds.values, bounds.exact, bounds.exact).may_change()).sum())

    def defended(self, remedies: Sequence[Remedy], draws: int) -> Defence:
        """All remedies, each as often as it is random."""
        before = self._ran(Remedied(self.network, self.dtype), "as it is")
        tried = tuple(self._tried(one, before, draws) for one in remedies)
        return Defence(
            network=self.network,
            dtype=self.dtype,
            images=len(self.images),
            labelled=self.labels is not None,
            reference="the host in float64" if self.host is not None else "the network itself in float64",
            settled=self.settled,
            before=before.suspect,
            tried=tried,
            cancellations=cancelling_at(self.network, self.shaped),
            compared=() if self.host is None else compared(self.host, self.network),
        )

    def _tried(self, remedy: Remedy, before: _Ran, draws: int) -> Tried:
        found: list[Draw] = []
        for number in range(draws if remedy.random else 1):
            try:
                generator = np.random.default_rng([self.seed, *map(crc32, (remedy.name.encode(), self.network.digest)), number])
                made = remedy.make(self.network, self.dtype, generator)
            except InputError as error:
                return Tried(remedy.name, remedy.about, (), str(error))
            found.append(self._draw(made, before, remedy, number))
        cost = _cost(before.suspect, [one.after for one in found])
        return Tried(remedy.name, remedy.about, tuple(found), "", cost)

    def _draw(self, made: Remedied, before: _Ran, remedy: Remedy, number: int) -> Draw:
        after = self._ran(made, f"{remedy.name}, draw {number + 1}" if remedy.random else remedy.name, grid_of(remedy.name))
        return Draw(
            verdict=judged(before.wrong, after.wrong),
            after=after.suspect,
            real_change=largest_change(self.real, float64_outputs(made.network, self.shaped)),
            computed_change=_computed_change(before, after),
            network=made.network,
            dtype=made.dtype,
        )

    def _ran(self, made: Remedied, words: str, grid: float | None = None) -> _Ran:
        ran = _Ran()
        for where in self.environments:
            self.progress(f"{words}: running {len(self.images)} images in {where}")
            try:
                answer = self.revealer.outputs(made.network, made.dtype, where, self.images)
                folded = grid is not None and self._folded(made, where, grid)
            except InputError as error:
                ran.told.append(InEnvironment(str(where), not_run=str(error)))
                continue
            name, logits = str(where), np.asarray(answer["outputs"], np.float64)
            classes = logits.argmax(axis=1)
            ran.logits[name], ran.wrong[name] = logits, self._wrong(logits)
            correct = None if self.labels is None else int((classes == self.labels).sum())
            seconds = float(answer["seconds"])
            ran.told.append(InEnvironment(name, "", correct, int(ran.wrong[name].sum()), folded, seconds))
        return ran

    def _wrong(self, logits: Floats) -> NDArray[np.bool_]:
        """Which images get a class that the reference puts clearly below another; infinite logits have none."""
        classes = logits.argmax(axis=1)
        return np.asarray(~close_to(self.right, classes) | ~np.isfinite(logits).all(axis=1))

    def _folded(self, made: Remedied, where: Environment, grid: float) -> bool:
        """Whether activations of a batch do not lie on the grid behind the first layer that puts them there."""
        name = next(node.name for node in made.network.nodes if node.name.endswith("_grid"))
        batch = self.images[: where.batch]
        values = np.asarray(self.revealer.outputs(until(made.network, name), made.dtype, where, batch)["outputs"], np.float64)
        return bool((values / grid != np.round(values / grid)).any())


def _computed_change(before: _Ran, after: _Ran) -> float:
    """Of logits at images that are right before and after."""
    changes = [
        np.abs(after.logits[name] - before.logits[name])[~(after.wrong[name] | before.wrong[name])]
        for name in after.logits
        if name in before.logits
    ]
    return max((float(one.max()) for one in changes if one.size), default=float("nan"))


def _cost(before: Suspect, after: Sequence[Suspect]) -> float | None:
    """The quotient of the seconds, in environments that ran both; None where that cannot be told."""
    taken = {one.name: one.seconds for one in before.ran}
    pairs = [(one.seconds, taken[one.name]) for each in after for one in each.ran if one.name in taken]
    total = sum(base for _, base in pairs)
    return sum(own for own, _ in pairs) / total if total else None
