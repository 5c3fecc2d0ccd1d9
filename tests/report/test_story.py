"""A report is data: every renderer shows every kind of part, and all renderers say the same words."""

import json
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import get_args

import pytest
from reports import REPLAYS, found, known, optimal

import fpsynth
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32
from fpsynth.orders import parse_order
from fpsynth.report import story as stories
from fpsynth.report.renderers import json as as_json
from fpsynth.report.renderers import markdown, terminal
from fpsynth.report.renderers.style import Style
from fpsynth.report.story import (
    PARTS,
    CrossTable,
    Drawing,
    Formula,
    Frame,
    Item,
    Mark,
    NumberLine,
    NumberLines,
    Paragraph,
    Section,
    Space,
    Story,
    Table,
    Title,
    TreeFigure,
)
from fpsynth.report.telling import RENDERERS, explanation, rendered, story
from fpsynth.report.text import WRONG, Span
from fpsynth.rounding import Rounding, from_float, round_fraction
from fpsynth.sums.arithmetic import Arithmetic


def formula():
    import sympy

    x = sympy.Symbol("x")
    return sympy.Eq(sympy.Symbol("radius"), x**2 + 1)


LINE = NumberLine(
    (
        Mark("exact sum", Fraction(1, 3), round_fraction(Fraction(1, 3), FLOAT32), "rounded sum"),
        Mark("one", Fraction(1), from_float(1.0)),
    ),
    FLOAT32,
    Rounding.RNE,
    Paragraph("before the line"),
    (Paragraph("after the line"),),
)
EVERY = (
    Title("a subject", "found"),
    Section("a heading", (Paragraph("within the section"), Section("a deeper heading", (Space(),), 1))),
    Paragraph(("some ", Span("wrong", WRONG), " words")),
    Item("a name", "what is said of it", 8),
    Space(),
    Table(["left", "right"], [["a cell", "another"], ["a last cell over the rest"]]),
    CrossTable(["A", "B"], [["=", "x"], ["x", "="]]),
    Frame("a box", (Paragraph("in a frame"),), WRONG),
    Drawing(["/\\", "\\/"]),
    NumberLines((LINE,)),
    TreeFigure(Arithmetic(FLOAT32, order=parse_order("[[0,1],2]")), 3, 8),
    Formula(formula()),
)


def strings(data: object) -> list[str]:
    """Every string within JSON data, those of a text in pieces joined."""
    if isinstance(data, str):
        return [data]
    if isinstance(data, dict):
        return [text for value in data.values() for text in strings(value)]
    if isinstance(data, Sequence):
        if data and all(isinstance(one, dict) and set(one) == {"text", "tone"} for one in data):
            return ["".join(one["text"] for one in data)]
        return [text for value in data for text in strings(value)]
    return []


def test_the_list_of_parts_is_the_type_of_parts():
    assert set(PARTS) == set(get_args(stories.Part))
    assert {type(part) for part in EVERY} == set(PARTS)


def test_every_renderer_has_a_function_for_every_part():
    assert set(terminal._RENDERED) == set(PARTS)
    assert set(as_json._KINDS) == set(PARTS)
    assert set(markdown._RENDERED) == set(PARTS)
    assert len({name for name, _ in as_json._KINDS.values()}) == len(PARTS)


@pytest.mark.parametrize("part", EVERY, ids=lambda part: type(part).__name__)
@pytest.mark.parametrize("form", RENDERERS)
def test_every_form_shows_every_part(form, part):
    document = rendered(Story((part,)), form, Style())
    assert document.endswith("\n")
    assert document.strip() or isinstance(part, Space)


def test_json_is_an_object_with_every_part_in_its_order():
    data = json.loads(rendered(Story(EVERY), "json", Style()))
    assert (data["schema"], data["schema_version"]) == ("fpsynth-story", 1)
    assert [part["part"] for part in data["parts"]] == [as_json._KINDS[type(part)][0] for part in EVERY]
    assert data["parts"][1]["parts"][1] == {
        "part": "section",
        "heading": "a deeper heading",
        "depth": 1,
        "parts": [{"part": "space"}],
    }
    assert data["parts"][2]["text"] == [
        {"text": "some ", "tone": ""},
        {"text": "wrong", "tone": WRONG},
        {"text": " words", "tone": ""},
    ]
    mark = data["parts"][9]["lines"][0]["marks"][0]
    assert (mark["exact"], mark["rounded"]) == ("1/3", "0x1.555556p-2")
    assert data["parts"][11] == {"part": "formula", "left": "radius", "right": "x**2 + 1"}


SUBJECTS = {
    "a tie": lambda: story(found(known())),
    "the best tie": lambda: story(found(optimal())),
    "a witness": lambda: story(known()),
    "an explanation": lambda: explanation(known()),
}


def _paragraphs(parts):
    for part in parts:
        if part["part"] == "section":
            yield part["heading"]
            yield from _paragraphs(part["parts"])
        elif part["part"] == "paragraph":
            yield "".join(strings(part["text"]) if isinstance(part["text"], str) else [one["text"] for one in part["text"]])


@pytest.mark.parametrize("name", SUBJECTS)
def test_the_terminal_and_json_say_the_same_words(name):
    told = SUBJECTS[name]()
    text = " ".join(rendered(told, "text", Style(width=200)).split())
    said = list(_paragraphs(json.loads(rendered(told, "json", Style()))["parts"]))
    assert len(said) > 3
    for words in said:
        assert " ".join(words.replace("\u00a0", " ").split()) in text


def test_of_what_the_functions_return_there_is_a_report():
    result = fpsynth.order("sequential", "pairwise", terms=4, replay=False)
    text = fpsynth.render(result, unicode=False)
    assert text.isascii()
    assert "FOUND" in text
    assert json.loads(fpsynth.render(result, "json"))["parts"][0]["verdict"] == "found"
    assert fpsynth.render(fpsynth.check(result.witnesses[0])).rstrip().splitlines()[-1].startswith("confirmed")
    assert re.search(r"numpy +\d", fpsynth.render(fpsynth.environments(library="numpy")))
    reveals = fpsynth.reveal("numpy:matmul", terms=4, vectors=640)
    assert fpsynth.render(reveals) == fpsynth.render(reveals[0])
    assert "numpy:matmul" in fpsynth.render(reveals)


def test_an_explanation_is_data_too():
    data = json.loads(fpsynth.explain(known(), form="json"))
    false, title, *sections = data["parts"]
    assert false["text"].startswith("NOT TRUE of this file")
    assert title["part"] == "title"
    assert {part["part"] for part in sections} == {"section"}


@pytest.mark.parametrize("subject", [7, (), [REPLAYS[0]], "tie.json"])
def test_of_anything_else_there_is_none(subject):
    with pytest.raises(InputError, match=r"there is no report on an? "):
        fpsynth.render(subject)


def test_an_unknown_form_is_refused_with_those_that_are_known():
    with pytest.raises(InputError, match="unknown form 'html': a report is rendered as text or markdown or json"):
        fpsynth.render(known(), "html")
