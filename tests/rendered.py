"""Stories as text, for tests of what is said."""

from fpsynth.report.renderers.style import Style
from fpsynth.report.renderers.terminal import render
from fpsynth.report.story import Story


def rendered(story: Story, style: Style | None = None) -> str:
    """The text without the end of its last line."""
    return render(story, style or Style()).rstrip("\n")
