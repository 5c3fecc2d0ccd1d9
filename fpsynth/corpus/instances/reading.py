"""read_corpus: a folder of instances, every file compared with the manifest, and every record with the files beside it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from pathlib import PurePosixPath
from typing import Any

from fpsynth.aliases import PathLike
from fpsynth.corpus.instances import layout
from fpsynth.corpus.instances.data import Corpus, Instance
from fpsynth.corpus.instances.records import Fields, instance_from_json
from fpsynth.corpus.instances.storing import rows_of
from fpsynth.errors import ContradictionError, InputError
from fpsynth.files import read_bytes_limited, shown
from fpsynth.formats import FLOAT32
from fpsynth.networks.network import Network
from fpsynth.networks.onnx import network_from_onnx
from fpsynth.verifiers.external.outputs import assignment
from fpsynth.verifiers.properties import Property
from fpsynth.verifiers.vnnlib import parse_vnnlib
from fpsynth.witness.numerals import quoted

MAX_INSTANCES = 100_000
MAX_FILE = 1 << 28
MAX_MANIFEST = 1 << 28
MAX_BYTES = 8 << 30
"""Of all files together."""


def read_corpus(folder: PathLike) -> Corpus:
    """The corpus in a folder.

    Raises InputError, one line, where the folder holds none, where a file is missing, has changed, or is not in the manifest's
    form, and where the record of an instance is not of the network and the query beside it.
    """
    manifest = _manifest(folder)
    contents = _contents(folder, manifest["sha256"])
    instances = []
    for one in manifest["instances"]:
        try:
            instances.append(_instance(contents, one["category"], one["name"]))
        except InputError as error:
            raise InputError(f"{shown(folder)}: {one['name']}: {error}") from None
    corpus = Corpus(tuple(instances), manifest["seed"], manifest["environments"], manifest["fpsynth"])
    _require_tables(folder, corpus, contents)
    _require_controls(folder, corpus)
    return corpus


def require_readable(corpus: Corpus, folder: PathLike) -> None:
    """Raise ContradictionError where what was written is not read back as it is."""
    if read_corpus(folder) != corpus:
        raise ContradictionError(f"{shown(folder)} is not read back as it was made")


def _manifest(folder: PathLike) -> dict[str, Any]:
    path = os.path.join(folder, layout.MANIFEST)
    if not os.path.isdir(folder):
        raise InputError(f"{shown(folder)} is not a folder")
    try:
        data = json.loads(read_bytes_limited(path, MAX_MANIFEST))
    except (ValueError, RecursionError):
        raise InputError(f"{shown(path)} is not JSON") from None
    try:
        return _fields(Fields(data, "the manifest"))
    except InputError as error:
        raise InputError(f"{shown(path)}: {error}") from None


def _fields(fields: Fields) -> dict[str, Any]:
    fields.schema(layout.SCHEMA, layout.VERSION)
    instances = [{"name": one.name("name"), "category": one.name("category")} for one in fields.members("instances")]
    if not 1 <= len(instances) <= MAX_INSTANCES or len({one["name"] for one in instances}) != len(instances):
        raise InputError(f"a corpus has 1 to {MAX_INSTANCES} instances, each with a name of its own")
    environments, digests = fields.value("environments", dict), fields.value("sha256", dict)
    for name, text in (*environments.items(), *digests.items()):
        if not isinstance(text, str) or not text.isprintable() or not name.isprintable():
            raise InputError("environments and sha256 must be texts by name")
    seed = fields.value("seed", int)
    version = fields.text("fpsynth")
    fields.require_no_more()
    return {"instances": instances, "environments": environments, "sha256": digests, "seed": seed, "fpsynth": version}


def _contents(folder: PathLike, digests: dict[str, str]) -> dict[str, bytes]:
    """Every file that the manifest names.  Files that it does not name are left alone."""
    contents, left = {}, MAX_BYTES
    for name, digest in digests.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name:
            raise InputError(f"{shown(folder)}: {quoted(name)} does not stay in the folder")
        contents[name] = read_bytes_limited(os.path.join(folder, name), min(left, MAX_FILE))
        left -= len(contents[name])
        if hashlib.sha256(contents[name]).hexdigest() != digest:
            raise InputError(f"{shown(folder)}: {shown(name)} is not the file that the manifest names: its SHA-256 differs")
    return contents


def _instance(contents: dict[str, bytes], category: str, name: str) -> Instance:
    place = (category, name)
    model = _file(contents, layout.onnx(*place, "1.0"))
    if _file(contents, layout.onnx(*place, "2.0")) != model:
        raise InputError("the models of 1.0 and 2.0 differ")
    instance = instance_from_json(_data(_file(contents, layout.meta(*place))), network_of(model))
    if (instance.category, instance.name) != place:
        raise InputError("its record is of another instance")
    queries = {layout.vnnlib(*place, version): "real" if version == "1.0" else "float32" for version in layout.VERSIONS}
    for path, element in {**queries, layout.vnnlib_real(*place): "real"}.items():
        _require_query(instance, _text(_file(contents, path), path), element, path)
    for version in layout.VERSIONS if instance.witness else ():
        path = layout.counterexample(*place, version)
        if assignment(_text(_file(contents, path), path))[0] != instance.witness:
            raise InputError(f"{path}: is not the witness that meta.json says")
    return instance


def _file(contents: dict[str, bytes], path: str) -> bytes:
    if path not in contents:
        raise InputError(f"{path} is not in the manifest")
    return contents[path]


def _text(data: bytes, path: str) -> str:
    try:
        return data.decode("ascii")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not ASCII text") from None


def _data(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise InputError("meta.json is not JSON") from None


def network_of(model: bytes) -> Network:
    """The network of a model.  Raises InputError for one that is not of float32, or no network."""
    network, fmt = network_from_onnx(model)
    if fmt != FLOAT32:
        raise InputError(f"the model is of {fmt}, not of float32")
    return network


def _require_query(instance: Instance, text: str, element: str, path: str) -> None:
    """Raise InputError where a query is not about the box, the outputs and the element type that the record says."""
    try:
        query = parse_vnnlib(text)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if query.element != element or len(query.boxes) != 1:
        raise InputError(f"{path}: is not one box of {element} numbers")
    ((box, unsafe),) = query.boxes
    if box != instance.box or _meaning(unsafe) != _meaning(instance.unsafe):
        raise InputError(f"{path}: asks something else than meta.json says")


def _meaning(unsafe: Property) -> set[frozenset[tuple[object, ...]]]:
    """A property whatever the order of its parts."""
    return {
        frozenset((frozenset(one.coefficients), one.bound, one.strict) for one in conjunction) for conjunction in unsafe.unsafe
    }


def _require_tables(folder: PathLike, corpus: Corpus, contents: dict[str, bytes]) -> None:
    for category in corpus.categories:
        rows = rows_of(corpus, category)
        for version in layout.VERSIONS:
            path = layout.table(category, version)
            if list(csv.reader(io.StringIO(_text(_file(contents, path), path)))) != rows:
                raise InputError(f"{shown(folder)}: {path} does not list the instances of the manifest in their order")


def _require_controls(folder: PathLike, corpus: Corpus) -> None:
    controlled = {one.name: one.control_of for one in corpus.instances}
    for name, of in controlled.items():
        if of and of not in controlled:
            raise InputError(f"{shown(folder)}: {name} is a control of {quoted(of)}, which is not there")
        if of and controlled[of]:
            raise InputError(f"{shown(folder)}: {name} is a control of {quoted(of)}, which is a control itself")
