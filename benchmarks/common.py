"""What the benchmarks share: the machine, medians with their spread, tables as text, files of results, rows made once."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fpsynth.errors import InputError
from fpsynth.files import write_atomically
from fpsynth.libraries.machine import cores, cpu
from fpsynth.solvers.base import package_version
from fpsynth.version import __version__

RESULTS = Path(__file__).parent / "results"
os.environ["FPSYNTH_CACHE"] = "off"  # what is measured is a reveal, not how an earlier one is read


def conditions(packages: Sequence[str]) -> dict[str, Any]:
    """The day, the machine, how busy it is as the benchmark starts, and the versions of the packages that are installed."""
    versions = {name: package_version(name) for name in packages}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": cpu()["cpu"],
        "cores": cores(),
        "load_at_start": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "os": platform.system(),
        "python": platform.python_version(),
        "versions": {"fpsynth": __version__, **{name: version for name, version in versions.items() if version}},
    }


def machine(said: dict[str, Any]) -> str:
    """``conditions`` in one line."""
    versions = ", ".join(f"{name} {version}" for name, version in said["versions"].items())
    busy = "" if said["load_at_start"] is None else f", load {said['load_at_start']:g} at the start"
    return f"{said['cpu']}, {said['cores']} cores{busy}, {said['os']}, Python {said['python']}; {versions}; {said['date']}"


def spread(numbers: Sequence[float]) -> dict[str, float]:
    """Median, least and greatest of some numbers."""
    return {"median": statistics.median(numbers), "min": min(numbers), "max": max(numbers)}


def shown(entry: dict[str, Any]) -> str:
    """``spread`` of seconds as text: median (least to greatest)."""
    return f"{short(entry['median'])} ({short(entry['min'])} to {short(entry['max'])})"


def short(seconds: float) -> str:
    """Seconds with three digits."""
    return f"{seconds:.3g}" if seconds < 100 else f"{seconds:.0f}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table, its columns aligned to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def whole_numbers(text: str, what: str, least: int, most: int) -> list[int]:
    """Read numbers separated by commas.  Raises InputError that names ``what`` for anything else."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{what} must be whole numbers separated by commas, not {text[:60]!r}") from None
    if not all(least <= number <= most for number in numbers):
        raise InputError(f"{what} must be from {least} to {most}")
    return numbers


def keep(folder: Path, name: str, results: dict[str, Any], table: str) -> None:
    """Write NAME.json and NAME.txt, each atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / f"{name}.json", json.dumps(results, indent=1) + "\n")
    write_atomically(folder / f"{name}.txt", table)


class Kept:
    """Rows that were made, a JSON object in each line."""

    def __init__(self, path: Path) -> None:
        """Reads what is there."""
        self.path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.rows = {row["key"]: row for row in map(json.loads, lines)}

    def get(self, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The row of that key, made where it is not there."""
        if key not in self.rows:
            self.rows[key] = {"key": key, **make()}
            with self.path.open("a") as file:
                file.write(json.dumps(self.rows[key]) + "\n")
        found: dict[str, Any] = self.rows[key]
        return found
