"""The files of instances and of a corpus: the same instances give the same bytes, and a folder appears whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress

import numpy as np

from fpsynth.aliases import PathLike
from fpsynth.corpus.counterexample import counterexample_text
from fpsynth.corpus.exporting.scripts import reproduce
from fpsynth.corpus.exporting.why import why
from fpsynth.corpus.instances import layout
from fpsynth.corpus.instances.data import RUNTIME, Corpus, Instance, Label
from fpsynth.corpus.instances.records import instance_to_json, require_category
from fpsynth.corpus.labels.environments import computed_from
from fpsynth.errors import InputError
from fpsynth.evaluators.real import exact_logits
from fpsynth.files import write_tree
from fpsynth.formats import FLOAT32
from fpsynth.networks.onnx import OPSET, onnx_bytes, require_checked
from fpsynth.verifiers.external.writing import Dialect, written
from fpsynth.witness.numerals import decimal_text
from fpsynth.wording import counted

ELEMENTS = {"float32": Dialect("2.0", element="float32"), "real": Dialect("2.0", element="real")}
ONE = Dialect("1.0", nested=True)

README = """\
Networks on which verifiers are wrong, and controls on which they should not be
================================================================================

{count} in {categories}; written by fpsynth {version},
seed {seed}.  "fpsynth corpus check" proves every label again.

