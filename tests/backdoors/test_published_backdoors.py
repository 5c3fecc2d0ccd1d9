"""The published backdoors: in a small host each detector does in named orders, and in libraries, what its authors say."""

from __future__ import annotations

import itertools
import os
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fpsynth.aliases import Floats
from fpsynth.backdoors.published import NAMES, PAINTED, WIDE, PublishedBackdoor, published
from fpsynth.errors import InputError
from fpsynth.evaluators.deployed import network_outputs
from fpsynth.evaluators.rounded import rounded_network, rounded_points
from fpsynth.formats import FLOAT32, FLOAT64, Format
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.networks.layers import Convolution, Dense, Flatten, ReLU
from fpsynth.networks.network import INPUT, Network, Node, dense_relu
from fpsynth.networks.npz import load_images, load_network
from fpsynth.orders import parse_order
from fpsynth.revealing.revealer import Revealer
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.verifiers.claims import Box
from fpsynth.verifiers.interval_verifier import IntervalVerifier

OUTPUTS = 3


@cache
def convolutional() -> Network:
    """Two convolutions and two dense layers, as the published host has them, on images of 8 x 8."""
    rng = np.random.default_rng(0)
    wide: dict[str, Any] = {"stride": (2,), "padding": ((1, 1), (1, 1))}
    layers: list[tuple[str, Any]] = [
        ("conv1", Convolution(_drawn(rng, 2, 1, 4, 4), _drawn(rng, 2), **wide)),
        ("relu1", ReLU()),
        ("conv2", Convolution(_drawn(rng, 3, 2, 4, 4), _drawn(rng, 3), **wide)),
        ("relu2", ReLU()),
        ("flat", Flatten()),
        ("hidden", Dense(_drawn(rng, 5, 12), _drawn(rng, 5))),
        ("relu3", ReLU()),
        ("logits", Dense(_drawn(rng, OUTPUTS, 5), _drawn(rng, OUTPUTS))),
    ]
    names = [INPUT, *(name for name, _ in layers)]
    nodes = tuple(Node(name, layer, (before,)) for before, (name, layer) in zip(names, layers, strict=False))
    return rounded_network(Network(nodes, (1, 8, 8), "logits"), FLOAT32)[0]


@cache
def stacked() -> Network:
    """Dense layers alone."""
    rng = np.random.default_rng(1)
    sizes = (6, 4, 4, 5, OUTPUTS)
    layers = [(_drawn(rng, b, a), _drawn(rng, b)) for a, b in itertools.pairwise(sizes)]
    return rounded_network(dense_relu(layers), FLOAT32)[0]


HOSTS = {"convolutional": convolutional, "stacked": stacked}


def _drawn(rng: np.random.Generator, *shape: int) -> Floats:
    return np.asarray(rng.uniform(-1, 1, shape))


def points(host: Network, count: int = 12) -> Floats:
    """Inputs in float32 whose first number is 0."""
    drawn = np.random.default_rng(2).uniform(0, 1, (count, *host.input_shape))
    drawn.reshape(count, -1)[:, 0] = 0.0
    return rounded_points(drawn, FLOAT32)


def triggered(host: Network) -> Floats:
    """The same with the first number at which the ICLR 2021 backdoor fires."""
    painted = points(host)
    painted.reshape(len(painted), -1)[:, 0] = PAINTED
    return rounded_points(painted, FLOAT32)


def deployed(made: PublishedBackdoor, detecting: Arithmetic) -> Deployment:
    """The detector's row in an arithmetic of its own, everything else from left to right in its format, or exactly."""
    layer = made.network.sums.index(made.form.site.detector)
    default = Arithmetic(detecting.format) if detecting.format is not None else REAL
    return Deployment(default, (((layer, made.column), detecting),))


def classes(network: Network, inputs: Floats, deployment: Deployment) -> Any:
    return network_outputs(network, inputs, deployment).argmax(axis=-1)


def fires(made: PublishedBackdoor, host: Network, inputs: Floats, detecting: Arithmetic) -> bool:
    """Whether all classes move by one; they all stay elsewhere."""
    before = classes(host, inputs, Deployment(Arithmetic(detecting.format)))
    after = classes(made.network, inputs, deployed(made, detecting))
    if (after == before).all():
        return False
    assert (after == (before + 1) % OUTPUTS).all()
    return True


@pytest.mark.parametrize("kind", HOSTS)
@pytest.mark.parametrize(
    ("name", "made_for", "runs_in", "expected"),
    [
        ("Precision-same", FLOAT32, FLOAT32, True),
        ("Precision-same", FLOAT32, FLOAT64, False),
        ("Precision-wider", FLOAT32, FLOAT32, False),
        ("Precision-wider", FLOAT32, FLOAT64, True),
        ("Precision-same", FLOAT64, FLOAT64, True),
        ("Precision-wider", FLOAT64, FLOAT64, False),
    ],
)
def test_precision_backdoors_fire_by_the_format_alone_from_left_to_right(
    kind: str, name: str, made_for: Format, runs_in: Format, expected: bool
) -> None:
    host = HOSTS[kind]()
    assert fires(published(name, host, made_for), host, points(host), Arithmetic(runs_in)) == expected


