"""What is wrong with a divergence, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from fpsynth.predicates import Telling
from fpsynth.report.numerals import significant
from fpsynth.report.stories.differences import differences
from fpsynth.report.stories.ran_as import different_runs
from fpsynth.report.text import clean, listed
from fpsynth.synthesis.table import QUESTIONS
from fpsynth.witness.data import View, Witness
from fpsynth.wording import counted, noun

_DIGITS = 9


def short(number: Fraction) -> str:
    """A number to nine digits."""
    return significant(number, _DIGITS)


def called(view: View) -> str:
    """A view by the name the user gave it, cut where it is a long tree."""
    return clean(view.label or view.name, 60)


def told_apart(divergence: Witness) -> tuple[str, str]:
    """The reference and the deployed view by names that differ: with the row, or the neurons moved, where that differs."""
    a, b = divergence.reference, divergence.deployed
    of_a, of_b = (", ".join(filter(None, (called(view), place(divergence, view)))) for view in (a, b))
    return (of_a, of_b) if of_a != of_b else (f"{of_a} ({a.name})", f"{of_b} ({b.name})")


def place(divergence: Witness, view: View) -> str:
    """What of a view's row and of the places of its neurons is not as in the view that it is held against, in words."""
    other = divergence.deployed if view is divergence.reference else divergence.reference
    alike = view.environment.partition(":")[0] == other.environment.partition(":")[0]
    parts = [f"row {view.row}"] if alike and view.row != other.row and f",row={view.row}" not in called(view) else []
    if view.permutation != other.permutation:
        parts.append(moved(view))
    return ", ".join(parts)


def moved(view: View) -> str:
    """Which neurons a view puts into other places."""
    pairs = [(where, neuron) for where, neuron in enumerate(view.permutation) if where != neuron]
    if not pairs:
        return "neurons as they are"
    if len(pairs) == 2:
        return f"neurons {pairs[0][0]} and {pairs[0][1]} exchanged"
    return f"{counted(len(pairs), 'neuron')} rearranged"


def wrong(divergence: Witness) -> list[str]:
    """What is wrong, in sentences: what the views say of the point, why, and what libraries made of it."""
    predicate = divergence.predicate
    departure = predicate.relation.told(predicate, _telling(divergence))
    return [departure, *_over_the_reals(divergence), _why(divergence), *_libraries(divergence)]


def _telling(divergence: Witness) -> Telling:
    """What the predicate makes its sentences of."""
    a, b = divergence.reference, divergence.deployed
    return Telling(
        names=told_apart(divergence),
        a=a.logits,
        b=b.logits,
        text=short,
        bounds=a.interval,
        widening=a.widening,
        measure=divergence.measure,
        real=divergence.real,
        rearranged=bool(a.permutation or b.permutation),
    )


def _over_the_reals(divergence: Witness) -> list[str]:
    """Which of two views agrees with the reals, where the predicate can say that; a view over the reals is told of already."""
    formats = [view.deployment.default.format for view in (divergence.reference, divergence.deployed)]
    if not divergence.real or None in formats:
        return []
    sentence = divergence.predicate.relation.over_reals(divergence.predicate, _telling(divergence))
    return [sentence] if sentence else []


def _why(divergence: Witness) -> str:
    a, b = divergence.reference, divergence.deployed
    of_a, of_b = a.deployment.default.format, b.deployment.default.format
    measured = [called(view) for view in (a, b) if view.measured]
    if measured:
        return (
            f"What {listed(measured)} gives was measured: the arithmetic that was revealed for it gives something else here, "
            "so that its runs, not a prediction, are the evidence."
        )
    if (a.network or divergence.network) != (b.network or divergence.network):
        return (
            "They compute the network by different layers, whose numbers are rounded each in its own way: "
            "even over the reals the two need not give the same."
        )
    question = QUESTIONS.get(divergence.question)
    if question is not None and (reason := question.why(a, b)):
        return reason
    if of_a is None or of_b is None:
        return "Over the reals every order gives the same sum; rounded sums depend on it."
    if of_a != of_b:
        return (
            f"Weights and inputs are numbers of both formats; the partial sums are not, and {of_a} and {of_b} round them apart."
        )
    told = differences(divergence)
    if not told:
        return "Over the reals both compute the same; rounded, they do not."
    return f"Over the reals both compute the same; rounded, they differ in {listed(told)}."


def _libraries(divergence: Witness) -> list[str]:
    if not divergence.observations:
        return ["No library has run it yet."]
    disobeyed = [view for view in divergence.views if not divergence.reproduced(view)]
    if disobeyed:
        ran = {o.view for o in divergence.observations if not o.not_run}
        wrongly = [f"{called(view)} ({view.name})" for view in disobeyed if view.name in ran]
        absent = [f"{called(view)} ({view.name})" for view in disobeyed if view.name not in ran]
        parts = [f"{listed(wrongly)} did not give the logits that were predicted"] if wrongly else []
        parts += [f"{listed(absent)} could not be run here"] if absent else []
        return [f"Not confirmed: {'; '.join(parts)}."]
    confirmed = [clean(name) for name in divergence.confirmed_by]
    if not confirmed:
        return ["No library that was run departs from the reference: predicted, not confirmed."]
    told = f"{listed(confirmed)} {_verb(confirmed)} it{_counted(divergence)}"
    departing = dict.fromkeys(clean(o.library) for o in divergence.observations if not o.not_run and o.departs)
    others = [name for name in departing if name not in confirmed]
    also = listed([f"{name}{_in_some(divergence, name)}" for name in others])
    return [f"{told}; {also} {noun(len(others), 'departs', 'depart')} from it, too." if others else f"{told}."]


def _in_some(divergence: Witness, library: str) -> str:
    """How many outcomes of a library depart, where not all do: the library of the reference itself is such a one."""
    runs = [o for o in different_runs(divergence.observations) if not o.not_run and clean(o.library) == library]
    departing = sum(o.departs for o in runs)
    return f" ({departing} of its {len(runs)} outcomes)" if departing < len(runs) else ""


def _verb(names: Sequence[str]) -> str:
    return "shows" if len(names) == 1 else "both show" if len(names) == 2 else "all show"


def _counted(divergence: Witness) -> str:
    """How many outcomes of the libraries that confirm depart from the reference: those in the views' environments, too."""
    confirmed, fmt = divergence.confirmed_by, divergence.deployed.deployment.default.format
    own = [o for o in different_runs(divergence.observations) if not o.not_run and o.library in confirmed]
    runs = [o for o in own if fmt is None or o.environment.get("dtype", fmt.name) == fmt.name]
    departing = sum(o.departs for o in runs)
    whose = "its" if len(confirmed) == 1 else "their"
    if len(runs) == 1:
        return f" ({whose} one outcome departs from the reference)"
    return f" ({departing} of {whose} {len(runs)} outcomes {noun(departing, 'departs', 'depart')} from the reference)"
