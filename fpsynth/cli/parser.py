"""The parser of the command line: numbers below zero are values, and what is wrong is said in one line, with what is near."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from fpsynth.cli.codes import WRONG_INPUT
from fpsynth.cli.given_files import near_given
from fpsynth.cli.streams import discard, put, say
from fpsynth.wording import printable

_NUMBER = re.compile(r"-(\.?\d|inf\b|nan\b)", re.IGNORECASE)
"""How a number or a range below zero begins: ``-1:1``, ``-.5``, ``-0x1p-3``, ``-1:1,0:1``.  No option begins like that."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)
        self._negative_number_matcher = _NUMBER

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse as usual; whatever is not known is refused here, where the subcommand is known.

        Where nothing is given at all, the subcommands are listed on standard error.
        """
        words = list(sys.argv[1:] if args is None else args)
        if not words and self._subparsers is not None:
            say(self.format_help().rstrip("\n") + "\n")
            self.error("no COMMAND is given")
        for word in self._options(words):
            if word.partition("=")[0] not in self._option_string_actions:
                self.error(f"unrecognized arguments: {word[:60]}{self._near(word)}")
        found, extras = super().parse_known_args(words, namespace)
        if extras:
            self.error(f"unrecognized arguments: {' '.join(extras)[:60]}")
        return found, extras

    def _options(self, words: Iterable[str]) -> Iterable[str]:
        """The words that argparse takes for options of this parser, and not of a subcommand."""
        for word in words:
            if word == "--" or (self._subparsers is not None and not word.startswith("-")):
                return
            if len(word) > 1 and word.startswith("-") and " " not in word and not _NUMBER.match(word):
                yield word

    def _near(self, word: str) -> str:
        name = word.partition("=")[0][:60]
        said = near_given(self, name)
        if said is not None:
            return said
        shown = [option for action in self._actions for option in action.option_strings]
        near = difflib.get_close_matches(name, shown, n=1)
        return f" (did you mean {near[0]}?)" if near else ""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse an unknown subcommand by naming the nearest."""
        if action.choices is not None and value not in action.choices:
            near = difflib.get_close_matches(str(value)[:60].lower(), list(action.choices), n=1)
            hint = f" (did you mean {near[0]}?)" if near else f"; choose from {', '.join(action.choices)}"
            self.error(f"unknown command {str(value)[:60]!r}{hint}")

    def error(self, message: str) -> NoReturn:
        """Print the line and exit with status 2."""
        say(printable(f"{self.prog}: error: {message} (see {self.prog} --help)"))
        sys.exit(WRONG_INPUT)

    def _print_message(self, message: str, file: object = None) -> None:
        """Print help or the version; where that cannot be done, say so."""
        try:
            put(message)
        except BrokenPipeError:
            discard(sys.stdout)
        except OSError as error:
            discard(sys.stdout)
            say(printable(f"{self.prog}: error: cannot write to standard output: {error.strerror or error}"))
            sys.exit(WRONG_INPUT)
