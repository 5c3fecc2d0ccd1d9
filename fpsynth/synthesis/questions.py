"""From a request to a result: sides resolved and revealed, the engine asked, the answer placed, replayed and concluded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import TypeVar

from fpsynth.errors import InputError
from fpsynth.predicates import RELATIONS, Predicate
from fpsynth.solvers.engines import engines_named
from fpsynth.synthesis.contest import Contest
from fpsynth.synthesis.detecting.amplify import amplified
from fpsynth.synthesis.detecting.triggers import input_dependent, require_detectable
from fpsynth.synthesis.detecting.wanted import LastLayer, Strength, Where
from fpsynth.synthesis.divergences import Decision, concluded
from fpsynth.synthesis.domain import UNIT, parse_interval, parse_number
from fpsynth.synthesis.flips import FlipQuestion, FlipResult, find_flip
from fpsynth.synthesis.flips.arithmetics import same
from fpsynth.synthesis.grounds import Ground, grounds_of
from fpsynth.synthesis.intervals.answer import IntervalQuestion, IntervalResult, find_outside
from fpsynth.synthesis.intervals.placing import in_layer
from fpsynth.synthesis.intervals.question import OUTSIDE, box_around, interval_of, rounded_up, told_of_radius
from fpsynth.synthesis.options import Options
from fpsynth.synthesis.placing import alone, assemble, layer, one_neuron
from fpsynth.synthesis.planning import (
    default_weights,
    fitted,
    noted,
    require_further_layers,
    require_outputs,
    require_size,
)
from fpsynth.synthesis.requests.interval import IntervalRequest
from fpsynth.synthesis.requests.order import OrderRequest
from fpsynth.synthesis.result import Result
from fpsynth.synthesis.settings import Clock, Settings
from fpsynth.synthesis.sides import Shape, Sides, shape_for
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.witness.data import View, Witness
from fpsynth.workers.deadlines import OutOfTimeError, within

LAST_SECONDS = 1.0
"""For what was found in the last moment: it is put into its layer and evaluated exactly all the same."""
IMPROVEMENT = 0.25
"""The share of the time limit that is spent on a larger difference where that is asked for."""


def settings_of(options: Options, improve: bool, seconds: float) -> Settings:
    """The search's settings."""
    jobs = {} if options.jobs is None else {"jobs": options.jobs}
    improvement = IMPROVEMENT * options.timeout if improve else 0.0
    return Settings(engines_named(options.solver), options.seed, seconds, improvement, **jobs)


TwoSided = TypeVar("TwoSided", OrderRequest, IntervalRequest)


@contextmanager
def _sides(
    request: TwoSided,
    check: Callable[[Shape, Sequence[View]], TwoSided],
    wanted: Callable[[Shape], Sequence[int]],
    outputs: int | None = None,
    least: int = 1,
) -> Iterator[tuple[Sides, tuple[View, ...], TwoSided]]:
    """The sides' views of one layer, the libraries' processes ended afterwards (views stay valid); and the request for them.

    ``check`` refuses, before anything is measured, what cannot be asked of some sides; it returns the request that fits them.
    ``wanted``: the outputs that are revealed.
    """
    texts: tuple[str, ...] = request.sides
    terms = request.terms
    engines_named(request.solver)
    require_outputs(texts, outputs, least, "a class")
    shape = shape_for(texts, terms, outputs, least)
    require_size(terms, shape.outputs)
    vectors, seed, progress = request.vectors_used, request.seed, request.progress
    with Sides(request.format, shape, read=wanted(shape), vectors=vectors, seed=seed, progress=progress) as sides:
        names = ["a", "b", *(f"silent{k}" for k in range(1, len(texts) - 1))]
        roles = ["reference", "deployed", *["silent"] * (len(texts) - 2)]
        described = list(zip(texts, names, roles, strict=True))
        fitting = check(shape, [sides.planned(*side) for side in described])
        yield sides, tuple(sides.view(*side) for side in described), fitting


def _checked(request: OrderRequest, shape: Shape, views: Sequence[View]) -> OrderRequest:
    """The request for these sides.  Raises InputError for whatever is known to be refused before they are measured."""
    request = fitted(request, views)
    if request.magnified:
        require_further_layers(views, "max_weight" if request.max_weight is not None else "a box or a threshold")
    if request.dependent:
        require_detectable(views, _last_layer(request, shape), _where(request), request.bound)
    else:
        _question(request, shape, views)
    return request


