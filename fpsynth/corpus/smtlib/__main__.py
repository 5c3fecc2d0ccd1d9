"""``python -m fpsynth.corpus.smtlib FOLDER``: write the collection, check a written one, or measure solvers on it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fpsynth.corpus.smtlib.evidence import NoEvidence
from fpsynth.corpus.smtlib.manifest import differences, write_collection
from fpsynth.corpus.smtlib.measuring import CannotStart, measure
from fpsynth.errors import InputError


def main(arguments: list[str] | None = None) -> int:
    """Return 0 when all went well, 1 when something differs or a solver answers wrongly, 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m fpsynth.corpus.smtlib", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing: compare with what would be written")
    parser.add_argument("--measure", action="store_true", help="run the solvers on the files and record their times")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="with --measure: the files to run (default all)")
    parser.add_argument("--missing", action="store_true", help="with --measure: only files that have no times yet")
    parser.add_argument("--limit", type=float, default=20.0, metavar="SECONDS", help="per solver and file (default 20)")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="seeds per solver and file (default 3)")
    parser.add_argument("--patience", type=float, default=300.0, metavar="SECONDS", help="to establish a status (default 300)")
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except (InputError, NoEvidence, CannotStart) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1


def _run(options: argparse.Namespace) -> int:
    def progress(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    if options.limit <= 0 or options.seeds < 1 or options.patience <= 0:
        raise InputError("limits must be above 0, and there must be at least one seed")
    if not options.check and not options.measure:
        manifest = write_collection(options.folder, options.patience, progress)
        print(f"{len(manifest['files'])} files")
        return 0
    wrong = differences(options.folder)
    if options.measure and not wrong:
        wrong = measure(options.folder, options.only, options.missing, options.limit, range(options.seeds), progress)
    for line in wrong:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
