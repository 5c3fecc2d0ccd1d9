"""Layers as large as those of real networks: pairs of environments are told apart, and the libraries show it."""

from __future__ import annotations

import pytest
from profiles import slow

import fpsynth
from fpsynth.libraries.naming import parse_environment
from fpsynth.libraries.registry import library_named
from fpsynth.synthesis.result import Result
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.witness.data import Witness

TERMS, OUTPUTS = 1617, 101
PAIRS = [
    pytest.param("torch:linear:batch=10", "onnxruntime:gemm:batch=10", marks=slow),
    pytest.param("torch:linear:batch=1", "torch:linear:batch=10", marks=slow),
    pytest.param("tensorflow:matmul:batch=1", "torch:linear:batch=64", marks=slow),
    pytest.param("numpy:matmul:batch=1", "numpy:matmul:batch=64", marks=slow),
    pytest.param("jax:jit:batch=10", "numpy:matmul:batch=10", marks=slow),
    pytest.param("onnxruntime:matmul:batch=1", "tensorflow:matmul:batch=10", marks=slow),
]


def asked(question: str, a: str, b: str, outputs: int = OUTPUTS, **more: object) -> Result:
    """The answer about one layer in two environments.  Skips where a library is absent, or where both sum alike here."""
    libraries = sorted({parse_environment(text).library for text in (a, b)})
    for name in libraries:
        if library_named(name).version() is None:
            pytest.skip(f"{name} is not installed")
    sides = [f"{text},outputs={outputs}" for text in (a, b)]
    options = {"terms": TERMS, "timeout": 600.0, "library": libraries, "batch": [1], **more}
    result = getattr(fpsynth, question)(*sides, **options)
    if result.verdict is Verdict.IMPOSSIBLE and "both views evaluate the same expression" in result.reason:
        pytest.skip(f"{a} and {b} sum alike here")
    return result


def shown(result: Result) -> Witness:
    """The witness, which is true, and whose environments give what it says of them."""
    assert result.verdict is Verdict.FOUND, result.reason
    (witness,) = result.witnesses
    for view in witness.views:
        own = [seen for seen in witness.observations if seen.view == view.name]
        assert own
        row = next(seen for seen in own if view.row in seen.rows)
        assert row.logits == tuple(map(float, view.logits))
    check = fpsynth.check(witness)
    assert all(finding.holds for finding in check.findings), check
    return witness


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_a_pair_is_told_apart(a: str, b: str) -> None:
    result = asked("order", a, b)
    witness = shown(result)
    assert witness.network.widths == (TERMS, OUTPUTS)
    for ground in result.grounds:
        assert ground.outputs == (0,)
        assert ground.explained


@slow
@pytest.mark.parametrize("question", ["relu", "interval"])
def test_other_questions_about_such_a_layer(question: str) -> None:
    shown(asked(question, "torch:linear:batch=1", "torch:linear:batch=10"))


@slow
def test_float64() -> None:
    shown(asked("order", "torch:linear:batch=1", "onnxruntime:gemm:batch=10", dtype="float64"))


def test_the_last_output_is_read_where_it_is_asked_about() -> None:
    """Kernels often sum their last outputs in an order of their own: the class of the first ones is not taken for it."""
    result = asked("order", "torch:linear:batch=1,output=10", "torch:linear:batch=16,output=10", 11, terms=64)
    witness = shown(result)
    assert [ground.outputs for ground in result.grounds] == [(10,), (10,)]
    assert all(ground.explained for ground in result.grounds)
    assert any(witness.network.dense_layers[0].weight[10])
