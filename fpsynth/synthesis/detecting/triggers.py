"""Input-dependent detectors: two arithmetics disagree for the inputs in a box, or past a threshold, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.evaluators.deployed import network_outputs
from fpsynth.evaluators.real import exact_logits
from fpsynth.formats import Format, power_of_two
from fpsynth.networks.network import Network
from fpsynth.predicates import Predicate
from fpsynth.rounding import from_index, index_range
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.building import program_of
from fpsynth.synthesis.detecting.amplify import Ending, amplified, evaluated
from fpsynth.synthesis.detecting.stacking import Reading, Sketch, Stage, mean, power_at_least, power_at_most, shifted, stage
from fpsynth.synthesis.detecting.swallowing import require_three, swallowing
from fpsynth.synthesis.detecting.wanted import ONE_APART, LastLayer, Strength, Where
from fpsynth.witness.data import Sampled, View, Witness, only_point
from fpsynth.workers.deadlines import time_left

MAX_SAMPLES = 1 << 20
_FEWEST = 64
_NUMBERS = 1 << 21
"""Numbers of the sampled points: fewer points are sampled where each has many inputs."""
_PIECE = 1 << 20
"""Products that are held at a time."""
_EXACT = 1 << 14
"""Products that are computed exactly between two looks at the time."""


def input_dependent(
    sides: Sequence[View],
    layer: LastLayer,
    where: Where,
    strength: Strength = ONE_APART,
    *,
    samples: int = 20_000,
    seed: int = 0,
    question: str = "order",
) -> Witness:
    """A network that two arithmetics evaluate to results a gap apart for the inputs in a box, and to the same outside.

    ``sides``: the reference, the deployed one, and any that are silent, which must not depart anywhere; they say how ``layer``
    is evaluated.

    With v the violations ReLU(l - x) and ReLU(x - u), the trigger t = ReLU(c - k * sum(v)) is c in the box and 0 outside, in
    every arithmetic that rounds monotonically, whatever its order: inside, all terms are zero; outside, the rounded sum is at
    least its largest term, and k is so large that this is at least c for the number next to the box.  Where sums are aligned it
    is at least the power of two next below that term, which c, a power of two, does not exceed either.  The last layer adds up
    -omega, omega and the trigger where one arithmetic loses it (see ``swallowing``; the idea is that of Zombori et al., ICLR
    2021), omega being built out of the biases of zero rows.

    ``samples`` points, inside and outside in equal parts, the faces and the numbers next to them included, are evaluated in
    all views, fewer where there are thousands of inputs or the time is over; the counts are recorded.  The point is the first
    one inside, the centre; there the exact interpreter is used.

    Raises InputError for an empty box and one that holds every input; where no such summands tell the arithmetics apart;
    where the format does not hold the numbers; where a face is so near to zero that the numbers next to it are lost (flushed,
    or scaled away by weights below 1); for operands that are rounded; and where a sampled point behaves otherwise.
    """
    fmt, terms, outputs, neuron = layer.format, layer.terms, layer.outputs, layer.neuron
    gap, max_weight, width, output = strength.gap, strength.max_weight, strength.width, strength.output
    region = require_detectable(sides, layer, where)
    hows = [view.deployment.at(0, neuron) for view in sides]
    small = power_at_least(gap)
    found = swallowing(hows[0], hows[1], terms, small)
    natural = min(power_at_least(max(found.omega, small / region.least_violation(fmt))), power_of_two(fmt.emax - 1))
    by = stage(natural if max_weight is None else max_weight, width)
    plan = _plan(region, by, small, found.omega, fmt, any(how.flushes for how in hows))
    ending = Ending(found, small, by, plan.depth, fmt)
    sketch = Sketch(len(region.lower))
    trigger = plan.trigger(sketch, region, ending.small_level)
    omega = sketch.chain(0, Reading({}, Fraction(1)), by.factors(ending.large_level, plan.depth), by.width)
    ending.write(sketch, terms, omega, trigger, outputs, neuron)
    network = sketch.network(fmt, last_bias=any(how.needs_bias for how in hows))
    views = [replace(view, deployment=shifted(view.deployment, plan.depth, outputs)) for view in sides]
    inside, outside = _points(region, fmt, samples, seed)
    point = only_point(_row(inside[0]))
    blank = Witness(question, fmt, network, point, Predicate("gap", neuron, bound=gap), (), construction="trigger")
    flip = evaluated(blank, network, views, blank.predicate, max_weight)
    if output != "gap":
        flip = replace(
            amplified(flip, max_weight=max_weight or natural, gap=gap, width=width, output=output), max_weight=max_weight
        )
    sides_of_box = tuple(zip(_row(region.lower), _row(region.upper), strict=True))
    return replace(flip, box=sides_of_box, sampled=_sampled(flip, inside, outside, seed))


def require_detectable(sides: Sequence[View], layer: LastLayer, where: Where, max_weight: Fraction | None = None) -> _Region:
    """The region in which ``input_dependent`` makes sides depart; raises InputError for what can be told without building."""
    region = _region(layer.format, where)
    if any(_rounds_operands(view.deployment.at(0, layer.neuron), layer.terms) for view in sides):
        raise InputError("an arithmetic that rounds its operands does not see the faces of a box where they are")
    require_three(layer.terms)
    if max_weight is not None:
        stage(max_weight, None)
    return region


def _rounds_operands(how: Arithmetic, terms: int) -> bool:
    """Whether weights and inputs are rounded into a format that is not that of products and sums."""
    return any(fmt != multiplied for fmt, multiplied in program_of(how, terms, how.needs_bias).narrowed)


@dataclass(frozen=True)
class _Region:
    """A box of numbers of a format among all inputs; a side that coincides with the range of the inputs is no face."""

    lower: tuple[Fraction, ...]
    upper: tuple[Fraction, ...]
    least: Fraction
    """Of any input."""
    greatest: Fraction

    @property
    def faces(self) -> list[tuple[int, int, Fraction]]:
        """(input, side, bound): outside where side * (x - bound) > 0."""
        below = [(k, -1, bound) for k, bound in enumerate(self.lower) if bound > self.least]
        return below + [(k, 1, bound) for k, bound in enumerate(self.upper) if bound < self.greatest]

    def least_violation(self, fmt: Format) -> Fraction:
        """The distance of a face from the next number outside, where that is least."""
        return min(abs(_next(bound, side, fmt) - bound) for _, side, bound in self.faces)


def _region(fmt: Format, where: Where) -> _Region:
    box, threshold, inputs, features = where.box, where.threshold, where.inputs, where.features
    least, greatest = _inward(inputs.lower, inputs.upper, fmt)
    if (box is None) == (threshold is None):
        raise InputError("an input-dependent detector needs either a box or a threshold")
    if threshold is not None:
        k, value, side = threshold
        count = k + 1 if features is None else features
        if side not in (1, -1) or not 0 <= k < count:
            raise InputError(f"a threshold is (input, value, 1 or -1) with an input among {count}")
        if not inputs.lower <= value <= inputs.upper:
            raise InputError(f"the threshold {float(value):g} is outside the inputs' range {inputs}")
        past = (value, greatest) if side == 1 else (least, value)
        box = [past if j == k else (least, greatest) for j in range(count)]
    assert box is not None
    if not box:
        raise InputError("a box needs a range for at least one input")
    if any(low < inputs.lower or high > inputs.upper for low, high in box):
        raise InputError(f"the box reaches beyond the inputs {inputs}")
    inward = {(low, high): _inward(low, high, fmt) for low, high in dict.fromkeys((low, high) for low, high in box)}
    ranges = [inward[low, high] for low, high in box]  # there may be thousands, nearly all alike
    region = _Region(tuple(low for low, _ in ranges), tuple(high for _, high in ranges), least, greatest)
    if not region.faces:
        raise InputError("the box holds every input, so that nothing is outside")
    return region


def _inward(lower: Fraction, upper: Fraction, fmt: Format) -> tuple[Fraction, Fraction]:
    """The least and the greatest number of the format in a range.  Raises InputError where there is none."""
    first, last = index_range(lower, upper, fmt)
    if first > last:
        raise InputError(f"no {fmt} number is between {float(lower)!r} and {float(upper)!r}")
    return from_index(first, fmt).fraction(), from_index(last, fmt).fraction()


def _next(number: Fraction, side: int, fmt: Format) -> Fraction:
    """The next number of the format above (side 1) or below (side -1)."""
    index, _ = index_range(number, number, fmt)
    return from_index(index + side, fmt).fraction()


@dataclass(frozen=True)
class _Plan:
    """How the trigger is computed: violations, ``before`` layers that sum and scale them, the trigger, layers that scale it."""

    first: Fraction
    """The violations' scale in the first layer."""
    scales: tuple[Fraction, ...]
    """What each further layer up to the trigger's own multiplies the violations by."""
    level: Fraction
    """The trigger's bias c: what it is worth inside at first."""
    depth: int
    """Hidden layers in all."""
    by: Stage

    def trigger(self, sketch: Sketch, region: _Region, level: Fraction) -> Reading:
        """Append all that comes in front of the last hidden layer; return how that reads the trigger, scaled to ``level``."""
        violations: list[int] = []
        for k, side, bound in region.faces:
            violations += sketch.add(0, {k: side * self.first}, -side * bound * self.first)
        total = sketch.chain(1, Reading(dict.fromkeys(violations, Fraction(1))), self.scales, self.by.width)
        at = len(self.scales)
        trigger = Reading({k: -weight for k, weight in total.row.items()}, self.level)
        if at + 1 == self.depth:
            return trigger
        copies = mean(sketch.add(at, trigger.row, trigger.bias, self.by.width))
        further = self.depth - at - 1
        return sketch.chain(at + 1, copies, self.by.factors(level / self.level, further, self.by.width), self.by.width)


