"""The pool starts at once, answers when ready, and turns whatever goes wrong in a library into a reason."""

from __future__ import annotations

import math
import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64
from fpsynth.libraries import worker
from fpsynth.libraries.base import Outputs
from fpsynth.libraries.kernels import Process
from fpsynth.libraries.machine import has_gpu
from fpsynth.libraries.pool import CallResult, LibraryCall, LibraryPool, pool_for
from fpsynth.libraries.registry import library_named, names_for
from fpsynth.libraries.sending import network_from_message
from fpsynth.libraries.worker import load_request, outputs_from_message, run_request
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.workers.messages import Incoming, Message, packed
from fpsynth.workers.process import Worker

NETWORK = dense_relu((Dense(((1.0,), (2.0,))),))
CALLS = {"numpy": [LibraryCall("matmul", (0,))]}
NO_GPU = "device cuda: no GPU (or no CUDA driver) on this machine"


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def run(pool: LibraryPool) -> CallResult:
    return pool.run(NETWORK, FLOAT32, [(1.0,)], CALLS)["numpy"][0]


def test_start_does_not_wait_for_imports() -> None:
    with LibraryPool(["numpy"]) as pool:
        assert not pool.members["numpy"].ready
        pool.wait()
        member = pool.members["numpy"]
        assert member.ready
        assert member.version
        assert member.seconds > 0
        assert member.environment["cpu"]
        assert run(pool).outputs is not None


def test_nothing_is_left_behind() -> None:
    with LibraryPool(["numpy"]) as pool:
        worker = pool.members["numpy"].worker
        assert worker is not None
    assert worker.process.poll() is not None


def test_a_killed_library_is_reported_as_not_run() -> None:
    with LibraryPool(["numpy"]) as pool:
        assert run(pool).outputs is not None
        worker = pool.members["numpy"].worker
        assert worker is not None
        os.kill(worker.process.pid, signal.SIGKILL)
        answer = run(pool)
        assert answer.outputs is None
        assert answer.not_run.startswith("crashed")
        assert "-9" in answer.not_run
        assert run(pool) == answer  # and stays so


def test_a_library_killed_while_it_is_importing() -> None:
    with LibraryPool(["numpy"]) as pool:
        worker = pool.members["numpy"].worker
        assert worker is not None
        os.kill(worker.process.pid, signal.SIGKILL)
        assert run(pool).not_run.startswith("crashed")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_library_that_hangs_is_given_up_and_killed() -> None:
    with LibraryPool(["numpy"], timeout=20) as pool:
        pool.wait()
        pool.timeout = 0.3
        worker = pool.members["numpy"].worker
        assert worker is not None
        os.kill(worker.process.pid, signal.SIGSTOP)
        started = time.monotonic()
        assert run(pool).not_run == "no answer within 0.3 s"
        assert time.monotonic() - started < 5
        assert not alive(worker.process.pid)


def test_an_absent_library_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    from fpsynth.libraries.jax import Jax

    monkeypatch.setattr(Jax, "packages", ("a-distribution-that-nobody-has-installed",))
    with LibraryPool(["jax", "numpy"]) as pool:
        assert pool.members["jax"].version is None
        answers = pool.run(NETWORK, FLOAT32, [(1.0,)], {"jax": [LibraryCall("jit", (0,))], **CALLS})
        assert answers["jax"] == [CallResult(not_run="not installed")]
        assert answers["numpy"][0].outputs is not None


def test_a_broken_installation_is_a_reason(tmp_path: Path) -> None:
    """A library that is installed but cannot be imported: here numpy is shadowed by a module that raises."""
    (tmp_path / "numpy.py").write_text("raise RuntimeError('libbroken.so: cannot open shared object file')\n")
    here = str(Path(__file__).parents[2])
    with LibraryPool(["numpy"], environment={"PYTHONPATH": os.pathsep.join((str(tmp_path), here))}) as pool:
        assert run(pool).not_run == "cannot be imported: libbroken.so: cannot open shared object file"


