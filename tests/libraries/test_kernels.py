"""An environment's text says all of it, and a text that says nothing sensible is refused in one line."""

from __future__ import annotations

import pytest

from fpsynth.errors import InputError
from fpsynth.libraries.kernels import Environment
from fpsynth.libraries.naming import parse_environment
from fpsynth.libraries.registry import NAMES, library_named
from fpsynth.libraries.runs import CUDA_SETTINGS, SETTINGS, SWITCHES, variations


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        ("numpy:sum", Environment("numpy", "sum")),
        ("numpy:dot", Environment("numpy", "dot")),  # of matrices
        ("numpy:dot-rows:batch=4", Environment("numpy", "dot-rows", batch=4)),
        ("torch:dot", Environment("torch", "vdot")),  # torch.dot takes two vectors
        ("tensorflow:tensordot", Environment("tensorflow", "vdot")),
        ("jax:matmul", Environment("jax", "eager")),
        ("numpy:matmul:batch=4,layout=NN", Environment("numpy", "matmul", batch=4, layout="NN")),
        ("numpy:matmul:layout=NT,batch=4", Environment("numpy", "matmul", batch=4)),  # its own
        ("tensorflow:matmul:layout=NN", Environment("tensorflow", "matmul")),  # its own, too
        ("tensorflow:matmul:layout=NT", Environment("tensorflow", "matmul", layout="NT")),
        ("torch:linear:layout=NeTs,row=2,batch=3", Environment("torch", "linear", batch=3, row=2, layout="NeTs")),
        ("torch:sum:layout=Te,batch=3", Environment("torch", "sum", batch=3, layout="Te")),
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
        (
            "torch:matmul:CUBLAS_WORKSPACE_CONFIG=:16:8,device=cuda",  # a value with colons in it
            Environment("torch", "matmul", device="cuda", settings=(("CUBLAS_WORKSPACE_CONFIG", ":16:8"),)),
        ),
        (
            "torch:linear:tf32=on,batch=64,device=cuda,deterministic=on,MKL_CBWR=AVX",  # switches by name, then settings
            Environment(
                "torch",
                "linear",
                batch=64,
                device="cuda",
                switches=(("deterministic", "on"), ("tf32", "on")),
                settings=(("MKL_CBWR", "AVX"),),
            ),
        ),
        ("torch:linear:compile=off", Environment("torch", "linear", switches=(("compile", "off"),))),
        (
            "jax:eager:precision=F32_F32_F32,device=cuda",
            Environment("jax", "eager", device="cuda", switches=(("precision", "F32_F32_F32"),)),
        ),
        ("cupy:dot:device=cuda", Environment("cupy", "dot", device="cuda")),
    ],
)
def test_texts_of_environments(text: str, environment: Environment) -> None:
    assert parse_environment(text) == environment
    assert parse_environment(str(environment)) == environment


def test_every_environment_of_the_sweep_and_every_setting_can_be_written_and_read() -> None:
    assert set(SETTINGS) == set(NAMES)
    assert set(SWITCHES) == set(CUDA_SETTINGS) == {name for name in NAMES if "cuda" in library_named(name).devices}
    for name in NAMES:
        library = library_named(name)
        for device in library.devices:
            for operation in library.operations:
                found = variations(Environment(name, operation, device=device))
                assert len(set(found)) == len(found)
                for environment in found:
                    assert parse_environment(str(environment)) == environment


