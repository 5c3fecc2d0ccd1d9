"""The matrix for real, on few environments: every pair of arithmetics has a detector that the libraries confirm."""

from __future__ import annotations

import pytest

from fpsynth import api
from fpsynth.errors import InputError
from fpsynth.formats import BFLOAT16
from fpsynth.libraries.kernels import Environment
from fpsynth.synthesis.matrix import published


def test_every_pair_of_different_arithmetics_of_numpy_and_torch_is_told_apart() -> None:
    pytest.importorskip("torch")
    found = api.matrix(terms=16, outputs=2, batches=(1, 4), libraries=("numpy", "torch"), settings=False, vectors=500)
    assert len(found.members) == 10
    assert all(member.reveal is not None and member.reveal.explained for member in found.members)
    assert len(found.classes) > 1
    assert len(found.cells) == len(found.classes) * (len(found.classes) - 1) // 2
    assert found.confirmed == len(found.cells), [cell.reason for cell in found.cells if not cell.confirmed]
    for cell in found.cells:
        assert cell.divergence is not None
        a, b = (view.logits[0] for view in cell.divergence.views)
        assert a < 0 < b
    assert [known.name for known in found.published] == ["Precision", "Order1", "Order2", "Order3"]


def test_a_library_that_cannot_be_revealed_at_all_is_said() -> None:
    with pytest.raises(InputError, match="no environment could be revealed"):
        api.matrix(terms=8, dtype="tf32", batches=(1,), libraries=("numpy",), settings=False, vectors=100)


def test_a_published_detector_that_the_format_cannot_hold_is_left_out() -> None:
    assert "Order2" not in [known.name for known in published([], BFLOAT16, 2, None)]
    assert Environment("numpy", "matmul").device == "cpu"
