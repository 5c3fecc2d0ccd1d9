"""Before anything is measured: whether the sides of a question can be asked it, and what their operations restrict.

An operation that is a sum has no weights, so that all are 1; operations that are no networks compute one layer, and some one
output.  Whatever contradicts that is refused here, so that nothing is found that could not be run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TypeVar

from fpsynth.errors import InputError
from fpsynth.libraries.naming import parse_environment
from fpsynth.libraries.restrictions import Restriction, restriction
from fpsynth.synthesis.domain import UNIT, Interval
from fpsynth.synthesis.options import Options
from fpsynth.synthesis.sides import is_environment
from fpsynth.witness.data import View
from fpsynth.wording import counted

Asked = TypeVar("Asked", bound=Options)
ONES = Interval(Fraction(1), Fraction(1))
MAX_WEIGHTS = 1 << 20
"""Of a layer: more take longer to evaluate and to write down than anybody waits."""


def _restrictions(views: Iterable[View]) -> list[tuple[str, Restriction]]:
    """The operations that are asked, by name, and what they restrict."""
    environments = [parse_environment(view.environment) for view in views if view.environment]
    return [(f"{one.library}:{one.operation}", restriction(one)) for one in environments]


def without_weights(views: Iterable[View]) -> str:
    """The name of an operation that has no weights; empty where all have some."""
    return next((name for name, restricts in _restrictions(views) if restricts.no_weights), "")


def fitted(options: Asked, views: Sequence[View]) -> Asked:
    """The request with weights that every side's operation has: all 1 where one is a sum.

    Raises InputError where another range of weights was asked for.
    """
    name = without_weights(views)
    if not name:
        return options
    if options.interval("weights", ONES) != ONES:
        raise InputError(f"{name} has no weights, so that all are 1: leave the range {options.weights} out, or write 1:1")
    return replace(options, weights="1:1")


def noted(views: Iterable[View]) -> tuple[str, ...]:
    """What a report says of a question that the sides' operations restrict."""
    name = without_weights(views)
    return (f"all weights are 1: {name} has no others",) if name else ()


def require_further_layers(views: Iterable[View], why: str) -> None:
    """Raise InputError where an operation computes one layer only, as ``why`` needs more."""
    for name, restricts in _restrictions(views):
        if restricts.one_layer:
            raise InputError(f"{name} computes one layer: {why} adds further ones, which it cannot run")


def require_outputs(texts: Iterable[str], outputs: int | None, needed: int, why: str) -> None:
    """Raise InputError where a side computes one output and more are asked for, or needed for what ``why`` says."""
    for text in texts:
        if not is_environment(text):
            continue
        environment = parse_environment(text)
        name = f"{environment.library}:{environment.operation}"
        if not restriction(environment).one_output:
            continue
        if (outputs or 1) > 1:
            raise InputError(f"{name} has one output: the layer cannot have {outputs}")
        if needed > 1:
            raise InputError(f"{name} has one output, and {why} needs at least {needed}")


def require_size(terms: int, outputs: int) -> None:
    """Raise InputError for a layer of too many weights."""
    if terms * outputs > MAX_WEIGHTS:
        layer = f"a layer of {counted(outputs, 'output')} of {counted(terms, 'term')}"
        raise InputError(f"{layer} has {counted(terms * outputs, 'weight')}, more than {MAX_WEIGHTS}")


def default_weights(max_weight: Fraction | None) -> Interval:
    """The range of weights where none is given: [-1, 1], or less where the largest weight is less."""
    return UNIT if max_weight is None else Interval(-min(max_weight, Fraction(1)), min(max_weight, Fraction(1)))
