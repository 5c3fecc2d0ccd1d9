"""Where two JSON values part, in a few lines: what a golden test prints instead of both of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = Any

SHOWN = 12
"""Differences that are shown."""
_WIDTH = 160
ABSENT = "(nothing)"


def read(path: Path) -> Json:
    """The JSON of a golden."""
    return json.loads(path.read_text("utf-8"))


def write(path: Path, data: Json) -> None:
    """Write a golden: one line for every scalar, lists of scalars in one line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_pretty(data, "") + "\n", "utf-8")


def _pretty(data: Json, indent: str) -> str:
    inner = indent + " "
    if isinstance(data, dict) and data:
        lines = [f"{inner}{json.dumps(name)}: {_pretty(value, inner)}" for name, value in data.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(data, list) and any(isinstance(value, dict | list) for value in data):
        return "[\n" + ",\n".join(inner + _pretty(value, inner) for value in data) + f"\n{indent}]"
    return json.dumps(data, allow_nan=False)


def parts(golden: Json, now: Json, path: str = "$") -> Iterator[str]:
    """One line for every place where the two differ: its path, what the golden has, what there is now."""
    if isinstance(golden, dict) and isinstance(now, dict):
        for name in [*golden, *(name for name in now if name not in golden)]:
            yield from parts(golden.get(name, ABSENT), now.get(name, ABSENT), f"{path}.{name}")
    elif isinstance(golden, list) and isinstance(now, list):
        if len(golden) != len(now):
            yield f"{path}: {len(golden)} entries in the golden, {len(now)} now"
        for place, (one, other) in enumerate(zip(golden, now, strict=False)):
            yield from parts(one, other, f"{path}[{place}]")
    elif type(golden) is not type(now) or golden != now:
        yield f"{path}:\n    golden  {_short(golden)}\n    now     {_short(now)}"


def _short(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."


def require_same(golden: Json, now: Json, name: str) -> None:
    """Fail with the first places that differ."""
    __tracebackhide__ = True  # pytest would print both values
    differences = list(parts(golden, now))
    if not differences:
        return
    more = f"\n  and {len(differences) - SHOWN} more" if len(differences) > SHOWN else ""
    listed = "\n  ".join(differences[:SHOWN])
    raise AssertionError(f"{name} is not what it was; first differences:\n  {listed}{more}\n{_ADVICE}")


_ADVICE = "Explain the difference, then rewrite the golden: see tests/goldens/README.md"


def require_golden(path: Path, now: Json) -> None:
    """Fail where a golden is missing, or has something else than there is now."""
    __tracebackhide__ = True
    assert path.exists(), f"there is no golden {os.path.relpath(path)}: write it as tests/goldens/README.md says"
    require_same(read(path), now, os.path.relpath(path))