def run_order(request: OrderRequest) -> Result:
    """Answer a request about two arithmetics.  Raises InputError for what cannot be used."""
    clock, least = Clock(request.timeout), 2 if request.relation.about_classes else 1
    try:
        check, wanted = partial(_checked, request), partial(_wanted, request)
        with within(request.timeout), _sides(request, check, wanted, request.outputs, least) as made:
            sides, views, request = made
            reveals = tuple(sides.reveals.values())
    except OutOfTimeError:
        return _unrevealed(request, clock)
    grounds = grounds_of(views, sides.reveals, _read(request, sides.shape))
    searching = Clock(clock.left)
    result, placed = _answer(request, sides, views, clock)
    decision = Decision(result.verdict, placed, result.reason, searching.spent, result.proof, result.attempts)
    contest = None if request.dependent else _contest(request, sides.shape, views, grounds)
    return concluded(request, decision, clock, reveals, grounds, contest)


def _read(request: OrderRequest, shape: Shape) -> tuple[int, ...]:
    """The outputs that an answer depends on: all of them where it is about the class."""
    return _predicate(request, shape).outputs(shape.outputs)


def _wanted(request: OrderRequest, shape: Shape) -> Sequence[int]:
    """The outputs whose arithmetics are wanted: with further layers all, since these take the commonest one."""
    return range(shape.outputs) if request.magnified else _read(request, shape)


def _predicate(request: OrderRequest, shape: Shape) -> Predicate:
    """What is asked of the layer: of the output that is read."""
    return Predicate(request.kind, shape.output, bound=request.least or Fraction(0))


def _contest(request: OrderRequest, shape: Shape, views: tuple[View, ...], grounds: tuple[Ground, ...]) -> Contest:
    """What the libraries are compared for where nothing is found; one layer answers no question about further layers."""
    predicate = None if request.magnified else _predicate(request, shape)
    return Contest(
        question=request.question,
        format=request.format,
        terms=request.terms,
        outputs=shape.outputs,
        read=_read(request, shape),
        views=views,
        grounds=grounds,
        weights=request.interval("weights", default_weights(request.bound)),
        inputs=request.interval("inputs", UNIT),
        predicate=predicate,
        zeros=not request.camouflage,
        seed=request.seed,
        vectors=request.vectors_used,
    )


def _unrevealed(request: Options, clock: Clock) -> Result:
    """The result where the time was over while the sides were measured."""
    reason = f"the time limit of {request.timeout:g} s was over before every side was revealed"
    return concluded(request, Decision(Verdict.UNKNOWN, None, reason), clock)


def _answer(request: OrderRequest, sides: Sides, views: tuple[View, ...], clock: Clock) -> tuple[FlipResult, Witness | None]:
    """What the search or the construction comes to, and the divergence in the layer or the network that was asked for."""
    outputs, output = sides.shape.outputs, _flipped(request, sides.shape, views)
    try:
        if request.dependent:
            with within(clock.left):
                built = _dependent(request, sides, views)
            return FlipResult(Verdict.FOUND, built, None, "found by construction"), built
        with within(clock.left):
            question = _question(request, replace(sides.shape, output=output), views)
            result = find_flip(question, settings_of(request, request.improves, clock.left), request.progress)
        if result.divergence is None and not _plain(request, outputs) and _is_about_more(request):
            return _of_one_neuron(result, request, views, outputs), None
        with within(max(clock.left, LAST_SECONDS)):
            placed = _placed(request, replace(sides.shape, output=output), views, result.divergence)
    except OutOfTimeError:
        reason = "the time limit was over before the network was built and evaluated exactly"
        return FlipResult(Verdict.UNKNOWN, None, None, reason), None
    return result, None if placed is None else _with_notes(placed, noted(views))


def _is_about_more(request: OrderRequest) -> bool:
    """Whether the question is about classes or further layers, while the engine is asked about one neuron against zero."""
    return request.relation.about_classes or request.bound is not None


