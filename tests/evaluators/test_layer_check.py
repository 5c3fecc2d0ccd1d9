"""Claims of evaluators/layer_check.py: a way that is wrong in any one respect fails its self-test, and is not used."""

from __future__ import annotations

import importlib.util
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from fpsynth.errors import InputError
from fpsynth.evaluators import layer_arrays
from fpsynth.evaluators.float_arrays import fma_arrays
from fpsynth.evaluators.layer_arrays import array_sums
from fpsynth.evaluators.layer_check import fault, fault_of, hostile_layers
from fpsynth.evaluators.layer_groups import FloatArray, LayerSums, groups
from fpsynth.evaluators.layer_tasks import Block, LayerTask, TaskSums
from fpsynth.evaluators.layer_ways import ArrayLibrary, Way, ready, refusal
from fpsynth.evaluators.layers import layer_sums
from fpsynth.evaluators.schedules import Code
from fpsynth.formats import FLOAT32, FLOAT64, Format
from fpsynth.rounding import Flush
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.building import program_of

Operation = Callable[[Any, Any, Any], Any]
WIDE = np.float64
needs_numba = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="numba is not installed (extra: fast)")


def stand_in(fma: Operation, flush: Callable[[Any], Any] = lambda x: x, add: Any = np.add) -> Any:
    """An evaluation of float32 schedules with a fused multiply-add, and with flushing and additions, of our choice."""

    def evaluate(task: LayerTask, block: Block, addends: Sequence[FloatArray]) -> TaskSums:
        inputs = block.read(task.schedule)
        padded = np.concatenate([inputs, np.zeros((len(inputs), 1), np.float32)], axis=1)
        stack: list[Any] = []
        with np.errstate(all="ignore"):
            for code, which in task.schedule.operations.tolist():
                if code == Code.NUMBER:
                    assert task.bias is not None
                    stack.append(np.broadcast_to(task.bias, (len(inputs), len(task.taps), len(task.bias))))
                    continue
                x, w = padded[:, task.taps[:, which], None], task.weights[:, which]
                if code == Code.ADD:
                    last = stack.pop()
                    stack[-1] = flush(add(stack[-1], last))
                elif code == Code.FMA:
                    stack[-1] = flush(fma(x, w, stack[-1]))
                elif code == Code.MULTIPLY_ADD:
                    stack[-1] = flush(add(stack[-1], flush(x * w)))
                else:
                    stack.append(flush(x * w))
        return TaskSums(stack[0])

    return evaluate


def twice(x: Any, w: Any, c: Any) -> Any:
    return (x.astype(WIDE) * w + c).astype(np.float32)


def once(x: Any, w: Any, c: Any) -> Any:
    return fma_arrays(x.astype(WIDE), w.astype(WIDE), c.astype(WIDE), FLOAT32).astype(np.float32)


def unfused(x: Any, w: Any, c: Any) -> Any:
    return x * w + c


def to_zero(x: Any) -> Any:
    return np.where(np.abs(x) < np.float32(2.0**-126), np.copysign(np.float32(0), x), x)


def unsigned(x: Any) -> Any:
    return np.where(np.abs(x) < np.float32(2.0**-126), np.float32(0), x)


