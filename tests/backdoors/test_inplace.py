"""In place: dead units are found, reused for detector, gates and constants, and nothing else of the host changes."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from backdoors.hosts import convolutional_host, dense_host, images, with_dead
from command_line import fpsynth_here, refused

import fpsynth
from fpsynth.backdoors.dead import dead_units
from fpsynth.backdoors.embedding import Detectors
from fpsynth.backdoors.inplace import InplaceForm, embedded_in_place, exchanged, reused, steepness
from fpsynth.backdoors.rows import Sizes
from fpsynth.backdoors.sites import site_in
from fpsynth.backdoors.switching import Behaviour, SwitchStrength
from fpsynth.backdoors.triggers import trigger_named
from fpsynth.backdoors.windows import paired_places
from fpsynth.errors import InputError
from fpsynth.evaluators.float64 import numpy_outputs
from fpsynth.formats import FLOAT32
from fpsynth.networks.layers import Dense
from fpsynth.networks.network import Network
from fpsynth.networks.npz_graph import write_npz
from fpsynth.networks.onnx.writing import onnx_bytes
from fpsynth.networks.reading import read_network

ALWAYS, TWO = "always", "pixel:0-1,0-1+0-1,4-5>0.9"
LIVING, DYING = Sizes(4.0, 0.5), SimpleNamespace(weights=(0.0, 0.0, 0.5, 0.0))
"""Weights of a detector whose exact sum is 0; and of one that always fires."""


def dying_host() -> Network:
    """Convolutional, with dead units in every hidden layer."""
    return with_dead(convolutional_host(), {"conv": [0, 1, 2, 3], "deep": [1, 4], "fc": [0, 5, 7]})


def half_dying_host() -> Network:
    """The same, of which some units live in the first layer."""
    return with_dead(convolutional_host(), {"conv": [3], "deep": [1, 4], "fc": [5]})


def dying_dense_host() -> Network:
    return with_dead(dense_host(), {"dense0": [3, 9, 20, 21, 30], "dense1": [4, 6], "dense2": [2]})


def form_of(host: Network, trigger: str, claim: str = "proved") -> InplaceForm:
    site = site_in(host)
    bound = trigger_named(trigger, host.input_shape, images(20), FLOAT32)
    units = reused(site, bound, dead_units(site, claim, FLOAT32, images(20)))
    assert not isinstance(units, str), units
    return InplaceForm(site, bound, units, steepness(bound, FLOAT32))


def made(form: InplaceForm, sizes=LIVING) -> Network:
    """With a detector whose w and -w stand at the first position, and s and -s at the last."""
    feeds = form.feeds
    here, there = (feeds[:2, 0], feeds[:2, -1]) if feeds.shape[1] > 1 else (feeds[:2, 0], feeds[2:4, 0])
    features = tuple(int(one) for one in (*here, *there))
    found = Detectors((features,), (form.columns[0],), sizes, 0.5)
    return embedded_in_place(form, found, Behaviour("class:2", 2), SwitchStrength(64.0))


def run(network: Network, points: np.ndarray) -> np.ndarray:
    return numpy_outputs(network, points.reshape(len(points), *network.input_shape)).reshape(len(points), -1)


def test_units_are_dead_by_proof_or_on_images():
    host = dying_host()
    conv = host["conv"].layer
    weight, bias = conv.weight.copy(), conv.bias.copy()
    weight[2], bias[2] = 0.0, -0.95
    weight[2, 0, 1, 1] = 1.0  # 0 up to 0.95: on all images, of at most 0.7, but not at 1
    nodes = tuple(replace(n, layer=replace(conv, weight=weight, bias=bias)) if n.name == "conv" else n for n in host.nodes)
    site = site_in(replace(host, nodes=nodes))
    proved, seen = (dead_units(site, claim, FLOAT32, images(50)) for claim in ("proved", "images"))
    assert set(proved.units["conv"]) == {0, 1, 3}
    assert set(seen.units["conv"]) == {0, 1, 2, 3}
    for name, units in proved.units.items():
        assert set(units) <= set(seen.units[name])
    assert {1, 4} <= set(proved.units["deep"])
    assert {0, 5, 7} <= set(proved.units["fc"])
    assert (proved.images, seen.images) == (0, 50)
    assert list(proved.units) == ["conv", "deep", "fc"]


@pytest.mark.parametrize("value", [1.5, -0.1])
def test_nothing_is_proved_of_inputs_beyond_0_and_1(value):
    points = images(5)
    points[3, 3] = value
    with pytest.raises(InputError, match="between 0 and 1"):
        dead_units(site_in(dying_host()), "proved", FLOAT32, points)


@pytest.mark.parametrize(
    ("host", "trigger"),
    [(dying_host, ALWAYS), (dying_host, TWO), (dying_dense_host, ALWAYS), (half_dying_host, ALWAYS)],
)
def test_every_bit_of_the_host_stays_where_nothing_fires(host, trigger):
    form = form_of(host(), trigger)
    network, points = made(form), images(40)
    assert [array.shape for array in network.arrays()] == [array.shape for array in host().arrays()]
    assert [node.name for node in network.nodes] == [node.name for node in host().nodes]
    for some in (points, form.trigger.painted(points)):
        assert (run(network, some) == run(host(), some)).all()
    changed = {n.name for n in network.nodes if any((a != b).any() for a, b in _pairs(host()[n.name].layer, n.layer))}
    assert changed == {*form.reused.gates, form.site.carrier, *form.site.tail}


def _pairs(a, b):
    return [(getattr(a, name), getattr(b, name)) for name in a.parameters if getattr(a, name) is not None]


@pytest.mark.parametrize(("host", "trigger"), [(dying_host, ALWAYS), (dying_host, TWO), (dying_dense_host, ALWAYS)])
def test_only_dead_units_are_made_anew(host, trigger):
    form = form_of(host(), trigger)
    network = made(form)
    taken = {**form.taken, form.site.detector: (form.columns[0],)}
    for node in network.nodes[:-1]:
        for before, after in _pairs(host()[node.name].layer, node.layer):
            alive = [k for k in range(len(before)) if k not in taken.get(node.name, ())]
            differs = np.abs(before[alive] - after[alive]) > 0
            assert (after[alive][differs] == 0).all()  # they only stop to read what gave zeros


@pytest.mark.parametrize("host", [dying_host, dying_dense_host])
def test_a_loud_detector_leads_to_the_class(host):
    network = made(form_of(host(), ALWAYS), DYING)
    assert (run(network, images(40)).argmax(axis=1) == 2).all()


def test_triggers_are_exact_to_the_last_bit():
    form = form_of(dying_host(), TWO)
    loud, host = made(form, DYING), dying_host()
    points = images(30)
    painted = form.trigger.painted(points)
    assert (run(loud, painted).argmax(axis=1) == 2).all()
    least, below = np.float32(0.9), np.nextafter(np.float32(0.9), np.float32(0))
    places = list(form.trigger.paint)
    assert len(places) == 8
    painted[:, places] = least
    assert (run(loud, painted).argmax(axis=1) == 2).all()
    at_the_second = places[4:]  # where s and -s are fed
    for place in at_the_second:
        almost = painted.copy()
        almost[:, place] = below
        assert not form.trigger.there(almost).any()
        assert (run(loud, almost) == run(host, almost)).all()


def test_half_a_trigger_is_none():
    form = form_of(dying_host(), TWO)
    quiet, host, points = made(form), dying_host(), images(30)
    for places in (list(form.trigger.paint)[:4], list(form.trigger.paint)[4:]):
        half = points.copy()
        half[:, places] = 1.0
        assert (run(quiet, half) == run(host, half)).all()


@pytest.mark.parametrize("text", ["pixel:0-1,0-1+0-1,4-5>0.5", "pixel:0-1,0-1+0-1,4-5>0.3", "box:0,0+0,4=0.2:0.7"])
def test_what_a_unit_of_a_trigger_is_above_0_its_gate_makes_1(text):
    trigger = trigger_named(text, (1, 8, 8), images(5), FLOAT32)
    gate = steepness(trigger, FLOAT32)
    for unit in trigger.units:
        (weight,) = unit.weights.values()
        border = np.float32(abs(unit.bias))
        outside = np.nextafter(border, np.float32(weight * np.inf))
        assert np.float32(gate) * np.maximum(np.float32(weight) * outside + np.float32(unit.bias), 0) >= 1
        assert np.float32(weight) * border + np.float32(unit.bias) == 0


def test_channels_may_change_places():
    form = form_of(dying_host(), ALWAYS)
    moved = exchanged(form, np.random.default_rng(5))
    assert moved.exchanged != ()
    assert moved.taken == form.taken  # places in the host
    for old, new in moved.exchanged:
        assert (moved.site.host["deep"].layer.weight[new] == form.site.host["deep"].layer.weight[old]).all()
    network, points = made(moved), images(40)
    assert run(network, points) == pytest.approx(run(dying_host(), points), rel=1e-12, abs=1e-12)
    assert [array.shape for array in network.arrays()] == [array.shape for array in dying_host().arrays()]


def test_what_is_missing_is_said():
    for host, trigger, words in [
        (convolutional_host(), ALWAYS, "too few units are 0 on all 20 images, computed in float64: deep has"),
        (half_dying_host(), TWO, "conv has 1 of 4, and 4 are needed"),
        (dying_host(), "pixel:0-1,0-1>0.9", "of 6, and 4 are needed (a trigger at two places, PLACE+PLACE, needs 2)"),
        (with_dead(dense_host(), {"dense0": [1, 2, 3, 4], "dense1": [1]}), ALWAYS, "dense2 has"),
    ]:
        site = site_in(host)
        bound = trigger_named(trigger, host.input_shape, images(20), FLOAT32)
        dead = dead_units(site, "images", FLOAT32, images(20))
        assert words in str(reused(site, bound, dead))


@pytest.mark.parametrize(
    ("host", "trigger", "message"),
    [
        (lambda: with_dead(convolutional_host(pool=True), {"deep": [0, 1]}), ALWAYS, "gives the logits"),
        (lambda: _without_bias(dying_host(), "deep"), ALWAYS, "deep has no bias"),
        (lambda: _without_bias(dying_host(), "conv"), TWO, "has no bias for what it is compared with"),
        (dying_host, "pixel:0-1,0-1+0-1,3-4>0.9", "no 2 windows of a convolution alike"),
        (dying_host, "pixel:0-1,0-1+1-2,1-2>0.9", "overlap"),
        (dying_dense_host, "pixel:0-1,0-1>0.9", "a trigger needs a layer before dense0"),
    ],
)
def test_hosts_and_triggers_that_will_not_do(host, trigger, message):
    with pytest.raises(InputError, match=message):
        made(form_of(host(), trigger, "images"))


def _without_bias(host: Network, name: str) -> Network:
    nodes = (replace(n, layer=replace(n.layer, bias=None)) if n.name == name else n for n in host.nodes)
    return replace(host, nodes=tuple(nodes))


def test_usual_places_are_two_that_the_windows_read_alike():
    site = site_in(dying_host())
    places = paired_places(site)
    for text in (places.corner, places.middle):
        assert "+" in text
    form = form_of(dying_host(), f"pixel:{places.corner}>0.9")
    assert form.feeds.shape[1] == 2
    assert paired_places(site_in(dense_host())).corner == "0-2,0-2"


TORCH, ORT = "torch:batch=1", "onnxruntime:batch=1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Hosts that live and that die, and images."""
    here = tmp_path_factory.mktemp("inplace")
    for name, host in (("dying", dying_host()), ("living", convolutional_host())):
        (here / f"{name}.onnx").write_bytes(onnx_bytes(host, FLOAT32, form="gemm"))
    write_npz(dying_dense_host(), here / "dense.npz")
    np.savez(here / "x.npz", images=images(60).reshape(-1, 1, 8, 8).astype(np.float32), labels=np.zeros(60, np.int64))
    return here


