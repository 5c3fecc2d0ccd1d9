"""One network in many environments: each in a process with its own settings and threads, few of them at a time."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32, FLOAT64
from fpsynth.libraries.cudnn import ALGORITHMS
from fpsynth.libraries.kernels import Environment
from fpsynth.libraries.machine import has_gpu
from fpsynth.libraries.naming import parse_environment
from fpsynth.libraries.pool import LibraryPool
from fpsynth.libraries.registry import library_named, names_for
from fpsynth.libraries.runs import BATCHES, SETTINGS, batches_for, run_in, sweep, variations
from fpsynth.networks.layers import Clip, ReLU
from fpsynth.networks.network import Dense, Network, Node, dense_relu
from fpsynth.workers import process

SMALL = dense_relu((Dense(((1.0, 2.0), (2.0, 1.0))),))
DEEP = dense_relu((Dense(((1.0, 1.0),)), Dense(((2.0,),))))


def numbers(seed: int, count: int) -> tuple[float, ...]:
    draw = random.Random(seed)
    return tuple(draw.randint(-(1 << 23), 1 << 23) / (1 << draw.randint(20, 24)) for _ in range(count))


def test_the_sweep_is_every_variant_of_what_is_installed_at_every_batch_size() -> None:
    found = sweep()
    installed = [name for name in names_for("cpu") if library_named(name).version() is not None]
    assert len(found) == len(BATCHES) * sum(len(library_named(name).variants) for name in installed)
    assert len(set(found)) == len(found)
    assert {e.batch for e in found} == set(BATCHES)
    assert all(not e.settings and e.threads is None for e in found)
    assert sweep(["numpy"], (2,)) == [Environment("numpy", variant, 2) for variant in ("matmul", "dot", "dot-rows")]
    assert sweep(["numpy"], device="cuda") == []


def test_a_varied_sweep_tries_each_setting_and_layout_beside_none() -> None:
    found = sweep(["numpy"], (1, 4), varied=True)
    laid = {(e.operation, e.batch, e.layout) for e in found if e.layout}
    matmul = {("matmul", 1, "NN"), ("matmul", 1, "NTe"), ("matmul", 4, "NN"), ("matmul", 4, "NTe"), ("matmul", 4, "TT")}
    dot = {("dot", 1, "NN"), ("dot", 4, "NN"), ("dot", 4, "TT")}
    assert laid == matmul | dot | {("dot-rows", 1, "NN"), ("dot-rows", 4, "NN"), ("dot-rows", 4, "TN")}
    assert len(set(found)) == len(found) == 3 * 2 * (1 + len(SETTINGS["numpy"])) + len(laid)
    assert [e for e in found if not e.settings and not e.layout] == sweep(["numpy"], (1, 4))


def test_on_a_gpu_batches_are_larger_and_switches_are_tried() -> None:
    assert batches_for("cpu") == (1, 4, 64)
    assert batches_for("cuda") == (1, 4, 64, 1024)
    linear, conv = (variations(Environment("torch", operation, device="cuda")) for operation in ("linear", "conv2d"))
    assert {(), (("tf32", "on"),), (("compile", "on"),)} <= {e.switches for e in linear}
    assert not any("cudnn" in dict(e.switches) for e in linear)
    chosen = {dict(e.switches).get("cudnn") for e in conv}
    assert set(ALGORITHMS) <= chosen


@pytest.mark.skipif(has_gpu(), reason="this machine has a GPU")
def test_environments_on_a_gpu_are_refused_where_there_is_none() -> None:
    with pytest.raises(InputError, match="no GPU"):
        run_in([Environment("numpy", "matmul"), Environment("torch", "linear", device="cuda")], SMALL, FLOAT32, [])


def test_each_environment_gets_its_settings_its_batch_and_its_place_in_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    texts = ("numpy:matmul:OPENBLAS_CORETYPE=Haswell", "numpy:dot:batch=4", "numpy:dot:batch=3,OPENBLAS_CORETYPE=Haswell")
    environments = [parse_environment(text) for text in texts]
    runs = run_in(environments, SMALL, FLOAT32, [(1.0, 0.0), (0.0, 1.0)])
    assert [run.environment for run in runs] == environments
    for run in runs:
        assert run.version == library_named("numpy").version()
        assert {name: run.facts.get(name) for name, _ in run.environment.settings} == dict(run.environment.settings)
        first, second = (answer.outputs for answer in run.answers)
        assert first is not None
        assert second is not None
        assert first.logits == ((1.0, 2.0),) * run.environment.batch
        assert second.logits == ((2.0, 1.0),) * run.environment.batch
        assert (first.classes, second.classes) == ((1,) * run.environment.batch, (0,) * run.environment.batch)
    assert runs[0].facts["OPENBLAS_CORETYPE"] == "Haswell"
    assert "OPENBLAS_CORETYPE" not in runs[1].facts


def test_kernels_for_another_processor_sum_otherwise() -> None:
    """OpenBLAS's for the Prescott have half of the lanes of any that has AVX."""
    network = dense_relu((Dense((numbers(1, 64), numbers(2, 64))),))
    environments = [parse_environment(text) for text in ("numpy:matmul", "numpy:matmul:OPENBLAS_CORETYPE=Prescott")]
    new, old = run_in(environments, network, FLOAT32, [numbers(3 + k, 64) for k in range(8)])
    if "avx" not in new.facts["cpu_features"].split() or old.facts.get("blas_kernels") == new.facts.get("blas_kernels"):
        pytest.skip("the machine has no AVX, or numpy no OpenBLAS that can be told which kernels to use")
    assert [answer.outputs for answer in new.answers] != [answer.outputs for answer in old.answers]
    assert None not in [answer.outputs for answer in (*new.answers, *old.answers)]


