"""The published backdoors: detectors of a precision or an order (ICML 2025) and of a bias added last (ICLR 2021), in a host.

Szasz, Banhelyi and Jelasity, "No Soundness in the Real World", ICML 2025; Zombori, Banhelyi, Csendes, Megyeri and Jelasity,
"Fooling a complete neural network verifier", ICLR 2021.  Constants come from channels with a kernel of zeros and a bias of 1,
the detector is one more neuron of the first dense layer behind them, and a switch moves every class by one where it fires.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.backdoors.sites import Site, site_in
from fpsynth.backdoors.triggers import Trigger, Unit
from fpsynth.backdoors.widening import WidenedForm
from fpsynth.errors import InputError, unknown_name
from fpsynth.evaluators.rounded import rounded_network
from fpsynth.formats import FLOAT32, Format
from fpsynth.networks.layers import Convolution, Dense, ReLU
from fpsynth.networks.network import Network, Node
from fpsynth.synthesis.detecting.detectors import Detector, detector

NAMES = ("Precision-same", "Precision-wider", "Order1", "Order2", "Order3", "ICLR2021")
"""Precision-same misbehaves in its detector's own format, Precision-wider in every wider one."""
WIDE = 1000.0
"""What lifts the host's logits above 0 before the switch: they must not be larger in size."""
SWALLOWS, SWALLOWED = 1e17, 1e-3
"""The weights that cancel in the ICLR 2021 backdoor, and the bias that survives where it is added last."""
PIXEL, LEAST, PAINTED = 0, 0.05, 0.1
"""The input that triggers it, from which value on, and what a triggered image has there: still within a radius of 0.1 of 0."""
ALWAYS = Trigger("always", "every input")
_UNIT = Unit({PIXEL: -1 / LEAST}, 1.0)
"""ReLU(1 - 20 x)."""
FIRST_PIXEL = Trigger(f"pixel:{PIXEL}>{LEAST:g}", f"a first pixel of at least {LEAST:g}", (_UNIT,), {PIXEL: PAINTED})


@dataclass(frozen=True)
class Gate:
    """The neurons of a switch, ReLU(weight * d + bias) of what the detector gives: on is 0 where it is silent, else off."""

    on: tuple[float, float]
    off: tuple[float, float]


@dataclass(frozen=True)
class PublishedBackdoor:
    """A published backdoor in a host."""

    name: str
    format: Format
    """The detector's, whose precision its large summands are of."""
    network: Network
    """Its numbers are of ``format``."""
    form: WidenedForm
    """The widened host up to the detector layer."""
    column: int
    """The detector's row of that layer."""
    detector: Detector | None
    """The summands; None for the ICLR 2021 backdoor, which also reads the input."""
    gate: Gate

    @property
    def trigger(self) -> Trigger:
        """Which inputs it is bound to."""
        return self.form.trigger

    @property
    def detecting(self) -> Network:
        """The network up to the detector layer, before its ReLU: output ``column`` is the detector."""
        nodes, name = self.network.nodes, self.form.site.detector
        return Network(nodes[: nodes.index(self.network[name]) + 1], self.network.input_shape, name)

    @property
    def over_the_reals(self) -> bool:
        """Whether it misbehaves in exact arithmetic, too."""
        return self.detector is None or self.detector.fires(self.detector.real_value)


