"""The subcommands: each turns its arguments into a call of the library, and the answer into a report and an exit code."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from fpsynth import api
from fpsynth.cli.asking import keywords
from fpsynth.cli.backdoor_commands import backdoor
from fpsynth.cli.bench_commands import bench, shrink
from fpsynth.cli.codes import DONE, UNKNOWN
from fpsynth.cli.console import Console
from fpsynth.cli.corpus_commands import corpus
from fpsynth.cli.defend_commands import defend
from fpsynth.cli.divergence_commands import COMMANDS as DIVERGENCE_COMMANDS
from fpsynth.cli.network_commands import compare, verify
from fpsynth.cli.outcomes import Outcome, unconfirmed
from fpsynth.cli.places import require_writable
from fpsynth.cli.verifier_commands import verifiers
from fpsynth.cli.witness_commands import COMMANDS as WITNESS_COMMANDS
from fpsynth.cli.written import partners, written_lines
from fpsynth.errors import InputError
from fpsynth.files import shown
from fpsynth.synthesis.requests.looking import EnvironmentsRequest
from fpsynth.synthesis.requests.ties import CertifyRequest, TieRequest

if TYPE_CHECKING:
    from fpsynth.synthesis.result import Result


def tie(arguments: Namespace, console: Console) -> Outcome:
    """Find a tie."""
    _check_out(arguments)
    result = api.tie(**keywords(arguments, TieRequest), progress=console.progress)
    left_out = _write(result, arguments)
    notes = _notes(result, arguments)
    if arguments.json:
        from fpsynth.report.results import result_json

        written = arguments.out if result.witnesses else None
        told = {"out": written, "left_out": left_out, "notes": notes, **partners(written)}
        return _tie_code(result, arguments), {**result_json(result), **told}
    report = console.told(result)
    if arguments.out is not None and result.witnesses:
        lines = [*(f"left out: {line}" for line in left_out), *(f"note: {line}" for line in notes)]
        report = "\n".join([report, "", *written_lines(arguments.out), *lines])
    return _tie_code(result, arguments), report


def _tie_code(result: Result, arguments: Namespace) -> int:
    if result.verdict.value == "unknown":
        return UNKNOWN
    if arguments.no_replay or all(witness.confirmed_by for witness in result.witnesses):
        return DONE
    return unconfirmed(record.not_run for witness in result.witnesses for record in witness.observations)


def _check_out(arguments: Namespace) -> None:
    """Refuse an --out that cannot be written before any time is spent on what should go there."""
    if arguments.out is None:
        return
    if arguments.out.endswith(".json") and arguments.count > 1:
        raise InputError("--out NAME.json holds one witness: name a folder for a corpus")
    require_writable(arguments.out)
    if arguments.count > 1:
        from fpsynth.corpus.writer import require_corpus
        from fpsynth.formats import format_named

        try:
            require_corpus(format_named(arguments.dtype))
        except InputError as error:
            raise InputError(f"a corpus of {arguments.dtype} would have no instance: {error}") from None


def _write(result: Result, arguments: Namespace) -> list[str]:
    """Write what --out asks for; return what was left out, a line each."""
    if arguments.out is None or not result.witnesses:
        return []
    from fpsynth.corpus.writer import write_corpus, write_witness_folder
    from fpsynth.witness import save

    if arguments.out.endswith(".json"):
        save(result.witnesses[0], arguments.out, new=True)
        return []
    if arguments.count > 1:
        return list(write_corpus(result.witnesses, arguments.out))
    return list(write_witness_folder(result.witnesses[0], arguments.out))


def _notes(result: Result, arguments: Namespace) -> list[str]:
    """What of the written files cannot be used everywhere."""
    if arguments.out is None or arguments.out.endswith(".json") or not result.witnesses:
        return []
    from fpsynth.corpus.writer import notes

    return list(notes(result.witnesses))


def certify(arguments: Namespace, console: Console) -> Outcome:
    """Certify a data set."""
    from fpsynth.workers.deadlines import OutOfTimeError

    seen = "reading the files"

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal seen
        seen = f"{stage}: {done} of {total}"
        console.count(stage, done, total)

    try:
        result = api.certify(**keywords(arguments, CertifyRequest), progress=progress)
    except OutOfTimeError:
        rest = "nothing is said of any image" if arguments.out is None else f"what was judged stands in {shown(arguments.out)}"
        reason = f"time ran out after {arguments.timeout:g} s ({seen}): {rest}"
        return UNKNOWN, {"verdict": "unknown", "reason": reason} if arguments.json else f"unknown: {reason}"
    if arguments.json:
        return DONE, result.to_json()
    return DONE, console.told(result)


def environments(arguments: Namespace, console: Console) -> Outcome:
    """List the environments."""
    console.progress("importing the libraries and trying every dtype")
    found = api.environments(**keywords(arguments, EnvironmentsRequest))
    code = UNKNOWN if found.lost else DONE
    if arguments.json:
        from fpsynth.report.results import environments_json

        return code, environments_json(found)
    return code, console.told(found)


COMMANDS: Mapping[str, Callable[[Namespace, Console], Outcome]] = {
    "tie": tie,
    "backdoor": backdoor,
    "defend": defend,
    "certify": certify,
    "verify": verify,
    "environments": environments,
    **WITNESS_COMMANDS,
    **DIVERGENCE_COMMANDS,
    "compare": compare,
    "verifiers": verifiers,
    "corpus": corpus,
    "bench": bench,
    "shrink": shrink,
}
