"""The report of a result or of one witness in the terminal, whatever was asked."""

from __future__ import annotations

from fpsynth.report.renderers.style import Style
from fpsynth.report.stories.divergences import divergence_lines
from fpsynth.report.stories.graphs import graph_lines, on_a_graph
from fpsynth.report.stories.ties import tie_lines
from fpsynth.synthesis.result import Result
from fpsynth.witness import Witness


def report(subject: Result | Witness, *, unicode: bool = True, colour: bool = False, width: int = 96) -> str:
    """Return the whole report on a result, found (with every witness), impossible (with the proof) or unknown; or on a witness.

    ``unicode`` False gives ASCII only, ``colour`` adds ANSI codes; ``width`` is in columns, kept between 60 and 200.  Raises
    InputError where a view of a witness has no logits.
    """
    style = Style(unicode, colour, width)
    told = [subject] if isinstance(subject, Witness) else subject.witnesses[:1]
    if any(map(on_a_graph, told)):
        return style.finish(graph_lines(subject, style))
    tie = subject.two_points if isinstance(subject, Witness) else subject.question == "tie"
    return style.finish(tie_lines(subject, style) if tie else divergence_lines(subject, style))
