"""The exact re-check of a divergence: every claim of the file computed again, without a solver."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.evaluators.real import exact_logits
from fpsynth.synthesis.checking.box import box_findings
from fpsynth.synthesis.checking.findings import CheckResult, Finding, NotChecked, narrow_accumulators, origin
from fpsynth.synthesis.checking.optimum import optimum_findings
from fpsynth.synthesis.checking.replays import foreign, repeated, told
from fpsynth.synthesis.checking.views import construction_findings, label_findings
from fpsynth.verifiers.intervals import finite_bounds, network_intervals
from fpsynth.witness.divergence import Divergence, Observation, View
from fpsynth.witness.prediction import arithmetics, arranged, judged, predicted_logits
from fpsynth.wording import counted

Bounds = tuple[tuple[Fraction, Fraction], ...]
SHOWN = 6
"""Numbers of a list that stand in a finding."""


def check_divergence(divergence: Divergence) -> CheckResult:
    """Compute everything that the divergence claims again, exactly, apart from what libraries did and what was sampled.

    What every view predicts is computed by the exact interpreter, intervals with outward rounding, and what follows from it
    is compared with the file.  Logits that were measured are taken as they stand there, and nothing that rests on them is
    confirmed; that the view's arithmetic gives others is computed.

    What cannot be computed (a logit that is infinite, an order that does not fit) is a finding
    that does not hold.
    """
    computed: dict[str, tuple[Fraction, ...]] = {}
    intervals: dict[str, Bounds] = {}
    findings: list[Finding] = []
    for view in divergence.views:
        try:
            predicted = predicted_logits(divergence.network, divergence.point, view)
            computed[view.name] = view.logits if view.measured else predicted
            if view.interval or (view is divergence.reference and divergence.predicate.kind == "outside"):
                intervals[view.name] = _interval_of(divergence, view)
        except InputError as error:
            findings.append(Finding(f"what the file predicts for {_named(view)} is right", False, str(error)))
            continue
        if view.measured:
            claim = f"the arithmetic of {_named(view)} gives other logits than were measured"
            findings.append(Finding(claim, predicted != view.logits, listed(predicted)))
            continue
        findings += _prediction(view, computed[view.name], intervals.get(view.name, ()))
    real = exact_logits(divergence.network, divergence.point)
    if divergence.real:
        findings.append(Finding("the logits in exact arithmetic are right", real == divergence.real, listed(real)))
    reference, deployed = divergence.reference, divergence.deployed
    if reference.name in computed and deployed.name in computed:
        findings += _departures(divergence, computed, intervals.get(reference.name, ()))
    findings += _statements(divergence, real)
    outcome = [
        *findings,
        *_words(divergence, computed),
        *_measured(divergence),
        *_observed(divergence),
        *origin(divergence.provenance),
    ]
    return CheckResult(
        tuple(entry for entry in outcome if isinstance(entry, Finding)),
        not_checked=tuple(entry for entry in outcome if isinstance(entry, NotChecked)),
        measured=tuple(view.name for view in divergence.views if view.measured),
    )


def _words(divergence: Divergence, computed: dict[str, tuple[Fraction, ...]]) -> Iterator[Finding | NotChecked]:
    """Labels, the box, the construction and what is said to be proved."""
    for view in divergence.views:
        yield from label_findings(divergence, view)
    yield from narrow_accumulators(how for view in divergence.views for how in arithmetics(view))
    if len(computed) == len(divergence.views) and not any(view.measured for view in divergence.views):
        yield from box_findings(divergence)
    yield from construction_findings(divergence)
    measure = divergence.measure
    yield from optimum_findings(divergence.optimum, {"measure": measure, "gap": measure, "difference": measure})


def _interval_of(divergence: Divergence, view: View) -> Bounds:
    """The interval of every neuron in a view, for the file's box, or else for the point alone; permutation undone."""
    fmt = view.deployment.default.format
    if fmt is None:
        raise InputError("interval arithmetic rounds outward into a format: real arithmetic has none")
    box = divergence.box or tuple((x, x) for x in divergence.point)
    ends = network_intervals(arranged(divergence.network, view.permutation), box, fmt, view.deployment, view.widening)
    bounds = finite_bounds(ends)
    if bounds is None:
        raise InputError("an end of an interval is infinite or NaN")
    if not view.permutation:
        return bounds
    return tuple(bounds[view.permutation.index(neuron)] for neuron in range(len(bounds)))


def _prediction(view: View, logits: tuple[Fraction, ...], interval: Bounds) -> Iterator[Finding]:
    """What the file says that one view predicts."""
    if view.logits or not interval:
        yield Finding(f"the logits of {_named(view)} are right", logits == view.logits, listed(logits))
    if interval:
        ends = ", ".join(f"[{short(low)}, {short(high)}]" for low, high in interval[:SHOWN])
        yield Finding(f"the intervals of {_named(view)} are right", interval == view.interval, ends)


