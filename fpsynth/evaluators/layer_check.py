"""The self-test of a fast way: hostile sums, held to the general way bit for bit, before the way is used for the first time.

A processor, a compiler or a library may fuse, round twice, flush, or reorder: none of that is believed not to happen.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fpsynth.arithmetic import Arithmetic
from fpsynth.evaluators.bit_patterns import bits_to_floats
from fpsynth.evaluators.layer_groups import FloatArray, LayerSums, groups
from fpsynth.evaluators.layer_ways import Evaluation, Library, Way, evaluation, group_outputs, ready, refusal
from fpsynth.formats import Format
from fpsynth.orders import parse_order
from fpsynth.rounding import Flush
from fpsynth.sums.building import program_of

TERMS, INPUTS = 7, 12
_SHAPES = ((160, 6), (5, 16))
"""Rows and channels: many rows, and few."""
_KINDS = (("sequential", True), ("strided:3", True), ("pairwise", True), ("sequential", False), ("pairwise", False))
"""Orders, and whether they are fused."""


@functools.lru_cache(maxsize=64)
def fault(way: Way, fmt: Format, flush: Flush, library: Library) -> str:
    """What is wrong with a way in a format, in words; empty where it passes.  Tried once in a process."""
    return fault_of(evaluation(way, library), fmt, flush, way)


def fault_of(evaluate: Evaluation, fmt: Format, flush: Flush, way: Way = Way.COMPILED) -> str:
    """The same of anything that evaluates tasks, as that way does."""
    wrong = total = 0
    for layer, inputs in hostile_layers(fmt, flush):
        for group in groups(layer):
            task = ready(layer, group, inputs.shape[1])
            if refusal(way, group, task):
                continue
            fast = group_outputs(layer, group, task, evaluate, inputs, ())
            slow = group_outputs(layer, group, task, None, inputs, ())
            wrong += int((~same(fast, slow)).sum())
            total += fast.size
    return f"{wrong} of {total} sums of its self-test are wrong" if wrong else ""


def same(a: FloatArray, b: FloatArray) -> NDArray[np.bool_]:
    """Where two arrays have the same bits, all NaN taken for one."""
    return np.asarray((np.isnan(a) & np.isnan(b)) | ((a == b) & (np.signbit(a) == np.signbit(b))))


def hostile_layers(fmt: Format, flush: Flush) -> Iterator[tuple[LayerSums, FloatArray]]:
    """Small layers in a format, with rows of inputs: every kind of operation, with and without a bias and taps beyond the edge."""
    for number, (order, fused) in enumerate(_KINDS):
        for rows, channels in _SHAPES:
            rng = np.random.default_rng([number, rows])
            arithmetic = Arithmetic(fmt, fused=fused, flush=flush, order=parse_order(order), bias_first=number % 2 == 0)
            program = program_of(arithmetic, TERMS, number != 1)
            gather = np.array([rng.permutation(INPUTS)[:TERMS] for _ in range(3)], np.int32)
            gather[2, 1] = -1
            weights = hostile_numbers(fmt, (channels, TERMS), rng)
            bias = hostile_numbers(fmt, (channels,), rng) if program.bias is not None else None
            inputs = hostile_numbers(fmt, (rows, INPUTS), rng)
            sparse = rng.random(rows)[:, None] < 0.75
            inputs[sparse & (rng.random(inputs.shape) < 0.65)] = 0  # one hostile number at a time: they drown one another
            yield LayerSums(gather, weights, bias, (program,)), inputs


def hostile_numbers(fmt: Format, shape: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    """Numbers whose sums and products are halfway between others, overflow, are subnormal, zeros, infinite or NaN."""
    count, precision = int(np.prod(shape)), fmt.precision
    dtype = np.float32 if fmt.bits <= 32 else np.float64
    near = 1 + rng.integers(-3, 4, count) * 2.0 ** (1 - precision)
    exponents = np.array([0, 0, 1, -(precision // 2), -precision, 1 - precision, fmt.emin, fmt.emin // 2, fmt.emin // 2 - precision // 2])
    scaled = near * np.exp2(rng.choice(exponents, count)) * rng.choice([-1.0, 1.0], count)
    short = rng.integers(1, 1 << precision // 2 + 1, count) * np.exp2(rng.choice([0, 1, -precision], count))
    least = rng.integers(-9, 10, count) * np.exp2(fmt.lsb_min + rng.integers(0, 2, count) * precision)
    special = rng.choice([0.0, -0.0, float(fmt.max_finite), -float(fmt.max_finite), float(fmt.min_normal), 1.0], count)
    bits = rng.integers(0, 1 << 32, count) if fmt.bits == 32 else rng.integers(-(1 << 63), (1 << 63) - 1, count)
    wild = rng.choice([np.inf, -np.inf, np.nan], count)
    kinds = rng.choice(7, count, p=[0.4, 0.2, 0.12, 0.12, 0.12, 0.03, 0.01])
    with np.errstate(all="ignore"):
        drawn = np.choose(kinds, [scaled, short, least, special, bits_to_floats(bits, fmt), wild, -near])
        return drawn.astype(dtype).reshape(shape)
