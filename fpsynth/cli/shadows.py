"""Files in the current folder that are imported in place of a module of Python's or of a package, named in one line."""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from types import TracebackType


def blame(error: BaseException) -> str:
    """What to tell where an error comes from such a file; empty where it does not.

    Python looks into the current folder where PYTHONPATH has an empty part, say; ``python -m`` itself does not count, since
    ``__main__`` takes its entry away.
    """
    for name, file in _imported_here():
        if isinstance(error, (ImportError, AttributeError)) or file in _files(error.__traceback__):
            return (
                f"{file} is imported in place of the module {name} that fpsynth needs, as PYTHONPATH has the current folder:"
                " rename that file, take the folder out of PYTHONPATH, or work in another one"
            )
    return ""


def _imported_here() -> list[tuple[str, str]]:
    """Modules that lie in the current folder and, by the same name, elsewhere on the path: their names and files."""
    try:
        here = Path.cwd()
    except OSError:
        return []
    result = []
    for name, module in [*sys.modules.items()]:
        file = getattr(module, "__file__", None)
        if "." not in name and name not in ("__main__", "fpsynth") and isinstance(file, str):
            place = Path(file).parent if Path(file).stem == "__init__" else Path(file)
            if place.parent == here and _elsewhere(name, here):
                result.append((name, file))
    return result


def _elsewhere(name: str, here: Path) -> bool:
    others = [entry for entry in sys.path if entry and Path(entry).resolve() != here.resolve()]
    return name in sys.stdlib_module_names or PathFinder.find_spec(name, others) is not None


def _files(trace: TracebackType | None) -> set[str]:
    """The files that an error went through."""
    result = set()
    while trace is not None:
        result.add(os.fspath(trace.tb_frame.f_code.co_filename))
        trace = trace.tb_next
    return result
