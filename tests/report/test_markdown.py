"""Markdown says what the terminal says, and nothing in a text becomes markup."""

from __future__ import annotations

import re

import pytest
from reports import found, known

from fpsynth.report.renderers.markdown import escaped, render
from fpsynth.report.renderers.style import Style
from fpsynth.report.story import Drawing, Paragraph, Section, Story, Table, Title
from fpsynth.report.telling import rendered, story
from fpsynth.report.text import QUIET, WRONG, Span


def test_headings_tables_and_drawings() -> None:
    parts = (
        Title("bench", "found"),
        Section(
            "Rows", (Table(("a", "b"), [("1", Span("2", WRONG)), ("3",)]), Section("Deeper", (Drawing(["/\\", "\\/"]),), 1))
        ),
    )
    assert render(Story(parts), Style()) == (
        "# fpsynth bench: found\n\n## Rows\n\n| a | b |\n| --- | --- |\n| 1 | **2** |\n| 3 |  |\n\n"
        "### Deeper\n\n```text\n/\\\n\\/\n```\n"
    )


@pytest.mark.parametrize("text", ["a|b", "*a*", "_a_", "`a`", "[a](b)", "<script>", "# a", "~a~", "a\\b"])
def test_nothing_becomes_markup(text: str) -> None:
    shown = escaped(text)
    assert re.sub(r"\\([\\`*_{}\[\]<>#|~])", r"\1", shown) == text
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_{}\[\]<>#|~]", shown)


@pytest.mark.parametrize(("text", "shown"), [("- a", "\\- a"), ("1. a", "\\1. a"), ("+ a", "\\+ a"), ("-1", "-1")])
def test_no_line_begins_a_list(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_a_quiet_tone_and_blanks_are_not_bold() -> None:
    text = Story((Paragraph((Span("a", QUIET), Span(" ", WRONG), Span("b", WRONG))),))
    assert render(text, Style()) == "a **b**\n"


@pytest.mark.parametrize("subject", [found, known])
def test_reports_have_their_words_in_it(subject: object) -> None:
    told = story(found(known()) if subject is found else known())
    text, markdown = (rendered(told, form, Style(width=200)) for form in ("text", "markdown"))
    plain = re.sub(r"\\([\\`*_{}\[\]<>#|~])", r"\1", markdown).replace("**", "")
    for line in markdown.splitlines():
        if line.startswith("## "):
            assert line.removeprefix("## ").replace("\\", "") in text
    assert "published" in plain or len(plain) > 500
