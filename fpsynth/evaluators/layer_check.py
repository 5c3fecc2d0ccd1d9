"""The self-test of a fast way: hostile sums, held to the general way bit for bit, before the way is used for the first time.

A processor, a compiler or a library may fuse, round twice, flush, or reorder: none of that is believed not to happen.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.evaluators.bit_patterns import bits_to_floats
from fpsynth.evaluators.float_arrays import round_array
from fpsynth.evaluators.layer_groups import FloatArray, LayerSums, groups
from fpsynth.evaluators.layer_tasks import Block
from fpsynth.evaluators.layer_ways import ArrayLibrary, Evaluation, Way, evaluation, group_outputs, ready, refusal
from fpsynth.formats import FLOAT32, Format, holds
from fpsynth.orders import parse_order
from fpsynth.rounding import Flush
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.building import program_of

TERMS, INPUTS = 7, 12
_SHAPES = ((66, 6), (5, 16))
"""Rows and channels: many rows, and few."""
_KINDS = (("sequential", True), ("strided:3", True), ("pairwise", True), ("sequential", False), ("pairwise", False))
"""Orders, and whether they are fused."""


@functools.lru_cache(maxsize=64)
def fault(way: Way, fmt: Format, flush: Flush, library: ArrayLibrary) -> str:
    """What is wrong with a way in a format, in words; empty where it passes.  Tried once in a process."""
    return fault_of(evaluation(way, library), fmt, flush, way)


def fault_of(evaluate: Evaluation, fmt: Format, flush: Flush, way: Way = Way.COMPILED) -> str:
    """The same of anything that evaluates tasks, as that way does."""
    wrong = total = 0
    for layer, inputs in hostile_layers(fmt, flush):
        block = Block(fmt, inputs)
        for group in groups(layer):
            task = ready(layer, group, inputs.shape[1])
            if refusal(way, group, task):
                continue
            fast = group_outputs(layer, group, task, evaluate, block, ())
            slow = group_outputs(layer, group, task, None, block, ())
            wrong += int((~same(fast, slow)).sum())
            total += fast.size
    return f"{wrong} of {total} sums of its self-test are wrong" if wrong else ""


def same(a: FloatArray, b: FloatArray) -> NDArray[np.bool_]:
    """Where two arrays have the same bits, all NaN taken for one."""
    return np.asarray((np.isnan(a) & np.isnan(b)) | ((a == b) & (np.signbit(a) == np.signbit(b))))


def hostile_layers(fmt: Format, flush: Flush) -> Iterator[tuple[LayerSums, FloatArray]]:
    """Small layers in a format, with rows of inputs.

    Every kind of operation, with a bias and without, with taps beyond the edge, on numbers of every theme.
    """
    for number, (order, fused) in enumerate(_KINDS):
        arithmetic = Arithmetic(fmt, fused=fused, flush=flush, order=parse_order(order), bias_first=number % 2 == 0)
        program = program_of(arithmetic, TERMS, number != 1)
        for theme, (rows, channels) in itertools.product(range(len(_themes(fmt))), _SHAPES):
            rng = np.random.default_rng([number, theme, rows])
            gather = np.array([rng.permutation(INPUTS)[:TERMS] for _ in range(3)], np.int32)
            gather[2, 1] = -1
            drawn = _themes(fmt)[theme]
            weights = _drawn(fmt, (channels, TERMS), drawn.weights, rng)
            bias = _drawn(fmt, (channels,), drawn.bias, rng) if program.bias is not None else None
            inputs = _drawn(fmt, (rows, INPUTS), drawn.inputs, rng)
            sparse = rng.random(rows)[:, None] < 0.75
            inputs[sparse & (rng.random(inputs.shape) < 0.65)] = 0  # one hostile number at a time: they drown one another
            yield LayerSums(gather, weights, bias, (program,)), inputs


@dataclass(frozen=True)
class _Theme:
    """Exponents of numbers near powers of two whose products and sums are of one hostile kind."""

    inputs: int
    weights: int
    bias: int


@functools.cache
def _themes(fmt: Format) -> tuple[_Theme, ...]:
    """Products that are half an ulp of the bias; of the least number, and of the largest one; the least normal number."""
    half = fmt.lsb_min - 1
    top = fmt.emax - fmt.precision
    return (
        _Theme(-(fmt.precision // 2), fmt.precision // 2 - fmt.precision, 0),
        _Theme(half // 2, half - half // 2, fmt.emin - 1),
        _Theme(fmt.emin, 0, fmt.emin),
        _Theme(top // 2, top - top // 2, fmt.emax),
        _Theme(0, 0, 0),
    )


def _drawn(fmt: Format, shape: tuple[int, ...], exponent: int, rng: np.random.Generator) -> FloatArray:
    """Numbers of a format, most of which are near a power of two."""
    near = 1 + rng.choice([0.0, -0.5, *range(-3, 4)], shape) * 2.0 ** (1 - fmt.precision)
    near *= rng.choice([-1.0, 1.0], shape)
    with np.errstate(all="ignore"):
        themed = round_array(np.ldexp(near, exponent), fmt)
    drawn = np.where(rng.random(shape) < 0.8, themed, _anything(fmt, shape, rng))
    return drawn.astype(np.float32) if holds(FLOAT32, fmt) else drawn


def _anything(fmt: Format, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Numbers of a format of all kinds: short ones, the least ones, landmarks, any bits, infinite ones and NaN."""
    short = rng.integers(1, 1 << fmt.precision // 2, shape) * np.exp2(rng.choice([0, 1, -fmt.precision], shape))
    least = np.ldexp(rng.integers(-9, 10, shape).astype(np.float64), fmt.lsb_min)
    largest = float(fmt.max_finite)
    marks = rng.choice([0.0, -0.0, largest, -largest, float(fmt.min_normal), -1.0], shape)
    magnitudes = rng.integers(0, fmt.max_finite_bits, shape, endpoint=True)
    wild = rng.choice([np.inf, -np.inf, np.nan], shape)
    kinds = rng.choice(5, shape, p=[0.3, 0.2, 0.3, 0.18, 0.02])
    return np.choose(kinds, [short, least, marks, bits_to_floats(magnitudes, fmt) * rng.choice([-1, 1], shape), wild])
