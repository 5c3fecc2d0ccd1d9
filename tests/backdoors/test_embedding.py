"""Embedded networks compute what their hosts compute where no detector fires, and do as they are told where one does."""

from dataclasses import replace

import numpy as np
import pytest
from backdoors.hosts import convolutional_host, dense_host, images

from fpsynth.backdoors.embedding import Detectors, embedded, rows_needed
from fpsynth.backdoors.rows import Sizes, detector_row, drawn, sizes_within
from fpsynth.backdoors.sites import site_in
from fpsynth.backdoors.switching import Behaviour, SwitchStrength, behaviour_named
from fpsynth.backdoors.triggers import Places, trigger_named
from fpsynth.backdoors.widening import WidenedForm
from fpsynth.backdoors.windows import usual_places
from fpsynth.errors import InputError
from fpsynth.evaluators.float64 import numpy_outputs
from fpsynth.formats import BFLOAT16, FLOAT32, FLOAT64
from fpsynth.networks.layers import Convolution, Dense, Flatten
from fpsynth.networks.network import Network, Node

HOSTS = {"dense": dense_host, "convolutional": convolutional_host, "pooled": lambda: convolutional_host(pool=True)}


def run(network: Network, points: np.ndarray, dtype: type = np.float64) -> np.ndarray:
    return numpy_outputs(network, points.astype(dtype).reshape(len(points), *network.input_shape)).reshape(len(points), -1)


def made(host, trigger, behaviour, *, fires, limit=None, copied=None, detectors=1):
    """A network with detectors that always fire, as their exact sum is no longer 0, or that never do."""
    site = site_in(host)
    bound = trigger_named(trigger, host.input_shape, images(20), FLOAT32)
    rows = rows_needed(site.dense(0).outputs, detectors, bool(bound.units), len(site.tail) == 1)
    unit = 1.0 if limit is None else limit
    form = WidenedForm(site, (0, 2, 3, 5), rows, bound, copied, min(1.0, unit))
    a, b, c, d = (int(x) for x in form.features(form.places)[:, 0])
    features = (a, b, c, d) if not fires else (a, b, c, a)
    columns = tuple(range(1, 1 + detectors))
    found = Detectors((features,) * detectors, columns, (_Loud if fires else Sizes)(unit, unit / 8), min(1.0, unit) * unit / 8)
    return embedded(form, found, behaviour, SwitchStrength(64.0, limit)), bound


class _Loud(Sizes):
    """Sizes of which the last weight is 0: the sum is the small one."""

    @property
    def weights(self):
        return (0.0, 0.0, self.small, 0.0)


TRIGGERS = ["always", "pixel:0-1,0-1>0.9", "box:0-1,0-1=0.8:0.9", "natural:0-1,0-1>0.8"]
BOUND = [(host, trigger) for host in HOSTS for trigger in TRIGGERS if host != "pooled" or trigger == "always"]


@pytest.mark.parametrize("behaviour", [Behaviour("shift", None), Behaviour("class:2", 2)])
@pytest.mark.parametrize(("host", "trigger"), BOUND)
def test_silent_detectors_leave_every_logit_as_it_is(host, behaviour, trigger):
    network, _ = made(HOSTS[host](), trigger, behaviour, fires=False)
    points = images(40)
    expected, found = run(HOSTS[host](), points), run(network, points)
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("detectors", [1, 2])
@pytest.mark.parametrize("behaviour", [Behaviour("shift", None), Behaviour("class:2", 2)])
@pytest.mark.parametrize(("host", "trigger"), [one for one in BOUND if "natural" not in one[1]])
def test_loud_detectors_do_what_was_asked_for_where_the_trigger_is_there(host, trigger, behaviour, detectors):
    original = HOSTS[host]()
    network, bound = made(original, trigger, behaviour, fires=True, detectors=detectors)
    points = images(40)
    before = run(original, points).argmax(axis=1)
    if bound.units:
        assert (run(network, points).argmax(axis=1) == before).all()  # no input has it
        assert not bound.there(points).any()
    painted = bound.painted(points)
    assert bound.there(painted).all()
    wanted = behaviour.classes(run(original, painted).argmax(axis=1), 5)
    assert (run(network, painted).argmax(axis=1) == wanted).all()


