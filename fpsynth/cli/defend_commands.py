"""defend: what remedies do to a network that may have a backdoor of rounding."""

from __future__ import annotations

from argparse import Namespace

from fpsynth import api
from fpsynth.cli.asking import keywords
from fpsynth.cli.codes import DONE, UNKNOWN
from fpsynth.cli.console import Console
from fpsynth.cli.outcomes import Outcome
from fpsynth.cli.places import require_writable
from fpsynth.errors import InputError
from fpsynth.files import shown
from fpsynth.synthesis.requests.defend import DefendRequest


def defend(arguments: Namespace, console: Console) -> Outcome:
    """The answer; the networks that the remedies made in a folder where one was asked for."""
    if arguments.out is not None:
        if arguments.out.endswith(".json"):
            raise InputError("--out names a new folder, for the networks that the remedies make")
        require_writable(arguments.out)
    found = api.defend(**keywords(arguments, DefendRequest), progress=console.progress)
    code = UNKNOWN if found.verdict == "unknown" else DONE
    written: tuple[str, ...] = ()
    if arguments.out is not None:
        from fpsynth.backdoors.defence_files import write_defence

        written = write_defence(found, arguments.out, api.render(found))
    if arguments.json:
        return code, {**found.to_json(), "out": arguments.out, "files_written": list(written)}
    text = console.told(found)
    return code, f"{text}\n\nwritten: {shown(arguments.out)}: {', '.join(written)}" if written else text
