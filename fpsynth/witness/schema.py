"""The schemas of witness files, and the part of JSON Schema 2020-12 that it uses, checked without a package."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

from fpsynth.errors import InputError
from fpsynth.witness.numerals import quoted

SCHEMA_NAME = "fpsynth-witness"
SCHEMA_VERSION = 3
"""Of files that are written; 1 (ties) and 2 (two views of one point) are read for ever."""

Schema = Mapping[str, Any]

_TYPES: dict[str, Callable[[object], bool]] = {
    "null": lambda v: v is None,
    "boolean": lambda v: isinstance(v, bool),
    # JSON knows one kind of number: 1.0 is an integer
    "integer": lambda v: not isinstance(v, bool) and (isinstance(v, int) or (isinstance(v, float) and v.is_integer())),
    "number": lambda v: not isinstance(v, bool) and isinstance(v, int | float) and abs(v) < math.inf,
    "string": lambda v: isinstance(v, str),
    "array": lambda v: isinstance(v, list),
    "object": lambda v: isinstance(v, dict),
}
_NAMES = {
    "null": "null",
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "string": "text",
    "array": "a list",
    "object": "an object",
}
KEYWORDS = frozenset({"type", "const", "enum", "anyOf", "$ref", "pattern", "minLength", "maxLength", "minimum", "maximum"})
KEYWORDS |= {
    "minItems",
    "maxItems",
    "items",
    "required",
    "properties",
    "additionalProperties",
    "propertyNames",
    "maxProperties",
}
"""The keywords that constrain a value here; a schema with others would be checked incompletely."""
ANNOTATIONS = frozenset(("$schema", "$defs", "title", "description"))


@lru_cache(maxsize=4)
def witness_schema(version: int = SCHEMA_VERSION) -> Schema:
    """Return the shipped JSON Schema of witness files of a version, 1 to 3."""
    schema: Schema = json.loads(resources.files("fpsynth.witness").joinpath(f"version{version}.schema.json").read_text("utf-8"))
    return schema


def version_of(data: object) -> int:
    """The version that parsed JSON says it is of (1 where what it says is none: the schema then refuses it).

    Raises InputError for data that is no witness, and for versions that are newer than this fpsynth.
    """
    if not isinstance(data, dict):
        _refuse(data, {"title": f"an fpsynth witness, version 1 to {SCHEMA_VERSION}"}, "")
    elif data.get("schema") != SCHEMA_NAME:
        said = data.get("schema")
        own = isinstance(said, str) and said.startswith("fpsynth-") and len(said) < 40
        beside = ": the witness of a backdoor is witness.json beside it" if said == "fpsynth-backdoor" else ""
        what = f"this is {quoted(said)}, not a witness file{beside}" if own else "this is not a witness file"
        raise InputError(f"schema: {what} (it must say {SCHEMA_NAME!r})")
    else:
        version = data.get("schema_version")
        if isinstance(version, int) and not isinstance(version, bool) and version > SCHEMA_VERSION:
            raise InputError(
                f"schema_version: {quoted(version)} is newer than {SCHEMA_VERSION}, the newest that this fpsynth reads"
            )
        for known in range(1, SCHEMA_VERSION + 1):
            if _same(version, known):
                return known
    return 1


def require_valid(data: object) -> None:
    """Raise InputError, naming the field, unless ``data`` (parsed JSON) obeys the shipped schema of its version."""
    root = witness_schema(version_of(data))
    _check(data, root, "", root)


def _check(value: object, schema: Schema, where: str, root: Schema) -> None:
    """Check one value against one schema of ``root``.  ``where`` is the path of the value, empty for the whole file."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    if "anyOf" in schema:
        # every choice in the schema is between null and something: what is wrong is said of the something
        nullable = [choice for choice in schema["anyOf"] if choice.get("type") == "null"]
        others = [choice for choice in schema["anyOf"] if choice.get("type") != "null"]
        if not (nullable and value is None):
            (only,) = others
            _check(value, only, where, root)
        return
    if not _plain(value, schema):
        _refuse(value, schema, where)
    if isinstance(value, list):
        for index, item in enumerate(value if "items" in schema else ()):
            _check(item, schema["items"], f"{where}[{index}]", root)
    elif isinstance(value, dict):
        _check_object(value, schema, where, root)


def _check_object(value: Mapping[str, object], schema: Schema, where: str, root: Schema) -> None:
    prefix = f"{where}." if where else ""
    for name in schema.get("required", ()):
        if name not in value:
            raise InputError(f"{prefix}{name}: is missing")
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name, item in value.items():
        field = prefix + (name if re.fullmatch(r"\w{1,60}", name, re.ASCII) else quoted(name))
        if "propertyNames" in schema:
            _check(name, schema["propertyNames"], f"{field} (the name)", root)
        if name in known:
            _check(item, known[name], field, root)
        elif others is False:
            raise InputError(f"{field}: is unknown here")
        elif others is not True:
            _check(item, others, field, root)


def _plain(value: object, schema: Schema) -> bool:
    """Whether a value obeys everything but what is said of the values inside it."""
    types = schema.get("type", [])
    if types and not any(_TYPES[name](value) for name in ([types] if isinstance(types, str) else types)):
        return False
    if "const" in schema and not _same(value, schema["const"]):
        return False
    if "enum" in schema and not any(_same(value, choice) for choice in schema["enum"]):
        return False
    if isinstance(value, str):
        return _plain_text(value, schema)
    if isinstance(value, list):
        return bool(schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", math.inf))
    if isinstance(value, dict):
        return bool(len(value) <= schema.get("maxProperties", math.inf))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return bool(schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf))
    return True


def _plain_text(value: str, schema: Schema) -> bool:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", math.inf):
        return False
    try:
        value.encode("utf-8")  # half a surrogate pair is no text: nobody could print it
    except UnicodeEncodeError:
        return False
    return "pattern" not in schema or _pattern(schema["pattern"]).search(value) is not None


@lru_cache(maxsize=64)
def _pattern(pattern: str) -> re.Pattern[str]:
    """An ECMA 262 pattern of the schema in Python's notation, where ``$`` would also stand before a last line break."""
    return re.compile(pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern)


def _same(value: object, constant: object) -> bool:
    """Equality of JSON values that are no containers: true is not 1."""
    return isinstance(value, bool) == isinstance(constant, bool) and value == constant


def _refuse(value: object, schema: Schema, where: str) -> None:
    if "title" in schema:
        wanted = schema["title"]
    elif "const" in schema:
        wanted = json.dumps(schema["const"])
    else:
        types = schema["type"]
        wanted = " or ".join(_NAMES[name] for name in ([types] if isinstance(types, str) else types))
    if isinstance(value, dict):
        got = "an object"
    elif isinstance(value, list):
        got = f"a list of {len(value)}"
    else:
        got = {True: "true", False: "false", None: "null"}[value] if value is None or isinstance(value, bool) else quoted(value)
    raise InputError(f"{where or 'the file'}: must be {wanted}, not {got}")
