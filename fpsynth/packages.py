"""Packages by what pip calls what brings them: what is installed, and for messages what is to be."""

from __future__ import annotations

import functools

EXTRAS = {
    "torch": "torch",
    "tensorflow": "tensorflow",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "jax": "jax",
    "h5py": "keras",
    "cupy": "cupy",
    "python-flint": "certifiers",
    "sympy": "explain",
    "numba": "fast",
    "distributed": "dask",
    "scipy": "verifiers",
    "highspy": "verifiers",
    "pyscipopt": "verifiers",
}
"""Package to the extra of fpsynth that brings it; of a solver its engine says that."""


def how_to_install(package: str, extra: str | None = None) -> str:
    """The command that installs a package that fpsynth uses; ``extra``: what brings it, where ``EXTRAS`` does not say that.

    That of a checkout comes first: fpsynth is in no index, so its bare name stands for nothing until it is installed.
    """
    extra = EXTRAS.get(package, "") if extra is None else extra
    if not extra:
        return f"pip install {package}"
    return f"pip install -e '.[{extra}]' in the checkout (where fpsynth is installed already: pip install 'fpsynth[{extra}]')"


@functools.cache
def package_version(package: str) -> str | None:
    """The installed version of a distribution, without importing it; None where there is none.  Looked up once."""
    import importlib.metadata

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
