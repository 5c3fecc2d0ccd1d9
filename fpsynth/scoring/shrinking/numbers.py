"""Simpler numbers: 0, 1, a power of two, fewer bits of the significand; each as near to the old one as it can be."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from fpsynth.errors import InputError
from fpsynth.networks.network import Network, with_numbers
from fpsynth.scoring.shrinking.search import Search, in_chunks
from fpsynth.scoring.shrinking.size import Candidate, cost
from fpsynth.scoring.shrinking.stacks import arrays_of, stack_of
from fpsynth.verifiers.properties import ExactBox, Inequality, Property

BITS = (1, 2, 3, 4, 6, 8, 12, 16, 20)
"""Of a significand, the fewest first."""


def shorter(number: float) -> Iterator[float]:
    """Numbers that cost less, the simplest first: 0, 1, -1, then nearest ones of so many bits."""
    for other in (0.0, 1.0, -1.0, *(rounded(number, bits) for bits in BITS)):
        if cost(other) < cost(number):
            yield other


def rounded(number: float, bits: int) -> float:
    """The nearest number with so many bits."""
    if not number or not math.isfinite(number):
        return number
    significand, exponent = math.frexp(number)
    return math.ldexp(round(significand * 2**bits), exponent - bits)


def shorter_exact(number: Fraction) -> Iterator[Fraction]:
    """The same of a rational."""
    near = float(number)
    for other in (Fraction(0), Fraction(1), *(Fraction(rounded(near, bits)) for bits in (*BITS, 24))):
        if cost(other) < cost(number):
            yield other


def held(network: Network) -> bool:
    """Whether every parameter is a finite number of float32."""
    return all(math.isfinite(number) and float(np.float32(number)) == number for number in network.entries())


def changed(network: Network, change: Callable[..., float]) -> Network | None:
    """The network with every parameter changed, by its place in ``entries``; None where a layer does not take its own."""
    place = iter(range(network.parameter_count))
    try:
        return with_numbers(network.map(lambda number: change(next(place), number)), lambda number: number)
    except InputError:  # a variance below zero, say
        return None


def zeros(search: Search[Candidate]) -> None:
    """Parameters become 0: all, halves, each."""

    def places() -> list[int]:
        return [k for k, number in enumerate(search.current.network.entries()) if number]

    def propose(chosen: range) -> bool:
        out = {places()[k] for k in chosen}
        return _replaced(search, lambda k, number: 0.0 if k in out else number)

    in_chunks(lambda: len(places()), propose)


def parameters(search: Search[Candidate]) -> None:
    """Parameters get shorter numbers: all at once, then one by one."""
    for bits in BITS:
        if _replaced(search, lambda k, number, bits=bits: rounded(number, bits)):
            break
    for place in range(search.current.network.parameter_count):
        number = list(search.current.network.entries())[place]
        for other in shorter(number):
            if _replaced(search, lambda k, old, other=other, place=place: other if k == place else old):
                break


def _replaced(search: Search[Candidate], change: Callable[..., float]) -> bool:
    """Whether parameters that are changed like that make something simpler that holds."""
    network = changed(search.current.network, change)
    return network is not None and held(network) and search.consider(replace(search.current, network=network))


def powers(search: Search[Candidate]) -> None:
    """Inputs, layers and outputs are scaled by powers of two, towards parameters with small exponents."""
    for steps in (64, 16, 4, 1):
        for sign in (1, -1):
            while search.consider(_inputs_scaled(search.current, sign * steps)):
                pass
            while search.consider(_outputs_scaled(search.current, sign * steps)):
                pass
            for layer in range(len(search.current.network.sums) - 1):
                while search.consider(_layer_scaled(search.current, layer, sign * steps)):
                    pass


def _inputs_scaled(old: Candidate, exponent: int) -> Candidate | None:
    """Inputs times a power of two, the first layer's weights divided by it."""
    layers = arrays_of(old.network)
    if layers is None:
        return None
    factor = Fraction(2) ** exponent
    (weight, bias), *others = layers
    box = ExactBox(*(tuple(end * factor for end in ends) for ends in (old.box.lower, old.box.upper)))
    points = tuple(tuple(float(Fraction(x) * factor) for x in point) for point in old.points)
    network = stack_of([(np.ldexp(weight, -exponent), bias), *others])
    return None if network is None else replace(old, network=network, box=box, points=points)


