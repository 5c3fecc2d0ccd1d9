"""Packages by what pip calls what brings them: for messages that say what is to be installed."""

from __future__ import annotations

EXTRAS = {
    "torch": "torch",
    "tensorflow": "tensorflow",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "jax": "jax",
    "cupy": "cupy",
    "z3": "solvers",
    "bitwuzla": "solvers",
    "cvc5": "solvers",
    "python-flint": "certifiers",
    "sympy": "explain",
}
"""Package to the extra of fpsynth that brings it."""


def how_to_install(package: str) -> str:
    """The command that installs a package that fpsynth uses."""
    extra = EXTRAS.get(package)
    if extra is None:
        return f"pip install {package}"
    return f"pip install 'fpsynth[{extra}]' (in a checkout: pip install '.[{extra}]')"
