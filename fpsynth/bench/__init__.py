"""Verifiers on a bench of labelled instances: jobs that outlive a kill, judgements, the scoreboard, and shrinking.

In Python the room has the name of the subcommand, so that it is called itself: ``fpsynth.bench(corpus, verifier)``.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from types import ModuleType

from fpsynth.bench import offered


class _CalledRoom(ModuleType):
    """A module that is called: a function of its name would be lost as soon as something below it is imported."""

    __call__ = staticmethod(offered.bench)

    def __reduce__(self) -> tuple[Callable[[str], ModuleType], tuple[str]]:
        return importlib.import_module, (self.__name__,)


__signature__ = inspect.signature(offered.bench)
sys.modules[__name__].__class__ = _CalledRoom
