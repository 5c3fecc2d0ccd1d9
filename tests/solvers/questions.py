"""Small problems with a known answer, and one that nobody answers in a minute; shared by the tests of the solvers."""

import os
from fractions import Fraction
from pathlib import Path

from fpsynth import expressions as ex
from fpsynth.formats import FLOAT64, Format, power_of_two
from fpsynth.problems import Problem, Variable


def absorption(fmt: Format, solvable: bool = True) -> Problem:
    """x + 1 = x: true in round to nearest even from 2**p on, so solvable exactly where the bounds reach that far."""
    x, one = ex.variable("x", fmt), ex.constant(1, fmt)
    upper = power_of_two(fmt.precision) * (2 if solvable else Fraction(1, 2))
    return Problem(f"absorption-{fmt}", (Variable("x", fmt, Fraction(1), upper),), (ex.eq(ex.add(x, one), x),))


def factoring() -> Problem:
    """Two factors of a product of two 50-bit primes, in exact arithmetic: solvable, but not soon."""
    primes = 884279719003579, 765128314358561  # the next ones above pi * 2**48 and e * 2**48
    x, y = ex.variable("x", FLOAT64), ex.variable("y", FLOAT64)
    product = ex.mul(ex.real(x), ex.real(y))
    bounds = Fraction(2**49), Fraction(2**50)
    return Problem(
        "factoring",
        (Variable("x", FLOAT64, *bounds), Variable("y", FLOAT64, *bounds)),
        (ex.eq(product, ex.constant(primes[0] * primes[1], None)), ex.lt(y, x)),
    )


def children(process: int | None = None) -> set[int]:
    """Process numbers of the children of a process (of this one), from /proc."""
    tasks = Path(f"/proc/{process or os.getpid()}/task").glob("*/children")
    return {int(child) for task in tasks for child in task.read_text().split()}


def alive(process: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
