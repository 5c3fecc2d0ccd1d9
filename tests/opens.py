"""Who opens a file how often, told by Python's audit events: nothing is replaced, what runs is what users run."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Before = Callable[[Path, int], None]
"""Told of a path, and of how many times it was opened before, each time that it is about to be opened."""
_WATCHERS: list[Callable[[Path], None]] = []
_HOOKED: list[bool] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _WATCHERS and isinstance(arguments[0], str | os.PathLike):
        for watcher in [*_WATCHERS]:
            watcher(Path(os.path.realpath(arguments[0])))


@contextmanager
def watched(folder: Path, before: Before = lambda path, times: None) -> Iterator[Counter[str]]:
    """How often each file of a folder, by its name, is opened inside."""
    if not _HOOKED:  # a hook cannot be taken away again
        sys.addaudithook(_hook)
        _HOOKED.append(True)
    opened: Counter[str] = Counter()
    inside = Path(os.path.realpath(folder))

    def watcher(path: Path) -> None:
        if path.parent != inside or not path.is_file():
            return
        _WATCHERS.remove(watcher)  # what ``before`` itself opens does not count
        before(path, opened[path.name])
        _WATCHERS.append(watcher)
        opened[path.name] += 1

    _WATCHERS.append(watcher)
    try:
        yield opened
    finally:
        _WATCHERS.remove(watcher)
