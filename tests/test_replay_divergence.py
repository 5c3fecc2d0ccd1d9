"""A divergence is confirmed by what libraries really return, in general and in the environments that its views name."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from aligned_arithmetics import tensor_core
from command_line import fpsynth_here as fpsynth
from command_line import refused
from divergences import PAIRWISE, SEQUENTIAL, classes, divergence, precision, row_of, triple, views

from fpsynth.confirmation import replay
from fpsynth.confirmation.replay import sweep_formats
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64, TF32
from fpsynth.libraries.machine import has_gpu
from fpsynth.libraries.registry import library_named, names_for
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.predicates import Predicate
from fpsynth.sums.arithmetic import REAL, Arithmetic
from fpsynth.witness import View, Witness, save
from fpsynth.witness.data import only_point


def needs(name: str) -> None:
    if library_named(name).version() is None:
        pytest.skip(f"{name} is not installed")


def test_every_variant_runs_at_every_batch_and_says_whom_it_agrees_with() -> None:
    found = triple()
    records = replay(found, libraries=["numpy"], batches=(1, 4)).observations
    assert {(r.variant, r.batch) for r in records} == {(v, b) for v in library_named("numpy").variants for b in (1, 4)}
    for record in records:
        assert record.view == ""
        assert record.environment["dtype"] == "float32"
        assert sorted(row for r in records if (r.variant, r.batch) == (record.variant, record.batch) for row in r.rows) == list(
            range(record.batch)
        )
        (logit,) = record.logits
        assert record.departs == (logit <= 0)  # the reference is above zero
        assert record.agrees_with == tuple(v.name for v in found.views if v.logits == (Fraction(logit),))


def test_a_view_that_names_an_environment_is_run_there_and_reproduced() -> None:
    """Row by row numpy sums products of four terms left to right: the reference there is what the library does, to the bit."""
    found = triple(silent=False)
    a, b = found.views
    named = replace(found, views=(replace(a, environment="numpy:dot-rows:batch=3", row=2), b))
    records = replay(named, libraries=[], batches=(1,)).observations
    assert [(r.library, r.variant, r.batch, r.view, r.device) for r in records] == [("numpy", "dot-rows", 3, "a", "cpu")]
    (record,) = records
    assert 2 in record.rows
    assert record.departs == (record.logits[0] <= 0)
    seen = replace(named, observations=records)
    assert seen.reproduced(named.reference) == (record.logits == (1.0,))


def test_the_neurons_of_the_last_layer_are_permuted_for_the_run_and_put_back() -> None:
    network = dense_relu((Dense(((1.0,), (2.0,), (4.0,))),))
    a, b = views(("sequential", SEQUENTIAL), ("moved", SEQUENTIAL))
    b = replace(b, permutation=(2, 0, 1), environment="numpy:matmul:batch=2", row=1)
    found = divergence(network, (1.0,), (a, b), Predicate("argmax"))
    (record,) = replay(found, libraries=[]).observations
    assert record.logits == (1.0, 2.0, 4.0)
    assert record.permutation == (2, 0, 1)
    assert record.rows == (0, 1)
    assert record.agrees_with == ("a", "b")
    assert not record.departs


def test_two_formats_are_both_run() -> None:
    found = precision()
    assert sweep_formats(found) == (FLOAT64, FLOAT32)
    records = replay(found, libraries=["numpy"], batches=(1,)).observations
    values = {(r.environment["dtype"], r.logits, r.departs, r.agrees_with) for r in records}
    assert values == {("float64", (2.0**24 + 1,), True, ("b",)), ("float32", (2.0**24,), False, ("a",))}
    assert replace(found, observations=records).confirmed_by == ("numpy",)


@pytest.mark.parametrize(
    ("a", "b", "formats"),
    [
        (REAL, SEQUENTIAL, (FLOAT32,)),
        (SEQUENTIAL, REAL, (FLOAT32,)),
        (REAL, REAL, (FLOAT32,)),
        (Arithmetic(TF32), SEQUENTIAL, (FLOAT32,)),
        (Arithmetic(TF32), Arithmetic(TF32), (TF32,)),
        (SEQUENTIAL, Arithmetic(FLOAT64), (FLOAT64, FLOAT32)),
    ],
)
def test_the_formats_of_the_sweep_are_those_that_libraries_have(
    a: Arithmetic, b: Arithmetic, formats: tuple[object, ...]
) -> None:
    pair = views(("a", a), ("b", b))
    assert sweep_formats(replace(triple(), views=pair)) == formats


def test_infinities_never_depart() -> None:
    network = dense_relu((Dense((row_of(2, {0: 65504.0, 1: 65504.0}),)),))
    fine = Arithmetic(FLOAT16)
    a, b = views(("a", fine), ("b", fine))
    known = tuple(replace(v, logits=(Fraction(-1),)) for v in (a, b))
    found = Witness("order", FLOAT16, network, only_point((1.0, 1.0)), Predicate("sign"), known)
    for record in replay(found, libraries=["numpy"], batches=(1,)).observations:
        assert record.logits == (float("inf"),)
        assert not record.departs
        assert record.agrees_with == ()


def test_what_was_not_run_is_listed_once_with_its_reason() -> None:
    found = replace(triple(), format=TF32, views=views(("a", Arithmetic(TF32)), ("b", Arithmetic(TF32, order=PAIRWISE.order))))
    (record,) = replay(found, libraries=["numpy"]).observations
    assert "tf32" in record.not_run
    assert (record.variant, record.batch) == ("", 0)


@pytest.mark.parametrize("batches", [(), (0,), (4, -1)])
def test_bad_batch_sizes(batches: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="batch sizes"):
        replay(triple(), libraries=["numpy"], batches=batches)


def test_an_environment_that_cannot_be_read_names_its_view() -> None:
    found = triple()
    bad = replace(found, views=(found.views[0], replace(found.views[1], environment="torch:sums")))
    with pytest.raises(InputError, match="view b: torch has no operation"):
        replay(bad, libraries=[])


@pytest.mark.parametrize("name", names_for("cpu"))
def test_each_library_is_run_and_its_verdict_follows_from_its_logits(name: str) -> None:
    needs(name)
    found = classes()
    records = replay(found, libraries=[name]).observations
    ran = [record for record in records if not record.not_run]
    assert ran
    for record in ran:
        assert record.departs == (record.logits[0] < record.logits[1])  # the reference has class 0


@pytest.mark.skipif(has_gpu(), reason="this machine has a GPU")
def test_a_view_on_a_gpu_is_listed_with_the_reason_where_there_is_none() -> None:
    """A network that was found with a GPU can be replayed without one; only asking for the GPU is refused."""
    needs("torch")
    found = triple(silent=False)
    environment = "torch:linear:batch=2,device=cuda,tf32=on"
    view = View("silent1", "on the GPU", "silent", found.reference.deployment, environment)
    (record,) = replay(replace(found, views=(*found.views, view)), libraries=[]).observations
    assert record.not_run == "device cuda: no GPU (or no CUDA driver) on this machine"
    assert (record.device, record.switches, record.view) == ("cuda", (("tf32", "on"),), "silent1")
    with pytest.raises(InputError, match="no GPU"):
        replay(found, libraries=[], device="cuda")


def test_settings_and_threads_of_an_environment_reach_its_process() -> None:
    needs("torch")
    found = triple(silent=False)
    where = "torch:linear:batch=2,threads=1,MKL_CBWR=COMPATIBLE"
    view = View("silent1", "compatible, one thread", "silent", found.reference.deployment, where)
    (record,) = replay(replace(found, views=(*found.views, view)), libraries=[]).observations
    assert record.settings == (("MKL_CBWR", "COMPATIBLE"),)
    assert record.environment.get("MKL_CBWR") == "COMPATIBLE" or "COMPATIBLE" in str(record.environment)
    assert record.threads == 1
    assert record.environment["threads"] == "1"


@pytest.mark.skipif(has_gpu(), reason="this machine has a GPU")
def test_a_witness_of_two_devices_is_checked_told_and_replayed_where_there_is_one(tmp_path: Path) -> None:
    """A CPU keeps what a tensor core drops; of the replay the run on the GPU is missing, and the exit code says so."""
    needs("numpy")
    needs("torch")
    terms = 16
    chain = Arithmetic(FLOAT16, accumulator=FLOAT32)
    network = dense_relu((Dense((row_of(terms, {0: -4096.0, 1: 4096.0, 2: 2.0**-7}),)),))
    point = tuple(2.0**-7 if k == 2 else 1.0 for k in range(terms))
    a, b, pairs = views(("a CPU", chain), ("a GPU", tensor_core(terms)), ("pairs", replace(chain, order=PAIRWISE.order)))
    a = replace(a, environment="numpy:matmul:batch=1")
    b = replace(b, environment="torch:linear:batch=4,device=cuda,tf32=on")
    found = divergence(network, point, (a, b, pairs), Predicate("sign"), fmt=FLOAT16)
    assert [view.logits for view in found.views] == [(Fraction(1, 2**14),), (0,), (Fraction(1, 2**14),)]
    path = tmp_path / "witness.json"
    save(found, path)
    assert fpsynth("check", path).returncode == 0
    told = fpsynth("explain", path)
    assert told.returncode == 0
    assert "aligned to 25 bits" in " ".join(told.stdout.split())
    played = fpsynth("replay", path, "--library", "numpy", "--batch", "1", "--width", "200")
    assert played.returncode == 4
    said = " ".join(played.stdout.split())
    assert "not run: device cuda: no GPU (or no CUDA driver) on this machine" in said
    assert "the environment of view b was not run" in said
    assert "no GPU" in refused(fpsynth("replay", path, "--device", "cuda"))
