"""Reveals as JSON: in files, and between the process that reveals and the one that asks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeGuard

from fpsynth.aliases import Json, PathLike
from fpsynth.errors import InputError
from fpsynth.files import read_limited, shown, write_atomically
from fpsynth.formats import format_named
from fpsynth.libraries.kernels import MAX_TERMS, Kernel
from fpsynth.libraries.layer_shapes import layer_shape_from_json
from fpsynth.libraries.naming import former_environment, kernel_call, parse_environment
from fpsynth.networks.foreign import recognised
from fpsynth.revealing.result import Check, PositionClass, Reveal, Unexplained, steps_in_words
from fpsynth.sums.arithmetic_json import arithmetic_from_json, arithmetic_to_json
from fpsynth.sums.building import program_of
from fpsynth.wording import printable

SCHEMA, VERSION = "fpsynth-reveal", 1
MAX_BYTES = 64 << 20
MAX_POSITIONS = 1 << 20


def save_reveals(reveals: Sequence[Reveal], path: PathLike, *, new: bool = False) -> None:
    """Write reveals into a file, atomically.  Raises InputError where that cannot be done; if ``new``, or the file exists."""
    write_atomically(path, json.dumps(reveals_to_json(reveals), indent=1, allow_nan=False) + "\n", new=new)


def reveals_to_json(reveals: Sequence[Reveal]) -> Json:
    """The data of a reveal file."""
    return {"schema": SCHEMA, "schema_version": VERSION, "reveals": [reveal_to_json(found) for found in reveals]}


def load_reveals(path: PathLike) -> tuple[Reveal, ...]:
    """Read what ``save_reveals`` wrote.  Raises InputError in one line for anything else."""
    try:
        data = json.loads(read_limited(path, MAX_BYTES))
    except (ValueError, RecursionError) as error:
        kind = recognised(path)
        if kind is not None:
            raise InputError(f"{shown(path)} is {kind.name}; what is needed is a reveal file of fpsynth") from None
        raise error if isinstance(error, InputError) else InputError(f"{shown(path)} is not JSON") from None
    try:
        return reveals_from_json(data)
    except InputError as error:
        raise InputError(f"{shown(path)}: {error}") from None


def reveals_from_json(data: object) -> tuple[Reveal, ...]:
    """Read the data of a reveal file.  Raises InputError in one line for anything else."""
    if not isinstance(data, dict) or data.get("schema") != SCHEMA or data.get("schema_version") != VERSION:
        raise InputError(f"is no reveal file of version {VERSION}")
    found = data.get("reveals")
    if not isinstance(found, list) or not found:
        raise InputError("a reveal file needs a list of reveals")
    return tuple(reveal_from_json(one) for one in found)


def kernel_to_json(kernel: Kernel) -> Json:
    """A kernel as an object, with the call that computes it."""
    return {
        "environment": str(kernel.environment),
        "call": kernel_call(kernel),
        "dtype": kernel.dtype.name,
        "terms": kernel.terms,
        "outputs": kernel.outputs,
        "bias": kernel.bias,
        **({} if kernel.layer is None else {"layer": kernel.layer.to_json(), "position": kernel.position}),
    }


def kernel_from_json(data: object) -> Kernel:
    """Read what ``kernel_to_json`` wrote, perhaps before it wrote calls.  Raises InputError in one line for anything else."""
    if not isinstance(data, dict) or not isinstance(data.get("environment"), str) or not isinstance(data.get("dtype"), str):
        raise InputError("a kernel needs an environment and a dtype")
    terms, outputs, bias = data.get("terms"), data.get("outputs", 1), data.get("bias", False)
    if not _whole(terms, 1, MAX_TERMS) or not _whole(outputs, 1, MAX_TERMS) or not isinstance(bias, bool):
        raise InputError(f"a kernel needs terms and outputs from 1 to {MAX_TERMS}, and bias true or false")
    text = data["environment"] if "call" in data else former_environment(data["environment"])
    kernel = Kernel(parse_environment(text), format_named(data["dtype"]), terms, outputs, bias)
    if data.get("layer") is None:
        return kernel
    layer = layer_shape_from_json(data["layer"])
    if not _whole(data.get("position"), 0, layer.sums.positions - 1) or layer.sums.terms != terms:
        raise InputError("a kernel of a layer needs one of the layer's positions, and as many terms as that has taps")
    return replace(kernel, layer=layer, position=data["position"])


def reveal_to_json(found: Reveal) -> Json:
    """A reveal as an object; floats are hexadecimal."""
    return {
        "kernel": kernel_to_json(found.kernel),
        "classes": [
            {
                "arithmetic": arithmetic_to_json(cls.arithmetic),
                "description": str(cls.arithmetic),
                "steps": steps_in_words(cls.arithmetic, found.kernel.terms),
                "positions": [list(position) for position in cls.positions],
                "explained": cls.check.explained,
                "total": cls.check.total,
                "first": None if cls.check.first is None else _unexplained_to_json(cls.check.first),
            }
            for cls in found.classes
        ],
        "version": found.version,
        "facts": found.facts,
        "repeats": found.repeats,
        "alignment": found.alignment,
        "threads": found.threads,
        "tree_calls": found.tree_calls,
        "calls": found.calls,
        "seconds": found.seconds,
        "notes": list(found.notes),
        **({"revealed": found.revealed} if found.revealed else {}),
    }


def reveal_from_json(data: object) -> Reveal:
    """Read what ``reveal_to_json`` wrote.  Raises InputError in one line for anything else."""
    if not isinstance(data, dict):
        raise InputError("a reveal must be an object")
    kernel = kernel_from_json(data.get("kernel"))
    classes = data.get("classes")
    if not isinstance(classes, list) or not classes:
        raise InputError("a reveal needs a list of classes")
    facts = data.get("facts", {})
    texts = [data.get(name, "") for name in ("version", "repeats", "alignment", "threads")]
    notes = data.get("notes", [])
    if not isinstance(facts, dict) or not isinstance(notes, list) or not all(isinstance(t, str) for t in [*texts, *notes]):
        raise InputError("what a reveal says in words must be text")
    if not all(isinstance(k, str) and isinstance(v, str) for k, v in facts.items()):
        raise InputError("the facts of a reveal must be text")
    counts = [data.get(name, 0) for name in ("tree_calls", "calls")]
    seconds = data.get("seconds", 0.0)
    if not all(_whole(count, 0, 1 << 53) for count in counts) or not _number(seconds):
        raise InputError("calls and seconds of a reveal must be numbers from 0 to 2**53")
    found = Reveal(
        kernel=kernel,
        classes=tuple(_class(one, kernel) for one in classes),
        version=printable(texts[0]),
        facts={printable(name): printable(fact) for name, fact in facts.items()},
        repeats=printable(texts[1]),
        alignment=printable(texts[2]),
        threads=printable(texts[3]),
        tree_calls=counts[0],
        calls=counts[1],
        seconds=float(seconds),
        notes=tuple(map(printable, notes)),
        revealed=time_from_json(data.get("revealed", "")),
    )
    covered = [position for cls in found.classes for position in cls.positions]
    batch, outputs = kernel.environment.batch, kernel.outputs
    inside = all(row < batch and output < outputs for row, output in covered)
    if not inside or not len(set(covered)) == len(covered) == batch * outputs:
        raise InputError("the classes of a reveal must cover every row and output once")
    call = kernel_call(kernel)
    if data["kernel"].get("call", call) != call:
        raise InputError(f"the call of a kernel in {kernel.environment} is {call}, which the file does not say")
    return found


def time_from_json(data: object) -> str:
    """When something was revealed, or nothing.  Raises InputError for what is no time of ISO 8601."""
    try:
        if data == "" or (isinstance(data, str) and datetime.fromisoformat(data).tzinfo is not None):
            return printable(data)
    except ValueError:
        pass
    raise InputError("the time of a reveal must be one of ISO 8601, with its distance from UTC")


def _class(data: object, kernel: Kernel) -> PositionClass:
    if not isinstance(data, dict):
        raise InputError("a class must be an object")
    positions = data.get("positions")
    if not isinstance(positions, list) or not 1 <= len(positions) <= MAX_POSITIONS:
        raise InputError("a class needs positions")
    for position in positions:
        if not isinstance(position, list) or len(position) != 2 or not all(_whole(place, 0, 1 << 24) for place in position):
            raise InputError("a position must be a pair of a row and an output")
    explained, total = data.get("explained"), data.get("total")
    if not _whole(explained, 0, 1 << 53) or not _whole(total, 0, 1 << 53) or explained > total:
        raise InputError("a class needs the number of vectors that it explains, and of all")
    how = arithmetic_from_json(data.get("arithmetic"))
    if how.format != kernel.dtype:
        raise InputError(f"the arithmetic of a class is in {how.format or 'the reals'}, the kernel in {kernel.dtype}")
    program_of(how, kernel.terms, kernel.bias)
    first = None if data.get("first") is None else _unexplained_from_json(data["first"])
    return PositionClass(how, tuple((row, output) for row, output in positions), Check(explained, total, first))


def _unexplained_to_json(first: Unexplained) -> Json:
    return {
        "inputs": [x.hex() for x in first.inputs],
        "weights": [w.hex() for w in first.weights],
        "bias": None if first.bias is None else first.bias.hex(),
        "library": first.library.hex(),
        "predicted": first.predicted.hex(),
    }


def _unexplained_from_json(data: object) -> Unexplained:
    if not isinstance(data, dict):
        raise InputError("a vector that is not explained must be an object")
    vectors = []
    for name in ("inputs", "weights"):
        texts = data.get(name)
        if not isinstance(texts, list) or len(texts) > MAX_TERMS:
            raise InputError(f"{name} must be a list of at most {MAX_TERMS} hexadecimal floats")
        vectors.append(tuple(_float(text, name) for text in texts))
    bias = data.get("bias")
    return Unexplained(
        vectors[0],
        vectors[1],
        None if bias is None else _float(bias, "bias"),
        _float(data.get("library"), "library"),
        _float(data.get("predicted"), "predicted"),
    )


def _float(text: object, name: str) -> float:
    try:
        return float.fromhex(text) if isinstance(text, str) else float("x")
    except (ValueError, OverflowError):
        raise InputError(f"{name} must be a hexadecimal float") from None


def _whole(number: object, least: int, most: int) -> TypeGuard[int]:
    return isinstance(number, int) and not isinstance(number, bool) and least <= number <= most


def _number(number: object) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number <= 1 << 53
