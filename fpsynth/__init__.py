"""fpsynth: networks and inputs on which a robustness certificate is wrong in floating point, proved on real libraries."""

from __future__ import annotations

from fpsynth.version import __version__ as __version__

_ROOMS = ("corpus",)
"""Parts of the package with the name of a subcommand that does several things: they have a function for each."""
TYPE_CHECKING = False  # typing.TYPE_CHECKING, without the import
if TYPE_CHECKING:
    from typing import Any

    # what the functions are, for type checkers, which do not follow one list of names into another
    from fpsynth import corpus as corpus
    from fpsynth.api import *  # noqa: F403
    from fpsynth.synthesis.table import *  # noqa: F403


def __getattr__(name: str) -> Any:
    """Import the functions when they are asked for, or their names: ``import fpsynth`` itself costs nothing."""
    if name == "__all__":
        return ["__version__", *_functions()]
    if name in _ROOMS:
        import importlib

        return importlib.import_module(f"fpsynth.{name}")
    if name.isidentifier() and not name.startswith("_") and not _is_module(name) and name in _functions():
        import fpsynth.api

        found = globals()[name] = getattr(fpsynth.api, name)
        return found
    raise AttributeError(f"module 'fpsynth' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The functions, imported or not, for ``dir`` and the tab key."""
    own = (name for name in globals() if not name.startswith("_") or name.endswith("__"))
    return sorted({*own, "__all__", *_ROOMS, *_functions()})


def _functions() -> list[str]:
    """The names of the functions, as the tables of questions have them."""
    import fpsynth.api

    return sorted(fpsynth.api.__all__)


def _is_module(name: str) -> bool:
    """Whether it is a part of the package that nobody has imported yet: to import it is nobody's wish for a function."""
    import importlib.util

    return importlib.util.find_spec(f"fpsynth.{name}") is not None
