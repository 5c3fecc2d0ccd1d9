"""A process that reads, checks, explains and replays one witness file after the other, and that can be killed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fpsynth.errors import ContradictionError, InputError
from fpsynth.wording import counted
from fpsynth.workers.deadlines import OutOfTimeError, within
from fpsynth.workers.messages import Message

if TYPE_CHECKING:
    from fpsynth.libraries.pool import LibraryPool
    from fpsynth.report.story import Story
    from fpsynth.synthesis.checking.findings import CheckResult


class _Handler:
    """Answers requests; libraries that one replay has started stay for the next where it says so, and so do their failures."""

    def __init__(self) -> None:
        self._pools: dict[tuple[Any, ...], LibraryPool] = {}

    def __call__(self, message: Message) -> Message:
        if not message.get("keep", False):
            self._end()
        actions: dict[str, Callable[[Message], Message]] = {
            "check": self._check,
            "explain": self._explain,
            "replay": self._replay,
        }
        try:
            with within(message["timeout"]):
                return actions[message["do"]](message)
        except OutOfTimeError:
            return {"unknown": out_of_time(message["timeout"])}
        except InputError as error:
            return {"wrong": str(error)}
        except ContradictionError as error:
            return {"contradiction": str(error)}

    def _check(self, message: Message) -> Message:
        from fpsynth.api.witnesses import check, loaded
        from fpsynth.report.results import check_json
        from fpsynth.report.telling import story
        from fpsynth.witness.file import files_beside

        witness = loaded(message["file"])
        result = check(witness)
        false = [finding.claim for finding in result.findings if not finding.holds]
        return {
            "holds": result.confirmed,
            "text": _rendered(story(result), message),
            "data": check_json(witness, result),
            "brief": f"does not hold: {false[0]}" if false else _counted(result),
            "beside": list(files_beside(message["file"])),
        }

    def _explain(self, message: Message) -> Message:
        from fpsynth.api.witnesses import check, explained, loaded
        from fpsynth.report.explain_json import explain_json
        from fpsynth.witness.file import files_beside

        if not message["json"]:
            told, result = explained(message["file"])
            return {"holds": _true(result), "text": _rendered(told, message), "beside": list(files_beside(message["file"]))}
        witness = loaded(message["file"])
        result = check(witness)
        false = [asdict(finding) for finding in result.findings if not finding.holds]
        data = {**explain_json(witness), "confirmed": result.confirmed, "not_true": false}
        return {"holds": not false, "data": data, "beside": list(files_beside(message["file"]))}

    def _replay(self, message: Message) -> Message:
        from fpsynth.api.witnesses import loaded
        from fpsynth.confirmation import replay
        from fpsynth.report.stories.listings import replay_story
        from fpsynth.witness import to_json

        libraries, batches, device = tuple(message["libraries"]), tuple(message["batches"]), message["device"]
        subject = loaded(message["file"])
        pool = self._pool(libraries, device) if message["keep"] else None
        played = replay(subject, libraries=libraries, batches=batches, device=device, pool=pool)
        names = ", ".join(played.confirmed_by)
        brief = f"confirmed by {names}" if names else "confirmed by no library"
        return {
            "holds": bool(names),
            "text": _rendered(replay_story(played), message),
            "data": to_json(played, beside=message["file"]),
            "brief": brief,
            "not_run": [record.not_run for record in played.observations],
        }

    def _pool(self, libraries: tuple[str, ...], device: str) -> LibraryPool:
        from fpsynth.libraries.pool import LibraryPool

        key = (libraries, device)
        if key not in self._pools:
            self._pools[key] = LibraryPool(libraries, device)
            self._pools[key].start()
        return self._pools[key]

    def _end(self) -> None:
        """End the libraries that were to stay."""
        while self._pools:
            self._pools.popitem()[1].close()


def out_of_time(seconds: float) -> str:
    """Why there is no answer after so many seconds."""
    return f"the time limit of {seconds:g} s is over (timeout)"


def _true(result: CheckResult) -> bool:
    """Whether nothing in the file is false; what was measured may still be open."""
    return all(finding.holds for finding in result.findings)


def _rendered(told: Story, message: Message) -> str:
    """A story in the style that was asked for."""
    from fpsynth.report.renderers.style import Style
    from fpsynth.report.telling import rendered

    return rendered(told, "text", Style(**message["style"])).rstrip("\n")


def _counted(result: CheckResult) -> str:
    return f"{counted(len(result.findings), 'claim holds', 'claims hold')}, {len(result.not_checked)} not checked"


handler = _Handler
"""What the process answers with (see ``workers.serving``)."""