def test_primitives_run_networks_of_one_layer() -> None:
    ones = dense_relu((Dense(((1.0, 1.0),)),))
    vdot, total = Environment("numpy", "vdot"), Environment("numpy", "sum", batch=4)
    for run in run_in([vdot, total], ones, FLOAT32, [(2.0, 3.0)]):
        assert run.answers[0].outputs is not None
        assert run.answers[0].outputs.logits == ((5.0,),) * run.environment.batch
    reasons = [run.answers[0].not_run for run in run_in([vdot, total], SMALL, FLOAT32, [(2.0, 3.0)])]
    assert reasons == ["vdot has one output and no bias", "sum has no weights: it runs a network whose weights are all 1"]
    deep = run_in([vdot], DEEP, FLOAT32, [(2.0, 3.0)])[0].answers[0].not_run
    assert deep == "vdot computes one layer, and the network has 2"


@pytest.mark.usefixtures("nothing_stays")
def test_no_more_processes_at_a_time_than_allowed() -> None:
    environments = [parse_environment(f"numpy:matmul:threads={count}") for count in (1, 2, 3, 4)]
    before, seen = len(process._running), []
    runs = run_in(environments, SMALL, FLOAT32, [(1.0, 0.0)], progress=lambda line: seen.append(len(process._running) - before))
    assert seen == [2, 2, 2, 1]
    assert len(process._running) == before
    assert all(run.answers[0].outputs is not None for run in runs)


def test_a_library_that_is_absent_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(library_named("jax")), "packages", ("a-distribution-that-nobody-has-installed",))
    assert all(environment.library != "jax" for environment in sweep())
    (run,) = run_in([Environment("jax", "jit")], SMALL, FLOAT32, [(1.0, 0.0)])
    assert (run.version, run.answers[0].not_run) == ("", "not installed")


def test_bad_arguments() -> None:
    with pytest.raises(InputError, match="0 processes"):
        run_in([], SMALL, FLOAT32, [], processes=0)
    with pytest.raises(InputError, match="2 inputs"):
        run_in([Environment("numpy", "matmul")], SMALL, FLOAT32, [(1.0,)])
    with pytest.raises(InputError, match="0 threads"):
        LibraryPool(["numpy"], threads=0)
    assert run_in([], SMALL, FLOAT32, []) == []


@pytest.mark.parametrize("name", names_for("cpu"))
def test_a_library_works_with_as_many_threads_as_it_is_told(name: str) -> None:
    if library_named(name).version() is None:
        pytest.skip(f"{name} is not installed")
    with LibraryPool([name], threads=3) as pool:
        pool.wait()
        member = pool.members[name]
        assert member.ready, member.reason
        assert member.environment["threads"] == "3"
        assert member.worker is not None
        tasks = Path(f"/proc/{member.worker.process.pid}/task")
        if name == "jax" and tasks.exists():  # it says nothing about its threads itself
            names = [(task / "comm").read_text().strip() for task in tasks.iterdir()]
            assert names.count("tf_XLAEigen") in (0, 3), "XLA's pool (which other versions may call otherwise)"


def test_what_onnxruntime_fails_on_is_not_run_and_said_to_be_its_failure() -> None:
    """Its fusion of a Relu and a Clip has no float64: the same network runs without optimisations, and in float32."""
    pytest.importorskip("onnxruntime")
    network = Network((Node("relu", ReLU()), Node("clip", Clip(-1.0, 1.0), ("relu",))), (1,), "clip")
    usual, plain = (parse_environment(f"onnxruntime:gemm:batch=1{more}") for more in ("", ",optimize=off"))
    failed, ran = (run.answers[0] for run in run_in([usual, plain], network, FLOAT64, [(3.0,)]))
    assert failed.not_run.startswith("ONNX Runtime fails: it cannot fuse a Relu with the Clip behind it in float64")
    assert "/" not in failed.not_run
    assert ran.outputs is not None, ran.not_run
    assert ran.outputs.logits == ((1.0,),)
    assert run_in([usual], network, FLOAT32, [(3.0,)])[0].answers[0].outputs is not None