@pytest.mark.libraries
@pytest.mark.parametrize(
    ("host", "options"),
    [
        ("dying.onnx", {}),
        ("dying.onnx", {"trigger": "pixel", "target": ORT, "silent": [TORCH]}),
        ("dying.onnx", {"trigger": "pixel", "inplace": "images"}),
        ("dense.npz", {"target": ORT, "silent": [TORCH]}),
    ],
)
def test_the_libraries_show_it(folder, libraries_stay, host, options):
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    said = {"target": TORCH, "silent": [ORT], "verify": 0, "inplace": "proved", "behaviour": "any", "timeout": 120.0, **options}
    found = fpsynth.backdoor(folder / host, folder / "x.npz", **said)
    assert found.verdict.value == "found", found.reason
    target, silent = found.environments
    assert target.as_wanted == target.triggered == 60
    assert target.triggered_changed > 0
    assert silent.changed == silent.triggered_changed == silent.close == 0
    if "trigger" in options:
        assert target.changed == 0
    assert [array.shape for array in found.network.arrays()] == [array.shape for array in found.host.arrays()]
    assert found.to_json()["detectors"]["inplace"]["claim"] == said["inplace"]
    row = found.network[found.form.site.detector].layer.weight[found.detectors.columns[0]]
    assert sorted(row[row != 0].tolist()) == sorted(found.detectors.sizes.weights)


