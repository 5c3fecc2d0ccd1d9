"""What property tests draw: the same in every run; with FPSYNTH_NIGHTLY=1 something else every time, and more of it."""

import os
from collections.abc import Callable, Iterable
from typing import Any

import pytest

NIGHTLY = "FPSYNTH_NIGHTLY" in os.environ
SLOW = NIGHTLY or "FPSYNTH_SLOW" in os.environ
"""Whether tests that take long are run."""
slow = pytest.mark.skipif(not SLOW, reason="takes long (set FPSYNTH_SLOW=1)")
"""Marks what stands beside quicker cases of the same kind."""
_MORE, _FEW, _FEWER = 20, 3, 12


def examples(number: int) -> int:
    """How many examples a property of ordinary cost, which deserves ``number``, is tried on.

    Fewer in an ordinary run, and in one of what takes long, which draw the same ones every time: what they have once brought
    to light stands in the tests as an explicit example.
    """
    return _MORE * number if NIGHTLY else max(1, number // (_FEW if SLOW else _FEWER))


def slowly(*cases: Any) -> list[object]:
    """Cases of a list that are left to the slow run, as others of the same kind are quicker; several values as a tuple."""
    return [pytest.param(*_values(case), marks=slow) for case in cases]


def _values(case: Any) -> tuple[Any, ...]:
    return case if isinstance(case, tuple) else (case,)


def one_in(step: int, cases: Iterable[Any]) -> list[object]:
    """For tests of a list of like cases: every ``step``-th, from the first on; the others are left to the slow run.

    Several values as a tuple.
    """
    found = [case if isinstance(case, type(pytest.param())) else pytest.param(*_values(case)) for case in cases]
    return [
        pytest.param(*case.values, marks=[*case.marks, *[slow] * bool(k % step)], id=case.id) for k, case in enumerate(found)
    ]


def every_second(cases: Iterable[tuple[Any, Any]], always: Callable[[Any, Any], bool] = lambda *case: False) -> list[object]:
    """For tests of all pairs of two lists: of most pairs every second one, as on a chessboard, is left to the slow run.

    Each value is still tried every time with half of the others; with all of them where ``always`` says so.
    """
    cases = list(cases)
    first, second = ({value: k for k, value in enumerate(dict.fromkeys(case[place] for case in cases))} for place in (0, 1))
    return [pytest.param(a, b, marks=slow if (first[a] + second[b]) % 2 and not always(a, b) else ()) for a, b in cases]


def load() -> None:
    """Have hypothesis draw as the run asks for.  Nothing where it is not installed: tests that need a GPU run without it."""
    try:
        from hypothesis import HealthCheck, settings
    except ImportError:
        return
    ordinary = settings(
        derandomize=True, deadline=None, max_examples=examples(100), suppress_health_check=[HealthCheck.too_slow], database=None
    )
    settings.register_profile("suite", ordinary)
    # failures are printed with the line that brings them back, and kept in .hypothesis
    fresh = settings(ordinary, derandomize=False, print_blob=True)
    settings.register_profile("nightly", fresh, database=settings().database)
    settings.load_profile("nightly" if NIGHTLY else "suite")
