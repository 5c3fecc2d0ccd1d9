"""Requests on the command line: the arguments that a request class has, and the keywords that their values are."""

from __future__ import annotations

from argparse import Action, ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field
from typing import Any

from fpsynth.cli.given_files import GIVEN, add_given
from fpsynth.synthesis.requests.fields import Option, Request, default_text, open_options

Add = Callable[[ArgumentParser], None]


class _Said(Action):
    """Stores what an argument says, and in ``said`` that it was there: a default that somebody writes down is asked for."""

    def __call__(self, parser: ArgumentParser, namespace: Namespace, values: Any, option_string: str | None = None) -> None:
        del parser
        setattr(namespace, self.dest, self._stored(namespace, values))
        if self.option_strings or values is not self.default:  # argparse calls for a position that is left out, too
            namespace.said = (*getattr(namespace, "said", ()), self.dest)
        del option_string

    def _stored(self, namespace: Namespace, values: Any) -> Any:
        del namespace
        return True if self.nargs == 0 else values


class _SaidAgain(_Said):
    """The same for an argument that may be repeated."""

    def _stored(self, namespace: Namespace, values: Any) -> Any:
        return [*(getattr(namespace, self.dest) or ()), values]


def add_arguments(parser: ArgumentParser, request: type[Request], before: Mapping[str, Add] | None = None) -> None:
    """Give the parser an argument for each option of the request.

    ``before``: what the command line alone has, such as --out, by the option that it is told of before.
    """
    for name, (one, option) in open_options(request).items():
        if before and name in before:
            before[name](parser)
        file = GIVEN.get((request.question, name))
        if file is None:
            parser.add_argument(_name(one, option), **_manner(one, option))
        else:
            add_given(parser, file, name, _manner(one, option))


def keywords(arguments: Namespace, request: type[Request]) -> dict[str, Any]:
    """The keywords that the arguments stand for, those that were said and no others.

    Raises InputError for texts that cannot be read.
    """
    said = said_names(arguments, request)
    return {name: value for name, value in values(arguments, request).items() if name in said}


def values(arguments: Namespace, request: type[Request]) -> dict[str, Any]:
    """The values of all options of the request, defaults where nothing was said.  Raises InputError as ``keywords``."""
    return {name: _value(arguments, one, option) for name, (one, option) in open_options(request).items()}


def said_names(arguments: Namespace, request: type[Request]) -> set[str]:
    """The options of the request that were said, by their names as keywords."""
    said = set(getattr(arguments, "said", ()))
    return {name for name, (one, _) in open_options(request).items() if _destination(one) in said}


def _destination(one: Field[Any]) -> str:
    """Where argparse keeps it."""
    return f"no_{one.name}" if one.default is True else one.name


def _name(one: Field[Any], option: Option) -> str:
    """What the argument is called: a switch that is on by itself is one that turns it off."""
    if option.positional:
        return one.name
    return f"--{'no-' if one.default is True else ''}{one.name.replace('_', '-')}"


def _manner(one: Field[Any], option: Option) -> dict[str, Any]:
    """How argparse is to take it."""
    manner: dict[str, Any] = {"help": option.help}
    if isinstance(one.default, bool):
        return {**manner, "action": _Said, "nargs": 0, "default": False}
    manner |= {"default": default_text(one), "action": _SaidAgain if option.several else _Said}
    if option.metavar is not None:
        manner |= {"metavar": option.metavar}
    if option.number is not None:
        manner |= {"type": option.number}
    if option.bare:
        manner |= {"nargs": "?", "const": True}
    if one.default is MISSING:
        return manner if option.positional else {**manner, "required": True}
    return {**manner, "nargs": "?"} if option.positional else manner


def _value(arguments: Namespace, one: Field[Any], option: Option) -> Any:
    if one.default is True:
        return not getattr(arguments, _destination(one))
    value = getattr(arguments, one.name)
    if option.several and not value:
        return one.default
    return option.reads(value) if option.reads is not None and isinstance(value, str) else value
