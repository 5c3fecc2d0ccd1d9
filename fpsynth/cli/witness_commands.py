"""check, replay and explain: what can be done with a witness file, or with all that lie below a folder, within limits."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fpsynth.api.bounded import MEMORY, Answer, Bounded
from fpsynth.cli.arguments import batches, libraries
from fpsynth.cli.codes import CONTRADICTION, DONE, UNCONFIRMED, UNKNOWN, WRONG_INPUT
from fpsynth.cli.console import Console
from fpsynth.cli.outcomes import Outcome, unconfirmed
from fpsynth.cli.places import require_new_json
from fpsynth.cli.written import needed_lines, written_lines
from fpsynth.errors import ContradictionError, InputError
from fpsynth.files import shown
from fpsynth.libraries.registry import library_named
from fpsynth.wording import counted

if TYPE_CHECKING:
    from fpsynth.corpus.folder import Folder

_VERDICTS = {
    "check": {DONE: "confirmed", UNCONFIRMED: "not true"},
    "replay": {DONE: "confirmed", UNCONFIRMED: "not confirmed"},
}
MAX_LISTED = 20
"""Claims that were not checked, so many of which a summary of a folder lists."""
_OTHERS = {UNKNOWN: "unknown", WRONG_INPUT: "cannot be read", CONTRADICTION: "contradiction"}


def check(arguments: Namespace, console: Console) -> Outcome:
    """Re-check a witness file, or all below a folder."""
    console.progress("computing every claim again")
    style = asdict(console.style())
    with Bounded(arguments.timeout, MEMORY) as process:
        if os.path.isdir(arguments.file):
            return _folder("check", arguments, console, process, {"style": style})
        return _answered(process.ask("check", arguments.file, style=style), arguments)


def explain(arguments: Namespace, console: Console) -> Outcome:
    """Explain a witness file."""
    if os.path.isdir(arguments.file):
        from fpsynth.corpus.folder import some_witness

        inside = shown(some_witness(arguments.file))
        raise InputError(
            f"{shown(arguments.file)} is a folder, and one witness is explained at a time: name a file, as in {inside}"
        )
    console.progress("computing every step")
    with Bounded(arguments.timeout, MEMORY) as process:
        answer = process.ask("explain", arguments.file, style=asdict(console.style()), json=arguments.json)
        return _answered(answer, arguments)


def replay(arguments: Namespace, console: Console) -> Outcome:
    """Replay a witness file, or all below a folder."""
    for name in libraries(arguments):
        library_named(name)  # refuses one that nobody knows before a process is started
    options = {"libraries": libraries(arguments), "batches": batches(arguments), "device": arguments.device}
    options["style"] = asdict(console.style())
    if arguments.out is not None:
        require_new_json(arguments.out)
    with Bounded(arguments.timeout, memory=None) as process:
        if os.path.isdir(arguments.file):
            if arguments.out is not None:
                raise InputError("--out writes one witness: it does not go with a folder")
            return _folder("replay", arguments, console, process, {**options, "keep": True})
        console.progress("replaying")
        answer = process.ask("replay", arguments.file, **options, keep=False)
    if arguments.out and "data" in answer:
        from fpsynth.witness import from_json, save

        save(from_json(answer["data"], os.path.dirname(os.path.abspath(arguments.file))), arguments.out, new=True)
        answer["text"] = "\n".join([answer["text"].rstrip("\n"), "", *written_lines(arguments.out)])
    return _answered(answer, arguments)


def _answered(answer: Answer, arguments: Namespace) -> Outcome:
    """The exit code of an answer about one file, and its report."""
    if "unknown" in answer:
        reason = answer["unknown"]
        return UNKNOWN, {
            "file": arguments.file,
            "verdict": "unknown",
            "reason": reason,
        } if arguments.json else f"unknown: {reason}"
    needed = tuple(answer.get("beside", ()))
    if not arguments.json:
        return _code(answer), "\n".join([*needed_lines(needed), answer["text"]])
    data = {**answer["data"], **({"beside": list(needed)} if needed else {})}
    # what replay prints is a witness file, which says nothing of where it came from
    return _code(answer), data if arguments.subcommand == "replay" else {"file": arguments.file, **data}


def _code(answer: Answer) -> int:
    return DONE if answer["holds"] else unconfirmed(answer.get("not_run", ()))


def _folder(do: str, arguments: Namespace, console: Console, process: Bounded, options: Mapping[str, Any]) -> Outcome:
    """One line for each witness file below a folder, then the counts; the exit code is the largest."""
    from fpsynth.corpus.folder import folder_of

    console.progress("looking for witness files")
    folder = folder_of(arguments.file)
    entries = []
    for number, file in enumerate(folder.witnesses):
        console.progress(f"{do}: {number} of {len(folder.witnesses)}: {shown(os.path.relpath(file, arguments.file))}")
        code, told, data = _one(process, do, file, options)
        verdict = {**_VERDICTS[do], **_OTHERS}[code]
        entries.append({"file": file, "verdict": verdict, "code": code, "told": told, "result": data})
    code = max([entry["code"] for entry in entries] + [UNCONFIRMED for manifest in folder.manifests if manifest.faults])
    if arguments.json:
        data = _folder_json(arguments.file, folder, entries)
        return code, data if do == "replay" else {**data, "not_checked": _not_checked_json(arguments.file, entries)}
    return code, _folder_text(arguments.file, folder, entries)


def _one(process: Bounded, do: str, file: str, options: Mapping[str, Any]) -> tuple[int, str, Any]:
    """Exit code, a line and the data of one file of a folder."""
    try:
        answer = process.ask(do, file, **options)
    except InputError as error:
        return WRONG_INPUT, str(error), None
    except ContradictionError as error:
        return CONTRADICTION, str(error), None
    if "unknown" in answer:
        return UNKNOWN, answer["unknown"], None
    return _code(answer), answer["brief"], answer["data"]


def _counts(entries: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    verdicts = [entry["verdict"] for entry in entries]
    return {verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)}


def _not_checked(entries: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], list[str]]:
    """What the files say that was not computed again, with the reason, and which files say it."""
    found: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        for left in (entry["result"] or {}).get("not_checked", ()):
            found.setdefault((left["claim"], left["reason"]), []).append(entry["file"])
    return found


def _not_checked_lines(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """The claims that were not checked, as ``check`` lists those of one file, the most frequent first."""
    found = sorted(_not_checked(entries).items(), key=lambda item: -len(item[1]))
    lines = []
    for (claim, reason), files in found[:MAX_LISTED]:
        where = "in all files" if len(files) == len(entries) else f"in {len(files)} of {len(entries)} files"
        lines += [f"not checked: {claim}", f"      {where}: {reason}"]
    more = len(found) - MAX_LISTED
    return ["", *lines, *([f"      and {more} more: --json lists them"] if more > 0 else [])] if lines else []


def _not_checked_json(path: str, entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"claim": claim, "reason": reason, "files": [os.path.relpath(file, path) for file in files]}
        for (claim, reason), files in _not_checked(entries).items()
    ]


def _folder_text(path: str, folder: Folder, entries: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for entry in entries:
        name = os.path.relpath(entry["file"], path)
        lines += [f"{entry['verdict']:15}{shown(name)}", f"      {entry['told']}"]
    for manifest in folder.manifests:
        name = shown(os.path.relpath(manifest.path, path))
        if not manifest.faults:
            lines += [
                f"{'as named':15}{name}",
                f"      {counted(manifest.files, 'file has', 'files have')} the SHA-256 that it states",
            ]
        lines += [line for fault in manifest.faults for line in (f"{'not as named':15}{name}", f"      {fault}")]
    lines += _not_checked_lines(entries)
    counts = ", ".join(f"{number} {verdict}" for verdict, number in _counts(entries).items())
    links = f"; {counted(folder.links, 'symbolic link')} not followed" if folder.links else ""
    return "\n".join([*lines, "", f"{counted(len(entries), 'witness file')}: {counts}{links}"])


def _folder_json(path: str, folder: Folder, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "folder": path,
        "witnesses": len(entries),
        "counts": _counts(entries),
        "files": [{**entry, "file": os.path.relpath(entry["file"], path)} for entry in entries],
        "manifests": [
            {"file": os.path.relpath(manifest.path, path), "sha256": manifest.files, "faults": list(manifest.faults)}
            for manifest in folder.manifests
        ],
        "symbolic_links_not_followed": folder.links,
    }


COMMANDS: Mapping[str, Callable[[Namespace, Console], Outcome]] = {"check": check, "replay": replay, "explain": explain}