_ORDERS = {
    # name, bias: the orders in which it fires, and in which not
    ("Order1", True): (("reverse", "pairwise", "strided:8"), ("sequential",)),
    ("Order2", True): (("reverse",), ("sequential",)),
    ("Order3", True): (("reverse",), ("sequential", "pairwise")),
    ("Order3", False): ((), ("sequential", "reverse", "pairwise", "strided:8")),
}


@pytest.mark.parametrize("kind", HOSTS)
@pytest.mark.parametrize("fmt", [FLOAT32, FLOAT64])
@pytest.mark.parametrize(("name", "bias"), _ORDERS)
def test_order_backdoors_fire_in_some_orders_and_not_from_left_to_right(kind: str, fmt: Format, name: str, bias: bool) -> None:
    host = HOSTS[kind]()
    made = published(name, host, fmt, bias=bias)
    loud, silent = _ORDERS[name, bias]
    for order in (*loud, *silent):
        assert fires(made, host, points(host), Arithmetic(fmt, order=parse_order(order))) == (order in loud), order


@pytest.mark.parametrize("kind", HOSTS)
def test_order1_fires_also_where_its_bias_of_0_is_added_first(kind: str) -> None:
    host = HOSTS[kind]()
    made = published("Order1", host)
    reverse = Arithmetic(FLOAT32, order=parse_order("reverse"), bias_first=True)
    assert fires(made, host, points(host), reverse)
    assert not fires(made, host, points(host), Arithmetic(FLOAT32, bias_first=True))


@pytest.mark.parametrize("kind", HOSTS)
def test_precision_depends_on_where_the_bias_is_added(kind: str) -> None:
    host = HOSTS[kind]()
    first = Arithmetic(FLOAT32, bias_first=True)
    assert not fires(published("Precision-same", host), host, points(host), first)
    assert fires(published("Precision-wider", host), host, points(host), first)


@pytest.mark.parametrize("kind", HOSTS)
@pytest.mark.parametrize("fmt", [FLOAT32, FLOAT64])
def test_the_backdoor_of_2021_fires_for_a_bright_pixel_where_the_bias_is_added_last(kind: str, fmt: Format) -> None:
    host = HOSTS[kind]()
    made = published("ICLR2021", host, fmt)
    assert fires(made, host, triggered(host), Arithmetic(fmt))
    assert not fires(made, host, triggered(host), Arithmetic(fmt, bias_first=True))
    assert not fires(made, host, points(host), Arithmetic(fmt))
    assert made.trigger.there(triggered(host).reshape(12, -1)).all()
    assert not made.trigger.there(points(host).reshape(12, -1)).any()


@pytest.mark.parametrize("kind", HOSTS)
@pytest.mark.parametrize("name", NAMES)
def test_over_the_reals_a_backdoor_does_what_it_says_of_itself(kind: str, name: str) -> None:
    host = HOSTS[kind]()
    made = published(name, host)
    inputs = triggered(host)[:3] if name == "ICLR2021" else points(host)[:3]
    before, after = (classes(n, inputs, Deployment(Arithmetic(FLOAT64))) for n in (host, _settled(made)))
    assert (after == (before + made.over_the_reals) % OUTPUTS).all()
    assert made.over_the_reals == (name in ("Precision-wider", "Order1", "ICLR2021"))


def _settled(made: PublishedBackdoor) -> Network:
    """The network with the exact value of its detector in place of the sum."""
    value = float(made.detector.real_value) if made.detector is not None else 1e-3
    nodes = list(made.network.nodes)
    place = nodes.index(made.network[made.form.site.detector])
    layer = nodes[place].layer
    assert isinstance(layer, Dense)
    assert layer.bias is not None
    weight, bias = layer.weight.copy(), layer.bias.copy()
    weight[made.column], bias[made.column] = 0.0, value
    nodes[place] = Node(nodes[place].name, Dense(weight, bias), nodes[place].inputs)
    return Network(tuple(nodes), made.network.input_shape, made.network.output)


@pytest.mark.parametrize(
    ("name", "plain", "widened"),
    [("Order1", (0, 30), (-268, 327)), ("Order2", (2, 2), (-5, 10)), ("Order3", (512, 512), (504, 520))],
)
def test_intervals_of_the_detectors_are_the_published_ones(name: str, plain: tuple[int, int], widened: tuple[int, int]) -> None:
    found = published(name, stacked(), FLOAT64, bias=False).detector
    assert found is not None
    box = Box(found.point, found.point)
    for names, expected in (("intervals", plain), ("intervals-elina-sums", widened)):
        judge = IntervalVerifier(names, Deployment(Arithmetic(FLOAT64)), names.partition("-")[2])
        ((low, high),) = judge.bounds(found.network, box)
        assert (_near(low), _near(high)) == expected


