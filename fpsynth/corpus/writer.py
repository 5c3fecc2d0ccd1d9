"""Writer: folders of files for other tools, from one witness or as a corpus in the layout of the VNN competition."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from fpsynth.aliases import PathLike
from fpsynth.corpus.benchmark import Benchmark
from fpsynth.errors import InputError
from fpsynth.files import write_tree
from fpsynth.formats import Format
from fpsynth.networks.network import stacked
from fpsynth.networks.onnx import require_format
from fpsynth.version import __version__
from fpsynth.witness import Witness
from fpsynth.witness.numerals import decimal_text, exact_text
from fpsynth.witness.prediction import inputs_of, outputs_of
from fpsynth.wording import counted

_SINGLE = {
    "witness": "witness.json",
    "onnx": "network.onnx",
    "vnnlib": "property.vnnlib",
    "vnnlib2": "property.{}.vnnlib",
    "counterexample": "counterexample.txt",
    "certifier": "certifier_network.txt",
    "certifier_query": "certifier_query.txt",
}

# in lines of 80 columns at most
README = """\
Networks and inputs on which a robustness certificate is wrong in floating point
================================================================================

Written by fpsynth {version}; {count}, listed in manifest.json
with the expected verdicts and the SHA-256 of every file.

instances.csv      one line per instance, without header: ONNX file, VNN-LIB 1.0
                   file, time limit in seconds
onnx/              the networks, opset 13, with one row of inputs X and of
                   outputs Y: of shape [1, n] and [1, m], or [1, channels,
                   height, width]
vnnlib/            the queries in VNN-LIB 1.0
vnnlib2/           the same queries in VNN-LIB 2.0, in pairs: the format of the
                   network, which demands an answer for the floating-point
                   network, and real, which permits reasoning over real numbers
counterexamples/   an input of the box with another class, and its logits as
                   predicted; exact decimals
witnesses/         the witnesses, which "fpsynth check" and "fpsynth replay"
                   read; large networks lie beside them in files of their own
certifier/         the networks and queries in the text format of the CAV 2025
                   certifier, where it can express them

