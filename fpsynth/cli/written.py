"""What --out has written, in lines: the file or folder, and the files with networks without which a witness file is none."""

from __future__ import annotations

import os

from fpsynth.aliases import PathLike
from fpsynth.files import shown
from fpsynth.wording import noun

WITNESS = "witness.json"
"""The witness file of a folder with one witness."""


def written_lines(out: PathLike) -> list[str]:
    """Where it was written, and what belongs to it."""
    return [f"written: {shown(out)}", *partner_lines(_beside(out))]


def partner_lines(names: tuple[str, ...], witness: str = "the witness file") -> list[str]:
    """A line for each file with a network that was written beside ``witness``, and one that says that it is needed there."""
    if not names:
        return []
    holds = noun(len(names), "holds its network", "hold its networks")
    return [*(f"    and  {shown(name)}" for name in names), f"         which {holds}: {witness} cannot be read without"]


def needed_lines(names: tuple[str, ...]) -> list[str]:
    """A line for each file with a network that lies beside a witness file that was read, and what that means."""
    return (
        [*(f"network  {shown(name)}" for name in names), "         beside this file, and needed with it", ""] if names else []
    )


def partners(out: PathLike | None) -> dict[str, list[str]]:
    """The files beside what was written as a member of an object; none where there are none, or nothing was written."""
    names = () if out is None else _beside(out)
    return {"beside": list(names)} if names else {}


def _beside(out: PathLike) -> tuple[str, ...]:
    """The files with networks that belong to a witness file, or to that of a folder with one witness."""
    from fpsynth.witness.file import files_beside

    file = os.path.join(out, WITNESS) if os.path.isdir(out) else os.fspath(out)
    return files_beside(file) if os.path.isfile(file) else ()