def test_one_bad_call_does_not_harm_the_others() -> None:
    with LibraryPool(["numpy"]) as pool:
        calls = {"numpy": [LibraryCall("matmul", (0,)), LibraryCall("conv", (0,)), LibraryCall("dot", (0,))]}
        first, bad, last = pool.run(NETWORK, FLOAT16, [(1.0,)], calls)["numpy"]
        assert first.outputs == last.outputs is not None
        assert bad.not_run == "numpy has no variant conv; choose from matmul, dot, dot-rows"


def test_variables_reach_the_process_and_choose_its_kernels() -> None:
    found = []
    for variables in ({"OPENBLAS_CORETYPE": "Haswell"}, {"OPENBLAS_CORETYPE": "Nehalem"}):
        with LibraryPool(["numpy"], environment=variables) as pool:
            pool.wait()
            found.append(pool.members["numpy"].environment)
    assert [facts["OPENBLAS_CORETYPE"] for facts in found] == ["Haswell", "Nehalem"]
    if "avx2" in found[0]["cpu_features"].split() and "blas_kernels" in found[0]:
        assert [facts["blas_kernels"] for facts in found] == ["Haswell", "Nehalem"]


def test_a_large_network_passes_through() -> None:
    """More than a pipe holds, in both directions."""
    wide = dense_relu((Dense([(1.0 / (k + 1),) for k in range(5000)]),))
    rounded = dense_relu((Dense(np.trunc(wide.dense_layers[0].weight * 2**10) / 2**10),))
    with LibraryPool(["numpy"]) as pool:
        answer = pool.run(rounded, FLOAT32, [(1.0,), (0.5,)], {"numpy": [LibraryCall("matmul", (0, 1) * 50)]})["numpy"][0]
        assert answer.outputs is not None
        assert len(answer.outputs.logits) == 100
        assert answer.outputs.logits[0] == tuple(row[0] for row in rounded.dense_layers[0].weight.tolist())


def sent(message: Message) -> Message:
    """A message as the other process gets it."""
    pieces = [memoryview(piece).tobytes() for piece in packed(message)]
    source, sink = os.pipe()
    try:
        assert os.write(sink, b"".join(pieces)) == sum(map(len, pieces))
        arrived = Incoming(source).read()
    finally:
        os.close(source)
        os.close(sink)
    assert arrived is not None
    assert arrived.content is not None
    return arrived.content


def test_every_bit_of_the_operands_and_of_the_results_passes_through() -> None:
    """-0, subnormals, infinities, and NaNs of either sign with their payloads: rows that differ in them are two rows."""
    values = (-0.0, 0.0, 5e-324, -math.inf, *np.array([0x7FF8 << 48 | 5, 0xFFF8 << 48], np.uint64).view(np.float64).tolist())
    bits = np.array(values).tobytes()
    asked = sent(run_request(dense_relu(((np.array([values]), np.array([-0.0])),)), FLOAT64, [values], []))["run"]
    (layer,) = network_from_message(asked["network"]).dense_layers
    assert np.array(layer.weight).tobytes() == bits
    assert layer.bias is not None
    assert math.copysign(1, layer.bias[0]) == -1
    outputs = Outputs((values[:2], values[1::-1], values[:2], values[4:]), (0, 1, 0, 0))
    message = sent(worker._message(outputs))
    assert len(message["logits"]) == 3
    returned = outputs_from_message(message)
    assert returned.classes == outputs.classes
    assert np.array(returned.logits).tobytes() == np.array(outputs.logits).tobytes()


