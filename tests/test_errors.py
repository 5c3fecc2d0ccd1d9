"""What is refused is refused in one printable line, whatever a file or an argument holds."""

import ast
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import fpsynth
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


OF_THE_COMMAND_LINE = {"Option", "replace", "side", "maximise"}
"""Calls whose words are those of the command line: what ``--help`` and docstrings say of options."""
OTHER_PROGRAMS = (
    "libraries/",
    "verifiers/external/standard.py",
    "verifiers/external/checkouts.py",
    "verifiers/external/installing.py",
    "scoring/own.py",
    "scoring/software.py",
    "corpus/exporting/scripts.py",
)
"""Files that write command lines and variables of programs."""
FLAG = re.compile(r"(?:^|[\s(\"'])--[a-z]")


def words_of(tree: ast.AST) -> Iterator[str]:
    """The texts of a file, those apart that are docstrings or what the command line says of an option."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue
        if isinstance(child, ast.Call):
            called = child.func.attr if isinstance(child.func, ast.Attribute) else getattr(child.func, "id", "")
            if called in OF_THE_COMMAND_LINE:
                continue
        if isinstance(child, ast.JoinedStr):
            yield "".join(str(part.value) for part in child.values if isinstance(part, ast.Constant))
        elif isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.value
        else:
            yield from words_of(child)


def test_what_is_said_in_python_too_names_options_and_not_arguments_of_the_command_line():
    folder = Path(fpsynth.__file__).parent
    wrong = []
    for path in sorted(folder.rglob("*.py")):
        place = path.relative_to(folder).as_posix()
        if path.name == "__main__.py" or place.startswith(("cli/", *OTHER_PROGRAMS)):
            continue
        texts = words_of(ast.parse(path.read_text("utf-8")))
        # a whole command, which anybody can run, is another matter
        wrong += [f"{place}: {text}" for text in texts if FLAG.search(text) and "fpsynth reveal" not in text]
    assert wrong == []


def test_words_of_the_command_line_are_seen_where_they_are():
    said = 'def f(x):\n    """--doc"""\n    raise InputError(f"give more (--timeout {x})")\nOption("with --network")\n'
    assert [text for text in words_of(ast.parse(said)) if FLAG.search(text)] == ["give more (--timeout )"]
