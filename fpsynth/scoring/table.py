"""The table of jobs that are done: each (instance, verifier, seed) once, whatever ends the process that writes it.

It is a database of SQLite in WAL mode and not a file of lines: that a job has one row is a law of the file (its primary key)
and not of the code, a commit is on the disk whole or not at all (synchronous=FULL), and the lock of the file keeps a second
bench out, which the kernel lifts when a process is killed.  Only the process that was asked for the scoreboard opens it;
workers, here or on other machines, send it their rows, so that no network file system has to lock anything.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from types import TracebackType
from typing import Any

from fpsynth.aliases import Json, PathLike
from fpsynth.errors import InputError
from fpsynth.files import shown
from fpsynth.scoring.asking import AskedVerifier
from fpsynth.scoring.job import BenchRun, Key, run_from

SCHEMA, VERSION = "fpsynth-bench-table", 1
_CREATED = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS verifiers (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS runs (
    instance TEXT NOT NULL, verifier TEXT NOT NULL, seed INTEGER NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (instance, verifier, seed)
) WITHOUT ROWID;
"""


class JobTable:
    """What is done of a bench.  A context manager."""

    def __init__(self, path: PathLike | None, settings: Json, verifiers: Sequence[AskedVerifier]) -> None:
        """Open a table, or begin one; without a path it is kept in memory.

        ``settings``: what every row is of, such as the corpus's digest and the limits.  Raises InputError where the table is of
        others, where a verifier of that name was another, where another process has it open, and for files that are none.
        """
        self.path = os.fspath(path) if path is not None else ""
        with self._one_line():
            self.connection = sqlite3.connect(self.path or ":memory:", timeout=0.5, isolation_level=None)
        try:
            with self._one_line():
                self._begin(settings, verifiers)
        except BaseException:
            self.connection.close()
            raise

    def _begin(self, settings: Json, verifiers: Sequence[AskedVerifier]) -> None:
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
            self.connection.execute(f"PRAGMA {pragma}").fetchall()
        self.connection.execute("BEGIN IMMEDIATE")
        for statement in filter(str.strip, _CREATED.split(";")):
            self.connection.execute(statement)
        self._settle({"schema": SCHEMA, "schema_version": VERSION, **settings})
        for one in verifiers:
            self._settle_verifier(one)
        self.connection.execute("COMMIT")

    def _settle(self, settings: Json) -> None:
        kept = {name: json.loads(value) for name, value in self.connection.execute("SELECT name, value FROM settings")}
        for name, value in settings.items():
            if name in kept and kept[name] != value:
                raise InputError(f"{shown(self.path)} is of another {name.replace('_', ' ')}: {_brief(kept[name])}: {_ELSE}")
            if kept and name not in kept:
                raise InputError(f"{shown(self.path)} is of something that has no {name.replace('_', ' ')}: {_ELSE}")
        if not kept:
            rows = [(name, json.dumps(value)) for name, value in settings.items()]
            self.connection.executemany("INSERT INTO settings VALUES (?, ?)", rows)

    def _settle_verifier(self, one: AskedVerifier) -> None:
        text = json.dumps(one.to_json(), sort_keys=True)
        kept = self.connection.execute("SELECT value FROM verifiers WHERE name = ?", (one.name,)).fetchone()
        if kept is None:
            self.connection.execute("INSERT INTO verifiers VALUES (?, ?)", (one.name, text))
        elif kept[0] != text:
            raise InputError(f"{shown(self.path)} has another verifier or version of the name {one.name}: {_ELSE}")

    def runs(self) -> tuple[BenchRun, ...]:
        """All that is done, in the order of the keys.  Raises InputError where a row is none."""
        with self._one_line():
            rows = self.connection.execute("SELECT instance, verifier, seed, value FROM runs").fetchall()
            runs = tuple(run_from(json.loads(value)) for *_, value in rows)
        if any(run.key != tuple(row[:3]) for run, row in zip(runs, rows, strict=True)):
            raise InputError(f"{shown(self.path)}: a row is of another job than its key")
        return runs

    def keys(self) -> frozenset[Key]:
        """Of the jobs that are done."""
        return frozenset(run.key for run in self.runs())

    def add(self, run: BenchRun) -> bool:
        """Keep a row, on the disk when this returns; False where its job was done before: then the first row stays."""
        text = json.dumps(asdict(run), allow_nan=False)
        with self._one_line():
            cursor = self.connection.execute("INSERT OR IGNORE INTO runs VALUES (?, ?, ?, ?)", (*run.key, text))
        return cursor.rowcount == 1

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def __enter__(self) -> JobTable:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if "locked" in str(error):
                raise InputError(f"another process writes {shown(self.path)}: wait for it, or name another folder") from None
            raise InputError(f"cannot use {shown(self.path)} as a table of jobs: {error}") from None
        except (ValueError, RecursionError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{shown(self.path)} holds a row that is none: {error}") from None


_ELSE = "name another folder, or repeat what it is of"


def _brief(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 16 else f"{text[:12]}..."
