"""Jobs that are done are kept in a folder beside the corpus until it is whole: whoever was killed goes on from there."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fpsynth.aliases import Json, PathLike
from fpsynth.corpus.instances.data import Instance
from fpsynth.corpus.instances.reading import network_of
from fpsynth.corpus.instances.records import instance_from_json
from fpsynth.corpus.making.wanted import Job, WantedCorpus
from fpsynth.errors import InputError
from fpsynth.files import read_bytes_limited, shown, write_atomically
from fpsynth.scratch import locked
from fpsynth.wording import printable

MAX_BYTES = 1 << 28
HEADER = "wanted.json"
"""What is wanted, in that folder."""
_WORDS = {
    "seed": "seed",
    "categories": "categories",
    "environments": "environments",
    "max_weight": "largest weight",
    "fpsynth": "made by fpsynth",
}
"""What ``WantedCorpus.to_json`` has."""
_OWN = re.compile(r"[a-z_]+_\d+\.json|wanted\.json|\..*\.tmp")
"""Names of files that are kept there, and of what a process leaves that is killed while it writes one."""
_SHOWN = 40
"""Characters of one of these."""


@dataclass(frozen=True)
class Done:
    """What came of a job."""

    instances: tuple[Instance, ...]
    versions: dict[str, str] = field(default_factory=dict)
    """Of the libraries, by environment."""
    reason: str = ""
    """Why there are no instances."""


def done_from(data: Json) -> Done:
    """From {instances: [{meta, model: bytes}], versions, reason}.  Raises InputError for anything else."""
    made = tuple(instance_from_json(one["meta"], network_of(bytes(one["model"]))) for one in data["instances"])
    return Done(made, data["versions"], data["reason"])


def place_of(out: PathLike) -> str:
    """The folder that keeps what was done of the corpus that is to be at ``out``."""
    whole = os.path.abspath(out)
    return os.path.join(os.path.dirname(whole), f".{os.path.basename(whole)}.making")


def _differences(path: str, header: Json) -> str:
    """What was wanted otherwise by what is kept there, in words; empty where that is the same."""
    try:
        before = json.loads(read_bytes_limited(path, MAX_BYTES))
        names = [name for name in header if before[name] != header[name]]
    except (ValueError, KeyError, TypeError):
        return "nobody knows which"
    return ", ".join(f"{_WORDS[name]} {_words(before[name])}" for name in names)


def _gave_instances(path: str) -> bool:
    """Whether a file is that of a job, which gave some; half a file may be left of a process that was killed."""
    try:
        return bool(json.loads(read_bytes_limited(path, MAX_BYTES))["instances"])
    except (ValueError, KeyError, TypeError):
        return False


def _words(value: object) -> str:
    text = "none" if value is None else printable(", ".join(map(str, value)) if isinstance(value, list) else str(value))
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


@dataclass(frozen=True)
class KeptInstances:
    """The folder; None: nothing is kept."""

    folder: str | None

    @classmethod
    @contextmanager
    def beside(cls, out: PathLike, wanted: WantedCorpus) -> Iterator[KeptInstances]:
        """The folder of a corpus that is to be at ``out``, begun or gone on with; no other process does so meanwhile.

        Where no job gave an instance, it is removed if what is done within is refused or interrupted.  Raises InputError where
        another process has it, where it is of another corpus, and where it cannot be written.
        """
        kept = cls(folder := place_of(out))
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write {shown(folder)}: {error.strerror}") from None
        with locked(folder) as ours:
            kept._require_own()
            if not ours:
                raise InputError(
                    f"another process makes the corpus that is to be there, in {shown(folder)}:"
                    " wait for it, or choose another name"
                )
            try:
                kept._settle(wanted.to_json())
                yield kept
            except (InputError, KeyboardInterrupt):
                if not kept._has_instances():  # it would only be in the way of what is wanted next
                    kept.remove()
                raise

    def _require_own(self) -> None:
        """Raise InputError where something is there that nobody has kept of a corpus."""
        assert self.folder is not None
        with os.scandir(self.folder) as found:
            others = [one.name for one in found if not (_OWN.fullmatch(one.name) and one.is_file(follow_symlinks=False))]
        if others or os.path.islink(self.folder):
            what = f"holds {printable(others[0])}, which is not" if others else "is a link, and no folder"
            raise InputError(f"{shown(self.folder)} {what} of a corpus that is made: move it away, or choose another name")

    def _settle(self, header: Json) -> None:
        """Write down what is wanted, first of all.  Raises InputError where instances of something else are there."""
        assert self.folder is not None
        path = os.path.join(self.folder, HEADER)
        differs = _differences(path, header)
        if differs and self._has_instances():
            raise InputError(
                f"{shown(self.folder)} is left from another corpus that was to be there ({differs}):"
                " ask for that one again, which goes on from it, or remove it first"
            )
        if differs:
            for name in os.listdir(self.folder):  # jobs that gave nothing may give something now
                os.unlink(os.path.join(self.folder, name))
            write_atomically(path, json.dumps(header))

    def _has_instances(self) -> bool:
        assert self.folder is not None
        return any(_gave_instances(os.path.join(self.folder, name)) for name in os.listdir(self.folder))

    def kept_of(self, job: Job) -> Done | None:
        """What was kept of a job; what cannot be read is done again."""
        path = self._path(job)
        if path is None or not os.path.exists(path):
            return None
        try:
            data: Any = json.loads(read_bytes_limited(path, MAX_BYTES))
            for one in data["instances"]:
                one["model"] = base64.b64decode(one["model"])
            return done_from(data)
        except (InputError, ValueError, KeyError, TypeError):
            return None

    def keep(self, job: Job, data: Json) -> None:
        """Keep what came of a job."""
        path = self._path(job)
        if path is not None:
            instances = [{**one, "model": base64.b64encode(bytes(one["model"])).decode()} for one in data["instances"]]
            write_atomically(path, json.dumps({**data, "instances": instances}))

    def remove(self) -> None:
        """The corpus is whole."""
        if self.folder is None:
            return
        with contextlib.suppress(OSError):  # something of others has come there: it stays
            for name in filter(_OWN.fullmatch, os.listdir(self.folder)):
                os.unlink(os.path.join(self.folder, name))
            os.rmdir(self.folder)

    def _path(self, job: Job) -> str | None:
        return None if self.folder is None else os.path.join(self.folder, f"{job.family.name}_{job.number}.json")
