"""Goldens of witness files: what ``check`` and ``explain`` say of each, and of files that were damaged in one place."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from goldens.comparing import read, write
from goldens.running import HERE, run

Json = Any

WITNESSES = HERE / "witnesses"
FILES = WITNESSES / "files"
NAMES = tuple(sorted(path.stem for path in FILES.glob("*.json")))
DAMAGED = WITNESSES / "damaged.json"
"""Changes: a file, a path in its JSON, and the value that is put there (where none is given, the entry is removed)."""
QUICK = (
    *("tie_hidden", "hand_tie_exception", "order_aligned", "order_amplified", "order_threshold"),
    *("hand_gap_flush_unbounded", "interval_radius", "twin", "position_permutation"),
)
"""Witnesses that are explained in an ordinary run as well: each takes a process of its own."""


def golden_of(what: str, name: str) -> Path:
    """Where ``check`` or ``explain`` of a witness file stands."""
    return WITNESSES / what / f"{name}.json"


def checked(folder: Path) -> dict[str, Json]:
    """What ``check FOLDER`` says of every file in it, by name: exit code, and the result or why there is none."""
    ran = run(["check", str(folder)])
    entries = ran.golden(str(folder))["output"]["files"]
    assert ran.code == max(entry["code"] for entry in entries)
    return {entry["file"].removesuffix(".json"): _one(entry) for entry in entries}


def _one(entry: Json) -> Json:
    """As ``check FILE`` has it: the result and the exit code, or the message."""
    if entry["result"] is None:
        return {"code": entry["code"], "message": entry["told"]}
    return {"code": entry["code"], "output": entry["result"]}


def checked_alone(name: str) -> Json:
    """The same of one file, from ``check FILE``."""
    golden = run(["check", f"{name}.json"], FILES).golden(str(FILES))
    if "output" not in golden:
        return golden | {"message": golden["message"].removeprefix("fpsynth check: error: ")}
    return golden | {"output": {key: value for key, value in golden["output"].items() if key not in _HEAD}}


_HEAD = ("schema", "schema_version", "file")
"""What the JSON of one file says and the entry of a folder does not."""


def explained(name: str) -> Json:
    """What ``explain FILE`` says."""
    return run(["explain", f"{name}.json"], FILES).golden(str(FILES))


def damage(folder: Path) -> list[Json]:
    """Write every damaged file into a folder, and return the changes in the order of their names."""
    changes = read(DAMAGED)
    for number, change in enumerate(changes):
        data = read(FILES / change["file"])
        (folder / f"{number:03}.json").write_text(json.dumps(_changed(data, change)), "utf-8")
    return changes


def _changed(data: Json, change: Json) -> Json:
    data = copy.deepcopy(data)
    *parents, last = change["path"]
    place = data
    for step in parents:
        place = place[step]
    if "value" in change:
        place[last] = change["value"]
    else:
        del place[last]
    return data


def damaged(folder: Path) -> list[Json]:
    """What ``check`` says of every damaged file: the change, the exit code, what is wrong, and which claims are not true."""
    changes, said = damage(folder), checked(folder)
    return [
        change | _brief(said.get(f"{number:03}", _NO_WITNESS), f"{number:03}.json: ") for number, change in enumerate(changes)
    ]


_NO_WITNESS = {"code": 2, "message": "not taken for a witness file"}
"""A file whose schema is that of something else is passed over in a folder."""


def _brief(said: Json, name: str) -> Json:
    if "output" not in said:
        return said | {"message": said["message"].removeprefix(name)}
    findings = said["output"]["findings"]
    return {"code": said["code"], "not_true": [finding for finding in findings if not finding["holds"]]}


def write_all(folder: Path) -> None:
    """Write the goldens; ``folder``: an empty one for the damaged files."""
    for name, said in checked(FILES).items():
        write(golden_of("check", name), said)
        write(golden_of("explain", name), explained(name))
    write(WITNESSES / "damaged.check.json", damaged(folder))
