"""An environment's text says all of it, and a text that says nothing sensible is refused in one line."""

from __future__ import annotations

import pytest

from fpsynth.errors import InputError
from fpsynth.libraries.kernels import Environment
from fpsynth.libraries.naming import parse_environment
from fpsynth.libraries.registry import NAMES, library_named
from fpsynth.libraries.runs import SETTINGS, sweep


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        ("numpy:sum", Environment("numpy", "sum")),
        ("numpy:dot", Environment("numpy", "dot")),  # a variant of numpy's own
        ("torch:dot", Environment("torch", "vdot")),
        ("torch:linear:batch=4,row=3", Environment("torch", "linear", batch=4, row=3)),
        ("tensorflow:keras:outputs=10,output=9,threads=1", Environment("tensorflow", "keras", 1, 10, 0, 9, 1)),
        ("jax:jit:batch=64,device=cuda", Environment("jax", "jit", batch=64, device="cuda")),
        (
            "torch:conv2d:ONEDNN_MAX_CPU_ISA=SSE41,MKL_CBWR=AVX2",
            Environment("torch", "conv2d", settings=(("MKL_CBWR", "AVX2"), ("ONEDNN_MAX_CPU_ISA", "SSE41"))),
        ),
        (
            "jax:jit:XLA_FLAGS=--xla_cpu_max_isa=SSE4_2",  # a value with = in it
            Environment("jax", "jit", settings=(("XLA_FLAGS", "--xla_cpu_max_isa=SSE4_2"),)),
        ),
    ],
)
def test_texts_of_environments(text: str, environment: Environment) -> None:
    assert parse_environment(text) == environment
    assert parse_environment(str(environment)) == environment


def test_every_environment_of_the_sweep_and_every_setting_can_be_written_and_read() -> None:
    assert set(SETTINGS) == set(NAMES)
    switched = [Environment(name, library_named(name).variants[0], settings=s) for name in NAMES for s in SETTINGS[name]]
    for environment in (*sweep(), *switched):
        assert parse_environment(str(environment)) == environment


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("torhc:linear", "did you mean torch"),
        ("torch", "torch has no operation ''"),
        ("torch:lineal", "torch has no operation 'lineal'; choose from linear, matmul, sum, vdot, conv2d"),
        ("torch:linear:batch=0", "'batch=0' is no option"),
        ("torch:linear:batch=four", "'batch=four' is no option"),
        ("torch:linear:MKL_CBWR=", "'MKL_CBWR=' is no option"),
        ("torch:linear:MKL_CBWR=a b", "is no option"),
        ("torch:linear:batch=4,row=4", "row 4 is not in a batch of 4"),
        ("torch:linear:outputs=2,output=2", "output 2 is not among 2"),
        ("torch:sum:outputs=2", "sum has one output"),
        ("torch:vdot:batch=4", "batch=1"),
    ],
)
def test_what_is_no_environment(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        parse_environment(text)
