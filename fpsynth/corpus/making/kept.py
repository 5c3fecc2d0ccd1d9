"""Jobs that are done are kept in a folder beside the corpus until it is whole: whoever was killed goes on from there."""

from __future__ import annotations

import base64
import json
import os
import shutil
from dataclasses import dataclass, field
from typing import Any

from fpsynth.aliases import Json, PathLike
from fpsynth.corpus.instances.data import Instance
from fpsynth.corpus.instances.reading import network_of
from fpsynth.corpus.instances.records import instance_from_json
from fpsynth.corpus.making.wanted import Job, WantedCorpus
from fpsynth.errors import InputError
from fpsynth.files import read_bytes_limited, shown, write_atomically

MAX_BYTES = 1 << 28
_HEADER = "wanted.json"


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


@dataclass(frozen=True)
class KeptInstances:
    """The folder; None: nothing is kept."""

    folder: str | None

    @classmethod
    def beside(cls, out: PathLike, wanted: WantedCorpus) -> KeptInstances:
        """The folder of a corpus that is to be at ``out``, begun or gone on with.

        Raises InputError where it is of another corpus, or cannot be written.
        """
        folder = os.path.join(os.path.dirname(os.path.abspath(out)), f".{os.path.basename(os.path.abspath(out))}.making")
        kept, header = cls(folder), json.dumps(wanted.to_json())
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write {shown(folder)}: {error.strerror}") from None
        path = os.path.join(folder, _HEADER)
        if not os.path.exists(path):
            write_atomically(path, header)
        elif read_bytes_limited(path, MAX_BYTES).decode(errors="replace") != header:
            raise InputError(f"{shown(folder)} is left from another corpus that was to be there: remove it first")
        return kept

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

    def remove_if_empty(self) -> None:
        """Leave nothing behind where no job gave an instance: it would only be in the way of what is wanted next."""
        if self.folder is None:
            return
        jobs = (os.path.join(self.folder, name) for name in os.listdir(self.folder) if name != _HEADER)
        if not any(json.loads(read_bytes_limited(path, MAX_BYTES))["instances"] for path in jobs):
            self.remove()

    def remove(self) -> None:
        """The corpus is whole."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, job: Job) -> str | None:
        return None if self.folder is None else os.path.join(self.folder, f"{job.family.name}_{job.number}.json")
