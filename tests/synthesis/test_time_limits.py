"""A time limit bounds reveals, searches, constructions and exact evaluation; what was found or sampled until then counts.

No test measures the time: each gives so little that the answer shows that it was kept.
"""

from __future__ import annotations

from typing import Any

import pytest

from fpsynth import api
from fpsynth.formats import FLOAT32
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.revealing.revealer import Revealer
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.workers.deadlines import OutOfTimeError, within

MOMENT = {"timeout": 0.001, "replay": False}


@pytest.mark.parametrize(
    ("ask", "options"),
    [
        (api.order, {"terms": 4096}),
        (api.order, {"terms": 4096, "predicate": "argmax", "outputs": 3}),
        (api.order, {"terms": 4096, "camouflage": True}),
        (api.order, {"terms": 8, "max_weight": 0.1}),
        (api.order, {"terms": 8, "threshold": "2000>0.5"}),
        (api.order, {"terms": 64, "box": "0:0.5"}),
        (api.precision, {"terms": 4096}),
        (api.relu, {"b": "reverse", "terms": 4096}),
        (api.interval, {"terms": 4096}),
        (api.interval, {"terms": 64, "widening": "elina"}),
    ],
)
def test_a_moment_is_too_little_and_no_proof(ask: Any, options: dict[str, Any]) -> None:
    result = ask(**options, **MOMENT)
    assert (result.verdict, result.proof, result.witnesses) == (Verdict.UNKNOWN, None, ())
    assert "the time limit" in result.reason


@pytest.mark.parametrize(
    ("ask", "options"),
    [
        (api.order, {"a": "numpy:matmul", "b": "numpy:matmul:batch=4"}),
        (api.interval, {"a": "sequential", "b": "numpy:matmul:outputs=4"}),
        (api.relu, {"b": "numpy:matmul"}),
        (api.twin, {"environment": "numpy:matmul:outputs=4"}),
        (api.position, {"environment": "numpy:matmul:batch=4,outputs=4", "kind": "row"}),
    ],
)
def test_a_reveal_ends_with_the_time_and_is_no_usage_error(ask: Any, options: dict[str, Any]) -> None:
    result = ask(**options, **MOMENT)
    assert result.verdict is Verdict.UNKNOWN
    assert "the time limit of 0.001 s was over before" in result.reason
    assert "revealed" in result.reason


def test_a_revealer_leaves_no_process_behind_when_the_time_is_over() -> None:
    kernel = Kernel(Environment("numpy", "matmul"), FLOAT32, 8)
    with Revealer() as revealer:
        with within(0.001), pytest.raises(OutOfTimeError):
            revealer.reveal(kernel, vectors=300)
        assert not revealer._workers
        assert revealer.reveal(kernel, vectors=300).kernel == kernel


def test_fewer_points_are_sampled_where_each_has_thousands_of_inputs() -> None:
    result = api.order(terms=8, threshold="2000>0.5", replay=False)
    (made,) = result.witnesses
    assert len(made.point) == 2001
    assert made.sampled.inside_fires == made.sampled.inside
    assert 32 <= made.sampled.inside <= 1000
    assert (made.sampled.outside_fires, made.sampled.outside > 0) == (0, True)


def test_amplifying_layers_of_thousands_of_weights_are_evaluated_within_the_time() -> None:
    (made,) = api.order(terms=8, max_weight=0.1, timeout=50, replay=False).witnesses
    assert sum(layer.inputs * layer.outputs for layer in made.network.dense_layers) > 30_000
    assert max(map(abs, made.network.entries())) <= 0.1
    assert abs(made.reference.logits[0] - made.deployed.logits[0]) >= 1
