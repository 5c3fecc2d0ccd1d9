"""Ctrl-C in a command that keeps what it has done: where that is, and how to go on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from fpsynth.files import shown


@contextmanager
def kept_in(folder: str | None, mark: str = "") -> Iterator[None]:
    """Have an interruption say that the same command goes on from a folder, if that is there, with the file ``mark`` in it.

    None: nothing is kept, as no folder was named.
    """
    try:
        yield
    except KeyboardInterrupt:
        if folder is None:
            raise KeyboardInterrupt("nothing is kept, as --out names no folder") from None
        if not os.path.exists(os.path.join(folder, mark)):
            raise
        raise KeyboardInterrupt(f"what is done is kept in {shown(folder)}: the same command goes on from there") from None
