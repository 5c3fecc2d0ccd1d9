"""Requests on the command line: the arguments that a request class has, and the keywords that their values are."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field
from typing import Any

from fpsynth.cli.given_files import GIVEN, add_given
from fpsynth.synthesis.requests.fields import Option, Request, default_text, open_options

Add = Callable[[ArgumentParser], None]


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
    """The keywords that the arguments stand for.  Raises InputError for texts that cannot be read."""
    return {name: _value(arguments, one, option) for name, (one, option) in open_options(request).items()}


def _name(one: Field[Any], option: Option) -> str:
    """What the argument is called: a switch that is on by itself is one that turns it off."""
    if option.positional:
        return one.name
    return f"--{'no-' if one.default is True else ''}{one.name.replace('_', '-')}"


def _manner(one: Field[Any], option: Option) -> dict[str, Any]:
    """How argparse is to take it."""
    manner: dict[str, Any] = {"help": option.help}
    if isinstance(one.default, bool):
        return {**manner, "action": "store_true"}
    manner |= {"default": default_text(one)}
    if option.metavar is not None:
        manner |= {"metavar": option.metavar}
    if option.number is not None:
        manner |= {"type": option.number}
    if option.several:
        manner |= {"action": "append"}
    if option.bare:
        manner |= {"nargs": "?", "const": True}
    if one.default is MISSING:
        return manner if option.positional else {**manner, "required": True}
    return {**manner, "nargs": "?"} if option.positional else manner


def _value(arguments: Namespace, one: Field[Any], option: Option) -> Any:
    if one.default is True:
        return not getattr(arguments, f"no_{one.name}")
    value = getattr(arguments, one.name)
    if option.several and not value:
        return one.default
    return option.reads(value) if option.reads is not None and isinstance(value, str) else value
