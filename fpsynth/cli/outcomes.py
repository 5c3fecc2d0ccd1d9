"""What a subcommand returns: an exit code, and a report or a JSON object that says what it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fpsynth.cli.codes import UNCONFIRMED, UNKNOWN

Outcome = tuple[int, str | dict[str, Any]]
"""Exit code, and a report or a JSON object."""

VERSION = 1
"""Of the schemas of the JSON objects that no file holds."""
_FILES = ("replay", "reveal", "matrix")
"""Subcommands that print what their files hold, with the schema of these files."""


def labelled(command: str, data: dict[str, Any]) -> dict[str, Any]:
    """The JSON object of a subcommand, with the name and the version of its schema."""
    if command in _FILES and "schema" in data:
        return data
    rest = {name: value for name, value in data.items() if name not in ("schema", "schema_version")}
    return {"schema": f"fpsynth-{command}", "schema_version": VERSION, **rest}


def unconfirmed(reasons: Iterable[str]) -> int:
    """The exit code where no replay confirms what was found; ``reasons``: why libraries did not run it, empty where they did.

    Where one of them was killed, nobody knows what it would have said.
    """
    from fpsynth.libraries.pool import LOST

    return UNKNOWN if any(reason.startswith(LOST) for reason in reasons) else UNCONFIRMED
