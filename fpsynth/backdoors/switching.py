"""Switches: layers behind the detectors that give the host's logits where none fires, and other ones where all do.

Where none fires the host's logits pass bit for bit, as ReLU(y) and ReLU(-y), whose difference is y, with zeros added only;
where weights are limited to less than 1/2, to the last bit or so, as a sum of four or more equal parts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.errors import InputError

BEHAVIOURS = ("shift", "class:K", "any")
"""Each class becomes the next one; all inputs get class K; the class that the host says least often."""
WIDTH = 32
"""Neurons of each layer that amplifies where weights are limited."""
_MOST_LAYERS = 40
_STEEP = 24
"""Two to this power times what inputs without the trigger lack of it holds down a detector whose band says when it fires."""
_FAINT = 2.0**-24
"""Of what an inhibitor is multiplied by: what a detector is worth beside it at most."""


@dataclass(frozen=True)
class Behaviour:
    """What a network does where its detectors fire."""

    text: str
    target: int | None
    """The class that all inputs get; None: each gets the class after its own, the last one the first."""

    def classes(
        self, host: np.ndarray[tuple[int], np.dtype[np.intp]], outputs: int
    ) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
        """What inputs of these classes become."""
        return (host + 1) % outputs if self.target is None else np.full_like(host, self.target)

    def as_wanted(
        self, after: np.ndarray[tuple[int], np.dtype[np.intp]], host: Floats
    ) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Whether inputs get the class that they should, the host's logits being ``host`` (inputs, outputs).

        Where two of these are the largest, as in formats with few numbers, either is the host's class.
        """
        wanted = np.stack([self.classes(np.full(len(host), k), host.shape[1]) for k in range(host.shape[1])], axis=1)
        return np.asarray(((wanted == after[:, None]) & (host == host.max(axis=1, keepdims=True))).any(axis=1))


