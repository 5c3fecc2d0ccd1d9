"""Fewer layers, neurons, inputs and outputs of stacks of dense layers and what can be written as one; fewer nodes of others.

What is proposed need not compute what it computed before: the re-check says whether it is still an instance of the same kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32
from fpsynth.networks.network import Network
from fpsynth.rounding import Rounding, round_fraction
from fpsynth.scoring.shrinking.search import Search, in_chunks
from fpsynth.scoring.shrinking.size import Candidate
from fpsynth.scoring.shrinking.stacks import Arrays, arrays_of, stack_of
from fpsynth.verifiers.properties import ExactBox, Inequality, Property


def _stacked(old: Candidate, layers: Sequence[tuple[Any, Any]], **others: Any) -> Candidate | None:
    network = stack_of(layers)
    return None if network is None else replace(old, network=network, **others)


def layers(search: Search[Candidate]) -> None:
    """Two neighbours become one, as if there were no ReLU between them; the first or the last goes."""
    for proposed in (_without_first, _without_last):
        while search.consider(proposed(search.current)):
            pass
    place = 0
    while (known := arrays_of(search.current.network)) is not None and place + 1 < len(known):
        if not search.consider(_merged(search.current, known, place)):
            place += 1
    _nodes(search)


def _merged(old: Candidate, known: Arrays, place: int) -> Candidate | None:
    (weight, bias), (after, shift) = known[place], known[place + 1]
    with np.errstate(all="ignore"):
        merged = after @ weight, after @ bias + shift
    return _stacked(old, [*known[:place], merged, *known[place + 2 :]])


def _without_first(old: Candidate) -> Candidate | None:
    """The box is what intervals say of the first layer's outputs, the points what float32 computes, about."""
    known = arrays_of(old.network)
    if known is None or len(known) < 2:
        return None
    weight, bias = known[0]
    ends = [_interval(row, shift, old.box) for row, shift in zip(weight.tolist(), bias.tolist(), strict=True)]
    low, high = (tuple(max(Fraction(0), end[side]) for end in ends) for side in (0, 1))
    with np.errstate(all="ignore"):
        points = tuple(
            tuple(np.maximum(weight @ np.array(point) + bias, 0).astype(np.float32).astype(np.float64).tolist())
            for point in old.points
        )
    return _stacked(old, known[1:], box=ExactBox(low, high), points=points)


def _interval(row: Sequence[float], bias: float, box: ExactBox) -> tuple[Fraction, Fraction]:
    """Rounded into float32, so that the numbers of boxes do not grow layer by layer."""
    low = high = Fraction(bias)
    for factor, a, b in zip(map(Fraction, row), box.lower, box.upper, strict=True):
        low, high = low + min(factor * a, factor * b), high + max(factor * a, factor * b)
    ends = round_fraction(low, FLOAT32, Rounding.RNE), round_fraction(high, FLOAT32, Rounding.RNE)
    if not all(end.is_finite for end in ends):
        return Fraction(0), Fraction(0)
    return Fraction(float(ends[0])), Fraction(float(ends[1]))


def _without_last(old: Candidate) -> Candidate | None:
    known = arrays_of(old.network)
    if known is None or len(known) < 2 or _outputs(old.unsafe)[-1] >= len(known[-2][1]):
        return None
    return _stacked(old, known[:-1])


def _nodes(search: Search[Candidate]) -> None:
    """Of other graphs: nodes that read one other, and change no shape, are passed by."""
    for name in [node.name for node in search.current.network.nodes]:
        search.consider(_passed_by(search.current, name))


def _passed_by(old: Candidate, name: str) -> Candidate | None:
    network = old.network
    node = next((one for one in network.nodes if one.name == name), None)
    if arrays_of(network) is not None or node is None or len(network.nodes) < 2 or len(node.inputs) != 1:
        return None
    (before,) = node.inputs
    if network.shapes[before] != network.shapes[name] or (name == network.output and before == "input"):
        return None
    nodes = tuple(
        replace(one, inputs=tuple(before if read == name else read for read in one.inputs))
        for one in network.nodes
        if one.name != name
    )
    try:
        return replace(old, network=Network(nodes, network.input_shape, before if name == network.output else network.output))
    except InputError:
        return None


def neurons(search: Search[Candidate]) -> None:
    """Hidden neurons go, layer by layer: as if they gave 0, or what they give at the witness."""
    for layer in reversed(range(len(search.current.network.sums) - 1)):
        for constant in (False, True):
            in_chunks(partial(_width, search, layer), partial(_out, search, layer, constant))


def _width(search: Search[Candidate], layer: int) -> int:
    known = arrays_of(search.current.network)
    return 0 if known is None or layer + 1 >= len(known) else len(known[layer][1])


def _out(search: Search[Candidate], layer: int, constant: bool, out: range) -> bool:
    old, known = search.current, arrays_of(search.current.network)
    assert known is not None
    keep = [k for k in range(_width(search, layer)) if k not in out]
    if not keep or (constant and not old.points):
        return False
    (weight, bias), (after, shift) = known[layer], known[layer + 1]
    with np.errstate(all="ignore"):
        given = shift + after[:, list(out)] @ _hidden(known, old.points[0], layer)[list(out)] if constant else shift
    changed = [(weight[keep], bias[keep]), (after[:, keep], given)]
    return search.consider(_stacked(old, [*known[:layer], *changed, *known[layer + 2 :]]))


