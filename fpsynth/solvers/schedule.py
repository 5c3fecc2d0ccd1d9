"""The schedule of a race: which engine and encoding goes first."""

from __future__ import annotations

from collections.abc import Sequence

from fpsynth.solvers.base import Engine

ORDER: tuple[tuple[str, str], ...] = (
    ("sampling", "arrays"),
    ("z3", "significands"),
    ("bitwuzla", "significands"),
    ("bitwuzla", "fp"),
    ("cvc5", "significands"),
    ("z3", "bitblast"),
    ("bitwuzla", "bitblast"),
    ("z3", "fp"),
    ("cvc5", "bitblast"),
    ("cvc5", "fp"),
)
"""(engine, encoding), the quickest first, measured on certified ties of one input and two outputs over [1/10, 1].

Seconds of processor time to a solution in float16 and float32: sampling 0.01 and 0.01; z3 on significands 0.6 and 1 to 12;
bitwuzla on significands 3.6 and 4.6, in the IEEE-754 theory 1.2 and 4.8; z3 on bits 2.2, in the theory 3.6, and neither soon in
float32; cvc5 on anything, not soon.  In float64 the sampler alone is quick while all weights and inputs are free.  That no
ratio exceeds 2**p, with the products relaxed, is proved on significands in float32 and float64 by bitwuzla in 0.7 and 3, by
cvc5 in 1.5 and 9, by z3 in 1.7 and 12.
"""


def runners(engines: Sequence[Engine]) -> list[tuple[str, str]]:
    """Return the pairs (engine, encoding) that ``engines`` can run, in ``ORDER``; those that it does not name come last."""
    pairs = [(engine.name, encoding) for engine in engines for encoding in engine.encodings]
    return sorted(pairs, key=lambda pair: ORDER.index(pair) if pair in ORDER else len(ORDER))
