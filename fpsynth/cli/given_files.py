"""The options that name files of the user: one name for each wherever it is taken, what it holds, and what is near it."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fpsynth.errors import InputError

_ARRAYS = "an .npz file with an array images (uint8 is divided by 255) or inputs, of shape (count, ...)"
_MODEL = "an ONNX, .keras or .npz file, or the verified certifier's text"


@dataclass(frozen=True)
class GivenFile:
    """What an option of the command line is called, where its keyword of Python has another name, and what it holds."""

    name: str
    help: str
    older: tuple[str, ...] = ()
    """Other names that are taken and not told of."""


def _images(what: str, *older: str) -> GivenFile:
    return GivenFile("--images", f"{_ARRAYS}{what}", older)


_BOUNDARY = ": what --network is given, of two classes at least, between which it is searched"
_GIVEN = GivenFile("--network", f"search inputs of this network, instead of making one up: {_MODEL}; with --images")


def _range(default: str) -> GivenFile:
    told = f"range of the inputs of a network that is made up, ends included (default {default}); a file of inputs is --images"
    return GivenFile("--inputs", told)


GIVEN: Mapping[tuple[str, str], GivenFile] = {
    ("compare", "images"): _images(", and perhaps labels (count,): what the network is run on", "--inputs", "--points"),
    ("order", "images"): _images(_BOUNDARY, "--points"),
    ("tie", "images"): _images(_BOUNDARY, "--points"),
    ("verify", "images"): _images(", of which --image names one", "--points"),
    ("certify", "images"): GivenFile(
        "--images",
        "an .npz file with images (count, ...), uint8 (divided by 255) or floats (as they are), and labels (count,)",
        ("--points",),
    ),
    ("backdoor", "images"): _images(", and perhaps labels (count,): what it is measured on", "--inputs", "--points"),
    ("defend", "images"): _images(", and perhaps labels (count,): with the trigger, if one is known", "--inputs", "--points"),
    ("order", "network"): _GIVEN,
    ("tie", "network"): _GIVEN,
    ("order", "inputs"): _range("-1:1"),
    ("tie", "inputs"): _range("0.1:1"),
}
"""By the question and the field of its request."""
_MEANT = ("--images", "--image", "--inputs")
_NEAR: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(("--input", "--inputs", "--points", "--point", "--images", "--data", "--dataset"), _MEANT),
    **dict.fromkeys(("--model", "--onnx", "--net", "--network"), ("--network",)),
}
"""Names that are tried for these options, with those that may be meant: spelling alone would lead elsewhere."""


def add_given(parser: argparse.ArgumentParser, one: GivenFile, keyword: str, manner: Mapping[str, object]) -> None:
    """Add the option; its older names are taken, and stand in no help text."""
    action = parser.add_argument(one.name, *one.older, **{"dest": keyword, **manner, "help": one.help})  # type: ignore[arg-type]
    action.option_strings = [one.name]


def near_given(parser: argparse.ArgumentParser, word: str) -> str | None:
    """What is said of an unknown option that is about a file of the user; None: it is about something else."""
    if word not in _NEAR:
        return None
    shown = [name for action in parser._actions for name in action.option_strings]
    meant = [name for name in _NEAR[word] if name in shown]
    if meant:
        return f" (did you mean {' or '.join(_with_value(parser, name) for name in meant)}?)"
    places = [str(action.metavar) for action in parser._actions if not action.option_strings]
    return f" ({places[0]} is given without a name)" if _NEAR[word] == ("--network",) and "MODEL" in places else ""


def _with_value(parser: argparse.ArgumentParser, name: str) -> str:
    action = next(action for action in parser._actions if name in action.option_strings)
    return f"{name} {action.metavar}" if action.metavar else name


def require_given_files(arguments: Namespace) -> None:
    """Raise InputError, in the names of the command line, for a file where a range is taken and a network without inputs."""
    if arguments.subcommand not in ("tie", "order"):
        return
    if arguments.inputs is not None and arguments.inputs.endswith(".npz"):
        raise InputError("--inputs is a range LO:HI of networks that are made up: a file of inputs is named with --images")
    if arguments.network is not None and arguments.images is None:
        raise InputError("--network needs --images: inputs of that network, of two classes at least")
    if arguments.network is None and arguments.images is not None:
        raise InputError("--images is what a network is given: name the network with --network")
