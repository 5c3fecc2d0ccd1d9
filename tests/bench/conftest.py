"""The corpus of these tests, made once for each file."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench_corpus import written

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus as a folder."""
    return written(tmp_path_factory.mktemp("bench") / "corpus")
