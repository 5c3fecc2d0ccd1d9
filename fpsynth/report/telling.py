"""The report of a result or of one witness, and the explanation of a witness: which teller tells it, and the text of it."""

from __future__ import annotations

from fpsynth.report.renderers.style import Style
from fpsynth.report.renderers.terminal import render
from fpsynth.report.stories.divergences import DivergenceTeller
from fpsynth.report.stories.explained_divergences import divergence_explained
from fpsynth.report.stories.explained_ties import tie_explained
from fpsynth.report.stories.graphs import GraphTeller, graph_explained, on_a_graph
from fpsynth.report.stories.teller import Teller
from fpsynth.report.stories.ties import TieTeller
from fpsynth.report.stories.unanswered import unanswered_parts
from fpsynth.report.story import Story
from fpsynth.synthesis.result import Result
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.witness import Witness


def story(subject: Result | Witness) -> Story:
    """Return the whole report on a result, found (with every witness), impossible (with the proof) or unknown; or on a witness.

    Raises InputError where a view of a witness has no logits.
    """
    if isinstance(subject, Witness):
        return Story(teller(subject).parts())
    if subject.verdict is not Verdict.FOUND or not subject.witnesses:
        return Story(unanswered_parts(subject))
    return Story(teller(subject.witnesses[0]).parts(subject))


def explanation(witness: Witness) -> Story:
    """Return how a witness comes about, step by step; of a network of other layers than dense ones layer by layer.

    Raises InputError where a view has no logits.
    """
    if on_a_graph(witness):
        return graph_explained(witness)
    return tie_explained(witness) if witness.two_points else divergence_explained(witness)


def teller(witness: Witness) -> Teller:
    """Who tells of a witness."""
    if on_a_graph(witness):
        return GraphTeller(witness)
    return TieTeller(witness) if witness.two_points else DivergenceTeller(witness)


def report(subject: Result | Witness, *, unicode: bool = True, colour: bool = False, width: int = 96) -> str:
    """Return ``story`` as text for a terminal.

    ``unicode`` False gives ASCII only, ``colour`` adds ANSI codes; ``width`` is in columns, kept between 60 and 200.  Raises
    InputError where a view of a witness has no logits.
    """
    return render(story(subject), Style(unicode, colour, width))


def explain(witness: Witness, *, unicode: bool = True, colour: bool = False, width: int = 96) -> str:
    """Return ``explanation`` as text for a terminal.  Raises InputError where a view has no logits."""
    return render(explanation(witness), Style(unicode, colour, width))
