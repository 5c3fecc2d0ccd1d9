"""Which few terms to make active: those on whose joining the orders differ, and some others."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence

from fpsynth.orders.comparing import differences
from fpsynth.sums.building import program_of
from fpsynth.synthesis.flips.question import FlipQuestion, arithmetics

Triple = tuple[int, int, int]
RANDOM_TRIPLES = 16
"""Triples that are tried beside those on which two trees are known to differ."""
PER_PAIR = 6
"""Triples on which two given trees differ, at most."""


def triples(question: FlipQuestion, seed: int) -> list[Triple]:
    """Triples of terms in ascending order: those on which the deployed order differs from another view's come first.

    Two different binary trees over the same leaves join some three of them differently; where the arithmetics differ in
    something else, any triple may do.
    """
    if question.terms < 3:
        return []
    return list(dict.fromkeys([*_differing(question, seed), *_random(question.terms, seed)]))


def _differing(question: FlipQuestion, seed: int) -> Iterator[Triple]:
    reference, deployed, *silent = question.views
    for output, view in itertools.product(range(question.outputs), (reference, *silent)):
        theirs, ours = view.deployment.at(0, output), deployed.deployment.at(0, output)
        if theirs.format is None or ours.format is None:
            continue
        trees = program_of(theirs, question.terms).tree, program_of(ours, question.terms).tree
        for triple in differences(*trees, PER_PAIR, seed):
            yield triple.leaves


def _sorted(leaves: Sequence[int]) -> Triple:
    i, j, k = sorted(leaves)
    return i, j, k


def _random(terms: int, seed: int) -> Iterator[Triple]:
    if terms <= 5:
        yield from itertools.combinations(range(terms), 3)
        return
    rng = random.Random(seed)
    yield (0, 1, 2)
    yield (0, terms // 2, terms - 1)
    for _ in range(RANDOM_TRIPLES):
        yield _sorted(rng.sample(range(terms), 3))


def few(question: FlipQuestion, seed: int, most: int) -> tuple[int, ...]:
    """At most ``most`` terms for a solver: those of the first triples, then others; all of them where there are no more."""
    if question.terms <= most:
        return tuple(range(question.terms))
    chosen: dict[int, None] = {}
    for triple in triples(question, seed):
        chosen |= dict.fromkeys(triple)
    return tuple(sorted(list(chosen)[:most]))


def precisions(question: FlipQuestion) -> list[int]:
    """The precisions in which partial sums, products, results and operands of the views are rounded, the coarsest first.

    Of sums that are aligned also the number of places after which a power of two is dropped.
    """
    programs = [program_of(how, question.terms) for view in question.views for how in arithmetics(view, question.outputs)]
    dropped = {align.fraction_bits + 1 for program in programs for align in program.alignments}
    return sorted({fmt.precision for program in programs for fmt in program.formats} | dropped)
