"""When interval arithmetic in order a must contain the value of order b: the theorem, and whether it applies.

Theorem.  Let the sum programs a and b evaluate one neuron along the same tree, neither of them aligning nor flushing.  Call the
places where numbers are rounded positions: what each factor goes through when it is read, each product, the sum of each step,
the result.  At each let every rounding of b, in any mode, be into a format that holds every number that a has after that
position (a format of which it is one, as far as widening is exact); where a's number is exact there, let b not round.  Then the
interval of a, rounded outward, contains b's value v at every point of its box, unless v is infinite or NaN.  So do wider
intervals, such as ELINA's.

Proof, by induction over the positions: let b's number there be y, a's interval [l, h], and let l <= y <= h hold for the
operands.  Exact sums and products are monotone in each operand, or bounded by a corner of the box of their operands; so the
exact result e of b's operation lies between the exact ends e_l <= e <= e_h of a's, whichever kinds of steps the two take.  If a
does not round, b does not either, or leaves l and h as they are; else l = RD(...RD(e_l)) <= e_l, however often a rounds.
Either way l is a number of every format that b rounds into.  Each of b's roundings is monotone and changes no number of its
format, so all of them together give y >= l for e >= l; and y <= h the same way.  Widened ends are lower or higher still, and
the argument is the same.  Overflow: if y is finite, so are all numbers of b that it comes from; an end that overflows is
infinite or NaN and bounds nothing, or is the largest number of a's format toward the inside, which is still a number of b's and
beyond which e lies.  Flushing subnormals to zero is monotone as well, whether what is tiny is told after rounding or with
unbounded exponent (the rounding is then one without a least exponent); it is covered where a and b differ in nothing but the
modes: then each rounding of b has one of a that rounds outward into the same format.

Real arithmetic is the b that rounds nowhere: its sum is the same along every tree.  So is a b that adds up exactly (see
``fpsynth.synthesis.exactness``) and rounds at the end only, into formats that hold every number of a's result.
"""

from __future__ import annotations

from collections.abc import Iterator

from fpsynth.formats import Format
from fpsynth.orders.comparing import equal, subtree_names
from fpsynth.sums.building import program_of
from fpsynth.sums.program import Program, Round
from fpsynth.synthesis.exactness import described, exact_sum
from fpsynth.synthesis.intervals.question import IntervalQuestion
from fpsynth.synthesis.verdicts import Proof
from fpsynth.verifiers.interval_expressions import includes


def containment(question: IntervalQuestion) -> Proof | None:
    """The proof that the question has no answer, where the theorem says so; None where it does not apply."""
    why = _applies(program_of(question.reference, question.terms), program_of(question.deployed, question.terms)) or _exact(
        question
    )
    if not why:
        return None
    statement = (
        f"interval arithmetic in {question.a.label} contains every value that {question.b.label} computes: {why}, "
        "and rounding is monotone"
    )
    return Proof(statement, "structural", {"terms": question.terms, "widening": question.widening, "because": why})


def _applies(a: Program, b: Program) -> str:
    """Why the theorem covers a and b, in words; empty where it does not."""
    if a.alignments or b.alignments:
        return ""  # an aligned sum drops parts of its addends: it is no rounding of their exact sum
    if b.format is None:
        return "" if a.flush else "real arithmetic rounds nowhere"
    if not equal(a.tree, b.tree):
        return ""
    if a.flush or b.flush:
        return "both sum along one tree and differ in the rounding mode alone" if _alike(a, b) else ""
    if not all(_holds(one.format, after) for after, rounds in _positions(a, b) for one in rounds):
        return ""
    return "both sum along one tree, and b rounds nowhere else and nowhere more coarsely than a"


def _exact(question: IntervalQuestion) -> str:
    """Why b's value is the exact sum, rounded at the end at most, in words; empty where it may be another one."""
    a, b = program_of(question.reference, question.terms), question.deployed
    if a.flush or a.alignments:
        return ""
    found = exact_sum(b, question.terms, question.format, question.weights, question.inputs)
    if found is None or not found.plain:
        return ""
    ends = _after(a)[-1]
    if any(one.into.flush or one.source or not _holds(one.into.format, ends) for one in found.result):
        return ""
    return f"in {question.b.label} {described([found])}, whatever the order"


def _positions(a: Program, b: Program) -> Iterator[tuple[Format | None, tuple[Round, ...]]]:
    """Every position of two programs along one tree: the format of a's number after it (None: exact), and how b rounds."""
    assert a.format is not None
    after = _after(a)
    for product, mine, other in zip(after, a.leaves, b.leaves, strict=False):
        yield number_format(a.format, mine.reads), other.reads
        yield product, other.rounds
    for mine_at, other_at in _paired(a, b):
        yield after[mine_at], b.steps[other_at - b.tree.leaves].rounds
    yield after[-1], b.result


def _paired(a: Program, b: Program) -> Iterator[tuple[int, int]]:
    """The nodes of the steps of two programs along one tree that add up the same leaves."""
    names: dict[tuple[int, ...], int] = {}
    of_a, of_b = subtree_names(a.tree, names), subtree_names(b.tree, names)
    at = {name: node for node, name in enumerate(of_b)}
    yield from ((node, at[of_a[node]]) for node in range(a.tree.leaves, len(of_a)))


def _after(program: Program) -> list[Format | None]:
    """Of every node, and last of the result, the narrowest format known of which it is a number; None: an exact product."""
    assert program.format is not None
    found: list[Format | None] = []
    for leaf in program.leaves:
        read = number_format(program.format, leaf.reads)
        found.append(number_format(leaf.rounds[0].format, leaf.rounds) if leaf.rounds else None if leaf.exact else read)
    found += [number_format(step.rounds[0].format, step.rounds) for step in program.steps]
    root = found[-1]
    return [*found, root if root is None else number_format(root, program.result)]


def number_format(fmt: Format, rounds: tuple[Round, ...]) -> Format:
    """A format of which a number of ``fmt`` is one after some roundings, the narrowest that is known: widening is exact."""
    for one in rounds:
        fmt = fmt if includes(one.format, fmt) else one.format
    return fmt


def _alike(a: Program, b: Program) -> bool:
    """Whether two programs along one tree differ in the rounding mode alone."""
    leaves = all(
        (x.kind, _modeless(x.reads), _modeless(x.rounds)) == (y.kind, _modeless(y.reads), _modeless(y.rounds))
        for x, y in zip(a.leaves, b.leaves, strict=True)
    )
    pairs = [(a.steps[i - a.tree.leaves], b.steps[j - b.tree.leaves]) for i, j in _paired(a, b)]
    steps = all(x.kind is y.kind and _modeless(x.rounds) == _modeless(y.rounds) for x, y in pairs)
    return leaves and steps and a.format == b.format and _modeless(a.result) == _modeless(b.result)


def _modeless(rounds: tuple[Round, ...]) -> list[tuple[Format, object]]:
    return [(one.format, one.flush) for one in rounds]


def _holds(large: Format, small: Format | None) -> bool:
    return small is not None and (large == small or includes(large, small))
