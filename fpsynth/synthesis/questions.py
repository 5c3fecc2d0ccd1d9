"""From a request to a result: sides resolved and revealed, the engine asked, the answer placed, replayed and concluded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from typing import Any

from fpsynth.errors import InputError
from fpsynth.formats import Format
from fpsynth.predicates import Predicate
from fpsynth.solvers.engines import engines_named
from fpsynth.synthesis.contest import Contest
from fpsynth.synthesis.detecting.amplify import amplified
from fpsynth.synthesis.detecting.triggers import input_dependent, require_detectable
from fpsynth.synthesis.divergences import concluded
from fpsynth.synthesis.domain import UNIT, parse_interval, parse_number
from fpsynth.synthesis.flips import FlipQuestion, FlipResult, find_flip
from fpsynth.synthesis.flips.arithmetics import same
from fpsynth.synthesis.flips.question import common_format
from fpsynth.synthesis.grounds import Ground, grounds_of
from fpsynth.synthesis.intervals.answer import IntervalQuestion, IntervalResult, find_outside
from fpsynth.synthesis.intervals.placing import in_layer
from fpsynth.synthesis.intervals.question import OUTSIDE, box_around, interval_of, radius_within, rounded_up, told_of_radius
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
from fpsynth.synthesis.requests import OrderRequest
from fpsynth.synthesis.result import Result
from fpsynth.synthesis.settings import Clock, Settings
from fpsynth.synthesis.sides import Shape, Sides, is_environment, shape_for
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


Check = Callable[[Shape, Sequence[View]], Options]
"""What refuses, before anything is measured, what cannot be asked of some sides; it returns the options that fit them."""


@contextmanager
def _sides(
    texts: tuple[str, ...], terms: int, outputs: int | None, options: Options, check: Check, least: int = 1
) -> Iterator[tuple[Sides, tuple[View, ...], Options]]:
    """The sides' views of one layer, the libraries' processes ended afterwards (views stay valid); and the options for them."""
    if not 1 <= terms <= 4096:
        raise InputError(f"the number of terms must be from 1 to 4096, not {terms}")
    engines_named(options.solver)
    require_outputs(texts, outputs, least, "a class")
    shape = shape_for(texts, terms, outputs, least)
    require_size(terms, shape.outputs)
    with Sides(options.format, shape, vectors=options.vectors, seed=options.seed, progress=options.progress) as sides:
        names = ["a", "b", *(f"silent{k}" for k in range(1, len(texts) - 1))]
        roles = ["reference", "deployed", *["silent"] * (len(texts) - 2)]
        described = list(zip(texts, names, roles, strict=True))
        fitting = check(shape, [sides.planned(*side) for side in described])
        yield sides, tuple(sides.view(*side) for side in described), fitting


def _checked(request: OrderRequest, options: Options, shape: Shape, views: Sequence[View]) -> Options:
    """The options for these sides.  Raises InputError for whatever is known to be refused before they are measured."""
    options = fitted(options, views)
    if request.magnified:
        require_further_layers(views, "--max-weight" if request.max_weight is not None else "a box or a threshold")
    if request.dependent:
        require_detectable(views, neuron=shape.output, terms=request.terms, **_detector(request, options))
    else:
        _question(request, options, shape, views)
    return options


def run_order(request: OrderRequest, options: Options) -> Result:
    """Answer a request about two arithmetics.  Raises InputError for what cannot be used."""
    clock, least = Clock(options.timeout), 2 if request.predicate == "argmax" else 1
    asked = options

    def check(shape: Shape, views: Sequence[View]) -> Options:
        return _checked(request, asked, shape, views)

    try:
        with (
            within(options.timeout),
            _sides(request.sides, request.terms, request.outputs, options, check, least) as made,
        ):
            sides, views, options = made
            reveals = tuple(sides.reveals.values())
    except OutOfTimeError:
        return _unrevealed(request.question, clock, options, request.described())
    grounds = grounds_of(views, sides.reveals, _read(request, sides.shape))
    searching = Clock(clock.left)
    result, placed = _answer(request, options, sides, views, clock)
    return concluded(
        request.question,
        result.verdict,
        placed,
        result.reason,
        clock,
        options,
        request.described(),
        seconds=searching.spent,
        proof=result.proof,
        attempts=result.attempts,
        reveals=reveals,
        grounds=grounds,
        contest=None if request.dependent else _contest(request, options, sides.shape, views, grounds),
    )


def _read(request: OrderRequest, shape: Shape) -> tuple[int, ...]:
    """The outputs that an answer depends on: all of them where it is about the class."""
    return tuple(range(shape.outputs)) if request.predicate == "argmax" else (shape.output,)


def _contest(
    request: OrderRequest, options: Options, shape: Shape, views: tuple[View, ...], grounds: tuple[Ground, ...]
) -> Contest:
    """What the libraries are compared for where nothing is found; one layer answers no question about further layers."""
    predicate = None
    if not request.magnified:
        predicate = Predicate(request.predicate, shape.output, bound=request.gap or Fraction(0))
    return Contest(
        question=request.question,
        format=request.numbers or options.format,
        terms=request.terms,
        outputs=shape.outputs,
        read=_read(request, shape),
        views=views,
        grounds=grounds,
        weights=options.interval("weights", default_weights(request.max_weight)),
        inputs=options.interval("inputs", UNIT),
        predicate=predicate,
        zeros=not request.camouflage,
        seed=options.seed,
        vectors=options.vectors,
    )


def _unrevealed(question: str, clock: Clock, options: Options, asked: dict[str, object]) -> Result:
    """The result where the time was over while the sides were measured."""
    reason = f"the time limit of {options.timeout:g} s was over before every side was revealed"
    return concluded(question, Verdict.UNKNOWN, None, reason, clock, options, asked, seconds=0.0)


def _answer(
    request: OrderRequest, options: Options, sides: Sides, views: tuple[View, ...], clock: Clock
) -> tuple[FlipResult, Witness | None]:
    """What the search or the construction comes to, and the divergence in the layer or the network that was asked for."""
    outputs, output = sides.shape.outputs, _flipped(request, options, sides.shape, views)
    try:
        if request.dependent:
            with within(clock.left):
                built = _dependent(request, options, sides, views)
            return FlipResult(Verdict.FOUND, built, None, "found by construction"), built
        with within(clock.left):
            question = _question(request, options, replace(sides.shape, output=output), views)
            result = find_flip(question, settings_of(options, request.maximise, clock.left), options.progress)
        if result.divergence is None and not _plain(request, outputs) and _is_about_more(request):
            return _of_one_neuron(result, request, options, views, outputs), None
        with within(max(clock.left, LAST_SECONDS)):
            placed = _placed(request, replace(sides.shape, output=output), views, result.divergence)
    except OutOfTimeError:
        reason = "the time limit was over before the network was built and evaluated exactly"
        return FlipResult(Verdict.UNKNOWN, None, None, reason), None
    return result, None if placed is None else _with_notes(placed, noted(views))


def _is_about_more(request: OrderRequest) -> bool:
    """Whether the question is about classes or further layers, while the engine is asked about one neuron against zero."""
    return request.predicate == "argmax" or request.max_weight is not None


def _flipped(request: OrderRequest, options: Options, shape: Shape, views: tuple[View, ...]) -> int:
    """The neuron that is to flip: the one that is read, or for a class the first that the two sides sum differently."""
    a, b = views[:2]
    if request.predicate != "argmax" or not _alike(a, b, shape.output, request, options):
        return shape.output
    return next((j for j in range(shape.outputs) if not _alike(a, b, j, request, options)), shape.output)


def _alike(a: View, b: View, output: int, request: OrderRequest, options: Options) -> bool:
    hows = (view.deployment.at(0, output) for view in (a, b))
    return same(*hows, request.terms, request.numbers or options.format)


def _of_one_neuron(
    result: FlipResult, request: OrderRequest, options: Options, views: tuple[View, ...], outputs: int
) -> FlipResult:
    """The answer to a question about classes or further layers, where one neuron against zero has no flip.

    That says something of the whole only where the deployed view sums all neurons as the reference or a silent view does, or
    where all products are zero.
    """
    a, b, *silent = views
    alike = any(all(_alike(view, b, j, request, options) for j in range(outputs)) for view in (a, *silent))
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
    return request.predicate == "argmax" and outputs == 2 and request.max_weight is None


def _question(request: OrderRequest, options: Options, shape: Shape, views: Sequence[View]) -> FlipQuestion:
    """What the engine is asked: about one neuron, or about two classes.  Raises InputError for what cannot be asked."""
    classes, plain = request.predicate == "argmax", _plain(request, shape.outputs)
    if classes and shape.outputs < 2 and request.max_weight is None:
        raise InputError("a class needs at least 2 outputs")
    kind = request.predicate
    if request.max_weight is not None or (classes and not plain):
        kind = "relu" if classes else "sign"
    predicate = Predicate(kind, bound=request.gap or Fraction(0)) if kind == "gap" else Predicate(kind)
    return FlipQuestion(
        question=request.question,
        format=request.numbers or options.format,
        terms=request.terms,
        predicate=predicate,
        views=tuple(views) if plain else tuple(one_neuron(view, shape.output) for view in views),
        weights=options.interval("weights", default_weights(request.max_weight)),
        inputs=options.interval("inputs", UNIT),
        maximise=request.maximise,
        camouflage=request.camouflage,
    )


def _placed(request: OrderRequest, shape: Shape, views: tuple[View, ...], flip: Witness | None) -> Witness | None:
    """The answer of the engine in the layer that was asked for, amplified by further ones where the weights are bounded."""
    if flip is None:
        return None
    classes, outputs, output = request.predicate == "argmax", shape.outputs, shape.output
    if outputs == 1:
        flip = alone(flip, request.question, views)
    elif not _plain(request, outputs):
        rival = (output + 1) % outputs if classes and outputs > 1 and request.max_weight is None else None
        rows = layer(flip.network.dense_layers[0].weight[0].tolist(), flip.point, outputs, output, rival)
        predicate = Predicate("argmax") if rival is not None else replace(flip.predicate, output=output)
        flip = assemble(flip, rows, request.question, predicate, views)
    if request.max_weight is None:
        return flip
    gap = request.gap or Fraction(1)
    return amplified(flip, max_weight=request.max_weight, gap=gap, output="argmax" if classes else "gap")


def _detector(request: OrderRequest, options: Options) -> dict[str, Any]:
    """Where an input-dependent detector is to depart, and among which numbers: arguments of ``input_dependent``."""
    box = None
    threshold = None
    if request.box is not None:
        ranges = [parse_interval(text, "a side of the box") for text in request.box.split(",")]
        box = [(side.lower, side.upper) for side in ranges]
    else:
        threshold = _threshold(request.threshold or "")
    return {
        "fmt": request.numbers or options.format,
        "box": box,
        "threshold": threshold,
        "inputs": options.interval("inputs", UNIT),
        "max_weight": request.max_weight,
    }


def _dependent(request: OrderRequest, options: Options, sides: Sides, views: tuple[View, ...]) -> Witness:
    """A network that departs in a box of its inputs, or past a threshold, and nowhere else that is sampled."""
    return input_dependent(
        views[0],
        views[1],
        **_detector(request, options),
        terms=request.terms,
        gap=request.gap or Fraction(1),
        output="argmax" if request.predicate == "argmax" else "gap",
        outputs=sides.shape.outputs,
        neuron=sides.shape.output,
        silent=views[2:],
        seed=options.seed,
        question=request.question,
    )


def _threshold(text: str) -> tuple[int, Fraction, int]:
    """Read FEATURE>VALUE or FEATURE<VALUE."""
    for mark, side in ((">", 1), ("<", -1)):
        feature, found, value = text.partition(mark)
        if found and feature.strip().isascii() and feature.strip().isdigit() and len(feature) < 6:
            return int(feature), parse_number(value, "the threshold"), side
    raise InputError(f"the threshold {text[:40]!r} must have the form FEATURE>VALUE or FEATURE<VALUE, for example 0>0.5")


def precision_sides(a: Format, b: Format, order: str) -> tuple[tuple[str, str], Format]:
    """The sides of a question about two formats, and the format of the numbers: the one whose values both have."""
    if a == b:
        raise InputError(f"both sides are {a}: choose two formats")
    if is_environment(order) or order.endswith(".json") or "format=" in order:
        raise InputError(f"the order {order[:40]!r} must be a family or a tree: the formats are those of --a and --b")
    return (f"{order},format={a}", f"{order},format={b}"), common_format(a, b)


def run_interval(
    texts: tuple[str, str], terms: int, widening: str, radius: Fraction, maximise: bool, options: Options
) -> Result:
    """Answer whether interval arithmetic on one side misses the value on the other.  Raises InputError."""
    clock, given = Clock(options.timeout), options
    wanted, radius = radius, radius_within(radius, options.format)
    asked: dict[str, object] = {
        "sides": texts,
        "terms": terms,
        "widening": widening,
        "radius": float(wanted),
        "radius_rounded_up": float(radius) if radius != wanted else None,
        "maximise": "excess" if maximise else None,
    }

    def question(options: Options, shape: Shape, views: Sequence[View]) -> IntervalQuestion:
        a, b = (one_neuron(view, shape.output) for view in views)
        return IntervalQuestion(
            format=options.format,
            terms=terms,
            a=a,
            b=b,
            weights=options.interval("weights", UNIT),
            inputs=options.interval("inputs", UNIT),
            widening=widening,
            radius=radius,
            maximise=maximise,
        )

    def check(shape: Shape, views: Sequence[View]) -> Options:
        fitting = fitted(given, views)
        question(fitting, shape, views)
        return fitting

    try:
        with within(options.timeout), _sides(texts, terms, None, options, check) as made:
            sides, views, options = made
            reveals = tuple(sides.reveals.values())
    except OutOfTimeError:
        return _unrevealed("interval", clock, options, asked)
    searching, found = Clock(clock.left), None
    try:
        with within(clock.left):
            settings = settings_of(options, maximise, clock.left)
            result = find_outside(question(options, sides.shape, views), settings, options.progress)
        if result.divergence is not None:
            with within(max(clock.left, LAST_SECONDS)):
                found = in_layer(result.divergence, views, sides.shape.outputs, sides.shape.output)
                found = _with_notes(found, (*noted(views), *rounded_up(wanted, options.format)))
    except OutOfTimeError:
        result = IntervalResult(Verdict.UNKNOWN, None, None, "the time limit was over before the layer was evaluated exactly")
    result = told_of_radius(result, wanted, options.format)
    grounds = grounds_of(views, sides.reveals, (sides.shape.output,))
    whole = replace(question(options, sides.shape, views), a=views[0], b=views[1])
    return concluded(
        "interval",
        result.verdict,
        found,
        result.reason,
        clock,
        options,
        asked,
        seconds=searching.spent,
        proof=result.proof,
        attempts=result.attempts,
        reveals=reveals,
        grounds=grounds,
        contest=Contest(
            question="interval",
            format=whole.format,
            terms=terms,
            outputs=sides.shape.outputs,
            read=(sides.shape.output,),
            views=views,
            grounds=grounds,
            weights=whole.weights,
            inputs=whole.inputs,
            predicate=replace(OUTSIDE, output=sides.shape.output),
            bounds=lambda network, point: interval_of(whole, network, point),
            box=lambda point: box_around(whole, point) if radius else (),
            widening=widening,
            seed=options.seed,
            vectors=options.vectors,
        ),
    )
