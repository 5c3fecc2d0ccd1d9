"""From a request to a result: sides resolved and revealed, the engine asked, the answer placed, replayed and concluded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from fractions import Fraction

from fpsynth.errors import InputError, unknown_name
from fpsynth.formats import Format
from fpsynth.predicates import Predicate
from fpsynth.solvers.engines import engines_named
from fpsynth.synthesis.contest import Contest
from fpsynth.synthesis.detecting.amplify import amplified
from fpsynth.synthesis.detecting.stacking import stage
from fpsynth.synthesis.detecting.triggers import input_dependent
from fpsynth.synthesis.divergences import concluded
from fpsynth.synthesis.domain import UNIT, Interval, parse_interval, parse_number
from fpsynth.synthesis.flips import FlipQuestion, FlipResult, find_flip
from fpsynth.synthesis.flips.arithmetics import same
from fpsynth.synthesis.flips.question import common_format
from fpsynth.synthesis.grounds import Ground, grounds_of
from fpsynth.synthesis.intervals.answer import IntervalQuestion, find_outside
from fpsynth.synthesis.intervals.question import OUTSIDE, box_around, interval_of
from fpsynth.synthesis.options import Options
from fpsynth.synthesis.placing import assemble, layer, one_neuron
from fpsynth.synthesis.result import DivergenceResult, Verdict
from fpsynth.synthesis.settings import Clock, Settings
from fpsynth.synthesis.sides import Sides, is_environment, shape_for
from fpsynth.witness.divergence import Divergence, View

PREDICATES = ("sign", "argmax", "gap", "relu")
MAX_OUTPUTS = 4096
IMPROVEMENT = 0.25
"""The share of the time limit that is spent on a larger difference where that is asked for."""


@dataclass(frozen=True)
class OrderRequest:
    """What is asked of two sides, apart from the options that every question has."""

    question: str
    sides: tuple[str, ...]
    """The reference, the deployed one, then the silent ones, as the user wrote them."""
    terms: int
    outputs: int | None = None
    """Neurons of the layer; None: as many as the question needs."""
    predicate: str = "sign"
    gap: Fraction | None = None
    maximise: bool = False
    camouflage: bool = False
    max_weight: Fraction | None = None
    box: str | None = None
    """LO:HI,LO:HI,... one range per input."""
    threshold: str | None = None
    """FEATURE>VALUE or FEATURE<VALUE, features counted from 0."""
    numbers: Format | None = None
    """Format of weights and inputs; None: of the options."""

    def __post_init__(self) -> None:
        if self.predicate not in PREDICATES:
            raise unknown_name("predicate", self.predicate, PREDICATES)
        if (self.predicate == "gap") != (self.gap is not None) and not (self.gap is not None and self.magnified):
            raise InputError("a gap goes with the predicate gap, and the predicate gap needs one")
        if self.outputs is not None and not 1 <= self.outputs <= MAX_OUTPUTS:
            raise InputError(f"the number of outputs must be from 1 to {MAX_OUTPUTS}, not {self.outputs}")
        if self.gap is not None and self.gap <= 0:
            raise InputError("a gap must be above 0")
        if self.max_weight is not None:
            stage(self.max_weight, None)  # refuses what amplifies nothing before any search
        if self.box is not None and self.threshold is not None:
            raise InputError("choose one of --box and --threshold")
        if self.magnified and self.predicate == "relu":
            raise InputError("further layers amplify the predicates sign, gap and argmax, not relu")
        if self.dependent and self.maximise:
            raise InputError("an input-dependent detector is built, not searched for: it takes a gap, and cannot be maximised")
        if self.dependent and self.camouflage:
            raise InputError("an input-dependent detector has zeros: it cannot be camouflaged")

    @property
    def dependent(self) -> bool:
        """Whether the divergence is to depend on the input."""
        return self.box is not None or self.threshold is not None

    @property
    def magnified(self) -> bool:
        """Whether further layers amplify the difference."""
        return self.max_weight is not None or self.dependent

    def described(self) -> dict[str, object]:
        """The request as a result records it."""
        names = {"gap": self.gap, "max_weight": self.max_weight}
        plain = {k: v for k, v in asdict(self).items() if k not in ("question", "numbers", *names)}
        plain["maximise"] = "gap" if self.maximise else None
        return {**plain, **{k: None if v is None else float(v) for k, v in names.items()}}


def settings_of(options: Options, improve: bool, seconds: float) -> Settings:
    """The search's settings."""
    jobs = {} if options.jobs is None else {"jobs": options.jobs}
    improvement = IMPROVEMENT * options.timeout if improve else 0.0
    return Settings(engines_named(options.solver), options.seed, seconds, improvement, **jobs)


