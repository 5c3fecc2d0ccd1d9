"""fpsynth: networks and inputs on which a robustness certificate is wrong in floating point, proved on real libraries."""

from __future__ import annotations

from fpsynth.version import __version__

TYPE_CHECKING = False  # typing.TYPE_CHECKING, without the import
if TYPE_CHECKING:
    from typing import Any

    from fpsynth.api import (
        certify,
        check,
        compare,
        environments,
        explain,
        interval,
        load,
        matrix,
        order,
        position,
        precision,
        relu,
        render,
        replay,
        reveal,
        reveal_network,
        save,
        tie,
        tree,
        twin,
        write_corpus,
        write_folder,
        write_witnesses,
    )

__all__ = [
    "__version__",
    "certify",
    "check",
    "compare",
    "environments",
    "explain",
    "interval",
    "load",
    "matrix",
    "order",
    "position",
    "precision",
    "relu",
    "render",
    "replay",
    "reveal",
    "reveal_network",
    "save",
    "tie",
    "tree",
    "twin",
    "write_corpus",
    "write_folder",
    "write_witnesses",
]


def __getattr__(name: str) -> Any:
    """Import the functions when they are asked for: ``import fpsynth`` itself costs nothing."""
    if name in __all__:
        from fpsynth import api

        found = globals()[name] = getattr(api, name)
        return found
    raise AttributeError(f"module 'fpsynth' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The functions, imported or not, for ``dir`` and the tab key."""
    return sorted({*globals(), *__all__})