def _hidden(known: Arrays, point: Sequence[float], layer: int) -> NDArray[np.float64]:
    """What a hidden layer gives at a point, about."""
    values: NDArray[np.float64] = np.array(point)
    for weight, bias in known[: layer + 1]:
        values = np.maximum(weight @ values + bias, 0)
    return values


PLACES = ("zero", "witness", "low", "high", "middle")
"""What inputs that go are taken to be."""


def inputs(search: Search[Candidate]) -> None:
    """Inputs go, as if they were always in one of PLACES; two become one that is their sum, or that both are."""
    for place in PLACES:
        in_chunks(partial(_inputs, search), partial(_fewer, search, place))
    for together in (_summed, _tied):
        j = 0
        while j + 1 < _inputs(search):
            others = range(j + 1, _inputs(search))
            if not any(search.consider(together(search.current, j, k)) for k in others):
                j += 1


def _inputs(search: Search[Candidate]) -> int:
    return 0 if arrays_of(search.current.network) is None else len(search.current.box.lower)


def _fewer(search: Search[Candidate], place: str, out: range) -> bool:
    return search.consider(_fewer_inputs(search.current, out, place))


def _fewer_inputs(old: Candidate, out: range, place: str) -> Candidate | None:
    known = arrays_of(old.network)
    keep = [k for k in range(len(old.box.lower)) if k not in out]
    if known is None or not keep or (place == "witness" and not old.points):
        return None
    (weight, bias), *others = known
    with np.errstate(all="ignore"):
        given = bias + weight[:, list(out)] @ np.array([_taken(old, k, place) for k in out])
    low, high = (tuple(ends[k] for k in keep) for ends in (old.box.lower, old.box.upper))
    points = tuple(tuple(point[k] for k in keep) for point in old.points)
    return _stacked(old, [(weight[:, keep], given), *others], box=ExactBox(low, high), points=points)


def _taken(old: Candidate, k: int, place: str) -> float:
    low, high = old.box.lower[k], old.box.upper[k]
    known = {"zero": Fraction(0), "low": low, "high": high, "middle": (low + high) / 2}
    return old.points[0][k] if place == "witness" else float(known[place])


def _summed(old: Candidate, j: int, k: int) -> Candidate | None:
    """Input j stands for the sum of both, with its own weights."""
    low, high = (ends[j] + ends[k] for ends in (old.box.lower, old.box.upper))
    return _in_place_of(old, j, k, low, high, 0.0, 1.0)


def _tied(old: Candidate, j: int, k: int) -> Candidate | None:
    """Input j is read in place of both, in what their ranges have in common, or in all of its own."""
    low, high = max(old.box.lower[j], old.box.lower[k]), min(old.box.upper[j], old.box.upper[k])
    if low > high:
        low, high = old.box.lower[j], old.box.upper[j]
    return _in_place_of(old, j, k, low, high, 1.0, 0.0)


def _in_place_of(
    old: Candidate, j: int, k: int, low: Fraction, high: Fraction, weights: float, points: float
) -> Candidate | None:
    """Input k goes; what input j has of its weights, and of its numbers at the points."""
    known = arrays_of(old.network)
    assert known is not None
    (weight, bias), *others = known
    weight[:, j] += weights * weight[:, k]
    keep = [i for i in range(len(old.box.lower)) if i != k]
    ends = [{**dict(enumerate(side)), j: end} for side, end in ((old.box.lower, low), (old.box.upper, high))]
    box = ExactBox(*(tuple(side[i] for i in keep) for side in ends))
    moved = tuple(
        tuple(float(np.float32(point[j] + points * point[k])) if i == j else point[i] for i in keep) for point in old.points
    )
    return _stacked(old, [(np.delete(weight, k, axis=1), bias), *others], box=box, points=moved)


def outputs(search: Search[Candidate]) -> None:
    """Outputs of which the property says nothing go; two that are compared become their difference."""
    search.consider(_used_outputs(search.current))
    search.consider(_difference(search.current))


def _outputs(unsafe: Property) -> list[int]:
    return sorted({k for one in unsafe.inequalities for k, _ in one.coefficients})


def _used_outputs(old: Candidate) -> Candidate | None:
    known, used = arrays_of(old.network), _outputs(old.unsafe)
    if known is None or len(used) == len(known[-1][1]):
        return None
    (weight, bias), place = known[-1], {k: j for j, k in enumerate(used)}
    renamed = _rewritten(old.unsafe, lambda one: replace(one, coefficients=tuple((place[k], c) for k, c in one.coefficients)))
    return _stacked(old, [*known[:-1], (weight[used], bias[used])], unsafe=renamed)


def _difference(old: Candidate) -> Candidate | None:
    """Y_j - Y_k <= 0, asked of two outputs, is asked of one that is their difference."""
    known = arrays_of(old.network)
    if known is None or len(old.unsafe.inequalities) != 1 or len(known[-1][1]) != 2:
        return None
    (one,) = old.unsafe.inequalities
    terms = dict(one.coefficients)
    if sorted(terms.values()) != [-1, 1] or one.bound:
        return None
    (weight, bias), (below, above) = known[-1], sorted(terms, key=lambda k: -terms[k])
    single = weight[below] - weight[above], bias[below] - bias[above]
    unsafe = Property(((Inequality(((0, Fraction(1)),), Fraction(0)),),))
    return _stacked(old, [*known[:-1], (single[0][None], np.array([single[1]]))], unsafe=unsafe)


def _rewritten(unsafe: Property, change: Callable[[Inequality], Inequality]) -> Property:
    return Property(tuple(tuple(map(change, conjunction)) for conjunction in unsafe.unsafe))