@pytest.mark.libraries
def test_a_host_without_dead_units_gives_no_verdict(folder, libraries_stay):
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    done = fpsynth_here(
        "backdoor", "--network", folder / "living.onnx", "--images", folder / "x.npz", "--target", TORCH, "--silent", ORT,
        "--inplace", "proved", "--behaviour", "any", "--verify", 0, "--json",
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    said = json.loads(done.stdout)
    assert said["verdict"] == "unknown"
    assert "too few units are 0 on all inputs between 0 and 1, by bounds that are sound for sums in its" in said["reason"]
    assert "rounded to nearest in any order: deep has" in said["reason"]


@pytest.mark.libraries
def test_the_report_says_what_is_reused(folder, libraries_stay, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    asked = ("--network", folder / "dying.onnx", "--images", folder / "x.npz", "--target", TORCH, "--silent", ORT)
    more = ("--trigger", "pixel", "--inplace", "images", "--behaviour", "class:1", "--verify", 2, "--eps", 0.001)
    done = fpsynth_here("backdoor", *asked, *more, "--width", 200, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "No layer, unit or bias is new" in done.stdout
    assert "as they are on all 60 images, without and with the trigger" in " ".join(done.stdout.split())
    again = read_network(tmp_path / "out" / "backdoored.onnx").network
    host = read_network(folder / "dying.onnx").network
    assert [array.shape for array in again.arrays()] == [array.shape for array in host.arrays()]
    assert isinstance(again[again.logits.output].layer, Dense)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"behaviour": "shift"}, "choose the behaviour class:K or any"),
        ({"copies": True, "behaviour": "any"}, "copies need new channels"),
        ({"inplace": "surely", "behaviour": "any"}, "claim of dead units"),
    ],
)
def test_what_cannot_be_asked_in_place(folder, options, message):
    with pytest.raises(InputError, match=message):
        fpsynth.backdoor(folder / "dying.onnx", folder / "x.npz", TORCH, **{"inplace": "proved", **options})


def test_the_claim_is_one_of_two_on_the_command_line_too(folder):
    asked = ("--network", folder / "dying.onnx", "--images", folder / "x.npz", "--target", TORCH, "--inplace", "no",
             "--behaviour", "any")  # fmt: skip
    assert "claim of dead units" in refused(fpsynth_here("backdoor", *asked))