def _plan(region: _Region, by: Stage, small: Fraction, omega: Fraction, fmt: Format, flush: bool) -> _Plan:
    """The fewest layers; the trigger's level is lowered where the scaled violations would overflow otherwise."""
    wanted, least, faces = small / min(by.weight, Fraction(1)), region.least_violation(fmt), region.faces
    widest: Fraction = max(abs(bound) for _, _, bound in faces)
    fits: Fraction = power_at_most(by.weight / widest) if widest else Fraction(1)
    first = min(by.weight, Fraction(1), fits)
    if first * least < (fmt.min_normal if flush else fmt.min_subnormal):
        raise InputError("the numbers next to a face of the box are so near to it that the difference is lost: move it from 0")
    reach = region.greatest - region.least
    # the factor is below 2 * level / least: times the sum of all violations that is below a quarter of the largest number
    level = min(wanted, by.weight, power_at_most(fmt.max_finite * least / (8 * reach * len(faces))))
    if first * reach > fmt.max_finite or level < fmt.min_normal:
        raise InputError(
            f"{fmt} does not hold the largest and the least distance from the box at once: narrow the inputs' range"
        )
    scale = power_at_least(level / (least * first))
    before = by.layers(scale)
    further = by.layers(wanted / level, by.width) if wanted > level else 0
    depth = max(1 + before + further, by.layers(omega / by.weight))
    return _Plan(first, tuple(by.factors(scale, before)), level, depth, by)


