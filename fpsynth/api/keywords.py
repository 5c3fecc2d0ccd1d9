"""Functions that take the keywords of a request, and what some of these were called before."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from fpsynth.errors import InputError
from fpsynth.synthesis.requests.fields import Request, keyword_words, signature_of

P = ParamSpec("P")
Q = TypeVar("Q", bound=Request)
R = TypeVar("R")
OLDER = {"libraries": "library", "batches": "batch"}


def formerly(**names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function take some keywords by older names, too: ``formerly(old="new")``."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def renamed(*args: P.args, **kwargs: P.kwargs) -> R:
            for old, new in names.items():
                if old in kwargs:
                    if new in kwargs:
                        raise InputError(f"{old} is the older name of {new}: say one of them")
                    kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return renamed

    return decorate


def asking(request: Callable[P, Q]) -> Callable[[Callable[[Q], R]], Callable[P, R]]:
    """Turn what answers a request into a function that takes what makes one: ``@asking(OrderRequest)``.

    To a type checker and to ``help`` it has the keywords, types and defaults of the class, whose options its docstring lists.
    """
    assert isinstance(request, type)
    asked: type[Request] = request

    def decorate(answer: Callable[[Q], R]) -> Callable[P, R]:
        signature = signature_of(asked, answer.__annotations__["return"])

        @functools.wraps(answer)
        def function(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                signature.bind(*args, **kwargs)
            except TypeError as error:  # of this function, and not of the class
                raise TypeError(f"{answer.__name__}() {error}") from None
            return answer(request(*args, **kwargs))

        told: Any = function
        told.__signature__, told.__annotations__ = signature, {}
        told.__doc__ = "\n".join([*(answer.__doc__ or "").rstrip().splitlines(), "", *_listed(asked)])
        return formerly(**OLDER)(function)

    return decorate


def _listed(request: type[Request]) -> list[str]:
    """The options in the words of the command line, with the indent of a docstring."""
    lines = ["Keywords, in the words of the command line:", "", *(f"* {line}" for line in keyword_words(request))]
    return [f"    {line}" if line else "" for line in lines]