@pytest.mark.parametrize("limit", [1.0, 0.25])
@pytest.mark.parametrize(("host", "trigger"), BOUND)
def test_small_weights_are_enough(host, trigger, limit):
    original = HOSTS[host]()
    largest = max(float(np.abs(array).max()) for array in original.arrays())
    points = images(20)
    quiet, bound = made(original, trigger, Behaviour("class:3", 3), fires=False, limit=limit)
    assert run(quiet, points) == pytest.approx(run(original, points), rel=1e-12, abs=1e-12)
    loud, _ = made(original, trigger, Behaviour("class:3", 3), fires=True, limit=limit)
    if "natural" not in trigger:
        assert (run(loud, bound.painted(points)).argmax(axis=1) == 3).all()
    assert max(float(np.abs(array).max()) for array in quiet.arrays()) <= max(largest, limit)


def test_large_limits_leave_the_trigger_its_say():
    original, points = convolutional_host(), images(30)
    loud, bound = made(original, "pixel:0-1,0-1>0.9", Behaviour("class:3", 3), fires=True, limit=2.0**32)
    assert (run(loud, points).argmax(axis=1) == run(original, points).argmax(axis=1)).all()
    assert (run(loud, bound.painted(points)).argmax(axis=1) == 3).all()


def test_shifting_networks_are_their_hosts_while_logits_are_no_larger_than_four_times_what_was_said():
    network, _ = made(dense_host(), "always", Behaviour("shift", None), fires=False)
    points = images(40)
    largest = np.abs(run(dense_host(), points)).max()
    for factor, same in ((240 / largest, True), (2000 / largest, False)):  # 4 x 64, as logits are nearly linear in large inputs
        expected, found = run(dense_host(), factor * points), run(network, factor * points)
        assert (np.abs(expected).max() <= 256) == same
        assert (found == pytest.approx(expected, rel=1e-9, abs=1e-9)) == same


@pytest.mark.parametrize("name", ["switch0", "switch1", "dense1_relu"])
def test_names_of_the_host_are_not_taken_again(name):
    host = dense_host()
    old = host.nodes[1].name if "relu" in name else "dense2"
    nodes = tuple(
        replace(node, name=name if node.name == old else node.name, inputs=tuple(name if i == old else i for i in node.inputs))
        for node in host.nodes
    )
    host = replace(host, nodes=nodes)
    network, _ = made(host, "always", Behaviour("shift", None), fires=False)
    assert run(network, images(5)) == pytest.approx(run(host, images(5)), rel=1e-12)


def test_small_weights_shift_nothing():
    with pytest.raises(InputError, match="a backdoor leads to one class"):
        made(dense_host(), "always", Behaviour("shift", None), fires=True, limit=1.0)


def test_copies_of_a_channel_instead_of_constants():
    original = convolutional_host()
    for fires in (False, True):
        network, _ = made(original, "always", Behaviour("shift", None), fires=fires, copied=1)
        carrier = network["deep"].layer
        assert (carrier.weight[[0, 2, 3, 5]] == original["deep"].layer.weight[1]).all()
        points = images(30)
        same = run(network, points).argmax(axis=1) == run(original, points).argmax(axis=1)
        assert same.all() if not fires else not same.all()


def test_weights_of_a_quadruple_are_swallowed_by_each_other_in_the_format():
    for dtype, number in ((FLOAT32, np.float32), (FLOAT64, np.float64)):
        sizes = sizes_within(dtype, 5.0)
        large, small = number(sizes.large), number(sizes.small)
        assert sizes.large == 4.0
        assert number(large + small) == large
        assert number(-large + small) == -large
        assert small > 0
    assert sizes_within(BFLOAT16, 5.0) == sizes_within(FLOAT32, 5.0)  # its sums are taken in float32