Each query asks for an input of a box around a certified point whose class is
another one.  The comparison is not strict: a tie of two logits counts.  In
floating point the counterexample beside it is such an input.  Over the reals
there is none where the manifest says unsat: that is proved in exact arithmetic.
So a verifier that answers unsat (robust) for the floating-point network is
wrong, and one that reasons over the reals may be right and still certify a
network that fails.
"shown_by" in the manifest says what each expected verdict rests on: exact
evaluation in one order, the libraries that were run, or a proof.  "onnxruntime"
says sat only where ONNX Runtime was run and gave it; where it has no kernel for
the format (bfloat16, for one), the network is written all the same, if onnx's
checker accepts it, and the reason stands there.
VNN-LIB 1.0 has no floating-point types: its query states real bounds and means
the network as it is stored.
Other software may sum in another order or round otherwise: "fpsynth replay"
shows what yours computes.
"""


def write_witness_folder(witness: Witness, folder: PathLike) -> tuple[str, ...]:
    """Write everything about one witness into a new or empty folder; return what was left out, one line each.

    Files: witness.json (with a large network in a file beside it), network.onnx, the certifier's own text, VNN-LIB 1.0 and the
    2.0 pair, counterexample.txt.
    Raises InputError where the folder is not free or cannot be written, and for a witness whose classes are the same.
    """
    files, left_out = Benchmark(witness).files(_SINGLE)
    write_tree(folder, files)
    return left_out


def notes(witnesses: Sequence[Witness]) -> tuple[str, ...]:
    """What of the files of these witnesses cannot be used everywhere, each reason once (``*`` is any instance)."""
    names = _SINGLE if len(witnesses) == 1 else {**_SINGLE, "onnx": "onnx/*.onnx"}
    return tuple(dict.fromkeys(note for witness in witnesses for note in Benchmark(witness).notes(names)))


def require_corpus(fmt: Format) -> None:
    """Raise InputError where no network of the format can be an instance of a corpus, before any is looked for."""
    require_format(fmt)


def write_corpus(witnesses: Sequence[Witness], folder: PathLike, *, timeout: int = 60) -> tuple[str, ...]:
    """Write the witnesses as a corpus into a new or empty folder; return what was left out, one line each.

    ``timeout`` is the limit in seconds that instances.csv states.  The same witnesses give the same bytes.  The folder appears
    complete or not at all.  Raises InputError as ``write_witness_folder`` does, and where there are no witnesses.
    """
    if not witnesses:
        raise InputError("a corpus needs at least one witness")
    if timeout < 1:
        raise InputError("the time limit of an instance must be at least 1 second")
    tree: dict[str, bytes] = {}
    entries: list[dict[str, Any]] = []
    left_out: list[str] = []
    for number, witness in enumerate(witnesses):
        benchmark = Benchmark(witness)
        stem = "_".join((witness.question, witness.format.name, "x".join(map(str, _sizes(witness))), f"{number:03d}"))
        names = _corpus_names(stem)
        files, missing = benchmark.files(names)
        tree |= files
        left_out += missing
        entries.append(_entry(stem, benchmark, names, files, missing))
    rows = [(entry["files"].get("onnx"), entry["files"]["vnnlib"], timeout) for entry in entries]
    if not any(onnx for onnx, _, _ in rows):
        raise InputError(f"the corpus would have no instance: {left_out[0]}")
    tree["instances.csv"] = "".join(f"{onnx},{query},{limit}\n" for onnx, query, limit in rows if onnx).encode("ascii")
    tree["README.txt"] = README.format(version=__version__, count=counted(len(entries), "instance")).encode("ascii")
    manifest = {
        "schema": "fpsynth-corpus",
        "schema_version": 1,
        "fpsynth": __version__,
        "instances": entries,
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(tree.items())},
    }
    tree["manifest.json"] = (json.dumps(manifest, indent=1) + "\n").encode("ascii")
    write_tree(folder, tree)
    return tuple(left_out)


def _sizes(witness: Witness) -> tuple[int, ...]:
    """The widths of a stack of dense layers; of any other network how many inputs and outputs it has."""
    network = witness.network
    return network.widths if stacked(network) else (inputs_of(network), outputs_of(network))


def _corpus_names(stem: str) -> dict[str, str]:
    return {
        "witness": f"witnesses/{stem}.json",
        "onnx": f"onnx/{stem}.onnx",
        "vnnlib": f"vnnlib/{stem}.vnnlib",
        "vnnlib2": f"vnnlib2/{stem}.{{}}.vnnlib",
        "counterexample": f"counterexamples/{stem}.txt",
        "certifier": f"certifier/{stem}.network.txt",
        "certifier_query": f"certifier/{stem}.query.txt",
    }


def _entry(
    stem: str, benchmark: Benchmark, names: dict[str, str], files: dict[str, bytes], left_out: Sequence[str]
) -> dict[str, Any]:
    """What the manifest says of one instance."""
    witness, region = benchmark.witness, benchmark.region
    written = {role: name for role, name in names.items() if name in files}
    return {
        "name": stem,
        "question": witness.question,
        "dtype": witness.format.name,
        "shape": list(_sizes(witness)),
        "certified_class": benchmark.label,
        "counterexample_class": benchmark.wrong_label,
        "arithmetic": str(witness.deployment),
        "certifier": witness.claim.verifier,
        "radius": exact_text(witness.claim.radius),
        "box": {"lower": [decimal_text(b) for b in region.lower], "upper": [decimal_text(b) for b in region.upper]},
        "expected": benchmark.expected(),
        "shown_by": benchmark.shown_by(),
        "onnxruntime": benchmark.in_onnxruntime(),
        "confirmed_by": list(witness.confirmed_by),
        "files": {**written, "vnnlib2": {element: names["vnnlib2"].format(element) for element in benchmark.expected()}},
        "left_out": list(left_out),
    }