def _flipped(request: OrderRequest, shape: Shape, views: tuple[View, ...]) -> int:
    """The neuron that is to flip: the one that is read, or for a class the first that the two sides sum differently."""
    a, b = views[:2]
    if not request.relation.about_classes or not _alike(a, b, shape.output, request):
        return shape.output
    return next((j for j in range(shape.outputs) if not _alike(a, b, j, request)), shape.output)


def _alike(a: View, b: View, output: int, request: OrderRequest) -> bool:
    hows = (view.deployment.at(0, output) for view in (a, b))
    return same(*hows, request.terms, request.format)


def _of_one_neuron(result: FlipResult, request: OrderRequest, views: tuple[View, ...], outputs: int) -> FlipResult:
    """The answer to a question about classes or further layers, where one neuron against zero has no flip.

    That says something of the whole only where the deployed view sums all neurons as the reference or a silent view does, or
    where all products are zero.
    """
    a, b, *silent = views
    alike = any(all(_alike(view, b, j, request) for j in range(outputs)) for view in (a, *silent))
    nothing = result.proof is not None and result.proof.method == "contradictory domain"
    if result.verdict is not Verdict.IMPOSSIBLE or alike or nothing:
        return result
    reason = f"{result.reason}; but that is proved of one neuron against zero, and says nothing of several against each other"
    return replace(result, verdict=Verdict.UNKNOWN, proof=None, reason=reason)


def _with_notes(divergence: Witness, notes: Sequence[str]) -> Witness:
    """The divergence with further notes on where it comes from, if that is known."""
    if divergence.provenance is None or not notes:
        return divergence
    provenance = replace(divergence.provenance, notes=(*divergence.provenance.notes, *notes))
    return replace(divergence, provenance=provenance)


def _plain(request: OrderRequest, outputs: int) -> bool:
    """Whether two neurons compete for the class; else one neuron is looked at, against a rival if it is about the class."""
    return request.relation.about_classes and outputs == 2 and request.bound is None


def _question(request: OrderRequest, shape: Shape, views: Sequence[View]) -> FlipQuestion:
    """What the engine is asked: about one neuron, or about two classes.  Raises InputError for what cannot be asked."""
    classes, plain = request.relation.about_classes, _plain(request, shape.outputs)
    if classes and shape.outputs < 2 and request.bound is None:
        raise InputError("a class needs at least 2 outputs")
    kind = request.kind
    if request.bound is not None or (classes and not plain):
        kind = "relu" if classes else "sign"
    predicate = Predicate(kind, bound=request.least or Fraction(0)) if RELATIONS[kind].bounded else Predicate(kind)
    return FlipQuestion(
        question=request.question,
        format=request.format,
        terms=request.terms,
        predicate=predicate,
        views=tuple(views) if plain else tuple(one_neuron(view, shape.output) for view in views),
        weights=request.interval("weights", default_weights(request.bound)),
        inputs=request.interval("inputs", UNIT),
        maximise=request.improves,
        camouflage=request.camouflage,
    )


def _placed(request: OrderRequest, shape: Shape, views: tuple[View, ...], flip: Witness | None) -> Witness | None:
    """The answer of the engine in the layer that was asked for, amplified by further ones where the weights are bounded."""
    if flip is None:
        return None
    classes, outputs, output = request.relation.about_classes, shape.outputs, shape.output
    if outputs == 1:
        flip = alone(flip, request.question, views)
    elif not _plain(request, outputs):
        rival = (output + 1) % outputs if classes and outputs > 1 and request.bound is None else None
        rows = layer(flip.network.dense_layers[0].weight[0].tolist(), flip.point, outputs, output, rival)
        predicate = Predicate("argmax") if rival is not None else replace(flip.predicate, output=output)
        flip = assemble(flip, rows, request.question, predicate, views)
    if request.bound is None:
        return flip
    gap = request.least or Fraction(1)
    return amplified(flip, max_weight=request.bound, gap=gap, output="argmax" if classes else "gap")


def _last_layer(request: OrderRequest, shape: Shape) -> LastLayer:
    return LastLayer(request.terms, request.format, shape.outputs, shape.output)


def _where(request: OrderRequest) -> Where:
    """Where an input-dependent detector is to depart, and among which numbers."""
    inputs = request.interval("inputs", UNIT)
    if request.box is None:
        return Where(inputs, threshold=_threshold(request.threshold or ""))
    ranges = [parse_interval(text, "a side of the box") for text in request.box.split(",")]
    return Where(inputs, [(side.lower, side.upper) for side in ranges])