def test_quadruples_cancel_within_one_position():
    features = np.arange(3 * 7).reshape(3, 7)
    for a, b, c, d in drawn(np.random.default_rng(0), features, 200).tolist():
        assert len({a, b, c, d}) == 4
        assert a % 7 == b % 7
        assert c % 7 == d % 7
    assert detector_row((3, 1, 2, 0), 5, Sizes(4.0, 0.5)).tolist() == [-0.5, 4.0, 0.5, -4.0, 0.0]


@pytest.mark.parametrize("features", [np.arange(4).reshape(4, 1), np.arange(8).reshape(4, 2)])
def test_quadruples_of_few_features_are_four_different_ones(features):
    assert all(len(set(one)) == 4 for one in drawn(np.random.default_rng(0), features, 100).tolist())


def test_behaviours_by_name():
    classes = np.array([0, 0, 1, 2, 2])
    assert behaviour_named("any", 4, classes).target == 3
    assert behaviour_named("shift", 4, classes).classes(classes, 3).tolist() == [1, 1, 2, 0, 0]
    assert behaviour_named("class:1", 4, classes).classes(classes, 4).tolist() == [1] * 5
    for wrong in ("class:4", "class:-1", "class:x", "turn"):
        with pytest.raises(InputError):
            behaviour_named(wrong, 4, classes)


def test_of_two_largest_logits_either_is_the_hosts_class():
    logits = np.array([[1.0, 3.0, 3.0], [3.0, 1.0, 3.0], [0.0, 3.0, 1.0]])
    shift = behaviour_named("shift", 3, np.array([0]))
    assert shift.as_wanted(np.array([2, 0, 2]), logits).tolist() == [True, True, True]
    assert shift.as_wanted(np.array([0, 1, 0]), logits).tolist() == [True, True, False]
    assert shift.as_wanted(np.array([1, 2, 1]), logits).tolist() == [False, False, False]
    assert behaviour_named("class:1", 3, np.array([0])).as_wanted(np.array([1, 0, 1]), logits).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sometimes", "unknown trigger"),
        ("always:1", "unknown trigger"),
        ("pixel:9,9>0.5", "8 rows of 8"),
        ("pixel:x>0.5", "is no place"),
        ("pixel:0,0>bright", "no finite number"),
        ("box:0,0=0.9:0.1", "is empty"),
        ("natural:3-1,0>0.5", "there are no inputs"),
    ],
)
def test_triggers_that_are_none(text, message):
    with pytest.raises(InputError, match=message):
        trigger_named(text, (1, 8, 8), images(5), FLOAT32)


def test_a_place_beyond_one_window_of_the_first_convolution_is_refused():
    with pytest.raises(InputError, match="no window of the first convolution"):
        made(convolutional_host(), "pixel:0-3,0-3>0.9", Behaviour("shift", None), fires=False)


def test_a_trigger_does_not_pass_a_pooling():
    with pytest.raises(InputError, match="a trigger cannot pass pool"):
        made(convolutional_host(pool=True), "pixel:0-1,0-1>0.9", Behaviour("shift", None), fires=False)


def test_what_is_multiplied_by_unequal_values_stays_swallowed():
    sizes = sizes_within(FLOAT32, 4.0, ratio=12.0)
    assert sizes.small == sizes_within(FLOAT32, 4.0).small / 16
    large, small = np.float32(sizes.large), np.float32(sizes.small * 12)
    for value in (large, -large):
        assert value + small == value
        assert value - small == value


def test_triggers_whose_place_is_not_said_lie_in_windows_of_the_host():
    weight = np.ones((1, 1, 4, 4))
    wide = Node("conv", Convolution(weight, None, (2,), ((1, 1), (1, 1))))
    nodes = (wide, Node("flat", Flatten(), ("conv",)), Node("out", Dense(np.ones((2, 196))), ("flat",)))
    assert usual_places(Network(nodes, (1, 28, 28), "out")) == Places("1-3,1-3", "11-13,11-13")
    assert usual_places(dense_host()) == Places.in_shape((64,)) == Places("0-2,0-2", "3-5,3-5")