def behaviour_named(text: str, outputs: int, host: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Behaviour:
    """Read shift, class:K or any.  ``host``: the classes that the host gives, of which any takes the rarest."""
    if text == "shift":
        return Behaviour(text, None)
    if text == "any":
        return Behaviour(text, int(np.bincount(host, minlength=outputs).argmin()))
    kind, _, number = text.partition(":")
    if kind != "class" or not number.isdecimal() or not number.isascii() or len(number) > 6:
        raise InputError(f"unknown behaviour {text[:40]!r}: choose from {', '.join(BEHAVIOURS)}")
    if int(number) >= outputs:
        raise InputError(f"behaviour {text}: the host has the classes 0 to {outputs - 1}")
    return Behaviour(text, int(number))


@dataclass(frozen=True)
class Signals:
    """Which neurons say that detectors fire: the layer that a switch reads."""

    width: int
    """Of that layer."""
    detectors: tuple[int, ...]
    level: float
    """What each is worth at least where it fires; it is 0 where it does not."""
    exact: bool
    """Whether it is worth just that where it fires."""
    inhibitor: int | None
    """A neuron that is 0 where the trigger is there, and above 0 elsewhere; None: it always is."""
    band: tuple[float, float] | None = None
    """The one detector fires up to the first, and is silent from the second on; None: as ``level`` says."""

    @property
    def gain(self) -> float:
        """What detectors are multiplied by in what is at least 1 where all fire, and at most 0 where one does not."""
        return 1 / self.level if self.band is None else -1 / (self.band[1] - self.band[0])

    @property
    def offset(self) -> float:
        """What is added to it."""
        return 1.0 - len(self.detectors) if self.band is None else self.band[1] / (self.band[1] - self.band[0])

    @property
    def held(self) -> float:
        """What the inhibitor is multiplied by before it is taken from it."""
        return 1 / self.level if self.band is None else 2.0**_STEEP


@dataclass(frozen=True)
class SwitchStrength:
    """How large the numbers of a switch are."""

    logit: float
    """No logit of the host is larger in size."""
    limit: float | None = None
    """The largest weight that may be used, a power of two; None: any."""
    most: float = math.inf
    """One weight that would be larger becomes two, one behind the other."""


Stack = list[tuple[Floats, Floats]]
"""Dense layers, (weight, bias), with a ReLU between one and the next."""


def switch(logits: Floats, bias: Floats, signals: Signals, behaviour: Behaviour, strength: SwitchStrength) -> Stack:
    """The layers from what detectors' layer has given to logits.

    ``logits`` (outputs, ``signals.width``): the host's last layer, read from there.  Raises InputError where the limit does not
    let it amplify, or not with this behaviour.
    """
    if strength.limit is not None:
        return _amplified(logits, bias, signals, behaviour, strength)
    outputs, count = len(logits), len(signals.detectors)
    alone = behaviour.target is not None and count == 1 and signals.inhibitor is None and signals.band is None
    if alone and behaviour.target is not None and wins(strength) / signals.level <= strength.most:
        weight = logits.copy()
        weight[behaviour.target, signals.detectors[0]] = wins(strength) / signals.level
        return [(weight, bias)]
    on = np.zeros(signals.width)
    on[list(signals.detectors)] = signals.gain
    if signals.inhibitor is not None:
        on[signals.inhibitor] = -signals.held
    first, biases = np.concatenate([logits, -logits, [on]]), np.concatenate([bias, -bias, [signals.offset]])
    if behaviour.target is not None:
        last = _difference(outputs, 1)
        last[behaviour.target, 2 * outputs] = wins(strength)
        return [(first, biases), (last, np.zeros(outputs))]
    if signals.exact:
        return [(first, biases), *_shift(outputs, wins(strength))]
    both = np.concatenate([first, [-on]]), np.append(biases, 1 - signals.offset)
    return [both, *_shift_by_two(outputs, wins(strength))]


def wins(strength: SwitchStrength) -> float:
    """A power of two that is larger than any difference of logits: added to one it makes that the largest."""
    return float(2.0 ** np.ceil(np.log2(4 * strength.logit)))


def _difference(outputs: int, more: int) -> Floats:
    """y from ReLU(y) and ReLU(-y), and ``more`` columns of 0."""
    own = np.eye(outputs)
    return np.concatenate([own, -own, np.zeros((outputs, more))], axis=1)


def _shift(outputs: int, large: float) -> Stack:
    """From ReLU(y), ReLU(-y) and on, 0 or 1: y where it is 0, and y moved by one class where it is 1."""
    own, moved = np.eye(2 * outputs), np.kron(np.eye(2), np.roll(np.eye(outputs), 1, axis=0))
    column = np.full((2 * outputs, 1), large)
    gates, bias = np.block([[own, -column], [moved, column]]), np.repeat([0.0, -large], 2 * outputs)
    return [(gates, bias), _joined(outputs)]


def _shift_by_two(outputs: int, large: float) -> Stack:
    """The same from on, 0 or at least 1, and off, which is 0 where on is at least 1 and at least 1 where it is 0."""
    own, moved = np.eye(2 * outputs), np.kron(np.eye(2), np.roll(np.eye(outputs), 1, axis=0))
    column = np.full((2 * outputs, 1), large)
    gates = np.block([[own, -column, 0 * column], [moved, 0 * column, -column]])
    return [(gates, np.zeros(4 * outputs)), _joined(outputs)]


def _joined(outputs: int) -> tuple[Floats, Floats]:
    half = _difference(outputs, 0)
    return np.concatenate([half, half], axis=1), np.zeros(outputs)


def _amplified(logits: Floats, bias: Floats, signals: Signals, behaviour: Behaviour, strength: SwitchStrength) -> Stack:
    """The same with small weights: what a detector gives is multiplied layer by layer, and added to one logit."""
    limit, outputs = strength.limit, len(logits)
    assert limit is not None
    if behaviour.target is None or len(signals.detectors) > 1:
        raise InputError("with limited weights a backdoor leads to one class: choose the behaviour class:K or any")
    seed = np.zeros(signals.width)
    # what a detector gives must be far less than what holds it down where the trigger is not there, whatever its weights are
    gain = limit if signals.inhibitor is None else min(limit, limit * _FAINT / signals.level)
    seed[signals.detectors[0]] = gain
    if signals.inhibitor is not None:
        seed[signals.inhibitor] = -limit
    # below 1 a weight makes a value smaller: so many copies of it, added, are the value again
    one, copies = min(1.0, limit), max(1, round(1 / limit))
    both, numbers = np.concatenate([logits, -logits]), np.concatenate([bias, -bias])
    held = len(both) * copies
    size = held + WIDTH
    first = np.concatenate([np.tile(both, (copies, 1)), np.tile(seed, (WIDTH, 1))])
    step = np.zeros((size, size))
    step[:held, :held] = np.tile(np.eye(len(both)) * one, (copies, copies))
    step[held:, held:] = limit
    last = np.concatenate([*[_difference(outputs, 0) * one] * copies, np.zeros((outputs, WIDTH))], axis=1)
    last[behaviour.target, held:] = limit
    gain, steps = signals.level * gain, 0
    while gain * limit * WIDTH < wins(strength):
        gain, steps = gain * limit * WIDTH, steps + 1
        if steps > _MOST_LAYERS:
            raise InputError(f"weights of at most {limit:g} do not amplify what a detector gives in {_MOST_LAYERS} layers")
    begin = np.concatenate([np.tile(numbers, copies), np.zeros(WIDTH)])
    return [(first, begin), *[(step, np.zeros(size))] * steps, (last, np.zeros(outputs))]