def test_what_was_cut_off_is_never_taken_for_an_answer_to_the_next_request(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(message: object) -> None:
        raise KeyboardInterrupt

    with LibraryPool(["numpy"]) as pool:
        assert run(pool).outputs is not None
        with monkeypatch.context() as patch:
            patch.setattr("fpsynth.libraries.pool.outputs_from_message", interrupted)
            with pytest.raises(KeyboardInterrupt):
                run(pool)
        assert run(pool) == CallResult(not_run="the pool is closed")


def test_bad_arguments() -> None:
    with pytest.raises(InputError, match="did you mean torch"):
        LibraryPool(["torhc"])
    with pytest.raises(InputError, match="unknown device 'gpu'"):
        LibraryPool(["torch"], device="gpu")
    with LibraryPool(["numpy"]) as pool, pytest.raises(InputError, match="1 inputs"):
        pool.run(NETWORK, FLOAT32, [(1.0, 2.0)], CALLS)


@pytest.mark.skipif(has_gpu(), reason="this machine has a GPU")
def test_cuda_without_a_gpu_is_one_clear_line() -> None:
    with pytest.raises(InputError, match="no GPU"):
        LibraryPool(["torch"], device="cuda")


@pytest.mark.skipif(has_gpu(), reason="this machine has a GPU")
def test_the_pool_of_an_environment_on_a_gpu_says_that_there_is_none() -> None:
    """A witness that was found with a GPU can be replayed without one: what needs it is listed with the reason."""
    with pool_for(Process("cupy", "cuda", switches=(("tf32", "on"),)), ["cupy", "numpy"]) as pool:
        answers = pool.run(NETWORK, FLOAT32, [(1.0,)], {"cupy": [LibraryCall("matmul", (0,))], **CALLS})
        assert pool.members["cupy"].worker is None
    absent = library_named("cupy").version() is None
    assert answers["cupy"][0].not_run == ("not installed" if absent else NO_GPU)
    assert answers["numpy"][0].not_run == "numpy does not run on cuda"


def test_libraries_that_nobody_named_and_that_do_not_know_the_device_are_left_out() -> None:
    assert "cupy" not in LibraryPool().members
    with LibraryPool(["cupy", "numpy"]) as pool:
        assert pool.members["cupy"].reason == "cupy does not run on cpu"


@pytest.mark.parametrize(
    ("switches", "reason"),
    [
        ((("tf32", "on"),), "torch has the switch tf32 on cuda only"),
        ((("tf32", "maybe"),), "torch has no switch tf32=maybe"),
        ((("speed", "on"),), "torch has no switch speed=on"),
    ],
)
def test_a_switch_that_a_library_has_not_is_a_reason(switches: tuple[tuple[str, str], ...], reason: str) -> None:
    if library_named("torch").version() is None:
        pytest.skip("torch is not installed")
    with LibraryPool(["torch"], switches=switches) as pool:
        pool.wait()
        assert pool.members["torch"].reason == reason


@pytest.mark.skipif(has_gpu(), reason="this machine has a GPU")
@pytest.mark.parametrize("name", names_for("cuda"))
def test_a_library_that_is_told_to_use_a_gpu_that_is_not_there_says_so_in_one_line(name: str) -> None:
    """Whatever the pool has checked before: a build without CUDA on a machine that has a GPU comes here."""
    if library_named(name).version() is None:
        pytest.skip(f"{name} is not installed")
    with Worker("fpsynth.libraries.worker") as worker:
        worker.send(load_request(name, "cuda", None, ()))
        message = worker.receive(100)
    assert message is not None
    assert re.search("sees no (GPU|device cuda)|cannot use the GPU", message["failed"]), message
    assert len(message["failed"]) < 250
    assert "\n" not in message["failed"]


@pytest.mark.skipif(not has_gpu(), reason="needs a GPU")
def test_cuda_runs_where_the_library_can() -> None:
    with LibraryPool(["torch", "numpy"], device="cuda") as pool:
        answers = pool.run(NETWORK, FLOAT32, [(1.0,)], {"torch": [LibraryCall("linear", (0,))], **CALLS})
        assert answers["numpy"][0].not_run == "numpy does not run on cuda"
        assert answers["torch"][0].outputs is not None or answers["torch"][0].not_run
