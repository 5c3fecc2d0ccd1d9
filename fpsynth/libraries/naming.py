"""Environments by name: the text that says in which library, operation and setting a layer is computed."""

from __future__ import annotations

import re
from dataclasses import replace

from fpsynth.errors import InputError
from fpsynth.libraries.kernels import Environment
from fpsynth.libraries.registry import library_named

_NUMBERS = ("batch", "outputs", "row", "output", "threads")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{1,63}")
_VALUE = re.compile(r"[A-Za-z0-9_.+=-]{1,64}")


def parse_environment(text: str) -> Environment:
    """Read LIBRARY:OPERATION[:batch=N,outputs=N,row=N,output=N,threads=N,device=cuda,VARIABLE=VALUE].

    ``dot`` stands for vdot where the library has no variant of that name.  Raises InputError that says what is wrong for an
    unknown library, operation, option, or number.
    """
    name, _, rest = text.partition(":")
    operation, _, options = rest.partition(":")
    library = library_named(name)
    if operation == "dot" and "dot" not in library.variants:
        operation = "vdot"
    if operation not in library.operations:
        raise InputError(f"{name} has no operation {operation[:40]!r}; choose from {', '.join(library.operations)}")
    environment = Environment(name, operation)
    for option in filter(None, options.split(",")):
        environment = _with_option(environment, option)
    if environment.row >= environment.batch:
        raise InputError(f"row {environment.row} is not in a batch of {environment.batch}: rows are counted from 0")
    if environment.outputs is not None and (environment.output or 0) >= environment.outputs:
        raise InputError(f"output {environment.output} is not among {environment.outputs}: outputs are counted from 0")
    if operation in ("sum", "vdot") and (environment.outputs or 1) != 1:
        raise InputError(f"{operation} has one output")
    if operation == "vdot" and environment.batch != 1:
        raise InputError("vdot takes one pair of vectors: batch=1")
    return environment


def _with_option(environment: Environment, option: str) -> Environment:
    name, equals, value = option.partition("=")
    if _VARIABLE.fullmatch(name) and equals and _VALUE.fullmatch(value):
        return replace(environment, settings=tuple(sorted({**dict(environment.settings), name: value}.items())))
    if name == "device" and value in ("cpu", "cuda"):
        return replace(environment, device=value)
    if name in _NUMBERS and re.fullmatch(r"\d{1,5}", value) and (int(value) > 0 or name in ("row", "output")):
        return replace(environment, **{name: int(value)})  # type: ignore[arg-type]  # every name in _NUMBERS is a number
    known = ", ".join(f"{known}=N" for known in _NUMBERS)
    raise InputError(f"{option[:60]!r} is no option of an environment; choose from {known}, device=cuda, VARIABLE=VALUE")