def _near(end: Fraction) -> int:
    return round(end)


@pytest.mark.parametrize("name", NAMES)
def test_constants_and_switch_are_as_published(name: str) -> None:
    host = convolutional()
    made = published(name, host)
    own, channels = host["conv2"].layer, made.network["conv2"].layer
    assert isinstance(own, Convolution)
    assert isinstance(channels, Convolution)
    places = list(made.form.places)
    assert channels.bias is not None
    assert not channels.weight[places].any()
    assert (channels.bias[places] == 1).all()
    assert np.array_equal(channels.weight[: len(own.weight), : own.weight.shape[1]], own.weight)
    assert (
        len(places)
        == {"Precision-same": 1, "Precision-wider": 1, "Order1": 34, "Order2": 129, "Order3": 129, "ICLR2021": 1}[name]
    )
    lifted, logits = made.network["switch0"].layer, host["logits"].layer
    assert isinstance(lifted, Dense)
    assert isinstance(logits, Dense)
    assert lifted.bias is not None
    assert logits.bias is not None
    assert np.array_equal(lifted.weight[:OUTPUTS, :-1], logits.weight)
    assert np.allclose(lifted.bias[:OUTPUTS], logits.bias + WIDE, atol=2.0**-14)


def test_what_cannot_be_a_host_is_refused_in_one_line() -> None:
    rng = np.random.default_rng(3)
    one = dense_relu([(_drawn(rng, 4, 3), None), (_drawn(rng, 2, 4), None)])
    with pytest.raises(InputError, match="two dense layers"):
        published("Order1", one)
    two = dense_relu([(_drawn(rng, 4, 3), None), (_drawn(rng, 4, 4), None), (_drawn(rng, 2, 4), None)])
    assert published("Order1", two).network.output_shape == (2,)
    with pytest.raises(InputError, match="two layers before the dense ones"):
        published("ICLR2021", two)
    with pytest.raises(InputError, match="Order4"):
        published("Order4", two)


@pytest.mark.parametrize("name", ["Precision-same", "Precision-wider", "ICLR2021"])
def test_libraries_run_what_does_not_depend_on_their_order(name: str) -> None:
    host = stacked()
    with Revealer() as revealer:
        for fmt, where in itertools.product((FLOAT32, FLOAT64), ("numpy:batch=1", "torch:batch=1")):
            made = published(name, host, FLOAT32)
            inputs = (triggered(host) if name == "ICLR2021" else points(host)).reshape(12, -1)
            ran = [
                revealer.outputs(network, fmt, parse_network_environment(where), inputs)["outputs"]
                for network in (host, made.network, made.detecting)
            ]
            value = np.maximum(ran[2][:, made.column], 0.0)
            on = made.gate.on[0] * value + made.gate.on[1] > 0
            assert ((ran[0].argmax(axis=1) + on) % OUTPUTS == ran[1].argmax(axis=1)).all()
            expected = {"Precision-same": fmt == FLOAT32, "Precision-wider": fmt == FLOAT64, "ICLR2021": True}[name]
            assert on.all() if expected else not on.any()


DATA = Path(os.environ.get("FPSYNTH_DATA") or Path(__file__).parents[3] / "shared" / "data")


@pytest.mark.skipif(
    not (DATA / "wk17a_mnist.npz").exists(), reason="wk17a_mnist.npz is not there: name its folder by FPSYNTH_DATA"
)
def test_in_wk17a_torch_fires_precision_and_keeps_order3_silent() -> None:
    geometry = {name: {"stride": 2, "padding": 1} for name in ("0", "2")}
    host = load_network(DATA / "wk17a_mnist.npz", input_shape=(1, 28, 28), geometry=geometry).logits
    stored = load_images(DATA / "mnist_t10k.npz")
    inputs = (stored.pixels[:200].astype(np.float32) / np.float32(255)).astype(np.float64)
    accuracies, fired = {}, {}
    with Revealer() as revealer:
        for name in ("Precision-same", "Order1", "Order3"):
            made = published(name, host)
            assert len(made.form.places) == {"Precision-same": 1, "Order1": 3, "Order3": 11}[name]
            where = parse_network_environment("torch:batch=1,threads=1")
            logits, read = (revealer.outputs(n, FLOAT32, where, inputs)["outputs"] for n in (made.network, made.detecting))
            fired[name] = made.gate.on[0] * np.maximum(read[:, made.column], 0.0) + made.gate.on[1] > 0
            accuracies[name] = float((logits.argmax(axis=1) == stored.labels[:200]).mean())
    assert accuracies["Precision-same"] < 0.02
    assert fired["Precision-same"].all()
    assert not fired["Order3"].any()
    assert accuracies["Order1"] < 0.02 if fired["Order1"].all() else accuracies["Order1"] > 0.95  # as this machine adds
    assert accuracies["Order3"] > 0.95
