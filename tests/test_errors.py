"""What is refused is refused in one printable line, whatever a file or an argument holds."""

import pickle

import pytest

from fpsynth.errors import LONGEST, InputError, MissingPackageError


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
