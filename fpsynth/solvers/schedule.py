"""The schedule of a race: which engine and encoding goes first.

Each engine says at which turn it reads each encoding (``Engine.turns``), the quickest first, measured on certified ties of one
input and two outputs over [1/10, 1].

Seconds of processor time to a solution in float16 and float32: sampling 0.01 and 0.01; z3 on significands 0.6 and 1 to 12;
bitwuzla on significands 3.6 and 4.6, in the IEEE-754 theory 1.2 and 4.8; z3 on bits 2.2, in the theory 3.6, and neither soon in
float32; cvc5 on anything, not soon.  In float64 the sampler alone is quick while all weights and inputs are free.  That no
ratio exceeds 2**p, with the products relaxed, is proved on significands in float32 and float64 by bitwuzla in 0.7 and 3, by
cvc5 in 1.5 and 9, by z3 in 1.7 and 12.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from fpsynth.solvers.base import Engine


def runners(engines: Sequence[Engine]) -> list[tuple[str, str]]:
    """Return the pairs (engine, encoding) that ``engines`` can run, in the order of their turns; those without come last."""
    turns = {(one.name, encoding): one.turns.get(encoding, math.inf) for one in engines for encoding in one.encodings}
    return sorted(turns, key=turns.__getitem__)
