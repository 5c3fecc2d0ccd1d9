"""Which options mean something where a network is given: each says so at its field, and one that does not is refused there."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import MISSING, fields
from typing import Any

from fpsynth.errors import InputError
from fpsynth.synthesis.requests.fields import Request, open_options


def takes_given(request: type[Request]) -> bool:
    """Whether a network may be given: a narrower question may have settled that none is."""
    return request.given and all(one.init for one in fields(request) if one.name == "network")


def require_said(request: type[Request]) -> None:
    """Raise TypeError where an option of a question that may be of a given network says not whether it applies there."""
    silent = [name for name, (_, option) in open_options(request).items() if takes_given(request) and option.given is None]
    if silent:
        raise TypeError(
            f"{request.question}: {', '.join(silent)}: Option(given=...) says whether it means something of a given network"
        )


def require_given(request: Any) -> None:
    """Raise InputError where a network is given without images, or with an option that only networks that are made up have."""
    if request.network is None:
        if request.images is not None:
            raise InputError("images are of a network that is given: name its file as network")
        return
    if request.images is None:
        raise InputError("a network that is given needs images: a file of inputs of two classes at least")
    options = open_options(type(request)).items()
    changed = [name for name, (one, _) in options if one.default is not MISSING and getattr(request, name) != one.default]
    refuse_made_up(type(request), {name: getattr(request, name) for name in changed})


def refuse_made_up(request: type[Request], named: dict[str, Any]) -> None:
    """Raise InputError for the first option among ``named`` that only networks that are made up have, whatever it is set to.

    ``named``: the options that were said, defaults or not, with their values; what asks for nothing is no matter.
    """
    for name, (_, option) in open_options(request).items():
        if option.given is False and not _nothing(named.get(name)):
            raise InputError(f"{name} is of networks that are made up: leave it out where a network is given")


def refuse_unused(request: Request, named: Collection[str]) -> None:
    """Raise InputError where one of the ``named`` options, even by its default, means nothing of the network that is given."""
    if request.of_given:
        refuse_made_up(type(request), {name: getattr(request, name) for name in named if hasattr(request, name)})


def given_files(request: Any) -> dict[str, object]:
    """What a record says of a network that is given; nothing where none is."""
    if not request.of_given:
        return {}
    return {"network": os.fspath(request.network), "images": os.fspath(request.images)}


def _nothing(value: Any) -> bool:
    """Whether a value asks for nothing, whoever says it."""
    return value is None or value is False or value in ((), [])
