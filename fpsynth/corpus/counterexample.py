"""Counterexamples in the text form of the VNN competition."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fpsynth.errors import InputError
from fpsynth.witness.numerals import decimal_text


def counterexample_text(point: Sequence[float], logits: Sequence[float]) -> str:
    """Return ``sat`` and the assignment ((X_0 v) ... (Y_0 v)) of inputs and outputs, every v an exact decimal expansion.

    Raises InputError where a number is infinite or NaN.
    """
    named = [(f"X_{k}", x) for k, x in enumerate(point)] + [(f"Y_{j}", y) for j, y in enumerate(logits)]
    for name, number in named:
        if not math.isfinite(number):
            raise InputError(f"the counterexample cannot be written: {name} is {number}")
    return "sat\n(" + "\n ".join(f"({name} {decimal_text(number)})" for name, number in named) + ")\n"