_HOW = (
    "inside: the centre, two corners, then uniform with every fourth coordinate on a face; outside: one coordinate of an "
    "inside point moved across a face, to the next number, a few numbers or a random distance further, every other point "
    "replaced by a uniform one of the inputs' range where that is outside"
)


def _points(region: _Region, fmt: Format, samples: int, seed: int) -> tuple[Floats, Floats]:
    """Sampled points inside and outside, of the format: arrays of shape (points, inputs)."""
    import numpy as np

    from fpsynth.evaluators.arrays import from_index as from_indices
    from fpsynth.evaluators.arrays import round_array, to_index

    if not 8 <= samples <= MAX_SAMPLES:
        raise InputError(f"between 8 and {MAX_SAMPLES} points can be sampled")
    samples = min(samples, max(_FEWEST, _NUMBERS // len(region.lower)))
    draw = np.random.default_rng(seed)
    lower, upper = np.array(_row(region.lower)), np.array(_row(region.upper))
    least, greatest = float(region.least), float(region.greatest)

    def between(low: Floats, high: Floats, count: int) -> Floats:
        drawn = low * (1 - (share := draw.random((count, len(lower))))) + high * share
        return np.clip(round_array(drawn, fmt), low, high)

    inside = between(lower, upper, samples // 2)
    on_face = draw.random(inside.shape) < 0.25
    inside = np.where(on_face, np.where(draw.random(inside.shape) < 0.5, lower, upper), inside)
    inside[:3] = np.clip(round_array(lower / 2 + upper / 2, fmt), lower, upper), lower, upper
    count = samples - len(inside)
    outside = inside[draw.integers(len(inside), size=count)]
    across = np.array([k for k, _, _ in region.faces])
    sides = np.array([side for _, side, _ in region.faces])
    bounds = np.array([float(bound) for _, _, bound in region.faces])
    face = draw.integers(len(across), size=count)
    steps = np.where(np.arange(count) % 3 == 0, 1, draw.integers(1, 1000, size=count))
    places = to_index(bounds[face], fmt) + sides[face] * steps
    moved = from_indices(np.clip(places, -fmt.max_finite_bits, fmt.max_finite_bits), fmt)
    end = np.where(sides[face] == 1, greatest, least)
    moved = np.where(np.arange(count) % 4 == 3, round_array(moved + (end - moved) * draw.random(count), fmt), moved)
    outside[np.arange(count), across[face]] = np.clip(moved, least, greatest)
    anywhere = between(np.full(len(lower), least), np.full(len(lower), greatest), count)
    replaced = ((anywhere < lower) | (anywhere > upper)).any(axis=1) & (np.arange(count) % 2 == 0)
    return inside, np.where(replaced[:, None], anywhere, outside)


def _sampled(flip: Witness, inside: Floats, outside: Floats, seed: int) -> Sampled:
    """Where the views depart; raises InputError where that is not inside only, and for the deployed view only.

    Points are evaluated until the time is over, a few at least; the counts are of those.
    """
    done, departed = [0, 0], [0, 0]
    size = _piece(flip)
    for start in range(0, max(len(inside), len(outside)), size):
        if start and not time_left(1.0):
            break
        for k, points in enumerate((inside[start : start + size], outside[start : start + size])):
            departures = _departures(flip, points)
            if any(departures[1:]):
                quiet = flip.silent[next(n for n, count in enumerate(departures[1:]) if count)].label
                raise InputError(f"{quiet}, which must stay silent, departs from {flip.reference.label} in a sampled input")
            done[k] += len(points)
            departed[k] += departures[0]
    if departed != [done[0], 0]:
        raise InputError(
            f"the views depart in {departed[0]} of {done[0]} inputs in the box and in {departed[1]} of {done[1]} others"
        )
    return Sampled(done[0], departed[0], done[1], departed[1], seed, _HOW)


def _piece(flip: Witness) -> int:
    """So many points are evaluated at a time: what they take of the memory is bounded, and so is the time."""
    products = max(layer.inputs * layer.outputs for layer in flip.network.dense_layers)
    exact = any(view.deployment.default.format is None for view in flip.views)
    if not exact:
        return max(1, _PIECE // products)
    return max(1, _EXACT // sum(layer.inputs * layer.outputs for layer in flip.network.dense_layers))


def _departures(flip: Witness, points: Floats) -> list[int]:
    """At how many of the points the deployed view, and each silent one, departs from the reference."""
    import numpy as np

    if not len(points):
        return [0 for _ in flip.views[1:]]
    counts, relation = [], flip.predicate.relation
    a, *others = (_outputs(flip.network, points, view).T for view in flip.views)
    for b in others:  # both are zero, the gap or near it, so that their difference is exact
        counts.append(int(np.count_nonzero(relation.holds_each(flip.predicate, a, b, 0.0))))
    return counts


def _outputs(network: Network, points: Floats, view: View) -> Floats:
    """The logits of a view; exact ones are rounded to float64."""
    import numpy as np

    if view.deployment.default.format is not None:
        return network_outputs(network, points, view.deployment)
    return np.array([[float(logit) for logit in exact_logits(network, point)] for point in points.tolist()])


def _row(numbers: Sequence[Fraction] | Floats) -> tuple[float, ...]:
    return tuple(float(x) for x in numbers)
