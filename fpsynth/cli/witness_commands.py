"""check, replay and explain: what can be done with witness files, one by one or all that lie below folders, within limits."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import asdict

from fpsynth.api.bounded import MEMORY, Answer, Bounded
from fpsynth.cli.arguments import batches, libraries
from fpsynth.cli.codes import UNKNOWN
from fpsynth.cli.console import Console
from fpsynth.cli.many_witnesses import AskedOfFiles, code_of, told_of_each, told_of_many
from fpsynth.cli.outcomes import Outcome
from fpsynth.cli.places import require_new_json
from fpsynth.cli.written import needed_lines, written_lines
from fpsynth.errors import InputError


def check(arguments: Namespace, console: Console) -> Outcome:
    """Re-check a witness file, or several."""
    console.progress("computing every claim again")
    with Bounded(arguments.timeout, MEMORY) as process:
        asked = AskedOfFiles("check", process, {"style": asdict(console.style())}, console, arguments.json)
        if _many(arguments):
            return told_of_many(asked, arguments.files)
        (file,) = arguments.files
        return _answered(asked.answer(file), file, arguments)


def explain(arguments: Namespace, console: Console) -> Outcome:
    """Explain a witness file, or several one after the other."""
    console.progress("computing every step")
    with Bounded(arguments.timeout, MEMORY) as process:
        options = {"style": asdict(console.style()), "json": arguments.json}
        asked = AskedOfFiles("explain", process, options, console, arguments.json)
        if _many(arguments):
            return told_of_each(asked, arguments.files)
        (file,) = arguments.files
        return _answered(asked.answer(file), file, arguments)


def replay(arguments: Namespace, console: Console) -> Outcome:
    """Replay a witness file, or several."""
    from fpsynth.libraries.registry import library_named

    for name in libraries(arguments):
        library_named(name)  # refuses one that nobody knows before a process is started
    options = {"libraries": libraries(arguments), "batches": batches(arguments), "device": arguments.device}
    options["style"] = asdict(console.style())
    if arguments.out is not None:
        require_new_json(arguments.out)
    with Bounded(arguments.timeout, memory=None) as process:
        if _many(arguments):
            if arguments.out is not None:
                raise InputError("--out writes one witness: it goes neither with a folder nor with several files")
            return told_of_many(
                AskedOfFiles("replay", process, {**options, "keep": True}, console, arguments.json), arguments.files
            )
        (file,) = arguments.files
        console.progress("replaying")
        answer = process.ask("replay", file, **options, keep=False)
    if arguments.out and "data" in answer:
        from fpsynth.witness import from_json, save

        save(from_json(answer["data"], os.path.dirname(os.path.abspath(file))), arguments.out, new=True)
        answer["text"] = "\n".join([answer["text"].rstrip("\n"), "", *written_lines(arguments.out)])
    return _answered(answer, file, arguments)


def _many(arguments: Namespace) -> bool:
    """Whether there is more to answer about than one file."""
    return len(arguments.files) > 1 or os.path.isdir(arguments.files[0])


def _answered(answer: Answer, file: str, arguments: Namespace) -> Outcome:
    """The exit code of an answer about one file, and its report."""
    if "unknown" in answer:
        reason = answer["unknown"]
        return UNKNOWN, {"file": file, "verdict": "unknown", "reason": reason} if arguments.json else f"unknown: {reason}"
    needed = tuple(answer.get("beside", ()))
    if not arguments.json:
        return code_of(answer), "\n".join([*needed_lines(needed), answer["text"]])
    data = {**answer["data"], **({"beside": list(needed)} if needed else {})}
    # what replay prints is a witness file, which says nothing of where it came from
    return code_of(answer), data if arguments.subcommand == "replay" else {"file": file, **data}


COMMANDS: Mapping[str, Callable[[Namespace, Console], Outcome]] = {"check": check, "replay": replay, "explain": explain}
