"""Tie questions for the tests, and what a tie is in the plainest words: exact numbers and loops over everything."""

import functools
import itertools
from collections.abc import Iterator
from fractions import Fraction

from fpsynth import rounding as r
from fpsynth.formats import Format
from fpsynth.orders import parse_order
from fpsynth.rounding import Rounding
from fpsynth.synthesis.domain import Interval, parse_interval
from fpsynth.synthesis.ties.question import TieQuestion
from fpsynth.synthesis.ties.run import deployments

E5P3 = Format("e5p3", 5, 3)
E4P4 = Format("e4p4", 4, 4)
E4P4FN = Format("e4p4fn", 4, 4, has_infinity=False)
E4P5 = Format("e4p5", 4, 5)
E5P6 = Format("e5p6", 5, 6)


def question(
    fmt: Format,
    weights: str = "0.1:1",
    inputs: str = "0.1:1",
    *,
    shape: tuple[int, ...] = (1, 2),
    objective: str = "ratio",
    min_ratio: Fraction | int = 1,
    mode: Rounding = Rounding.RNE,
    order: str = "sequential",
    robust: bool = False,
) -> TieQuestion:
    """A question; with ``robust`` the tie must happen in the arithmetics that libraries are likely to use as well."""
    places = deployments(fmt, parse_order(order), mode, shape)
    return TieQuestion(
        fmt,
        shape,
        places if robust else places[:1],
        parse_interval(weights, "the weights' range"),
        parse_interval(inputs, "the inputs' range"),
        objective,
        Fraction(min_ratio),
    )


def numbers(interval: Interval, fmt: Format) -> list[Fraction]:
    """All different numbers of the format in the interval, found by looking at every encoding."""
    found = {v.fraction() for bits in range(1 << fmt.bits) if (v := r.from_bits(bits, fmt)).is_finite}
    return sorted(x for x in found if interval.lower <= x <= interval.upper)


@functools.cache
def scalar_ties(fmt: Format, weights: Interval, inputs: Interval, mode: Rounding) -> list[tuple[Fraction, Fraction, Fraction]]:
    """(margin, gap of the weights, distance) of every tie of one input and two outputs where the second one is ahead at b."""
    return list(dict.fromkeys(_scalar_ties(fmt, weights, inputs, mode)))


def _scalar_ties(
    fmt: Format, weights: Interval, inputs: Interval, mode: Rounding
) -> Iterator[tuple[Fraction, Fraction, Fraction]]:
    ws, xs = numbers(weights, fmt), numbers(inputs, fmt)

    def product(w: Fraction, x: Fraction) -> Fraction | None:
        value = r.round_value(r.exact_mul(r.from_fraction(w), r.from_fraction(x)), fmt, mode)
        return value.fraction() if value.is_finite else None

    table = {(w, x): product(w, x) for w in ws for x in xs}
    for u, v in itertools.permutations(ws, 2):
        tied = [x for x in xs if table[u, x] is not None and table[u, x] == table[v, x]]
        ahead = [(x, table[v, x] - table[u, x]) for x in xs if table[u, x] is not None and table[v, x] is not None]
        for a in tied:
            for b, margin in ahead:
                if margin > 0:
                    yield margin, abs(v - u), abs(b - a)


def best(asked: TieQuestion) -> Fraction | None:
    """The largest objective of a scalar question, None where there is no solution: by looking at everything."""
    mode = asked.deployments[0].default.rounding
    values = [
        {"ratio": m / (g * d), "radius": m / g, "distance": d, "margin": m}[asked.objective]
        for m, g, d in scalar_ties(asked.format, asked.weights, asked.inputs, mode)
        if m > g * d and m >= asked.min_ratio * g * d
    ]
    return max(values, default=None)