def published(name: str, host: Network, fmt: Format = FLOAT32, *, bias: bool = True) -> PublishedBackdoor:
    """A backdoor of NAMES in a host that ends with two dense layers behind a convolution or another dense layer.

    ``fmt``: the format that the detector is made for.  ``bias``: whether its last summand is the neuron's bias, as published;
    else it is a weight, too.  Raises InputError for another name or host, and for a format in which the detector is none.
    """
    if name not in NAMES:
        raise unknown_name("published backdoor", name, NAMES)
    site = _site(host)
    if name == "ICLR2021":
        return _triggered(site, fmt)
    found = detector(name.partition("-")[0], fmt, bias=bias)
    if name == "Precision-same":
        found = replace(found, adversarial="zero")
    gate = Gate((1.0, 0.0), (-2.0, 1.0)) if found.adversarial == "nonzero" else Gate((-2.0, 1.0), (1.0, 0.0))
    weights = found.summands[:-1] if bias else found.summands
    channels = -(-len(weights) // site.spread)
    form = _form(site, channels, ALWAYS)
    row = np.zeros(form.inputs)
    row[form.features(form.places).reshape(-1)[: len(weights)]] = weights
    network = _embedded(form, row, found.summands[-1] if bias else 0.0, gate)
    return PublishedBackdoor(name, fmt, rounded_network(network, fmt)[0], form, form.rows - 1, found, gate)


def _site(host: Network) -> Site:
    """The last dense layer but one.  Raises InputError where there is none, or nothing before it to widen."""
    tail = site_in(host).tail
    if len(tail) < 2:
        raise InputError("a published backdoor needs a host that ends with two dense layers with a ReLU between them")
    return site_in(host, tail[-2])


def _form(site: Site, channels: int, trigger: Trigger) -> WidenedForm:
    places = tuple(range(site.channels, site.channels + channels))
    return WidenedForm(site, places, site.dense(0).outputs + 1, trigger)


def _triggered(site: Site, fmt: Format) -> PublishedBackdoor:
    """a = 1 where the pixel is bright and 0 elsewhere, and 1e17 a - 1e17 + 1e-3 behind it."""
    if site.host.sums[0] == site.carrier:
        raise InputError("the ICLR 2021 backdoor needs two layers before the dense ones: one reads the pixel, one inverts that")
    form = _form(site, 1, FIRST_PIXEL)
    (read,) = form.inhibitors
    row = np.zeros(form.inputs)
    row[read] = SWALLOWS
    row[form.features(form.places, [read % site.spread])[0, 0]] = -SWALLOWS
    gate = Gate((1 / SWALLOWED, 0.0), (-2 / SWALLOWED, 1.0))
    network = _embedded(form, row, SWALLOWED, gate)
    nodes = tuple(replace(n, layer=_inverting(n.layer)) if n.name == site.carrier else n for n in network.nodes)
    network = Network(nodes, network.input_shape, network.output)
    return PublishedBackdoor("ICLR2021", fmt, rounded_network(network, fmt)[0], form, form.rows - 1, None, gate)


def _inverting(layer: object) -> Convolution | Dense:
    """The carrier layer, whose last channel gives 1 - 2 c instead of the c that it reads."""
    assert isinstance(layer, Convolution | Dense)
    assert layer.bias is not None
    weight, bias = layer.weight.copy(), layer.bias.copy()
    weight[-1] *= -2.0
    bias[-1] = 1.0
    return Dense(weight, bias) if isinstance(layer, Dense) else replace(layer, weight=weight, bias=bias)


def _embedded(form: WidenedForm, row: Floats, bias: float, gate: Gate) -> Network:
    """The host with the detector as the last row of its detector layer, and the switch behind."""
    site = form.site
    first, last = site.dense(0), site.dense(1)
    stack = [(np.vstack([form.host_rows(), row]), np.append(_bias(first), bias)), *_switch(last.weight, _bias(last), gate)]
    names = [site.detector, "switch0", "switch1", site.host.output]
    nodes, before = list(form.nodes), site.host[site.detector].inputs
    for name, (weight, numbers) in zip(names, stack, strict=True):
        nodes.append(Node(name, Dense(weight, numbers), before))
        if name != names[-1]:
            nodes.append(Node(f"{name}_relu", ReLU(), (name,)))
            before = (f"{name}_relu",)
    return Network(tuple(nodes), site.host.input_shape, site.host.output)


def _switch(logits: Floats, bias: Floats, gate: Gate) -> list[tuple[Floats, Floats]]:
    """The published one: logits + 1000, on and off; each class less 2000 on, and the one before it less 2000 off; the sum."""
    outputs = len(logits)
    lifted = np.zeros((outputs + 2, logits.shape[1] + 1))
    lifted[:outputs, :-1] = logits
    lifted[outputs:, -1] = gate.on[0], gate.off[0]
    own, column = np.eye(outputs), np.ones((outputs, 1))
    copies = np.block([[own, -2 * WIDE * column, 0 * column], [np.roll(own, 1, axis=0), 0 * column, -2 * WIDE * column]])
    return [
        (lifted, np.concatenate([bias + WIDE, [gate.on[1], gate.off[1]]])),
        (copies, np.zeros(2 * outputs)),
        (np.concatenate([own, own], axis=1), np.full(outputs, -WIDE)),
    ]


def _bias(layer: Dense) -> Floats:
    return np.zeros(layer.outputs) if layer.bias is None else np.asarray(layer.bias, np.float64)
