"""The questions twin and position: positions that a kernel treats differently, looked for in one environment or in several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from fpsynth.errors import InputError
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.libraries.naming import parse_environment
from fpsynth.libraries.registry import library_named, names_for
from fpsynth.libraries.restrictions import restriction
from fpsynth.predicates import Predicate
from fpsynth.revealing.result import Reveal
from fpsynth.revealing.revealer import Revealer, require_usable
from fpsynth.solvers.race import Attempt
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.comparison import runner
from fpsynth.synthesis.divergences import Decision, concluded
from fpsynth.synthesis.domain import UNIT
from fpsynth.synthesis.exactness import ExactSum, alike, described, exact_sum
from fpsynth.synthesis.flips import FlipQuestion, FlipResult, find_flip
from fpsynth.synthesis.grounds import Ground
from fpsynth.synthesis.options import Options
from fpsynth.synthesis.planning import require_size
from fpsynth.synthesis.positions.measuring import measured_twin
from fpsynth.synthesis.positions.pairs import PositionPair, build, pairs
from fpsynth.synthesis.questions import settings_of
from fpsynth.synthesis.requests.positions import PositionRequest
from fpsynth.synthesis.result import Result
from fpsynth.synthesis.settings import Clock
from fpsynth.synthesis.verdicts import Proof, Verdict
from fpsynth.witness.data import View, Witness
from fpsynth.workers.deadlines import OutOfTimeError, within

SHAPES = ((1, 10), (4, 10), (1, 3), (64, 10), (4, 5), (1, 7), (10, 17), (64, 33))
"""(batch, outputs) that are tried where no environment is given: odd numbers, so that kernels have tails."""
ROW_SHAPES = ((10, 128), (10, 10), (7, 3), (3, 16), (65, 10), (5, 33))
"""The same for rows of a batch."""
NEEDED = {"twin": 1, "permutation": 1, "row": 2}
"""Rows of the batch that a question of each kind needs."""
_FIRST = ("torch", "numpy", "onnxruntime", "tensorflow", "jax")


def run_position(request: PositionRequest) -> Result:
    """Answer a question of kind twin, permutation or row.  Raises InputError for an environment that cannot be used."""
    clock, text = Clock(request.timeout), request.environment
    _require_askable(request.terms, request)
    candidates = [_usable(request, text)] if text is not None else list(_candidates(request.kind, request))
    with within(request.timeout), Revealer() as revealer:
        found = _gone_through(request, clock, candidates, revealer)
    decision = Decision(found.verdict, found.divergence, found.reason, found.seconds, found.proof, found.attempts)
    return concluded(request, decision, clock, found.reveals, found.grounds)


def _require_askable(terms: int, options: Options) -> None:
    """Raise InputError, before anything is measured, for engines and ranges that cannot be used."""
    settings_of(options, False, options.timeout)
    stand_in = Arithmetic(options.format)
    _question([("a", stand_in), ("b", stand_in)], terms, options)


def _usable(request: PositionRequest, text: str) -> Environment:
    """The environment that was given.  Raises InputError where it cannot be asked this, which is told without running it."""
    environment = parse_environment(text)
    name, least = f"{environment.library}:{environment.operation}", NEEDED[request.kind]
    if restriction(environment).one_output:
        raise InputError(f"{name} has one output: the question needs a layer of at least 2 neurons")
    if environment.outputs is None:
        raise InputError("say how many neurons the layer has: outputs=N, for example torch:linear:batch=1,outputs=10")
    if environment.outputs < 2:
        raise InputError(f"the question needs a layer of at least 2 neurons, not outputs={environment.outputs}")
    if environment.batch < least:
        raise InputError(
            f"rows of a batch differ where there are at least {least}: say batch=N, as in {name}:batch=10,outputs=10"
        )
    require_usable(Kernel(environment, request.format, request.terms, environment.outputs))
    require_size(request.terms, environment.outputs)
    return environment


@dataclass
class _Answer:
    """What came of the environments that were gone through."""

    verdict: Verdict = Verdict.UNKNOWN
    divergence: Witness | None = None
    reason: str = ""
    proof: Proof | None = None
    attempts: tuple[Attempt, ...] = ()
    reveals: tuple[Reveal, ...] = ()
    grounds: tuple[Ground, ...] = ()
    seconds: float = 0.0


def _gone_through(options: PositionRequest, clock: Clock, candidates: Sequence[Environment], revealer: Revealer) -> _Answer:
    """Go through the environments until one has two positions for which there is a divergence."""
    kind, given, terms = options.kind, options.environment is not None, options.terms
    tried: list[str] = []
    misses: list[str] = []
    answer = _Answer()
    for environment in candidates:
        if options.progress:
            options.progress(f"revealing {environment}")
        try:
            revealed = _revealed(revealer, environment, terms, options)
        except OutOfTimeError:
            break
        except InputError:
            if given:
                raise
            continue
        answer.reveals = (*answer.reveals, revealed)
        outputs = tuple(range(revealed.kernel.outputs))
        answer.grounds = (*answer.grounds, Ground("", revealed, environment.row, outputs, kind == "row"))
        answer.proof = same_everywhere(kind, revealed, environment.row, terms, options) if given else None
        if answer.proof is not None:
            answer.verdict, answer.reason = Verdict.IMPOSSIBLE, answer.proof.statement
            return answer
        searching = Clock(clock.left)
        divergence, last = _search(kind, revealed, environment.row, terms, options, clock)
        if divergence is None and kind == "twin" and not revealed.explained:
            with suppress(OutOfTimeError):
                divergence = measured_twin(revealed, environment.row, options, runner(revealer))
        answer.seconds += searching.spent
        if divergence is not None:
            answer.verdict, answer.divergence, answer.reason = Verdict.FOUND, divergence, f"in {environment}"
            answer.attempts, answer.reveals = () if last is None else last.attempts, (revealed,)
            answer.grounds = _grounds(divergence.views, revealed)
            return answer
        tried.append(str(environment))
        misses += [last.reason] if last is not None else []
        if clock.left <= 0:
            break
    where = tried[0] if len(tried) == 1 else f"the {len(tried)} environments that were tried"
    if misses:
        answer.reason = f"positions are summed differently, but no weights and input were found that show it: {misses[-1]}"
    elif tried:
        answer.reason = f"no two positions of {where} were seen to be summed differently"
    elif clock.left <= 0:
        answer.reason = f"the time limit of {options.timeout:g} s was over before an environment was revealed"
    else:
        answer.reason = "no environment could be revealed"
    return answer


def same_everywhere(kind: str, revealed: Reveal, row: int, terms: int, options: Options) -> Proof | None:
    """The proof that positions which are summed differently give equal results all the same, where no addition rounds."""
    different, sums = list(pairs(revealed, kind, row)), list[ExactSum]()
    if not different or not revealed.explained:
        return None
    weights, inputs = options.interval("weights", UNIT), options.interval("inputs", UNIT)
    for pair in different:
        hows = [revealed.at(*place).arithmetic for place in (pair.first, pair.second)]
        both = [found for how in hows if (found := exact_sum(how, terms, options.format, weights, inputs)) is not None]
        if len(both) < 2 or not alike(Predicate("equal"), both[:1], both[1:]):
            return None
        sums += both
    statement = f"all positions of {revealed.kernel.environment} give the same results: {described(sums)}, whatever the order"
    return Proof(statement, "structural", {"terms": terms, "multiples_of": min(s.last for s in sums)})


def _grounds(views: Sequence[View], revealed: Reveal) -> tuple[Ground, ...]:
    """What the views have of the reveal: all outputs of their rows."""
    outputs = tuple(range(revealed.kernel.outputs))
    return tuple(Ground(view.name, revealed, view.row, outputs) for view in views if view.environment)


def _candidates(kind: str, options: Options) -> Iterator[Environment]:
    """Environments that may treat positions differently, in the order in which they are tried."""
    known = [name for name in names_for(options.device, options.libraries) if options.device in library_named(name).devices]
    installed = [name for name in _FIRST if name in known and library_named(name).version() is not None]
    for name in [*installed, *(n for n in known if n not in _FIRST)]:
        variant = library_named(name).variants[0]
        for batch, outputs in ROW_SHAPES if kind == "row" else SHAPES:
            yield Environment(name, variant, batch=batch, outputs=outputs, device=options.device)


def _revealed(revealer: Revealer, environment: Environment, terms: int, options: Options) -> Reveal:
    """The reveal of a layer.  Raises InputError where it cannot be run, and where its results change between repeats."""
    assert environment.outputs is not None
    kernel = Kernel(environment, options.format, terms, environment.outputs)
    found = revealer.reveal(kernel, vectors=options.vectors_used, seed=options.seed)
    found.deployment(environment.row)  # refuses a kernel that has no one arithmetic
    return found


def _search(
    kind: str, revealed: Reveal, row: int, terms: int, options: Options, clock: Clock
) -> tuple[Witness | None, FlipResult | None]:
    """The first pair of positions for which there is a divergence; and the last answer, if any pair was asked about."""
    result = None
    for pair in pairs(revealed, kind, row):
        if clock.left <= 0:
            break
        result = _flip(revealed, pair, terms, options, clock.left)
        if result.divergence is not None:
            try:
                return build(kind, revealed, pair, result.divergence), result
            except OutOfTimeError:
                break
    return None, result


def _flip(revealed: Reveal, pair: PositionPair, terms: int, options: Options, seconds: float) -> FlipResult:
    sides = []
    for row, output in (pair.first, pair.second):
        label = str(replace(revealed.kernel.environment, row=row, output=output))
        sides.append((label, revealed.at(row, output).arithmetic))
    return find_flip(_question(sides, terms, options), settings_of(options, False, seconds))


def _question(sides: Sequence[tuple[str, Arithmetic]], terms: int, options: Options) -> FlipQuestion:
    """A sum that is below zero in the first of two arithmetics and above it in the second."""
    (first, a), (second, b) = sides
    return FlipQuestion(
        question="position",
        format=options.format,
        terms=terms,
        predicate=Predicate("relu"),
        views=(View("a", first, "reference", Deployment(a)), View("b", second, "deployed", Deployment(b))),
        weights=options.interval("weights", UNIT),
        inputs=options.interval("inputs", UNIT),
    )
