"""What goes to a terminal cannot make it do anything; numbers go with their nouns."""

import pytest

from fpsynth.errors import InputError
from fpsynth.wording import counted, noun, printable, printable_report


def test_what_is_printable_stays_as_it_is():
    text = "≈ 0.1 é │ 漢"
    assert printable(text) == str(InputError(text)) == text
    assert printable("a\tb\n", keep="\n") == "a\\tb\n"


def test_a_report_keeps_its_lines_and_colours_and_nothing_else():
    assert printable_report("\x1b[1;31mred\x1b[0m\n│ x\n") == "\x1b[1;31mred\x1b[0m\n│ x\n"
    assert printable_report("a\x1b[2Jb\x1b]0;title\x07\rc\u202e\x1b[31") == "a\\x1b[2Jb\\x1b]0;title\\x07\\rc\\u202e\\x1b[31"


@pytest.mark.parametrize(
    ("number", "words", "said"),
    [
        (0, ("row",), "0 rows"),
        (1, ("row",), "1 row"),
        (2, ("row",), "2 rows"),
        (1, ("witness", "witnesses"), "1 witness"),
        (0, ("witness", "witnesses"), "0 witnesses"),
    ],
)
def test_a_number_has_its_noun(number, words, said):
    assert counted(number, *words) == said == f"{number} {noun(number, *words)}"
