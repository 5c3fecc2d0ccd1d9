"""Kernels: one operation of one library on operands of one shape, under settings that choose how it is computed."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from fpsynth.errors import InputError
from fpsynth.formats import Format
from fpsynth.libraries.registry import library_named

MAX_TERMS = 4096
_NUMBERS = ("batch", "outputs", "row", "output", "threads")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{1,63}")
_VALUE = re.compile(r"[A-Za-z0-9_.+=-]{1,64}")


@dataclass(frozen=True)
class Environment:
    """Where a layer is computed: a library, an operation of it, the place in its output, and the settings of its process.

    ``str`` gives the text that ``parse_environment`` reads, such as ``torch:linear:batch=4,MKL_CBWR=COMPATIBLE``.
    """

    library: str
    operation: str
    """A variant of the library that runs networks, or sum, vdot or conv2d."""
    batch: int = 1
    """Rows of the input."""
    outputs: int | None = None
    """Neurons of the layer; None: as many as the question needs."""
    row: int = 0
    """The row of the batch that is looked at."""
    output: int | None = None
    """The neuron that is looked at; None: whichever the question reads."""
    threads: int | None = None
    """Threads that the library may use; None: as many as it takes by itself."""
    settings: tuple[tuple[str, str], ...] = ()
    """Variables of the process's environment, by name; they are set before the library is imported."""
    device: str = "cpu"

    def __str__(self) -> str:
        parts = [f"batch={self.batch}"]
        for name in ("outputs", "output", "threads"):
            number = getattr(self, name)
            if number is not None:
                parts.append(f"{name}={number}")
        if self.row:
            parts.append(f"row={self.row}")
        if self.device != "cpu":
            parts.append(f"device={self.device}")
        parts += [f"{name}={value}" for name, value in self.settings]
        return f"{self.library}:{self.operation}:{','.join(parts)}"

    @property
    def process(self) -> tuple[str, str, int | None, tuple[tuple[str, str], ...]]:
        """What two environments must share to be run in one process: library, device, threads, settings."""
        return self.library, self.device, self.threads, self.settings


@dataclass(frozen=True)
class Kernel:
    """An environment's operation on operands of one shape and format."""

    environment: Environment
    dtype: Format
    terms: int
    """Products in each sum: 1 <= terms <= MAX_TERMS."""
    outputs: int = 1
    """Sums per row: neurons of the layer, 1 for sum and vdot, channels of a convolution."""
    bias: bool = False


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
