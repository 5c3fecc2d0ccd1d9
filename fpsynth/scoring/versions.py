"""Whether a process of another machine would answer and judge as this one: the versions of all that takes part."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping

import numpy as np

from fpsynth.errors import InputError
from fpsynth.files import read_bytes_limited
from fpsynth.scoring.asking import MAX_BYTES, AskedVerifier
from fpsynth.verifiers.external.running_onnx import runtime_version
from fpsynth.version import __version__


def judging_versions() -> dict[str, str]:
    """Of what reads instances and judges answers, by its name.  Raises MissingPackageError without onnxruntime."""
    return {"fpsynth": __version__, "numpy": np.__version__, "onnxruntime": runtime_version()}


def require_same(wanted: Mapping[str, str], asked: AskedVerifier) -> None:
    """Raise InputError where versions here are not those that are wanted, or the verifier is not of the version it had there.

    ``wanted``: what ``judging_versions`` said where the bench was asked.
    """
    here = judging_versions()
    pairs = [(name, here.get(name, "none"), version) for name, version in wanted.items()]
    pairs.append((asked.name, version_of(asked), asked.version))
    for name, found, version in pairs:
        if found != version:
            raise InputError(f"{name} is {_words(found)} on {platform.node()}, and {_words(version)} where the bench was asked")


def version_of(asked: AskedVerifier) -> str:
    """What a verifier says of itself in this process, of a file the digest.  Raises InputError where it is not there."""
    if asked.kind == "file":
        return hashlib.sha256(read_bytes_limited(asked.what, MAX_BYTES)).hexdigest()
    return asked.tool().version()


def _words(version: str) -> str:
    return version[:40] or "of no known version"
