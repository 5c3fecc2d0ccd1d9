"""The subcommands about real verifiers: what there is, and to install one."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict

from fpsynth.cli.codes import DONE
from fpsynth.cli.console import Console
from fpsynth.cli.outcomes import Outcome
from fpsynth.errors import InputError
from fpsynth.files import shown


def verifiers(arguments: Namespace, console: Console) -> Outcome:
    """List them, or install one."""
    match arguments.words:
        case []:
            _refuse(arguments)
            return _listed(arguments)
        case ["install", name]:
            return _installed(name, arguments, console)
        case ["install", *names]:
            raise InputError(f"verifiers install takes one NAME, not {len(names)}")
        case [word, *_]:
            raise InputError(f"verifiers lists them all, and verifiers install NAME installs one: {word[:60]!r} is neither")
    raise AssertionError(arguments.words)


def _refuse(arguments: Namespace) -> None:
    for name in ("python", "torch_index", "again"):
        if getattr(arguments, name) not in (None, False):
            raise InputError(f"--{name.replace('_', '-')} goes with verifiers install NAME")


def _listed(arguments: Namespace) -> Outcome:
    from fpsynth.verifiers.external.listing import listed, told

    found = listed()
    return DONE, {"verifiers": [asdict(one) for one in found]} if arguments.json else told(found)


def _installed(name: str, arguments: Namespace, console: Console) -> Outcome:
    from fpsynth.verifiers.external.installing import TORCH_INDEX, install

    for option in ("python", "torch_index"):
        if getattr(arguments, option) == "":
            raise InputError(f"--{option.replace('_', '-')} needs a value")
    index = arguments.torch_index or TORCH_INDEX
    found = install(
        name,
        progress=console.progress,
        python=arguments.python or "",
        torch_index="" if index == "none" else index,
        again=arguments.again,
    )
    if arguments.json:
        data = {"name": name, "version": found.version, "folder": str(found.folder), "packages": found.packages}
        return DONE, {"installed": data}
    return DONE, f"{name} {found.version} is installed in {shown(found.folder)}"
