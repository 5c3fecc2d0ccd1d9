"""read_corpus: a folder of instances, every file compared with the manifest, and every record with the files beside it.

Files of strangers: each is read within a limit of its kind, one after the other, and none is kept once it is understood.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from fpsynth.aliases import PathLike
from fpsynth.corpus.instances import layout
from fpsynth.corpus.instances.data import Corpus, Instance
from fpsynth.corpus.instances.records import Fields, instance_from_json
from fpsynth.corpus.instances.storing import rows_of
from fpsynth.errors import ContradictionError, InputError
from fpsynth.files import digested, read_bytes_limited, shown
from fpsynth.formats import FLOAT32
from fpsynth.networks.network import Network
from fpsynth.networks.onnx import network_from_onnx
from fpsynth.verifiers.external.outputs import assignment
from fpsynth.verifiers.properties import Property
from fpsynth.verifiers.vnnlib import parse_vnnlib
from fpsynth.witness.numerals import quoted

MAX_RECORDS = 1 << 28
"""Bytes of all records together, as what they say is kept."""
MAX_TEXT = 1 << 23
"""Of each query, witness and table, of which the numbers are read."""
MAX_FILE = 1 << 26
"""Of each other file."""
MAX_BYTES = 1 << 31
"""Of all files together."""


def read_corpus(folder: PathLike) -> Corpus:
    """The corpus in a folder.

    Raises InputError, one line, where the folder holds none, where a file is missing, has changed, or is not in the manifest's
    form, and where the record of an instance is not of the network and the query beside it.
    """
    manifest = _manifest(folder)
    files = _Files(folder, manifest["sha256"], MAX_RECORDS)
    files.require_all()
    instances = []
    for one in manifest["instances"]:
        try:
            instances.append(_instance(files, one["category"], one["name"]))
        except InputError as error:
            raise InputError(f"{shown(folder)}: {one['name']}: {error}") from None
    corpus = Corpus(tuple(instances), manifest["seed"], manifest["environments"], manifest["fpsynth"])
    _require_tables(folder, corpus, files)
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
    content = read_bytes_limited(path, layout.MAX_MANIFEST)
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        raise InputError(f"{shown(path)} is not JSON") from None
    try:
        return _fields(Fields(data, "the manifest"))
    except InputError as error:
        raise InputError(f"{shown(path)}: {error}") from None


def _fields(fields: Fields) -> dict[str, Any]:
    fields.schema(layout.SCHEMA, layout.VERSION)
    instances = [{"name": one.name("name"), "category": one.category("category")} for one in fields.members("instances")]
    if not 1 <= len(instances) <= layout.MAX_INSTANCES or len({one["name"] for one in instances}) != len(instances):
        raise InputError(f"a corpus has 1 to {layout.MAX_INSTANCES} instances, each with a name of its own")
    environments, digests = fields.value("environments", dict), fields.value("sha256", dict)
    for name, text in (*environments.items(), *digests.items()):
        if not isinstance(text, str) or not text.isprintable() or not name.isprintable():
            raise InputError("environments and sha256 must be texts by name")
    seed = fields.value("seed", int)
    version = fields.text("fpsynth")
    fields.require_no_more()
    return {"instances": instances, "environments": environments, "sha256": digests, "seed": seed, "fpsynth": version}


@dataclass
class _Files:
    """The files that a manifest names, by their paths from the folder.  Files that it does not name are left alone."""

    folder: PathLike
    digests: Mapping[str, str]
    left: int
    """How many bytes of records may still be read."""

    def require_all(self) -> None:
        """Raise InputError where one is missing, too large, has changed or lies elsewhere."""
        left = MAX_BYTES
        for name, digest in self.digests.items():
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or "\\" in name:
                raise InputError(f"{shown(self.folder)}: {quoted(name)} does not stay in the folder")
            found, size = digested(os.path.join(self.folder, name), min(left, _most(name)))
            left -= size
            self._require(name, found == digest)

    def read(self, name: str, most: int = MAX_FILE) -> bytes:
        """What one holds.  Raises InputError where it is not in the manifest, is too large, or has changed meanwhile."""
        if name not in self.digests:
            raise InputError(f"{name} is not in the manifest")
        data = read_bytes_limited(os.path.join(self.folder, name), most)
        self._require(name, hashlib.sha256(data).hexdigest() == self.digests[name])
        return data

    def text(self, name: str) -> str:
        """The same of a query, a witness or a table.  Raises InputError where it is not ASCII, too."""
        try:
            return self.read(name, MAX_TEXT).decode("ascii")
        except UnicodeDecodeError:
            raise InputError(f"{name} is not ASCII text") from None

    def record(self, name: str) -> bytes:
        """The same of a meta.json.  Raises InputError where all of them together are too large, too."""
        data = self.read(name, layout.MAX_RECORD)
        self.left -= len(data)
        if self.left < 0:
            raise InputError(f"the records of all instances together are larger than {MAX_RECORDS} bytes")
        return data

    def _require(self, name: str, same: bool) -> None:
        if not same:
            raise InputError(
                f"{shown(self.folder)}: {shown(name)} is not the file that the manifest names: its SHA-256 differs"
            )


def _most(name: str) -> int:
    return layout.MAX_RECORD if PurePosixPath(name).name == layout.RECORD else MAX_FILE


def _instance(files: _Files, category: str, name: str) -> Instance:
    place = (category, name)
    model = files.read(layout.onnx(*place, "1.0"))
    if files.read(layout.onnx(*place, "2.0")) != model:
        raise InputError("the models of 1.0 and 2.0 differ")
    instance = instance_from_json(_data(files.record(layout.meta(*place))), network_of(model))
    if (instance.category, instance.name) != place:
        raise InputError("its record is of another instance")
    queries = {layout.vnnlib(*place, version): "real" if version == "1.0" else "float32" for version in layout.VERSIONS}
    for path, element in {**queries, layout.vnnlib_real(*place): "real"}.items():
        _require_query(instance, files.text(path), element, path)
    for version in layout.VERSIONS if instance.witness else ():
        path = layout.counterexample(*place, version)
        if assignment(files.text(path))[0] != instance.witness:
            raise InputError(f"{path}: is not the witness that meta.json says")
    return instance


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


def _require_tables(folder: PathLike, corpus: Corpus, files: _Files) -> None:
    for category in corpus.categories:
        rows = rows_of(corpus, category)
        for version in layout.VERSIONS:
            path = layout.table(category, version)
            if list(csv.reader(io.StringIO(files.text(path)))) != rows:
                raise InputError(f"{shown(folder)}: {path} does not list the instances of the manifest in their order")


def _require_controls(folder: PathLike, corpus: Corpus) -> None:
    controlled = {one.name: one.control_of for one in corpus.instances}
    for name, of in controlled.items():
        if of and of not in controlled:
            raise InputError(f"{shown(folder)}: {name} is a control of {quoted(of)}, which is not there")
        if of and controlled[of]:
            raise InputError(f"{shown(folder)}: {name} is a control of {quoted(of)}, which is a control itself")
