"""Environments by name: the text that says in which library, operation and setting a layer is computed."""

from __future__ import annotations

import difflib
import re
from dataclasses import replace

from fpsynth.errors import InputError
from fpsynth.formats import Format, format_named
from fpsynth.libraries.base import Library
from fpsynth.libraries.calls import call_text, full_text
from fpsynth.libraries.kernels import Environment, Kernel, Pairs
from fpsynth.libraries.machine import SETTABLE, defaults_may_differ
from fpsynth.libraries.registry import NAMES, library_named

_NUMBERS = ("batch", "outputs", "row", "output", "threads")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{1,63}")
_FILES = re.compile(r"dump|dir|path|file")
_VALUE = re.compile(r"[A-Za-z0-9_.+=:-]{1,64}")
_DTYPE = re.compile(r"(?<=[:,])dtype=([^,]*),?")


def parse_environment(text: str) -> Environment:
    """Read LIBRARY:OPERATION[:batch=N,outputs=N,row=N,output=N,threads=N,layout=XW,device=cuda,SWITCH=VALUE,VARIABLE=VALUE].

    A layout is one of ``libraries.calls``; where none is named it is the operation's own.  Switches are the library's, in lower
    case; variables are those of the process's environment, in upper case.  Raises InputError that says what is wrong for an
    unknown library, operation, option, number, layout or switch, and for a device or switch with which the operation cannot
    be computed.
    """
    name, _, rest = text.partition(":")
    operation, _, options = rest.partition(":")
    library = library_named(name)
    operation = library.other_names.get(operation, operation)
    if not operation or "=" in operation:
        choices = ", ".join(library.operations)
        raise InputError(f"{text[:60]!r} names no operation, and one layer needs one: choose {name}:OPERATION from {choices}")
    if operation not in library.operations:
        near = difflib.get_close_matches(operation[:40].lower(), library.operations, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise InputError(f"{name} has no operation {operation[:40]!r}; choose from {', '.join(library.operations)}{hint}")
    return _with_options(Environment(name, operation), options, library)


def parse_network_environment(text: str) -> Environment:
    """Read LIBRARY[:batch=N,threads=N,...], where a whole network is run: the options of ``parse_environment`` without one
    layer's outputs and output.

    One of the library's variants may be named between them; otherwise it is the first, which ``str`` leaves out however it
    was written, as it does switches that say the default, unless a variable or a GPU may have changed what that is.  So one
    environment has one name.  Raises InputError as ``parse_environment`` does.
    """
    environment = _whole(text)
    library = library_named(environment.library)
    return replace(environment, switches=_needed(environment, library))


def parse_formatted_environment(text: str, own: Format) -> Environment:
    """Read what ``parse_network_environment`` does, and dtype=FORMAT among its options.

    ``own``: the format of the question, that of the network's numbers: an environment that names it is the one that names
    none.  Raises InputError, also for a format that the library has not.
    """
    named = _DTYPE.findall(text)
    if len(named) > 1:
        raise InputError("dtype is given twice")
    environment = parse_network_environment(_DTYPE.sub("", text).rstrip(",:") if named else text)
    if not named or (fmt := format_named(named[0])) == own:
        return environment
    library = library_named(environment.library)
    if fmt.name not in library.dtypes:
        raise InputError(f"{text[:60]}: {library.name} has no dtype {fmt}; it has {', '.join(library.dtypes)}")
    return replace(environment, dtype=fmt.name)


def _whole(text: str) -> Environment:
    """The environment of a whole network, with all the switches that the text says."""
    name, _, rest = text.partition(":")
    library = library_named(name)
    operation = rest.partition(":")[0]
    if operation and "=" not in operation:
        environment = parse_environment(text)
        if environment.operation not in library.variants:
            ways = " or ".join(f"{name}:{variant}" for variant in library.variants)
            raise InputError(
                f"{environment.operation} computes a single layer: for a whole network, convolutions and all, name {name} "
                f"alone, or a way to run it, {ways}"
            )
    else:
        environment = _with_options(Environment(name, library.variants[0], whole=True), rest, library)
    if environment.outputs is not None or environment.output is not None:
        raise InputError("outputs and output are of one layer: leave them out where a whole network is run")
    return replace(environment, whole=environment.operation == library.variants[0])


def _needed(environment: Environment, library: Library) -> Pairs:
    """The switches that an environment is named with: those that say the default only where that may be another one.

    A variable of its own may have changed it, one that is set here and that its process inherits, or what is set on a GPU.
    """
    if environment.device != "cpu" or environment.settings or defaults_may_differ():
        return environment.switches
    return tuple((name, value) for name, value in environment.switches if value != library.switches[name][0])


def parse_placed(text: str) -> Environment:
    """Read the environment of a view: of one layer, or, where the text names no operation, of a whole network.

    It keeps the switches that it was written with: they are what was run, whatever variables are set where it is read.  Raises
    InputError as ``parse_environment`` does.
    """
    operation = text.partition(":")[2].partition(":")[0]
    whole = text.partition(":")[0] in NAMES and ":" in text and "=" in operation
    return _whole(text) if whole else parse_environment(text)


def _with_options(environment: Environment, options: str, library: Library) -> Environment:
    operation = environment.operation
    given: set[str] = set()
    for option in filter(None, options.split(",")):
        environment = _with_option(environment, option, library)
        twice = option.partition("=")[0]
        if twice in given:
            raise InputError(f"{twice} is given twice")
        given.add(twice)
    objection = library.objection(operation, environment.device, dict(environment.switches))
    if objection:
        raise InputError(objection)
    if environment.row >= environment.batch:
        raise InputError(f"row {environment.row} is not in a batch of {environment.batch}: rows are counted from 0")
    if environment.outputs is not None and (environment.output or 0) >= environment.outputs:
        raise InputError(f"output {environment.output} is not among {environment.outputs}: outputs are counted from 0")
    if operation in ("sum", "vdot") and (environment.outputs or 1) != 1:
        raise InputError(f"{operation} has one output")
    if operation == "vdot" and environment.batch != 1:
        raise InputError("vdot takes one pair of vectors: batch=1")
    return environment


def _with_option(environment: Environment, option: str, library: Library) -> Environment:
    name, equals, value = option.partition("=")
    if _VARIABLE.fullmatch(name) and equals and _VALUE.fullmatch(value):
        _require_harmless(name, value)
        return replace(environment, settings=_sorted(environment.settings, name, value))
    if name == "layout" and equals:
        objection = library.layout_objection(environment.operation, value or "none")
        if objection:
            raise InputError(objection)
        own = library.calls[environment.operation].own
        return replace(environment, layout="" if value == own else value)
    if name == "device" and value in ("cpu", "cuda"):
        return replace(environment, device=value)
    if name in _NUMBERS and re.fullmatch(r"\d{1,5}", value) and (int(value) > 0 or name in ("row", "output")):
        return replace(environment, **{name: int(value)})  # type: ignore[arg-type]  # every name in _NUMBERS is a number
    if name in _NUMBERS and equals:
        least = int(name not in ("row", "output"))
        raise InputError(f"{name} of an environment is a whole number from {least} to 99999, not {value[:40]!r}")
    if name in library.switches:
        if value in library.switches[name]:
            return replace(environment, switches=_sorted(environment.switches, name, value))
        choices = "|".join(library.switches[name])
        raise InputError(f"{library.name} has no {name}={value[:40]!r}; choose from {name}={choices}")
    if name == "dtype":
        raise InputError(f"{option[:60]!r}: here the format is no option of an environment, but of the question: dtype")
    options = ", ".join([f"{known}=N" for known in _NUMBERS] + ["layout=NN", "device=cuda", "VARIABLE=VALUE"])
    switches = f", and {library.name}'s switches {', '.join(library.switches)}" if library.switches else ""
    near = difflib.get_close_matches(name[:60].lower(), [*_NUMBERS, "layout", "device", *library.switches], n=1)
    hint = f" (did you mean {near[0]}?)" if near and near[0] != name else ""
    raise InputError(f"{option[:60]!r} is no option of an environment; choose from {options}{switches}{hint}")


def _require_harmless(name: str, value: str) -> None:
    """Raise InputError for a variable that chooses no kernel, or that has a compiler write files."""
    if name not in SETTABLE:
        near = difflib.get_close_matches(name, SETTABLE, n=1)
        hint = f"did you mean {near[0]}?" if near else "MKL_CBWR and XLA_FLAGS are"
        raise InputError(f"the variable {name} is not one of those that choose kernels: {hint}")
    if "XLA" in name and _FILES.search(value):
        raise InputError(f"{name}={value}: options of XLA that read or write files cannot be set here")


def _sorted(pairs: Pairs, name: str, value: str) -> Pairs:
    """The pairs by name, this one among them (or instead of the one of its name)."""
    return tuple(sorted({**dict(pairs), name: value}.items()))


def kernel_call(kernel: Kernel) -> str:
    """The call that computes a kernel, and its operands: ``np.dot(x, W.T)  x (4, 64) C, W (16, 64) C``.

    Of a real layer the call of that layer, with its attributes and the sizes of its images.
    """
    where = kernel.environment
    called = library_named(where.library).calls[where.operation]
    if kernel.layer is not None:
        from fpsynth.libraries.layer_calls import layer_call  # which needs numpy

        return layer_call(kernel, called)
    return full_text(called, where.layout, batch=where.batch, terms=kernel.terms, outputs=kernel.outputs, bias=kernel.bias)


def run_call(library: str, operation: str, layout: str = "") -> str:
    """The call of an operation, without sizes; empty for a library, an operation or a layout that is not known."""
    if library not in NAMES or operation not in (calls := library_named(library).calls):
        return ""
    called = calls[operation]
    return call_text(called, layout) if not layout or called.takes(layout) else ""


def former_operation(library: str, operation: str) -> str:
    """The present name of an operation in a file that does not say its call: dot was not yet a product of matrices there.

    In numpy and cupy it was np.dot(W, row) for each row, elsewhere the product of two vectors.
    """
    if operation != "dot" or library not in NAMES:
        return operation
    return "dot-rows" if "dot-rows" in library_named(library).operations else "vdot"


def former_environment(text: str) -> str:
    """The text of an environment, perhaps from a file that does not say its call, with the present name of its operation."""
    library, first, rest = text.partition(":")
    operation, second, options = rest.partition(":")
    return f"{library}{first}{former_operation(library, operation)}{second}{options}"