def _dependent(request: OrderRequest, sides: Sides, views: tuple[View, ...]) -> Witness:
    """A network that departs in a box of its inputs, or past a threshold, and nowhere else that is sampled."""
    output = "argmax" if request.relation.about_classes else "gap"
    strength = Strength(request.least or Fraction(1), request.bound, output=output)
    layer = _last_layer(request, sides.shape)
    return input_dependent(views, layer, _where(request), strength, seed=request.seed, question=request.question)


def _threshold(text: str) -> tuple[int, Fraction, int]:
    """Read FEATURE>VALUE or FEATURE<VALUE."""
    for mark, side in ((">", 1), ("<", -1)):
        feature, found, value = text.partition(mark)
        if found and feature.strip().isascii() and feature.strip().isdigit() and len(feature) < 6:
            return int(feature), parse_number(value, "the threshold"), side
    raise InputError(f"the threshold {text[:40]!r} must have the form FEATURE>VALUE or FEATURE<VALUE, for example 0>0.5")


def _interval_question(request: IntervalRequest, shape: Shape, views: Sequence[View]) -> IntervalQuestion:
    """What the engine is asked: about the neuron that is read."""
    a, b = (one_neuron(view, shape.output) for view in views)
    return IntervalQuestion(
        format=request.format,
        terms=request.terms,
        a=a,
        b=b,
        weights=request.interval("weights", UNIT),
        inputs=request.interval("inputs", UNIT),
        widening=request.widening,
        radius=request.used_radius(),
        maximise=request.improves,
    )


def _interval_checked(request: IntervalRequest, shape: Shape, views: Sequence[View]) -> IntervalRequest:
    """The request for these sides.  Raises InputError for whatever is known to be refused before they are measured."""
    request = fitted(request, views)
    _interval_question(request, shape, views)
    return request


def run_interval(request: IntervalRequest) -> Result:
    """Answer whether interval arithmetic on one side misses the value on the other.  Raises InputError."""
    clock, wanted = Clock(request.timeout), request.wanted
    try:
        check = partial(_interval_checked, request)
        with within(request.timeout), _sides(request, check, lambda shape: (shape.output,)) as made:
            sides, views, request = made
            reveals = tuple(sides.reveals.values())
    except OutOfTimeError:
        return _unrevealed(request, clock)
    searching, found = Clock(clock.left), None
    shape = sides.shape
    question = _interval_question(request, shape, views)
    try:
        with within(clock.left):
            result = find_outside(question, settings_of(request, request.improves, clock.left), request.progress)
        if result.divergence is not None:
            with within(max(clock.left, LAST_SECONDS)):
                found = in_layer(result.divergence, views, shape.outputs, shape.output)
                found = _with_notes(found, (*noted(views), *rounded_up(wanted, request.format)))
    except OutOfTimeError:
        result = IntervalResult(Verdict.UNKNOWN, None, None, "the time limit was over before the layer was evaluated exactly")
    result = told_of_radius(result, wanted, request.format)
    grounds = grounds_of(views, sides.reveals, (shape.output,))
    decision = Decision(result.verdict, found, result.reason, searching.spent, result.proof, result.attempts)
    contest = _interval_contest(request, shape, replace(question, a=views[0], b=views[1]), grounds)
    return concluded(request, decision, clock, reveals, grounds, contest)


def _interval_contest(request: IntervalRequest, shape: Shape, whole: IntervalQuestion, grounds: tuple[Ground, ...]) -> Contest:
    """What the libraries are compared for where nothing is found; ``whole``: the question about the views of the layer."""
    return Contest(
        question=request.question,
        format=whole.format,
        terms=whole.terms,
        outputs=shape.outputs,
        read=(shape.output,),
        views=(whole.a, whole.b),
        grounds=grounds,
        weights=whole.weights,
        inputs=whole.inputs,
        predicate=replace(OUTSIDE, output=shape.output),
        bounds=lambda network, point: interval_of(whole, network, point),
        box=lambda point: box_around(whole, point) if whole.radius else (),
        widening=whole.widening,
        seed=request.seed,
        vectors=request.vectors_used,
    )