@contextmanager
def _sides(
    texts: tuple[str, ...], terms: int, outputs: int | None, options: Options, least: int = 1
) -> Iterator[tuple[Sides, tuple[View, ...]]]:
    """The sides' views of one layer, the libraries' processes ended afterwards (views stay valid)."""
    if not 1 <= terms <= 4096:
        raise InputError(f"the number of terms must be from 1 to 4096, not {terms}")
    shape = shape_for(texts, terms, outputs, least)
    with Sides(options.format, shape, vectors=options.vectors, seed=options.seed, progress=options.progress) as sides:
        names = ["a", "b", *(f"silent{k}" for k in range(1, len(texts) - 1))]
        roles = ["reference", "deployed", *["silent"] * (len(texts) - 2)]
        yield sides, tuple(sides.view(text, n, r) for text, n, r in zip(texts, names, roles, strict=True))


def run_order(request: OrderRequest, options: Options) -> DivergenceResult:
    """Answer a request about two arithmetics.  Raises InputError for what cannot be used."""
    clock = Clock(options.timeout)
    with _sides(request.sides, request.terms, request.outputs, options, 2 if request.predicate == "argmax" else 1) as made:
        sides, views = made
        reveals = tuple(sides.reveals.values())
    grounds = grounds_of(views, sides.reveals, _read(request, sides))
    searching = Clock(options.timeout)
    if request.dependent:
        found = _dependent(request, options, sides, views)
        return concluded(
            request.question,
            Verdict.FOUND,
            found,
            "found by construction",
            clock,
            options,
            request.described(),
            seconds=searching.spent,
            reveals=reveals,
            grounds=grounds,
        )
    result, placed = _flip(request, options, sides, views)
    if placed is not None and request.max_weight is not None:
        wanted = request.gap or Fraction(1)
        placed = amplified(
            placed, max_weight=request.max_weight, gap=wanted, output="argmax" if request.predicate == "argmax" else "gap"
        )
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
        contest=_contest(request, options, sides, views, grounds),
    )


def _read(request: OrderRequest, sides: Sides) -> tuple[int, ...]:
    """The outputs that an answer depends on: all of them where it is about the class."""
    return tuple(range(sides.shape.outputs)) if request.predicate == "argmax" else (sides.shape.output,)


def _contest(
    request: OrderRequest, options: Options, sides: Sides, views: tuple[View, ...], grounds: tuple[Ground, ...]
) -> Contest:
    """What the libraries are compared for where nothing is found; one layer answers no question about further layers."""
    predicate = None
    if not request.magnified:
        predicate = Predicate(request.predicate, sides.shape.output, bound=request.gap or Fraction(0))
    return Contest(
        question=request.question,
        format=request.numbers or options.format,
        terms=request.terms,
        outputs=sides.shape.outputs,
        read=_read(request, sides),
        views=views,
        grounds=grounds,
        weights=options.interval("weights", _bounded(request, options)),
        inputs=options.interval("inputs", UNIT),
        predicate=predicate,
        zeros=not request.camouflage,
        seed=options.seed,
        vectors=options.vectors,
    )


