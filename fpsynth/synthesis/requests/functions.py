"""Functions of Python that take the keywords of a request, and what some of these were called before."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar, cast

from fpsynth.errors import InputError
from fpsynth.synthesis.requests.applying import refuse_unused, require_said
from fpsynth.synthesis.requests.fields import Request, keyword_words, open_options, signature_of

P = ParamSpec("P")
Q = TypeVar("Q")
R = TypeVar("R")
OLDER = {"libraries": "library", "batches": "batch"}
"""What keywords were called before."""
_OLDER_FILES = {"points": "images", "inputs": "images"}
"""The same of those that name a file of inputs; ``inputs`` is a range where networks are made up."""


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
    return lambda answer: _function(request, answer, answer.__name__)


def _function(request: Callable[P, Q], answer: Callable[[Q], R], name: str) -> Callable[P, R]:
    """The function ``name``: it makes a request of its keywords and returns the answer."""
    assert isinstance(request, type)
    asked: type[Request] = request
    require_said(asked)
    signature = signature_of(asked, answer.__annotations__["return"])

    @functools.wraps(answer)
    def function(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            named = signature.bind(*args, **kwargs).arguments
        except TypeError as error:  # of this function, and not of the class
            raise TypeError(f"{name}() {error}") from None
        made = request(*args, **kwargs)
        refuse_unused(cast("Request", made), named)
        return answer(made)

    told: Any = function
    told.__name__ = told.__qualname__ = name
    told.__module__ = "fpsynth"  # where it is found by its name, by pickle for one
    told.__signature__, told.__annotations__ = signature, {}
    first, *others = inspect.cleandoc(answer.__doc__ or "").splitlines() or [""]
    told.__doc__ = "\n".join([first, *_indented(others), "", *_listed(asked)])
    keywords = open_options(asked)
    files = {old: new for old, new in _OLDER_FILES.items() if new in keywords and old not in keywords}
    return formerly(**OLDER, **files)(function)


def _listed(request: type[Request]) -> list[str]:
    """The options in the words of the command line, with the indent of a docstring."""
    lines = ["Keywords, in the words of the command line:", "", *(f"* {line}" for line in keyword_words(request))]
    return _indented(lines)


def _indented(lines: Iterable[str]) -> list[str]:
    """Lines of a docstring after its first."""
    return [f"    {line}" if line else "" for line in lines]
