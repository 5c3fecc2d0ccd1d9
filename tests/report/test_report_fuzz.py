"""Whatever a witness file may hold, it is reported and explained, and no control character of it reaches the terminal."""

from fractions import Fraction

from hypothesis import given, settings
from profiles import examples
from rendered import explain, report
from witnesses import any_witness

from fpsynth.report.renderers.style import plain
from fpsynth.synthesis.result import Result
from fpsynth.synthesis.verdicts import Verdict


@settings(max_examples=examples(150))
@given(any_witness())
def test_any_witness_is_reported_in_both_alphabets(witness):
    drawn = report(witness, unicode=True)
    ascii_only = report(witness, unicode=False)
    assert ascii_only.isascii()
    assert [len(line) for line in drawn.splitlines()] == [len(line) for line in ascii_only.splitlines()]
    assert all(character.isprintable() or character == "\n" for character in drawn)


@settings(max_examples=examples(50))
@given(any_witness())
def test_any_witness_is_explained_in_ascii_if_asked(witness):
    text = explain(witness, unicode=False)
    assert text.isascii()
    assert "3  The computation" in text


@settings(max_examples=examples(40))
@given(any_witness())
def test_colour_adds_codes_and_changes_no_text(witness):
    result = Result("tie", Verdict.FOUND, (witness, witness), "", None, (), 1.0, 2.0, {"dtype": "float32"}, Fraction(3))
    coloured = report(result, colour=True)
    assert "\x1b[" in coloured
    assert plain(coloured) == report(result, colour=False)
