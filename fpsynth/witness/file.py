"""Witness files: a witness as one JSON object, and back, trusting nothing; a large network in a file beside it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from fpsynth.aliases import PathLike
from fpsynth.errors import InputError
from fpsynth.files import TAKEN, read_limited, shown, write_atomically
from fpsynth.networks.foreign import recognised
from fpsynth.networks.network import Network
from fpsynth.witness.data import Witness
from fpsynth.witness.networks import INLINE, network_to_json, own_content, partner_name, write_beside
from fpsynth.witness.numerals import quoted
from fpsynth.witness.reading import Questions, witness_from_json
from fpsynth.witness.schema import require_valid
from fpsynth.witness.writing import witness_to_json

__all__ = ["MAX_BYTES", "files_beside", "from_json", "load", "parse", "save", "text", "to_json"]

MAX_BYTES = 64 << 20
"""The largest witness file that is read: a network of some 250 000 weights in float32."""
NEEDED = "a witness file (JSON, written by fpsynth)"


def to_json(witness: Witness, *, beside: PathLike | None = None) -> dict[str, Any]:
    """Return the witness as JSON data (version 3) that obeys the shipped schema.

    Its network is inside, whatever its size; but for one that lies in a file ``beside`` the witness file of that path, which
    is named instead.  Raises InputError where that path cannot be read.
    """
    partners = _partners(beside) if beside is not None else {}
    return witness_to_json(witness, lambda network: _named(network, partners)) if partners else witness_to_json(witness)


def from_json(data: object, folder: PathLike | None = None, questions: Questions | None = None) -> Witness:
    """Return what JSON data of any version describes; ``folder``: where the file of a large network lies.

    ``questions``: those that there are, whose witnesses must be as they say; None: any question.  Raises InputError, naming the
    field, for anything else.
    """
    return witness_from_json(data, folder, questions)


def text(witness: Witness) -> str:
    """The witness as JSON text, its network inside.  Raises InputError for one that could not be read back."""
    return _text(to_json(witness))


def _text(data: dict[str, Any]) -> str:
    require_valid(data)
    return json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def save(witness: Witness, path: PathLike, *, new: bool = False) -> None:
    """Write a witness file, whole or not at all, and beside it the file of a network of more than ``INLINE`` parameters.

    Raises InputError where the path cannot be written; if ``new``, or exists.
    """
    written, files = text_and_files(witness, Path(os.path.abspath(path)).stem)
    if new and os.path.lexists(path):  # before anything lies beside it
        raise InputError(f"cannot write {shown(path)}: {TAKEN}")
    for name, content in files.items():
        write_beside(content, name, os.path.dirname(os.path.abspath(path)))
    write_atomically(path, written, new=new)


def text_and_files(
    witness: Witness, owner: str, known: Mapping[str, str] = MappingProxyType({})
) -> tuple[str, dict[str, bytes]]:
    """The witness as JSON text, and the files of its large networks, which belong beside it, by name.

    ``owner``: the name of the witness file, or whatever else these files are of, without an ending.  ``known``: SHA-256 to name
    of files of networks that lie there anyway, which are named instead of written again.
    Raises InputError for one that could not be read back.
    """
    files: dict[str, bytes] = {}
    return _text(witness_to_json(witness, lambda network: _placed(network, owner, files, known))), files


def files_beside(path: PathLike) -> tuple[str, ...]:
    """The names of the files with networks that a witness file needs beside it, whether or not they are there.

    Raises InputError where the witness file cannot be read.
    """
    return tuple(dict.fromkeys(_partners(path).values()))


def _partners(path: PathLike) -> dict[str, str]:
    """SHA-256 to name of the files with networks that a witness file names.  Raises InputError where it cannot be read."""
    content = read_limited(path, MAX_BYTES)
    if '"file"' not in content:  # which is the rule, and sooner said than the numbers of a network are parsed
        return {}
    data = _json(content)
    holders = [data, *data.get("views", ())] if isinstance(data, dict) else []
    networks = [one.get("network") for one in holders if isinstance(one, dict)]
    pairs = [(one.get("sha256"), one.get("file")) for one in networks if isinstance(one, dict)]
    return {digest: name for digest, name in pairs if isinstance(digest, str) and isinstance(name, str)}


def _placed(network: Network, owner: str, files: dict[str, bytes], known: Mapping[str, str]) -> dict[str, Any]:
    """What stands for a network: itself, or the name of its file, whose content is put among the files."""
    if network.parameter_count <= INLINE:
        return network_to_json(network)
    digest, content = own_content(network)
    name = known.get(digest) or partner_name(owner, digest)
    if digest not in known:
        files[name] = content
    return {"file": name, "sha256": digest}


def _named(network: Network, partners: Mapping[str, str]) -> dict[str, Any]:
    """What stands for a network: the name of its file, where it has one among ``partners``, or itself."""
    if network.parameter_count <= INLINE:
        return network_to_json(network)
    digest, _ = own_content(network)
    return {"file": partners[digest], "sha256": digest} if digest in partners else network_to_json(network)


def load(path: PathLike, questions: Questions | None = None) -> Witness:
    """Read a witness file; ``questions`` as in ``from_json``.

    Raises InputError with one line, naming the file and the field, for whatever is wrong with it.
    """
    content = None
    try:
        content = read_limited(path, MAX_BYTES)
        return parse(content, os.path.dirname(os.path.abspath(path)), questions)
    except InputError as error:
        kind = recognised(path)
        if kind is not None:
            raise InputError(f"{shown(path)} is {kind.name}; what is needed is {NEEDED}") from None
        raise InputError(f"{shown(path)}: {error}" if content is not None else str(error)) from None


def parse(content: str, folder: PathLike | None = None, questions: Questions | None = None) -> Witness:
    """Read the text of a witness file.  Raises InputError, naming the field, for whatever is wrong with it."""
    return from_json(_json(content), folder, questions)


def _json(content: str) -> Any:
    """Parse JSON strictly: no repeated names, no NaN, no numbers that overflow, no bottomless nesting."""
    try:
        return json.loads(
            content, object_pairs_hook=_distinct, parse_constant=_no_constant, parse_float=_finite, parse_int=_short_integer
        )
    except InputError:
        raise
    except RecursionError:
        raise InputError("the file is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"the file is truncated or not JSON: {error.msg} at line {error.lineno} column {error.colno}"
        ) from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise InputError(f"the name {quoted(name)} is repeated in one object")
            seen.add(name)
    return result


def _no_constant(name: str) -> NoReturn:
    raise InputError(f"{name} is not a JSON number")


def _finite(numeral: str) -> float:
    number = float(numeral)
    if number in (float("inf"), float("-inf")):
        raise InputError(f"the number {numeral[:60]} is too large")
    return number


def _short_integer(numeral: str) -> int:
    if len(numeral) > 300:  # beyond that a float64 could not hold it
        raise InputError(f"the number {numeral[:60]}... is too large")
    return int(numeral)
