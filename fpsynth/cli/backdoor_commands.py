"""backdoor: a network that misbehaves in one environment only."""

from __future__ import annotations

from argparse import Namespace

from fpsynth import api
from fpsynth.aliases import Json
from fpsynth.cli.asking import keywords
from fpsynth.cli.codes import DONE, UNKNOWN
from fpsynth.cli.console import Console
from fpsynth.cli.outcomes import Outcome
from fpsynth.cli.places import require_writable
from fpsynth.errors import InputError
from fpsynth.files import shown
from fpsynth.synthesis.requests.backdoor import BackdoorRequest
from fpsynth.synthesis.verdicts import Verdict


def backdoor(arguments: Namespace, console: Console) -> Outcome:
    """The answer; the folder where one was asked for and there is a network."""
    if arguments.out is not None:
        if arguments.out.endswith(".json"):
            raise InputError("--out names a new folder, for the network and what it is")
        require_writable(arguments.out)
        _require_onnx(arguments.dtype)
    found = api.backdoor(**keywords(arguments, BackdoorRequest), progress=console.progress)
    code = UNKNOWN if found.verdict is Verdict.UNKNOWN else DONE
    if arguments.out is None or found.network is None:
        nothing: Json = {"out": None, "files": [], "left_out": []}
        return code, {**found.to_json(), **nothing} if arguments.json else console.told(found)
    from fpsynth.corpus.backdoor_folder import write_backdoor_folder

    written = write_backdoor_folder(found, arguments.out, api.render(found), console.progress)
    if arguments.json:
        told = {"out": arguments.out, "files": list(written.files), "left_out": list(written.left_out)}
        return code, {**found.to_json(), **told}
    lines = [
        f"written: {shown(arguments.out)}: {', '.join(written.files)}",
        *(f"left out: {line}" for line in written.left_out),
    ]
    return code, "\n".join([console.told(found), "", *lines])


def _require_onnx(dtype: str) -> None:
    """Raise InputError or MissingPackageError where the folder could not be written: before the search, not after it."""
    from fpsynth.formats import format_named
    from fpsynth.networks.onnx.writing import require_format

    require_format(format_named(dtype))