def _outputs_scaled(old: Candidate, exponent: int) -> Candidate | None:
    layers = arrays_of(old.network)
    if layers is None:
        return None
    *others, (weight, bias) = layers
    network = stack_of([*others, (np.ldexp(weight, exponent), np.ldexp(bias, exponent))])
    factor = Fraction(2) ** exponent
    unsafe = Property(
        tuple(tuple(replace(one, bound=one.bound * factor) for one in conjunction) for conjunction in old.unsafe.unsafe)
    )
    return None if network is None else replace(old, network=network, unsafe=unsafe)


def _layer_scaled(old: Candidate, layer: int, exponent: int) -> Candidate | None:
    layers = arrays_of(old.network)
    if layers is None or layer + 1 >= len(layers):
        return None
    (weight, bias), (after, shift) = layers[layer], layers[layer + 1]
    scaled = [(np.ldexp(weight, exponent), np.ldexp(bias, exponent)), (np.ldexp(after, -exponent), shift)]
    network = stack_of([*layers[:layer], *scaled, *layers[layer + 2 :]])
    return None if network is None else replace(old, network=network)


def shifts(search: Search[Candidate]) -> None:
    """Inputs and outputs are moved: so that a box begins at 0, a witness stands there, a bias or a bound is 0."""
    for k in range(len(search.current.box.lower)):
        old = search.current
        for by in (old.box.lower[k], old.box.upper[k], *(Fraction(point[k]) for point in old.points)):
            if search.consider(_input_shifted(old, k, by)):
                break
    for k in range(math.prod(search.current.network.output_shape)):
        search.consider(_output_shifted(search.current, k, None))
        for one in search.current.unsafe.inequalities:
            factor = dict(one.coefficients).get(k)
            if factor and search.consider(_output_shifted(search.current, k, one.bound / factor)):
                break


def _input_shifted(old: Candidate, k: int, by: Fraction) -> Candidate | None:
    layers = arrays_of(old.network)
    if layers is None or not by:
        return None
    (weight, bias), *others = layers
    with np.errstate(all="ignore"):
        network = stack_of([(weight, bias + weight[:, k] * float(by)), *others])
    ends = [tuple(end - by * (j == k) for j, end in enumerate(side)) for side in (old.box.lower, old.box.upper)]
    points = tuple(tuple(float(Fraction(x) - by * (j == k)) for j, x in enumerate(point)) for point in old.points)
    return None if network is None else replace(old, network=network, box=ExactBox(*ends), points=points)


def _output_shifted(old: Candidate, k: int, by: Fraction | None) -> Candidate | None:
    """Output k less a number (None: its bias), and the property's bounds with it."""
    layers = arrays_of(old.network)
    if layers is None:
        return None
    *others, (weight, bias) = layers
    less = Fraction(float(bias[k])) if by is None else by
    if not less:
        return None
    bias[k] = float(Fraction(float(bias[k])) - less)
    moved = (
        tuple(replace(one, bound=one.bound - dict(one.coefficients).get(k, Fraction(0)) * less) for one in conjunction)
        for conjunction in old.unsafe.unsafe
    )
    network = stack_of([*others, (weight, bias)])
    return None if network is None else replace(old, network=network, unsafe=Property(tuple(moved)))


def property_numbers(search: Search[Candidate]) -> None:
    """Fewer conjunctions, fewer inequalities in them, shorter numbers."""
    for k in reversed(range(len(search.current.unsafe.unsafe))):
        rest = tuple(one for j, one in enumerate(search.current.unsafe.unsafe) if j != k)
        if rest:
            search.consider(replace(search.current, unsafe=Property(rest)))
    for k in range(len(search.current.unsafe.unsafe)):
        for j in reversed(range(len(search.current.unsafe.unsafe[k]))):
            rest_of = tuple(one for i, one in enumerate(search.current.unsafe.unsafe[k]) if i != j)
            if rest_of:
                search.consider(_with_conjunction(search.current, k, rest_of))
        for j, one in enumerate(search.current.unsafe.unsafe[k]):
            for bound in shorter_exact(one.bound):
                conjunction = list(search.current.unsafe.unsafe[k])
                conjunction[j] = replace(one, bound=bound)
                if search.consider(_with_conjunction(search.current, k, tuple(conjunction))):
                    break


def _with_conjunction(old: Candidate, place: int, conjunction: tuple[Inequality, ...]) -> Candidate:
    told = tuple(conjunction if k == place else one for k, one in enumerate(old.unsafe.unsafe))
    return replace(old, unsafe=Property(told))
