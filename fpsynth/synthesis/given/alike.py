"""Views of a given network that take the same sums in every layer: nothing tells them apart, as far as reveals bear that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.formats import Format
from fpsynth.networks.layers import Sums
from fpsynth.revealing.checking import same_numbers
from fpsynth.revealing.layer_runs import hostile_points
from fpsynth.revealing.layer_runs import predicted as revealed_outputs
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.synthesis.flips.arithmetics import same_neuron
from fpsynth.synthesis.given.running import RUN
from fpsynth.synthesis.given.views import Given, GivenView
from fpsynth.synthesis.grounds import ENOUGH, REVEALED
from fpsynth.synthesis.verdicts import Proof
from fpsynth.wording import counted, listed

MAX_TERMS = 8192
"""Of sums of more terms only equal arithmetics are seen to be the same: their expressions would take longer than a search."""


@dataclass(frozen=True)
class Compared:
    """What came of running two views that should give the same."""

    points: int
    departing: tuple[str, ...] = ()
    """What was seen that the revealed arithmetics do not say, in words."""
    apart: tuple[int, ...] = ()
    """The given points at which the second view gave another class than the first, and no silent one did.

    Each stood in the row of a batch that points get which fill batches in turn, whatever row a view is of.
    """


def alike(views: Sequence[GivenView], fmt: Format) -> Proof | None:
    """Why the deployed view never departs, or never without a silent one, where both take the same sums in every layer."""
    reference, deployed, *silent = views
    layers = {"layers": len(deployed.network.sums)}
    where = f"{counted(len(deployed.network.sums), 'layer')} of sums"
    if _same_sums(reference, deployed, fmt):
        names = f"{reference.view.label} and {deployed.view.label}"
        return Proof(f"both views evaluate the same expressions: {names}, {where}", "structural", layers)
    for quiet in silent:
        if _same_sums(quiet, deployed, fmt):
            names = f"{quiet.view.label}, which must be silent, evaluates the same expressions as {deployed.view.label}"
            return Proof(f"{names}, {where}", "structural", {**layers, "view": quiet.view.name})
    return None


def _same_sums(a: GivenView, b: GivenView, fmt: Format) -> bool:
    """Whether every number of the network is the same expression in both."""
    if a.network != b.network or not _alike(a.view.deployment.default, b.view.deployment.default):
        return False
    for index, name in enumerate(a.network.sums):
        structure = a.network.structure(name)
        if not isinstance(structure, Sums) or structure.normalisation is not None:
            return False
        both = ((a.view.deployment.at(index, j), b.view.deployment.at(index, j)) for j in range(structure.outputs))
        pairs = {(id(x), id(y)): (x, y) for x, y in both}  # few objects, where outputs are many and trees long to compare
        bias = structure.bias is not None
        if any(x != y for x, y in pairs.values()) and structure.terms > MAX_TERMS:
            return False
        if not all(_alike(x, y) and same_neuron(x, y, structure.terms, bias, fmt) for x, y in pairs.values()):
            return False
    return True


def _alike(a: Arithmetic, b: Arithmetic) -> bool:
    """Whether two arithmetics do the same beside their sums, as in a ReLU or a quotient."""
    return a.format == b.format and a.unit == b.unit


def borne(proof: Proof, views: Sequence[GivenView], given: Given) -> Proof:
    """The proof as one about revealed arithmetics, with what these explain, where a view is an environment."""
    told = [f"{_name(view)} explains {_counts(view)}" for view in _environments(views)]
    if not told:
        return proof
    statement = f"{REVEALED} {proof.statement}; {'; '.join(told)}"
    return replace(proof, statement=statement, details={**proof.details, "vectors": given.vectors})


def doubts_of(views: Sequence[GivenView], given: Given) -> tuple[str, ...]:
    """What the reveals leave open, so that nothing can be proved of their libraries; empty where that is nothing."""
    environments = _environments(views)
    open_ = [
        f"the arithmetics revealed for {_name(view)} do not explain everything" for view in environments if not view.explained
    ]
    open_ += [
        f"the rows of a batch have different arithmetics in {_name(view)}"
        for view in environments
        if view.found is not None and view.found.rows
    ]
    if environments and given.vectors < ENOUGH:
        open_.append(f"each layer was checked on {given.vectors} vectors only, and not on {ENOUGH}")
    return tuple(open_)


def _environments(views: Sequence[GivenView]) -> list[GivenView]:
    return list({_name(view): view for view in views if view.found is not None}.values())


def _name(view: GivenView) -> str:
    return view.view.environment or view.view.label


def _counts(view: GivenView) -> str:
    """How many results of each layer, and logits of the whole network, a reveal explains."""
    assert view.found is not None
    layers = [f"{layer.explained}/{layer.total} of {layer.name}" for layer in view.found.layers]
    return listed([*layers, f"{view.found.check.explained}/{view.found.check.total} logits of the whole"])


def compared(views: Sequence[GivenView], given: Given, points: Floats) -> Compared:
    """Run the environments among the views on ``points`` (points, inputs) and on hostile ones beside them, each twice."""
    points = points[:RUN]
    hostile = hostile_points(max(0, ENOUGH - len(points)), points.shape[1], given.format, given.seed, [points])
    asked = np.concatenate([points, hostile])
    outputs: list[Floats] = []
    departing: list[str] = []
    for view in views:
        if view.found is None:
            outputs.append(view(asked))
            continue
        predicted = revealed_outputs(view.found.network, asked, view.found.deployments)
        given.progress(f"running {_name(view)} directly")
        try:
            first, second = (_run(given, view, asked) for _ in range(2))
        except InputError as error:
            return Compared(0, (f"{_name(view)} was not run directly: {error}",))
        departing += _departing(_name(view), predicted, first, second)
        outputs.append(first)
    classes = [of_view[: len(points)].argmax(axis=1) for of_view in outputs]
    apart = (classes[0] != classes[1]) & np.all([own == classes[0] for own in classes[2:]], axis=0)
    return Compared(len(asked), tuple(departing), tuple(np.flatnonzero(apart).tolist()))


def _run(given: Given, view: GivenView, points: Floats) -> Floats:
    assert view.found is not None
    return np.asarray(given.revealer.outputs(given.network.logits, given.format, view.found.environment, points)["outputs"])


def _departing(name: str, predicted: Floats, first: Floats, second: Floats) -> Iterator[str]:
    """What a library did that was not revealed of it."""
    wrong = _differ(first, predicted)
    if wrong.any():
        yield f"run directly on {len(first)} inputs, {name} gives something else than was revealed for it on {int(wrong.sum())}"
    changed = _differ(first, second)
    if changed.any():
        yield f"{name} has no one arithmetic: {int(changed.sum())} of {len(first)} inputs gave other results when repeated"


def _differ(a: Floats, b: Floats) -> NDArray[np.bool_]:
    """Which points have an output that differs."""
    return np.asarray(~same_numbers(a, b).all(axis=1))