CATEGORY/1.0, 2.0        the layout of the VNN competition, VNN-LIB 1.0 and 2.0:
                         onnx/, vnnlib/, and instances.csv with the same
                         instances in the same order
  counterexamples/       an input of the box that is unsafe, where there is one
  2.0/vnnlib/*.real...   the same query about real numbers instead of float32
CATEGORY/NAME/meta.json  what is true of the instance over the reals and in each
                         environment, and how that is known
CATEGORY/NAME/why.txt    how the outputs at the witness come about, layer by layer
CATEGORY/NAME/reproduce.py
                         runs the witness; it needs numpy and onnxruntime alone
                         (where it is known what onnxruntime gives)
manifest.json            the SHA-256 of every file

An instance asks for an input of a box whose outputs are unsafe; comparisons are
not strict.  The verdict of "real" is about exact arithmetic; that of an
environment, such as onnxruntime:batch=1, about what it computes, in the order
of additions that was revealed on the machine where the corpus was made.
"""


def files_of(instance: Instance) -> dict[str, bytes]:
    """Path to contents of all files that are this instance's alone.  Raises InputError for what cannot be written."""
    model = model_of(instance)
    place = (instance.category, instance.name)
    files = {layout.onnx(*place, version): model for version in layout.VERSIONS}
    files[layout.vnnlib(*place, "1.0")] = query(instance, ONE)
    files[layout.vnnlib(*place, "2.0")] = query(instance, ELEMENTS["float32"])
    files[layout.vnnlib_real(*place)] = query(instance, ELEMENTS["real"])
    if instance.witness:
        files |= {layout.counterexample(*place, version): text for version, text in _counterexamples(instance).items()}
    files[layout.meta(*place)] = record = _json(instance_to_json(instance))
    if len(record) > layout.MAX_RECORD:
        raise InputError(f"{instance.name}: what is known of it takes more than {layout.MAX_RECORD} bytes")
    return files | told_in(instance)


def told_in(instance: Instance) -> dict[str, bytes]:
    """The files for people: the computation told, and a script that runs it where it is known what onnxruntime gives."""
    place = (instance.category, instance.name)
    files = {layout.why(*place): why(instance)}
    with suppress(InputError):
        files[layout.reproduce(*place)] = reproduce(instance, layout.onnx_from_script(instance.name))
    return {path: text.encode("ascii") for path, text in files.items()}


def model_of(instance: Instance) -> bytes:
    """The network in ONNX.  Raises InputError where it cannot be written, or onnx's checker does not accept it."""
    model = onnx_bytes(instance.network, FLOAT32, form="gemm", batch=1, opset=OPSET)
    require_checked(model)
    return model


def _counterexamples(instance: Instance) -> dict[str, bytes]:
    """The witness with the outputs that RUNTIME, or whoever it is a witness in, computes: as pairs, and as tensors."""
    label = next(label for label in (instance.label(RUNTIME), *instance.labels) if label is not None and label.witness)
    outputs = witness_outputs(instance, label)
    network = instance.network.logits
    tensors = _tensor("X", instance.witness, network.input_shape) + _tensor("Y", outputs, network.output_shape)
    texts = {"1.0": counterexample_text(instance.witness, outputs), "2.0": "sat\n" + tensors}
    return {version: text.encode("ascii") for version, text in texts.items()}


def witness_outputs(instance: Instance, label: Label) -> tuple[float, ...]:
    """The outputs at a label's witness: as its environment computes them, or the exact ones, rounded once."""
    if label.computed is not None:
        computed = computed_from(label.computed, instance.network, label.semantics)
        row: list[float] = computed.outputs(np.array([label.witness]))[0].tolist()
        return tuple(row)
    return tuple(float(number) for number in exact_logits(instance.network, label.witness))


def _tensor(name: str, numbers: Sequence[float], shape: Sequence[int]) -> str:
    """A tensor as VNN-LIB 2.0 assigns it: its name, type and shape, and a number in each line."""
    sizes = ",".join(map(str, (1, *shape)))
    return "\n".join([f"{name} float32 [{sizes}]", *map(decimal_text, numbers)]) + "\n"


def query(instance: Instance, dialect: Dialect) -> bytes:
    """The property in VNN-LIB."""
    shapes = instance.network.input_shape, instance.network.logits.output_shape
    return written(instance.box, instance.unsafe, *shapes, dialect).encode("ascii")


def _json(data: object) -> bytes:
    return (json.dumps(data, indent=1, allow_nan=False) + "\n").encode("ascii")


def tree_of(corpus: Corpus, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """All files of a corpus, from those of its instances.  Raises InputError where they are too many."""
    tree = dict(files)
    for category in corpus.categories:
        for version in layout.VERSIONS:
            rows = (",".join(row) + "\n" for row in rows_of(corpus, category))
            tree[layout.table(category, version)] = "".join(rows).encode("ascii")
    tree[layout.README] = _readme(corpus)
    tree[layout.MANIFEST] = manifest = _json(_manifest(corpus, tree))
    if len(manifest) > layout.MAX_MANIFEST:
        raise InputError(f"a corpus of so many instances needs a manifest of more than {layout.MAX_MANIFEST} bytes")
    return tree


def rows_of(corpus: Corpus, category: str) -> list[list[str]]:
    """The rows of instances.csv, in either version."""
    here = (one for one in corpus.instances if one.category == category)
    return [[f"onnx/{one.name}.onnx", f"vnnlib/{one.name}.vnnlib", str(one.timeout)] for one in here]


def _readme(corpus: Corpus) -> bytes:
    count = counted(len(corpus.instances), "instance")
    categories = counted(len(corpus.categories), "category", "categories")
    return README.format(count=count, categories=categories, version=corpus.version, seed=corpus.seed).encode("ascii")


def _manifest(corpus: Corpus, tree: Mapping[str, bytes]) -> dict[str, object]:
    return {
        "schema": layout.SCHEMA,
        "schema_version": layout.VERSION,
        "fpsynth": corpus.version,
        "seed": corpus.seed,
        "environments": dict(sorted(corpus.environments.items())),
        "instances": [{"name": one.name, "category": one.category} for one in corpus.instances],
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(tree.items())},
    }


def write_corpus(corpus: Corpus, folder: PathLike) -> None:
    """Write a corpus into a new or empty folder.

    Raises InputError where it is not free or cannot be written, for a corpus without instances or with too many, for two of one
    name, and for a category that is called as all of them are.
    """
    if not 1 <= len(corpus.instances) <= layout.MAX_INSTANCES:
        raise InputError(f"a corpus has 1 to {layout.MAX_INSTANCES} instances, not {len(corpus.instances)}")
    for category in corpus.categories:
        require_category(category)
    if len({one.name for one in corpus.instances}) != len(corpus.instances):
        raise InputError("two instances of a corpus have the same name")
    files: dict[str, bytes] = {}
    for one in corpus.instances:
        files |= files_of(one)
    write_tree(folder, tree_of(corpus, files))
