"""What goes to a terminal cannot make it do anything, whatever a file or an argument holds."""

import pickle

import pytest

from fpsynth.errors import LONGEST, InputError, MissingPackageError
from fpsynth.wording import printable, printable_report


@pytest.mark.parametrize(
    "text", ["a\nb", "\r", "\x00", "\x1b[2J", "\x9b2J", "\u202egnp", "\u2028", "\ud800", "\x7f", "x" * 99_999]
)
@pytest.mark.parametrize("kind", [InputError, MissingPackageError])
def test_an_input_error_is_one_printable_line(kind, text):
    said = str(kind(f"cannot read {text}: no"))
    assert said.isprintable()
    assert len(said) <= LONGEST
    said.encode()
    assert str(pickle.loads(pickle.dumps(kind(text)))) == str(kind(text))  # between our own processes


def test_what_is_printable_stays_as_it_is():
    text = "≈ 0.1 é │ 漢"
    assert printable(text) == str(InputError(text)) == text
    assert printable("a\tb\n", keep="\n") == "a\\tb\n"


def test_a_report_keeps_its_lines_and_colours_and_nothing_else():
    assert printable_report("\x1b[1;31mred\x1b[0m\n│ x\n") == "\x1b[1;31mred\x1b[0m\n│ x\n"
    assert printable_report("a\x1b[2Jb\x1b]0;title\x07\rc\u202e\x1b[31") == "a\\x1b[2Jb\\x1b]0;title\\x07\\rc\\u202e\\x1b[31"