def _flip(
    request: OrderRequest, options: Options, sides: Sides, views: tuple[View, ...]
) -> tuple[FlipResult, Divergence | None]:
    """Ask the engine about one neuron, or about two classes, and put the answer into the layer."""
    outputs, output = sides.shape.outputs, _flipped(request, options, sides, views)
    classes = request.predicate == "argmax"
    plain = classes and outputs == 2 and request.max_weight is None  # two neurons that compete; else one against a rival
    if classes and outputs < 2 and request.max_weight is None:
        raise InputError("a class needs at least 2 outputs")
    kind = request.predicate
    if request.max_weight is not None or (classes and not plain):
        kind = "relu" if classes else "sign"
    predicate = Predicate(kind, bound=request.gap or Fraction(0)) if kind == "gap" else Predicate(kind)
    question = FlipQuestion(
        question=request.question,
        format=request.numbers or options.format,
        terms=request.terms,
        predicate=predicate,
        views=views if plain else tuple(one_neuron(view, output) for view in views),
        weights=options.interval("weights", _bounded(request, options)),
        inputs=options.interval("inputs", UNIT),
        maximise=request.maximise,
        camouflage=request.camouflage,
    )
    result = find_flip(question, settings_of(options, request.maximise, options.timeout), options.progress)
    flip = result.divergence
    if flip is None and not plain and (classes or request.max_weight is not None):
        return _of_one_neuron(result, request, options, views, outputs), None
    if flip is None or plain:
        return result, flip
    rival = (output + 1) % outputs if classes and outputs > 1 and request.max_weight is None else None
    rows = layer(flip.network.layers[0].weight[0], flip.point, outputs, output, rival)
    final = Predicate("argmax") if rival is not None else replace(predicate, output=output)
    return result, assemble(flip, rows, request.question, final, views)


def _flipped(request: OrderRequest, options: Options, sides: Sides, views: tuple[View, ...]) -> int:
    """The neuron that is to flip: the one that is read, or for a class the first that the two sides sum differently."""
    shape, (a, b) = sides.shape, views[:2]
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


def _bounded(request: OrderRequest, options: Options) -> Interval:
    """The default range of weights: [-1, 1], or less where the largest weight is less."""
    return (
        UNIT
        if request.max_weight is None
        else Interval(-min(request.max_weight, Fraction(1)), min(request.max_weight, Fraction(1)))
    )


def _dependent(request: OrderRequest, options: Options, sides: Sides, views: tuple[View, ...]) -> Divergence:
    """A network that departs in a box of its inputs, or past a threshold, and nowhere else that is sampled."""
    box = None
    threshold = None
    if request.box is not None:
        ranges = [parse_interval(text, "a side of the box") for text in request.box.split(",")]
        box = [(side.lower, side.upper) for side in ranges]
    else:
        threshold = _threshold(request.threshold or "")
    return input_dependent(
        views[0],
        views[1],
        fmt=request.numbers or options.format,
        terms=request.terms,
        box=box,
        threshold=threshold,
        inputs=options.interval("inputs", UNIT),
        gap=request.gap or Fraction(1),
        max_weight=request.max_weight,
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
) -> DivergenceResult:
    """Answer whether interval arithmetic on one side misses the value on the other.  Raises InputError."""
    clock = Clock(options.timeout)
    with _sides(texts, terms, 1, options) as made:
        sides, views = made
        reveals = tuple(sides.reveals.values())
    if sides.shape.outputs != 1:
        raise InputError("interval looks at a layer of one neuron: leave outputs=N out")
    searching = Clock(options.timeout)
    question = IntervalQuestion(
        format=options.format,
        terms=terms,
        a=views[0],
        b=views[1],
        weights=options.interval("weights", UNIT),
        inputs=options.interval("inputs", UNIT),
        widening=widening,
        radius=radius,
        maximise=maximise,
    )
    result = find_outside(question, settings_of(options, maximise, options.timeout), options.progress)
    asked: dict[str, object] = {
        "sides": texts,
        "terms": terms,
        "widening": widening,
        "radius": float(radius),
        "maximise": "excess" if maximise else None,
    }
    grounds = grounds_of(views, sides.reveals, (sides.shape.output,))
    return concluded(
        "interval",
        result.verdict,
        result.divergence,
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
            format=question.format,
            terms=terms,
            outputs=sides.shape.outputs,
            read=(sides.shape.output,),
            views=views,
            grounds=grounds,
            weights=question.weights,
            inputs=question.inputs,
            predicate=OUTSIDE,
            bounds=lambda network, point: interval_of(question, network, point),
            box=lambda point: box_around(question, point) if radius else (),
            widening=widening,
            seed=options.seed,
            vectors=options.vectors,
        ),
    )
