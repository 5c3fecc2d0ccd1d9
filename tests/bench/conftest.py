"""The corpus of these tests, made once and written into by none of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench_corpus import written

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus as a folder."""
    return written(tmp_path_factory.mktemp("bench") / "corpus")
