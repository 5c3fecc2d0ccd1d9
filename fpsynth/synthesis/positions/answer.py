"""The questions twin and position: positions that a kernel treats differently, looked for in one environment or in several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from fpsynth.arithmetic import Deployment
from fpsynth.errors import InputError
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.libraries.naming import parse_environment
from fpsynth.libraries.registry import library_named, names_for
from fpsynth.predicates import Predicate
from fpsynth.revealing.result import Reveal
from fpsynth.revealing.revealer import Revealer
from fpsynth.synthesis.comparison import runner
from fpsynth.synthesis.divergences import concluded
from fpsynth.synthesis.domain import UNIT
from fpsynth.synthesis.flips import FlipQuestion, FlipResult, find_flip
from fpsynth.synthesis.grounds import Ground
from fpsynth.synthesis.options import Options
from fpsynth.synthesis.positions.measuring import measured_twin
from fpsynth.synthesis.positions.pairs import Pair, build, pairs
from fpsynth.synthesis.questions import settings_of
from fpsynth.synthesis.result import DivergenceResult, Verdict
from fpsynth.synthesis.settings import Clock
from fpsynth.witness.divergence import Divergence, View

SHAPES = ((1, 10), (4, 10), (1, 3), (64, 10), (4, 5), (1, 7), (10, 17), (64, 33))
"""(batch, outputs) that are tried where no environment is given: odd numbers, so that kernels have tails."""
ROW_SHAPES = ((10, 128), (10, 10), (7, 3), (3, 16), (65, 10), (5, 33))
"""The same for rows of a batch."""
_FIRST = ("torch", "numpy", "onnxruntime", "tensorflow", "jax")


def run_position(kind: str, text: str | None, terms: int, options: Options) -> DivergenceResult:
    """Answer a question of kind twin, permutation or row.  Raises InputError for an environment that cannot be used."""
    clock = Clock(options.timeout)
    candidates = [parse_environment(text)] if text is not None else list(_candidates(kind, options))
    with Revealer() as revealer:
        return _answer(kind, text, terms, options, clock, candidates, revealer)


def _answer(
    kind: str,
    text: str | None,
    terms: int,
    options: Options,
    clock: Clock,
    candidates: Sequence[Environment],
    revealer: Revealer,
) -> DivergenceResult:
    """Go through the environments until one has two positions for which there is a divergence."""
    tried: list[str] = []
    misses: list[str] = []
    found: list[Reveal] = []
    seconds = 0.0
    for environment in candidates:
        if environment.outputs is None:
            raise InputError("say how many neurons the layer has: outputs=N, for example torch:linear:batch=1,outputs=10")
        if options.progress:
            options.progress(f"revealing {environment}")
        try:
            revealed = _revealed(revealer, environment, terms, options)
        except InputError:
            if text is not None:
                raise
            continue
        found.append(revealed)
        searching = Clock(options.timeout)
        divergence, last = _search(kind, revealed, environment.row, terms, options)
        if divergence is None and kind == "twin" and not revealed.explained:
            divergence = measured_twin(revealed, environment.row, options, runner(revealer))
        seconds += searching.spent
        if divergence is not None:
            return concluded(
                "twin" if kind == "twin" else "position",
                Verdict.FOUND,
                divergence,
                f"in {environment}",
                clock,
                options,
                _asked(kind, text, terms),
                seconds=seconds,
                attempts=() if last is None else last.attempts,
                reveals=(revealed,),
                grounds=_grounds(divergence.views, revealed),
            )
        tried.append(str(environment))
        misses += [last.reason] if last is not None else []
        if clock.left <= 0:
            break
    where = tried[0] if len(tried) == 1 else f"the {len(tried)} environments that were tried"
    if misses:
        reason = f"positions are summed differently, but no weights and input were found that show it: {misses[-1]}"
    elif tried:
        reason = f"no two positions of {where} were seen to be summed differently"
    else:
        reason = "no environment could be revealed"
    return concluded(
        "twin" if kind == "twin" else "position",
        Verdict.UNKNOWN,
        None,
        reason,
        clock,
        options,
        _asked(kind, text, terms),
        seconds=seconds,
        reveals=found,
        grounds=[Ground("", one, one.kernel.environment.row, tuple(range(one.kernel.outputs)), kind == "row") for one in found],
    )


def _grounds(views: Sequence[View], revealed: Reveal) -> tuple[Ground, ...]:
    """What the views have of the reveal: all outputs of their rows."""
    outputs = tuple(range(revealed.kernel.outputs))
    return tuple(Ground(view.name, revealed, view.row, outputs) for view in views if view.environment)


def _asked(kind: str, text: str | None, terms: int) -> dict[str, object]:
    return {"kind": kind, "environment": text, "terms": terms}


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
    found = revealer.reveal(kernel, vectors=options.vectors, seed=options.seed)
    found.deployment(environment.row)  # refuses a kernel that has no one arithmetic
    return found


def _search(kind: str, revealed: Reveal, row: int, terms: int, options: Options) -> tuple[Divergence | None, FlipResult | None]:
    """The first pair of positions for which there is a divergence; and the last answer, if any pair was asked about."""
    clock, result = Clock(options.timeout), None
    for pair in pairs(revealed, kind, row):
        if clock.left <= 0:
            break
        result = _flip(revealed, pair, terms, options, clock.left)
        if result.divergence is not None:
            return build(kind, revealed, pair, result.divergence), result
    return None, result


def _flip(revealed: Reveal, pair: Pair, terms: int, options: Options, seconds: float) -> FlipResult:
    views = []
    for name, role, place in (("a", "reference", pair.first), ("b", "deployed", pair.second)):
        how = revealed.at(*place).arithmetic
        label = str(replace(revealed.kernel.environment, row=place[0], output=place[1]))
        views.append(View(name, label, role, Deployment(how)))
    question = FlipQuestion(
        question="position",
        format=options.format,
        terms=terms,
        predicate=Predicate("relu"),
        views=tuple(views),
        weights=options.interval("weights", UNIT),
        inputs=options.interval("inputs", UNIT),
    )
    return find_flip(question, settings_of(options, False, seconds))
