"""fpsynth: networks and inputs on which a robustness certificate is wrong in floating point, proved on real libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fpsynth.version import __version__

if TYPE_CHECKING:
    from fpsynth.api import (
        certify,
        check,
        environments,
        explain,
        interval,
        matrix,
        order,
        position,
        precision,
        relu,
        replay,
        reveal,
        tie,
        twin,
    )

__all__ = [
    "__version__",
    "certify",
    "check",
    "environments",
    "explain",
    "interval",
    "matrix",
    "order",
    "position",
    "precision",
    "relu",
    "replay",
    "reveal",
    "tie",
    "twin",
]


def __getattr__(name: str) -> Any:
    """Import the functions when they are asked for: ``import fpsynth`` itself costs nothing."""
    if name in __all__:
        from fpsynth import api

        return getattr(api, name)
    raise AttributeError(f"module 'fpsynth' has no attribute {name!r}")