@pytest.mark.parametrize("name", NAMES)
def test_every_value_of_every_switch_is_read_on_a_device_that_has_it(name: str) -> None:
    library = library_named(name)
    for switch, values in library.switches.items():
        assert len(set(values)) == len(values) > 1
        device = library.switch_devices.get(switch, library.devices[-1])
        for value in values:
            operations = [o for o in library.operations if not library.objection(o, device, {switch: value})]
            assert operations, "some operation heeds it"
            text = str(Environment(name, operations[0], device=device, switches=((switch, value),)))
            assert parse_environment(text).switches == ((switch, value),)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("torhc:linear", "did you mean torch"),
        ("torch", "'torch' names no operation, and one layer needs one: choose torch:OPERATION from linear"),
        ("torch:lineal", "torch has no operation 'lineal'; choose from linear, matmul, sum, vdot, conv2d"),
        ("torch:linear:batch=0", "batch of an environment is a whole number from 1 to 99999, not '0'"),
        ("torch:linear:batch=four", "batch of an environment is a whole number from 1 to 99999, not 'four'"),
        ("torch:linear:batch=2,row=-1", "row of an environment is a whole number from 0 to 99999, not '-1'"),
        ("torch:linear:MKL_CBWR=", "'MKL_CBWR=' is no option"),
        ("torch:linear:MKL_CBWR=a b", "is no option"),
        ("torch:linear:batch=4,row=4", "row 4 is not in a batch of 4"),
        ("torch:linear:outputs=2,output=2", "output 2 is not among 2"),
        ("torch:sum:outputs=2", "sum has one output"),
        ("torch:vdot:batch=4", "batch=1"),
        ("torch:linear:tf32=maybe,device=cuda", r"torch has no tf32='maybe'; choose from tf32=off\|on"),
        ("torch:linear:precision=high", "'precision=high' is no option.*torch's switches accumulate, compile, cudnn"),
        ("numpy:matmul:tf32=on", "'tf32=on' is no option of an environment; choose from batch=N"),
        ("torch:linear:tf32=on", "torch has the switch tf32 on cuda only"),
        ("torch:linear:cudnn=winograd,device=cuda", "for torch's conv2d only"),
        ("torch:conv2d:cudnn=fft,device=cuda,compile=on", "cannot be compiled"),
        ("tensorflow:keras:xla=on", "variant function only"),
        ("numpy:matmul:device=cuda", "numpy does not run on cuda, only on cpu"),
        ("torch:linear:batch=1,batch=2", "batch is given twice"),
        ("torch:linear:PYTHONPATH=evil", "PYTHONPATH is not one of those that choose kernels"),
        ("torch:linear:LD_PRELOAD=x", "LD_PRELOAD is not one of those that choose kernels"),
        ("torch:linear:MKL_CBRW=AVX2", "did you mean MKL_CBWR"),
        ("jax:jit:XLA_FLAGS=--xla_dump_to=x", "read or write files"),
        ("cupy:matmul", "cupy does not run on cpu, only on cuda"),
        ("jax:dot", "jax has no operation 'dot'; choose from jit, eager"),  # jnp.dot takes matrices, too
        ("numpy:matvec", "numpy has no operation 'matvec'; choose from matmul, dot, dot-rows"),
        ("numpy:dot:layout=XY", "numpy's dot has no layout 'XY'; choose from NT, NN, TN, TT, with s"),
        ("numpy:dot:layout=nn", "has no layout 'nn'"),
        ("numpy:dot:layout=N", "has no layout 'N'"),
        ("numpy:dot:layout=NNN", "has no layout 'NNN'"),
        ("numpy:dot:layout=", "has no layout"),
        ("numpy:dot:layout=NN,layout=NN", "layout is given twice"),
        ("numpy:sum:layout=NN", "numpy's sum has no layout 'NN'; choose from N, T"),
        ("torch:conv2d:layout=NN", "torch's conv2d takes no layout"),
        ("numpy:vdot:layout=NN", "numpy's vdot takes no layout"),
        ("jax:jit:layout=NsT", "jax's jit has no layout 'NsT'; choose from NT, NN, TN, TT$"),
        ("tensorflow:keras:layout=NT", "tensorflow's keras has no layout 'NT'; choose from NN$"),
        ("onnxruntime:matmul:layout=NT", "onnxruntime's matmul has no layout 'NT'; choose from NN$"),
    ],
)
def test_what_is_no_environment(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as refusal:
        parse_environment(text)
    assert len(str(refusal.value)) < 300
    assert "\n" not in str(refusal.value)
