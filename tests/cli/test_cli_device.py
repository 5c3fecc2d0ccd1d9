"""A device that is not there: one clear line, exit code 2, at once, whatever the command; help comes at once, too."""

from __future__ import annotations

import time

import pytest
from command_line import fpsynth, fpsynth_here, refused

from fpsynth.libraries.machine import has_gpu

without_gpu = pytest.mark.skipif(has_gpu(), reason="this machine has a GPU")
LINE = "error: device cuda: no GPU (or no CUDA driver) on this machine\n"
COMMANDS = ["tie", "order", "precision", "relu", "interval", "twin", "position", "matrix", "environments", "replay none.json"]
ENVIRONMENTS = [
    "order --a torch:linear:device=cuda",
    "order --b jax:jit:batch=4,device=cuda,precision=highest",
    "order --only-in cupy:matmul:device=cuda",
    "order --silent sequential --silent torch:linear:tf32=on,device=cuda",
    "relu --b torch:matmul:device=cuda,MKL_CBWR=AVX",
    "interval --a torch:linear:device=cuda",
    "twin torch:linear:outputs=10,device=cuda",
    "position torch:linear:outputs=10,device=cuda",
    "reveal torch:linear:device=cuda",
    "reveal torch:conv2d:device=cuda,cudnn=winograd-nonfused --terms 36",
]
SECONDS = 5.0
"""Nothing that imports a library or starts a solver is done in so little time on a busy machine, every time."""


@without_gpu
@pytest.mark.parametrize("command", [*(f"{command} --device cuda" for command in COMMANDS), *ENVIRONMENTS])
def test_cuda_without_a_gpu_is_one_clear_line_at_once(command: str) -> None:
    started = time.monotonic()
    run = fpsynth if command == COMMANDS[0] + " --device cuda" else fpsynth_here
    line = refused(run(*command.split()))
    assert time.monotonic() - started < SECONDS
    assert line == f"fpsynth {command.split()[0]}: {LINE}"


@without_gpu
def test_json_and_no_replay_make_no_difference() -> None:
    assert refused(fpsynth_here("tie", "--device", "cuda", "--no-replay", "--json")).endswith(LINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_device_is_refused(command: str) -> None:
    line = refused(fpsynth_here(*command.split(), "--device", "tpu"))
    assert line.endswith("error: unknown device 'tpu'; choose from cpu, cuda\n")


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("reveal torch:linear:tf32=on", "torch has the switch tf32 on cuda only"),
        ("reveal cupy:matmul", "cupy does not run on cpu, only on cuda"),
        ("reveal torch:linear:speed=on", "torch's switches accumulate, compile, cudnn, deterministic, reduced, tf32"),
        ("order --a sequential --b tensorflow:keras:xla=on", "xla=on is for TensorFlow's variant function only"),
    ],
)
def test_switches_that_make_no_sense_are_refused(command: str, reason: str) -> None:
    assert reason in refused(fpsynth_here(*command.split()))


def test_libraries_that_do_not_know_the_device_are_not_listed_unasked() -> None:
    done = fpsynth_here("environments", "--library", "numpy,cupy")
    assert done.returncode == 0
    assert "cupy" in done.stdout
    assert "cupy does not run on cpu" in done.stdout


@pytest.mark.parametrize("arguments", [("--help",), ("tie", "--help"), ("matrix", "--help"), ("replay", "--help")])
def test_help_comes_at_once(arguments: tuple[str, ...]) -> None:
    started = time.monotonic()
    done = fpsynth(*arguments)
    assert time.monotonic() - started < SECONDS
    assert done.returncode == 0
    assert "usage: fpsynth" in done.stdout
    assert arguments == ("--help",) or "--device" in done.stdout
