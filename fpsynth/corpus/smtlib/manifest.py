"""The manifest of the collection: status, evidence, hash and measured times of every file; and the files themselves."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fpsynth.aliases import Progress
from fpsynth.corpus.smtlib.evidence import Record, establish, problems_with
from fpsynth.corpus.smtlib.header import LICENCE, benchmark_text
from fpsynth.corpus.smtlib.question import SmtFile
from fpsynth.corpus.smtlib.table import FAMILIES, benchmarks
from fpsynth.errors import InputError
from fpsynth.files import read_limited, write_atomically

Manifest = dict[str, Any]
NAME = "manifest.json"
SCHEMA = "fpsynth-smtlib"
_MAX_BYTES = 16 << 20


def load_manifest(folder: Path) -> Manifest:
    """Read the manifest of a folder; an empty one where there is none.  Raises InputError for another file of that name."""
    path = folder / NAME
    if not path.exists():
        return {"questions": {}, "files": {}, "measured": None}
    try:
        manifest = json.loads(read_limited(path, _MAX_BYTES))
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is not JSON: {error.msg}") from None
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        raise InputError(f"{path} is no manifest of SMT-LIB benchmarks")
    return manifest


def save_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest."""
    write_atomically(folder / NAME, json.dumps(manifest, indent=1) + "\n")


def write_collection(folder: Path, seconds: float, progress: Progress) -> Manifest:
    """Write every file and the manifest; keep evidence that still holds and the times of files that are the same.

    ``seconds`` limits the search for the evidence of one question.  Raises evidence.NoEvidence where a status cannot be
    confirmed; then nothing is written.
    """
    old = load_manifest(folder)
    chosen = benchmarks()
    evidence = {}
    for question in dict.fromkeys(benchmark.question for benchmark in chosen):
        kept = old["questions"].get(question.key)
        if kept is None or problems_with(question, kept):
            progress(f"{question.key}: establishing that it is {question.status}")
            kept = establish(question, seconds)
        evidence[question.key] = kept
    files = {benchmark.file: _entry(benchmark, old["files"].get(benchmark.file, {})) for benchmark in chosen}
    for benchmark in chosen:
        (folder / benchmark.file).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / benchmark.file, benchmark_text(benchmark))
    manifest = {
        "schema": SCHEMA,
        "schema_version": 1,
        "generator": "python -m fpsynth.corpus.smtlib",
        "license": LICENCE,
        "families": {name: {"category": f.category, "about": f.about} for name, f in FAMILIES.items()},
        "questions": evidence,
        "files": files,
        "measured": old["measured"],
    }
    save_manifest(folder, manifest)
    return manifest


def _entry(benchmark: SmtFile, old: Mapping[str, Any]) -> Record:
    digest = sha256(benchmark)
    return {
        "question": benchmark.question.key,
        "family": benchmark.question.family,
        "encoding": benchmark.encoding,
        "logic": benchmark.script.logic,
        "status": benchmark.question.status,
        "quick": benchmark.quick,
        "sha256": digest,
        "times": old.get("times", {}) if old.get("sha256") == digest else {},
    }


def sha256(benchmark: SmtFile) -> str:
    """The hash of the file's bytes."""
    return hashlib.sha256(benchmark_text(benchmark).encode("ascii")).hexdigest()


def differences(folder: Path) -> list[str]:
    """Say in what a folder differs from what would be written, and which evidence does not hold; empty if in nothing."""
    manifest = load_manifest(folder)
    wrong: list[str] = []
    chosen = benchmarks()
    for benchmark in chosen:
        path = folder / benchmark.file
        if not path.exists():
            wrong.append(f"{benchmark.file}: missing")
        elif path.read_bytes() != benchmark_text(benchmark).encode("ascii"):
            wrong.append(f"{benchmark.file}: differs from what the generator writes")
        recorded = manifest["files"].get(benchmark.file, {})
        expected = _entry(benchmark, recorded)
        wrong += [f"{benchmark.file}: {key} in the manifest is wrong" for key in expected if recorded.get(key) != expected[key]]
    for question in dict.fromkeys(benchmark.question for benchmark in chosen):
        wrong += problems_with(question, manifest["questions"].get(question.key, {}))
    known = {benchmark.file for benchmark in chosen}
    wrong += [f"{name}: in the manifest only" for name in manifest["files"] if name not in known]
    wrong += [f"{name}: no benchmark of the table" for name in sorted(_present(folder) - known)]
    return wrong


def _present(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix().replace(os.sep, "/") for path in folder.rglob("*.smt2")}
