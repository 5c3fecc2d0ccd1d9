"""Several witness files, or all that lie below folders: what is said of each, the counts, and the worst of the exit codes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fpsynth.api.bounded import Answer, Bounded
from fpsynth.cli.codes import CONTRADICTION, DONE, UNCONFIRMED, UNKNOWN, WRONG_INPUT
from fpsynth.cli.console import Console
from fpsynth.cli.outcomes import Outcome, unconfirmed
from fpsynth.cli.written import needed_lines
from fpsynth.errors import ContradictionError, InputError
from fpsynth.files import shown
from fpsynth.wording import counted

if TYPE_CHECKING:
    from fpsynth.corpus.folder import Manifest

_VERDICTS = {
    "check": {DONE: "confirmed", UNCONFIRMED: "not true"},
    "replay": {DONE: "confirmed", UNCONFIRMED: "not confirmed"},
    "explain": {DONE: "explained", UNCONFIRMED: "not true"},
}
_OTHERS = {UNKNOWN: "unknown", WRONG_INPUT: "cannot be read", CONTRADICTION: "contradiction"}
MAX_LISTED = 20
"""Claims that were not checked, so many of which a summary lists."""


@dataclass(frozen=True)
class AskedOfFiles:
    """What is asked of each file, and of whom."""

    do: str
    process: Bounded
    options: Mapping[str, Any]
    console: Console
    json: bool

    def answer(self, file: str) -> Answer:
        """About one file.  Raises InputError and ContradictionError with what the process says."""
        return self.process.ask(self.do, file, **self.options)


@dataclass(frozen=True)
class _Found:
    """The witness files that were named, or lie below the folders that were."""

    base: str
    """The folder, where one alone was named: files are told of as they lie below it."""
    files: tuple[str, ...] = ()
    manifests: tuple[Manifest, ...] = ()
    links: tuple[str, ...] = ()
    """Symbolic links below folders, which are not followed."""
    unread: tuple[tuple[str, str], ...] = ()
    """Folders that cannot be read or hold no witness, with the reason."""

    def name(self, path: str) -> str:
        """What a file is called in a report."""
        return os.path.relpath(path, self.base) if self.base else path


@dataclass(frozen=True)
class _Entry:
    """What is said of one file."""

    name: str
    verdict: str
    code: int
    told: str
    result: Any
    text: str = ""
    """The whole report on it."""

    def to_json(self) -> dict[str, Any]:
        """As data, without the report."""
        parts = ("verdict", "code", "told", "result")
        return {"file": self.name, **{part: getattr(self, part) for part in parts}}


def code_of(answer: Answer) -> int:
    """The exit code of an answer about one file."""
    return DONE if answer["holds"] else unconfirmed(answer.get("not_run", ()))


def told_of_many(asked: AskedOfFiles, paths: Sequence[str]) -> Outcome:
    """One line for each witness file, then the counts; the exit code is the largest."""
    found, entries = _entries(asked, paths)
    if asked.json:
        data = _json(paths, found, entries)
        checked = {"not_checked": _not_checked_json(entries)} if asked.do == "check" else {}
        return _worst(found, entries), {**data, **checked}
    return _worst(found, entries), _text(found, entries)


def told_of_each(asked: AskedOfFiles, paths: Sequence[str]) -> Outcome:
    """The whole report on each witness file, under its name; the exit code is the largest."""
    found, entries = _entries(asked, paths)
    if asked.json:
        return _worst(found, entries), _json(paths, found, entries)
    reports = [f"{shown(entry.name)}\n{entry.text or f'{entry.verdict}: {entry.told}'}" for entry in entries]
    manifests = "\n".join(_manifest_lines(found))
    return _worst(found, entries), "\n\n".join([*reports, *filter(None, [manifests]), _counted_line(found, entries)])


def _worst(found: _Found, entries: Sequence[_Entry]) -> int:
    return max([*(entry.code for entry in entries), *(UNCONFIRMED for manifest in found.manifests if manifest.faults)])


def _entries(asked: AskedOfFiles, paths: Sequence[str]) -> tuple[_Found, list[_Entry]]:
    asked.console.progress("looking for witness files")
    found = _found(paths)
    entries = []
    for number, file in enumerate(found.files):
        asked.console.progress(f"{asked.do}: {number} of {len(found.files)}: {shown(found.name(file))}")
        entries.append(_entry(asked, file, found.name(file)))
    unread = [_Entry(path, _OTHERS[WRONG_INPUT], WRONG_INPUT, reason, None) for path, reason in found.unread]
    return found, [*entries, *unread]


def _found(paths: Sequence[str]) -> _Found:
    """What is named twice is told of once, by its first name.

    Raises InputError for a folder that is named alone and cannot be read or holds no witness.
    """
    paths = _once(paths)
    found = _Found(paths[0] if len(paths) == 1 and os.path.isdir(paths[0]) else "")
    for path in paths:
        if not os.path.isdir(path):
            found = replace(found, files=(*found.files, path))
            continue
        from fpsynth.corpus.folder import folder_of

        try:
            folder = folder_of(path)
        except InputError as error:
            if len(paths) == 1:
                raise
            found = replace(found, unread=(*found.unread, (path, str(error))))
            continue
        found = replace(
            found,
            files=(*found.files, *folder.witnesses),
            manifests=(*found.manifests, *folder.manifests),
            links=(*found.links, *folder.links),
        )
    manifests = {os.path.realpath(manifest.path): manifest for manifest in found.manifests}
    return replace(found, files=_once(found.files), manifests=tuple(manifests.values()), links=_places(found.links))


def _once(paths: Sequence[str]) -> tuple[str, ...]:
    """Each file or folder by the first of its names: a.json and ./a.json are one."""
    first: dict[str, str] = {}
    for path in paths:
        first.setdefault(os.path.realpath(path), path)
    return tuple(first.values())


def _places(links: Sequence[str]) -> tuple[str, ...]:
    """Where symbolic links lie, each once, wherever they lead."""
    folders = ((os.path.realpath(os.path.dirname(link)), os.path.basename(link)) for link in links)
    return tuple(dict.fromkeys(os.path.join(*place) for place in folders))


def _entry(asked: AskedOfFiles, file: str, name: str) -> _Entry:
    """Verdict, exit code, a line and the data of one file."""
    try:
        answer = asked.answer(file)
    except (InputError, ContradictionError) as error:
        code = WRONG_INPUT if isinstance(error, InputError) else CONTRADICTION
        return _Entry(name, _OTHERS[code], code, str(error), None)
    if "unknown" in answer:
        return _Entry(name, _OTHERS[UNKNOWN], UNKNOWN, answer["unknown"], None)
    code = code_of(answer)
    verdict = {**_VERDICTS[asked.do], **_OTHERS}[code]
    text = "\n".join([*needed_lines(tuple(answer.get("beside", ()))), answer.get("text", "")])
    return _Entry(name, verdict, code, answer.get("brief", ""), answer.get("data"), text)


def _counts(entries: Sequence[_Entry]) -> dict[str, int]:
    verdicts = [entry.verdict for entry in entries]
    return {verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)}


def _not_checked(entries: Sequence[_Entry]) -> dict[tuple[str, str], list[str]]:
    """What the files say that was not computed again, with the reason, and which files say it."""
    found: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        for left in (entry.result or {}).get("not_checked", ()):
            found.setdefault((left["claim"], left["reason"]), []).append(entry.name)
    return found


def _not_checked_lines(entries: Sequence[_Entry]) -> list[str]:
    """The claims that were not checked, as ``check`` lists those of one file, the most frequent first."""
    found = sorted(_not_checked(entries).items(), key=lambda item: -len(item[1]))
    lines = []
    for (claim, reason), files in found[:MAX_LISTED]:
        where = "in all files" if len(files) == len(entries) else f"in {len(files)} of {len(entries)} files"
        lines += [f"not checked: {claim}", f"      {where}: {reason}"]
    more = len(found) - MAX_LISTED
    return ["", *lines, *([f"      and {more} more: --json lists them"] if more > 0 else [])] if lines else []


def _not_checked_json(entries: Sequence[_Entry]) -> list[dict[str, Any]]:
    return [{"claim": claim, "reason": reason, "files": files} for (claim, reason), files in _not_checked(entries).items()]


def _manifest_lines(found: _Found) -> list[str]:
    """What became of the files that manifests name."""
    lines = []
    for manifest in found.manifests:
        name = shown(found.name(manifest.path))
        if not manifest.faults:
            named = counted(manifest.files, "file has", "files have")
            lines += [f"{'as named':15}{name}", f"      {named} the SHA-256 that it states"]
        lines += [line for fault in manifest.faults for line in (f"{'not as named':15}{name}", f"      {fault}")]
    return lines


def _text(found: _Found, entries: Sequence[_Entry]) -> str:
    lines = [line for entry in entries for line in (f"{entry.verdict:15}{shown(entry.name)}", f"      {entry.told}")]
    lines += [*_manifest_lines(found), *_not_checked_lines(entries)]
    return "\n".join([*lines, "", _counted_line(found, entries)])


def _counted_line(found: _Found, entries: Sequence[_Entry]) -> str:
    counts = ", ".join(f"{number} {verdict}" for verdict, number in _counts(entries).items())
    links = f"; {counted(len(found.links), 'symbolic link')} not followed" if found.links else ""
    return f"{counted(len(entries), 'witness file')}: {counts}{links}"


def _json(paths: Sequence[str], found: _Found, entries: Sequence[_Entry]) -> dict[str, Any]:
    return {
        **({"folder": found.base} if found.base else {"paths": list(paths)}),
        "witnesses": len(entries),
        "counts": _counts(entries),
        "files": [entry.to_json() for entry in entries],
        "manifests": [
            {"file": found.name(manifest.path), "sha256": manifest.files, "faults": list(manifest.faults)}
            for manifest in found.manifests
        ],
        "symbolic_links_not_followed": len(found.links),
    }