WRONG = {
    "fused multiply-adds are rounded twice": (stand_in(twice), Flush.NEVER),
    "they are not fused": (stand_in(unfused), Flush.NEVER),
    "subnormal sums become zeros": (stand_in(once, to_zero), Flush.NEVER),
    "zeros that are flushed lose their sign": (stand_in(once, unsigned), Flush.ROUNDED),
    "an exact zero is -0": (stand_in(once, add=lambda a, b: np.where(a == -b, np.float32(-0.0), a + b)), Flush.NEVER),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_way_that_is_wrong_fails(name: str) -> None:
    evaluate, flush = WRONG[name]
    assert "sums of its self-test are wrong" in fault_of(evaluate, FLOAT32, flush)


def test_the_right_operations_pass() -> None:
    """Else the others would fail for another reason than the one that is named."""
    assert fault_of(stand_in(once), FLOAT32, Flush.NEVER) == ""
    assert fault_of(stand_in(once, to_zero), FLOAT32, Flush.ROUNDED) == ""


def test_products_that_are_added_without_being_rounded_fail() -> None:
    """What a compiler does that contracts a product and a sum."""

    def contracted(task: LayerTask, block: Block, addends: Sequence[FloatArray]) -> TaskSums:
        operations = task.schedule.operations.copy()
        operations[operations[:, 0] == Code.MULTIPLY_ADD, 0] = Code.FMA
        schedule = type(task.schedule)(**{**vars(task.schedule), "operations": operations})
        return array_sums(LayerTask(schedule, task.weights, task.bias, task.taps), block, addends)

    assert fault_of(contracted, FLOAT32, Flush.NEVER)


@pytest.mark.parametrize("name", ["_MIDDLE", "_TINY", "_SAFE_PRODUCT"])
def test_each_repair_of_a_second_rounding_is_needed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not fault_of(array_sums, FLOAT32, Flush.NEVER, Way.ARRAYS)
    monkeypatch.setattr(layer_arrays, name, {"_MIDDLE": 1 << 60, "_TINY": 0.0, "_SAFE_PRODUCT": 0.0}[name])
    assert fault_of(array_sums, FLOAT32, Flush.NEVER, Way.ARRAYS)


def test_what_is_doubtful_must_be_looked_at() -> None:
    def careless(task: LayerTask, block: Block, addends: Sequence[FloatArray]) -> TaskSums:
        return TaskSums(array_sums(task, block, addends).outputs)

    assert not fault_of(careless, FLOAT32, Flush.ROUNDED, Way.ARRAYS)
    assert fault_of(careless, FLOAT32, Flush.UNBOUNDED, Way.ARRAYS)


@pytest.mark.parametrize("flush", Flush)
@pytest.mark.parametrize("fmt", [FLOAT32, FLOAT64], ids=str)
@pytest.mark.parametrize("way", [pytest.param(Way.COMPILED, marks=needs_numba), Way.ARRAYS])
def test_the_ways_pass_on_this_machine(way: Way, fmt: Format, flush: Flush) -> None:
    assert fault(way, fmt, flush, ArrayLibrary()) == ""


@pytest.mark.parametrize("fmt", [FLOAT32, FLOAT64], ids=str)
def test_the_self_test_tries_every_operation(fmt: Format) -> None:
    tried = {way: set[int]() for way in (Way.COMPILED, Way.ARRAYS)}
    for layer, inputs in hostile_layers(fmt, Flush.NEVER):
        for group in groups(layer):
            task = ready(layer, group, inputs.shape[1])
            assert task is not None
            for way, codes in tried.items():
                if not refusal(way, group, task):
                    codes.update(task.schedule.operations[:, 0].tolist())
    assert tried[Way.COMPILED] == set(Code)
    assert tried[Way.ARRAYS] == set(Code) - ({Code.FMA} if fmt == FLOAT64 else set())


def test_a_library_that_fails_its_self_test_is_not_used_and_that_is_said() -> None:
    """One whose comparison finds nothing equal: second roundings are not repaired."""
    careless = types.SimpleNamespace(**vars(np))
    careless.equal = lambda a, b, out: np.copyto(out, False)
    careless.__name__ = "careless"
    one = np.ones((1, 2), np.float32)
    layer = LayerSums(np.array([[0, 1]], np.int32), one, None, (program_of(Arithmetic(FLOAT32, fused=True), 2),))
    result = layer_sums(layer, one, ways=[Way.ARRAYS], library=ArrayLibrary(_Namespace(careless)))
    assert result.ways == (Way.GENERAL,)
    assert result.outputs.item() == 2.0
    (line,) = result.refused
    assert line.startswith("arrays, sum program 0: ")
    assert line.endswith("sums of its self-test are wrong")


class _Namespace:
    """A namespace that can be a key."""

    def __init__(self, functions: Any) -> None:
        self.functions = functions

    def __getattr__(self, name: str) -> Any:
        return getattr(self.functions, name)


def test_a_processor_that_flushes_is_refused() -> None:
    torch = pytest.importorskip("torch", reason="torch switches the processor")
    one = np.ones((1, 2), np.float32)
    layer = LayerSums(np.array([[0, 1]], np.int32), one, None, (program_of(Arithmetic(FLOAT32), 2),))

    def outputs() -> FloatArray:
        return layer_sums(layer, one, ways=[Way.ARRAYS]).outputs

    assert outputs().item() == 2.0
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor cannot flush")
    try:
        with pytest.raises(InputError, match="flushes subnormal numbers"):
            outputs()
    finally:
        torch.set_flush_denormal(False)
