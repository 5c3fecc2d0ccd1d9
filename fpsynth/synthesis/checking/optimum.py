"""What a file says is proved of its measure: refuted where the file itself does better, and else not checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction

from fpsynth.synthesis.checking.findings import Finding, NotChecked
from fpsynth.witness.numerals import quoted

_NUMBER = r"(\d{1,400}(?:\.\d{1,400})?(?:e[+-]?\d{1,4})?)(?![\d/])"
_ABOVE = re.compile(rf"\b([a-z]+) (?:above|over|larger than|of more than) {_NUMBER}")
_AT_LEAST = re.compile(rf"\b([a-z]+) of {_NUMBER} or more")
_LARGEST = re.compile(rf"\blargest ([a-z]+) is {_NUMBER}")
_OTHERWISE = re.compile(r"where Frobenius norms bound|\bof shape [\d,]+ in .* and ")
"""Statements about another measure than a witness has: with Frobenius norms, or the least over several arithmetics."""
_SLACK = Fraction(1, 10**9)
"""Statements print 17 digits."""
_SHORT = Fraction(2, 1000)
"""What a certifier's own radius may fall short of the exact one, which a statement is about."""


def optimum_findings(statement: str, values: Mapping[str, Fraction]) -> Iterator[Finding | NotChecked]:
    """What can be said without a solver of a proof that nothing larger exists.

    ``values``: what the file itself reaches, by the name of the objective.  A statement that the file refutes is a finding
    that does not hold, as is a largest value that it does not reach; all others are not checked.
    """
    if not statement:
        return
    for noun, limit, kind in () if _OTHERWISE.search(statement) else _limits(statement):
        own = values.get(noun)
        if own is None:
            continue
        above = own > limit * (1 + _SLACK)
        if above or (kind == "at least" and own >= limit) or (kind == "largest" and own < limit * (1 - _SHORT)):
            detail = f"the file itself has a {noun} of {_text(own)}, and says: {quoted(statement, 200)}"
            yield Finding("what the file says is proved does not contradict it", False, detail)
            return
    yield NotChecked("optimum", f"a proof is a matter of solvers, which a check does without: {quoted(statement, 200)}")


def _limits(statement: str) -> Iterator[tuple[str, Fraction, str]]:
    """(objective, number, how) for all that a statement says of an objective in one of fpsynth's own phrases."""
    for pattern, kind in ((_ABOVE, "above"), (_AT_LEAST, "at least"), (_LARGEST, "largest")):
        for noun, number in pattern.findall(statement):
            yield noun, Fraction(number), kind


def _text(number: Fraction) -> str:
    try:
        return f"{float(number):.12g}"
    except OverflowError:
        return "more than float64 holds"


def objective_findings(objective: str, known: tuple[str, ...]) -> Iterator[Finding | NotChecked]:
    """What a file says was maximised: one of the objectives that there are."""
    if objective not in known:
        detail = f"{quoted(objective)} is none of {', '.join(known)}"
        yield Finding("the objective is one that there is", False, detail)
    else:
        yield NotChecked("objective", f"that the search was after the {objective} is told, not computed")
