"""Stories as text, for tests of what is said."""

from fpsynth.report.renderers.style import Style
from fpsynth.report.renderers.terminal import render
from fpsynth.report.story import Story
from fpsynth.report.telling import explanation, story


def rendered(told: Story, style: Style | None = None) -> str:
    """The text without the end of its last line."""
    return render(told, style or Style()).rstrip("\n")


def report(subject, **style) -> str:
    """The report on a result or a witness, as a terminal shows it."""
    return render(story(subject), Style(**style))


def explain(witness, **style) -> str:
    """How a witness comes about, as a terminal shows it."""
    return render(explanation(witness), Style(**style))
