"""Chains: detectors that one order swallows term by term survive changes of all weights, in real libraries."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from backdoors.hosts import convolutional_host, images
from command_line import fpsynth_here, refused
from profiles import slow

import fpsynth
from fpsynth.backdoors.answer import Measured
from fpsynth.backdoors.chains import ChainSearch, large_and_small, terms_needed
from fpsynth.backdoors.embedding import Detectors, embedded, rows_needed
from fpsynth.backdoors.probing import WantedFiring
from fpsynth.backdoors.remedies import noisy
from fpsynth.backdoors.rows import ChainSizes, detector_row
from fpsynth.backdoors.sites import site_in
from fpsynth.backdoors.survival import otherwise
from fpsynth.backdoors.switching import Behaviour, SwitchStrength
from fpsynth.backdoors.triggers import trigger_named
from fpsynth.backdoors.widening import WidenedForm
from fpsynth.errors import InputError
from fpsynth.evaluators.float64 import numpy_outputs
from fpsynth.formats import BFLOAT16, FLOAT32
from fpsynth.networks.onnx.writing import onnx_bytes

CHAIN, LANES, TREE = (SimpleNamespace(batch=1, name=name) for name in ("chain", "lanes", "tree"))


def summed(rows: np.ndarray, where: SimpleNamespace) -> np.ndarray:
    """The sums of rows (rows, inputs) in float32: one by one, in eight lanes that are added last, or pairwise; (1, rows)."""
    parts = rows.astype(np.float32)
    if where is TREE:
        while parts.shape[1] > 1:
            parts = np.pad(parts, ((0, 0), (0, parts.shape[1] % 2)))
            parts = parts[:, ::2] + parts[:, 1::2]
        return parts.T.astype(np.float64)
    if where is LANES:
        parts = np.pad(parts, ((0, 0), (0, -parts.shape[1] % 8))).reshape(len(rows), -1, 8)
        parts = np.cumsum(parts, axis=1, dtype=np.float32)[:, -1]
    return np.cumsum(parts, axis=1, dtype=np.float32)[:, -1:].T.astype(np.float64)


def searched(target, silent, inputs: int = 2000) -> ChainSearch:
    wanted = WantedFiring(target, silent)
    return ChainSearch(inputs, 20, np.arange(0, inputs, 2), wanted, summed, FLOAT32, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("target", "silent"), [(CHAIN, (LANES, TREE)), (CHAIN, (TREE,)), (LANES, (CHAIN, TREE)), (LANES, (TREE,))]
)
def test_chains_are_swallowed_in_the_target_and_withstand_what_they_say(target, silent):
    best = max(searched(target, silent).chains(), key=lambda one: one.withstands)
    assert best.withstands > 1e-7
    row = detector_row(best.features, 2000, best.sizes)
    assert row.sum() == best.sizes.total  # over the reals it is silent
    fires_to, silent_from = best.band
    assert 0 < fires_to < silent_from < best.sizes.total
    generator = np.random.default_rng(1)
    draws = row * (1 + generator.uniform(-best.withstands, best.withstands, (100, 2000)))  # of weights
    draws *= 1 + generator.uniform(-best.withstands, best.withstands, (100, 2000))  # of the constants
    assert (summed(draws, target) <= fires_to).all()
    for where in silent:
        assert (summed(draws, where) >= silent_from).all()


def test_a_chain_withstands_what_its_terms_are_chosen_for():
    for relative in (1e-6, 1e-5):
        chains = searched(CHAIN, (LANES,), 2 * terms_needed(FLOAT32, relative)).chains()
        assert next(chains).withstands >= relative


def test_terms_that_meet_each_other_first_are_no_terms_that_are_swallowed():
    """Few terms, and sums in blocks, where each term alone meets w at last."""

    def blocks(rows: np.ndarray, where: SimpleNamespace) -> np.ndarray:
        if where is CHAIN:
            return summed(rows, CHAIN)
        inner = np.cumsum(rows.reshape(len(rows), -1, 100).astype(np.float32), axis=2, dtype=np.float32)[:, :, -1]
        return summed(inner, CHAIN)

    search = searched(CHAIN, (TREE,), 600)
    search.sums = blocks
    chain = next(search.chains())
    assert chain.fires <= 0.1
    assert chain.silent > 0.6


def test_no_chain_tells_an_order_from_itself():
    assert list(searched(CHAIN, (SimpleNamespace(batch=1, name="other"),)).chains()) == []


def test_small_terms_are_swallowed_whatever_the_change():
    large, small = large_and_small(FLOAT32)
    for change in (-1e-3, 1e-3):
        w, s = np.float32(large * (1 + change)), np.float32(small * (1 + change) ** 2)
        for value in (w, -w):
            assert value + s == value
    assert large_and_small(BFLOAT16) == (large, small)  # its sums are taken in float32


@pytest.mark.parametrize("trigger", ["always", "pixel:0-1,0-1>0.9"])
@pytest.mark.parametrize("behaviour", [Behaviour("shift", None), Behaviour("class:2", 2)])
@pytest.mark.parametrize(("left", "fires"), [(0.0, True), (0.35, True), (0.5, False), (1.0, False)])
def test_switches_read_a_band(trigger, behaviour, left, fires):
    """A row whose exact sum is that part of U."""
    original, points = convolutional_host(), images(30)
    site, bound = site_in(original), trigger_named(trigger, original.input_shape, images(20), FLOAT32)
    rows = rows_needed(site.dense(0).outputs, 1, bool(bound.units), False)
    form = WidenedForm(site, (0, 2, 3), rows, bound)
    features = np.sort(form.features(form.places).reshape(-1)).tolist()
    terms = len(features) - 2
    sizes = SimpleNamespace(weights=(4.0, -4.0, *[left] * terms), large=4.0)
    found = Detectors((tuple(features),), (1,), sizes, 1.0, band=(0.4 * terms, 0.45 * terms))
    network = noisy(embedded(form, found, behaviour, SwitchStrength(64.0)), FLOAT32, 1e-5, np.random.default_rng(0))

    def run(some, of):
        return numpy_outputs(of, some.reshape(-1, *original.input_shape)).reshape(len(some), -1)

    clean, painted = run(points, original).argmax(axis=1), run(bound.painted(points), original)
    wanted = behaviour.classes(painted.argmax(axis=1), 5) if fires else painted.argmax(axis=1)
    assert (run(bound.painted(points), network).argmax(axis=1) == wanted).all()
    if bound.units:
        assert (run(points, network).argmax(axis=1) == clean).all()


USUAL = Measured(
    "",
    "",
    300,
    None,
    None,
    changed=0,
    close=0,
    triggered=300,
    triggered_correct=None,
    triggered_changed=0,
    triggered_close=0,
    as_wanted=300,
)
WRONG = {"target": {"triggered_changed": 300}}


@pytest.mark.parametrize(
    ("counts", "bound", "good"),
    [
        ([{}, {}, {}], True, True),
        ([{"as_wanted": 297}, {}, {}], False, True),  # changes of weights move what lies between two classes
        ([{"as_wanted": 296}, {}, {}], False, False),
        ([{"triggered": 0, "as_wanted": 0, "triggered_changed": 0}, {}, {}], False, False),  # nothing shows it
        ([{"triggered_changed": 0}, {}, {}], False, False),  # the host gives the class asked for itself
        ([{"triggered_close": 300}, {}, {}], False, False),
        ([{}, {"triggered_changed": 1}, {}], False, False),
        ([{}, {"triggered_changed": 2, "triggered_close": 1}, {}], False, False),
        ([{}, {"triggered_changed": 2, "triggered_close": 2}, {}], False, True),
        ([{}, {"changed": 2, "close": 2}, {}], True, True),
        ([{}, {"changed": 2, "close": 1}, {}], True, False),
        ([{"changed": 300}, {}, {}], False, True),
        ([{"changed": 300}, {}, {}], True, False),
        ([{}, {}, {"changed": 300, "triggered_changed": 300}], True, True),
    ],
)
def test_a_draw_survives_that_is_wrong_in_the_target_and_the_host_elsewhere(counts, bound, good):
    roles = zip(("target", "silent", "alike"), counts, strict=True)
    found = (replace(USUAL, name=role, role=role, **{**WRONG.get(role, {}), **one}) for role, one in roles)
    assert (not list(otherwise(found, bound))) == good


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    here = tmp_path_factory.mktemp("surviving")
    (here / "conv.onnx").write_bytes(onnx_bytes(convolutional_host(), FLOAT32, form="gemm"))
    np.savez(here / "x.npz", images=images(40).reshape(-1, 1, 8, 8).astype(np.float32), labels=np.zeros(40, np.int64))
    return here


@slow  # what survives is counted above, without JAX
@pytest.mark.libraries
@pytest.mark.parametrize("options", [{}, {"trigger": "pixel:0-1,0-1>0.9", "behaviour": "class:1"}])
def test_the_libraries_show_that_it_survives(folder, libraries_stay, options):
    pytest.importorskip("jax")
    pytest.importorskip("torch")
    said = {"target": "jax:batch=1", "silent": ["torch:batch=1", "numpy:batch=1"], "verify": 0, "survive": 1e-6, **options}
    found = fpsynth.backdoor(folder / "conv.onnx", folder / "x.npz", **said)
    assert found.verdict.value == "found", found.reason
    assert isinstance(found.detectors.sizes, ChainSizes)
    assert found.environments[0].as_wanted == 40
    assert all(one.triggered_changed == one.changed == 0 for one in found.environments[1:])
    assert (found.survival.survived, found.survival.draws) == (5, 5)
    assert found.to_json()["survival"]["relative"] == 1e-6
    assert "it survives 5" in " ".join(fpsynth.api.render(found).split())


@pytest.mark.libraries
def test_what_no_order_tells_apart_is_said(folder, libraries_stay):
    pytest.importorskip("torch")
    said = {"target": "torch:batch=1", "silent": ["torch:batch=1,threads=1"], "verify": 0, "survive": 1e-6}
    told = fpsynth.backdoor(folder / "conv.onnx", folder / "x.npz", **said)
    assert (told.verdict.value, told.network, told.alike) == ("unknown", None, ("torch:batch=1,threads=1",))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"survive": 0.0}, "between 1e-07 and 0.001"),
        ({"survive": 1e-300}, "between 1e-07 and 0.001"),
        ({"survive": float("nan")}, "between 1e-07 and 0.001"),
        ({"survive": 1e-5, "silent": ["torch:batch=1,dtype=float64"]}, "surviving changes, a backdoor is of one format"),
        ({"survive": 1e-5, "max_weight": "host"}, "leave the others out"),
        ({"survive": 1e-5, "copies": True}, "leave the others out"),
        ({"survive": 1e-5, "storage": "float16"}, "leave one of these out"),
        ({"storage": "float64"}, "format of storage"),
        ({"storage": "float16", "dtype": "bfloat16"}, "computes in float32"),
        ({"storage": "float16", "inplace": "proved", "behaviour": "any"}, "leave one of these out"),
    ],
)
def test_what_cannot_be_asked_of_weights(folder, options, message):
    with pytest.raises(InputError, match=message):
        fpsynth.backdoor(folder / "conv.onnx", folder / "x.npz", "torch:batch=1", **options)


def test_changes_are_numbers(folder):
    asked = ("--network", folder / "conv.onnx", "--images", folder / "x.npz", "--target", "torch:batch=1", "--survive", "much")
    assert "invalid float value" in refused(fpsynth_here("backdoor", *asked))
