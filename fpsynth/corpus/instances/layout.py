"""Where the files of a corpus lie: NAME/{1.0,2.0}/{onnx,vnnlib}, NAME being the category, as the VNN competition has it."""

from __future__ import annotations

MANIFEST = "manifest.json"
SCHEMA, VERSION = "fpsynth-instances", 1
"""Of the manifest."""
META_SCHEMA, META_VERSION = "fpsynth-instance", 1
"""Of each meta.json."""
README = "README.txt"
TABLE = "instances.csv"
RECORD = "meta.json"
"""Of an instance."""
MAX_INSTANCES = 10_000
"""Of a corpus."""
MAX_MANIFEST = 1 << 25
"""Bytes; that of a corpus with as many instances as there may be has a third of them, unless names are long."""
MAX_RECORD = 1 << 20
"""Bytes of a meta.json; those of ``corpus make`` have some thousands."""
ALL = "all"
"""No category: it stands for all of them."""
VERSIONS = ("1.0", "2.0")
"""Of VNN-LIB."""


def onnx(category: str, name: str, version: str) -> str:
    """The model."""
    return f"{category}/{version}/onnx/{name}.onnx"


def vnnlib(category: str, name: str, version: str) -> str:
    """The query: of version 2.0 the one that declares float32."""
    return f"{category}/{version}/vnnlib/{name}.vnnlib"


def vnnlib_real(category: str, name: str) -> str:
    """The query of version 2.0 that declares real."""
    return f"{category}/2.0/vnnlib/{name}.real.vnnlib"


def table(category: str, version: str) -> str:
    """The rows onnx, vnnlib, seconds: the same instances in the same order in both versions."""
    return f"{category}/{version}/{TABLE}"


def counterexample(category: str, name: str, version: str) -> str:
    """The witness in the form that the version has."""
    return f"{category}/{version}/counterexamples/{name}.txt"


def meta(category: str, name: str) -> str:
    """Everything that is known of an instance."""
    return f"{category}/{name}/{RECORD}"


def why(category: str, name: str) -> str:
    """The computation at the witness, told step by step."""
    return f"{category}/{name}/why.txt"


def reproduce(category: str, name: str) -> str:
    """A script that runs the witness with onnxruntime alone."""
    return f"{category}/{name}/reproduce.py"


def onnx_from_script(name: str) -> str:
    """The model, seen from the folder of ``reproduce``."""
    return f"../1.0/onnx/{name}.onnx"
