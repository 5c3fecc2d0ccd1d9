"""What property tests draw: the same in every run; with FPSYNTH_NIGHTLY=1 something else every time, and more of it."""

import os

import pytest

NIGHTLY = "FPSYNTH_NIGHTLY" in os.environ
SLOW = NIGHTLY or "FPSYNTH_SLOW" in os.environ
"""Whether tests that take long are run."""
slow = pytest.mark.skipif(not SLOW, reason="takes long (set FPSYNTH_SLOW=1)")
"""Marks what stands beside quicker cases of the same kind."""
_MORE, _FEWER = 20, 3


def examples(number: int) -> int:
    """How many examples a property of ordinary cost, which deserves ``number``, is tried on.

    Fewer in an ordinary run, which draws the same ones every time: what they have once brought to light stands in the tests as
    an explicit example.
    """
    return _MORE * number if NIGHTLY else max(1, number // _FEWER)


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