def _departures(divergence: Divergence, computed: dict[str, tuple[Fraction, ...]], bounds: Bounds) -> Iterator[Finding]:
    """Which views depart from the reference, and how far the deployed one does."""
    predicate, reference, deployed = divergence.predicate, divergence.reference, divergence.deployed
    a, b = computed[reference.name], computed[deployed.name]
    if predicate.kind == "outside" and not bounds:
        return
    detail = f"{listed(a)} against {listed(b)}" if predicate.kind != "outside" else f"{listed(b)} is to lie outside"
    departs = predicate.fires(b, a, bounds)
    yield Finding(f"{_named(deployed)} departs from {_named(reference)} by {predicate.kind}", departs, detail)
    measure = predicate.measure(a, b, bounds)
    yield Finding("the measure is right", measure == divergence.measure, f"the two are {short(measure)} apart")
    for view in divergence.silent:
        if view.name in computed:
            silent = not predicate.fires(computed[view.name], a, bounds)
            yield Finding(f"{_named(view)} is silent", silent, listed(computed[view.name]))


def _statements(divergence: Divergence, real: tuple[Fraction, ...]) -> Iterator[Finding]:
    """What the question itself promises, beside the predicate."""
    last, predicate = divergence.network.dense_layers[-1], divergence.predicate
    if divergence.question == "twin":
        i, j = predicate.output, predicate.other
        same = last.weight[i].tolist() == last.weight[j].tolist() and (last.bias is None or bool(last.bias[i] == last.bias[j]))
        yield Finding(f"neurons {i} and {j} have the same weights", same, f"{counted(last.inputs, 'weight')} each")
        yield Finding(f"outputs {i} and {j} are equal in exact arithmetic", real[i] == real[j], short(real[i]))
    for view in divergence.views:
        if view.permutation:
            yield _unmoved(divergence, view, real)
    limit = divergence.max_weight
    if limit is not None:
        largest = max(abs(Fraction(entry)) for entry in divergence.network.entries())
        yield Finding(
            f"no weight or bias is above {short(limit)} in size", largest <= limit, f"the largest is {short(largest)}"
        )
    if divergence.box:
        inside = all(low <= x <= high for x, (low, high) in zip(divergence.point, divergence.box, strict=True))
        yield Finding("the point lies in the box", inside, counted(len(divergence.box), "range"))


def _unmoved(divergence: Divergence, view: View, real: tuple[Fraction, ...]) -> Finding:
    """Over the reals the order in which neurons stand changes nothing: computed, not believed."""
    claim = f"the arrangement of {_named(view)} is a permutation, which changes nothing in exact arithmetic"
    if sorted(view.permutation) != list(range(len(real))):
        return Finding(claim, False, f"it does not name each of the {len(real)} neurons once")
    moved = exact_logits(arranged(divergence.network, view.permutation), divergence.point)
    same = all(moved[place] == real[neuron] for place, neuron in enumerate(view.permutation))
    detail = f"{sum(neuron != place for place, neuron in enumerate(view.permutation))} of {len(real)} neurons are moved"
    return Finding(claim, same, detail)


def _measured(divergence: Divergence) -> Iterator[NotChecked]:
    """Logits that no arithmetic gives which is known."""
    reason = "no arithmetic that is known gives them: only running it again can check them, and what follows (fpsynth replay)"
    for view in divergence.views:
        if view.measured:
            yield NotChecked(f"the logits of {_named(view)}, which were measured: {listed(view.logits)}", reason)


def _observed(divergence: Divergence) -> Iterator[Finding | NotChecked]:
    """What the file says of the runs of libraries, as far as that follows from their logits."""
    seen = divergence.observations
    if not seen:
        return
    told_of = [judged(divergence.predicate, divergence.views, run.logits) for run in seen if run.logits]
    said = [(run.departs, run.agrees_with) for run in seen if run.logits]
    yield Finding("the verdicts on the libraries' logits are right", told_of == said, counted(len(said), "run"))
    faults = [f"observations[{k}]: {fault}" for k, run in enumerate(seen) for fault in _faults(run)]
    for k in repeated((_run(run), run.rows) for run in seen):
        faults.append(f"observations[{k}]: a row of this run has a record already")
    yield Finding("the records of runs do not contradict each other", not faults, told(faults, len(seen), "run"))
    reason = "only running the libraries again can check them (fpsynth replay)"
    yield NotChecked("the libraries, logits and rows of the runs", reason)


def _faults(seen: Observation) -> Iterator[str]:
    if seen.not_run and seen.logits:
        yield "it was not run, and yet it has logits"
    dtype = seen.environment.get("dtype", "")
    number = foreign(seen.logits, dtype)
    if number:
        yield f"{number} is no {dtype}"


def _run(seen: Observation) -> Hashable:
    """What is the same of all records of one run."""
    chosen = (seen.threads, seen.settings, seen.switches, seen.layout, seen.permutation, seen.environment.get("dtype", ""))
    return (seen.library, seen.variant, seen.device, seen.batch, seen.view, *chosen)


def _named(view: View) -> str:
    return f"{view.name} ({view.label})"


def listed(numbers: Sequence[Fraction]) -> str:
    """The first few numbers of a list."""
    return ", ".join(map(short, numbers[:SHOWN])) + (f", ... ({len(numbers)} in all)" if len(numbers) > SHOWN else "")


def short(number: Fraction) -> str:
    """A number in a message: 12 digits, whatever its size."""
    try:
        return f"{float(number):.12g}"
    except OverflowError:
        return "a number beyond float64"
