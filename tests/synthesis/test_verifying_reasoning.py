"""What is said of a library rests on all that was tried of it being explained, and of all rows of a batch."""

from __future__ import annotations

import numpy as np
import pytest

import fpsynth
from fpsynth.formats import FLOAT32
from fpsynth.networks.network import Network, dense_relu
from fpsynth.networks.npz_graph import write_npz
from fpsynth.report.stories import verifying as stories
from fpsynth.synthesis.verifying import run
from fpsynth.synthesis.verifying.reasoning import Reasoned
from fpsynth.verifiers.relaxations.reasoning import sound

IDENTITY = dense_relu([(np.eye(2), None)])
WHERE = "numpy:batch=4"


def reasoned(network: Network, explained: tuple[int, int], rows_differ: bool) -> Reasoned:
    return Reasoned(sound(FLOAT32), network, WHERE, explained, (), rows_differ)


@pytest.mark.parametrize(
    ("explained", "rows_differ", "sat", "unsat"),
    [
        ((9, 9), False, "sat", "unsat"),
        ((9, 9), True, "sat", "unknown"),
        ((8, 9), False, "unknown", "unknown"),
        ((0, 0), False, "unknown", "unknown"),
    ],
)
def test_verdicts_are_of_the_library_where_all_of_it_is_explained(explained, rows_differ, sat, unsat) -> None:
    known = reasoned(IDENTITY, explained, rows_differ)
    for verdict, wanted in (("sat", sat), ("unsat", unsat), ("unknown", "unknown")):
        told, doubt = known.borne(verdict)
        assert told == wanted
        assert bool(doubt) == (wanted != verdict)
    assert Reasoned(sound(FLOAT32), IDENTITY).borne("unsat") == ("unsat", "")


@pytest.mark.parametrize(("label", "verdict"), [(0, "sat"), (1, "unsat")])
def test_no_verdict_and_no_bound_is_said_of_a_library_that_is_not_explained(label, verdict, tmp_path, monkeypatch) -> None:
    """Its results may lie elsewhere: neither what is unsafe nor what is safe in the revealed arithmetics is so there."""
    write_npz(IDENTITY, tmp_path / "n.npz")
    monkeypatch.setattr(run, "reasoned", lambda *arguments: reasoned(IDENTITY, (312, 320), False))
    asked = {"box": "1:1,2:2", "label": label, "verifier": "bab", "arithmetic": f"sound:{WHERE}"}
    found = fpsynth.verify(tmp_path / "n.npz", **asked)
    assert (found.verdict, found.claims[0].verdict) == ("unknown", verdict)
    assert found.reason == f"{verdict} in the revealed arithmetics, but {WHERE} is explained in 312 of 320 results only"
    text = " ".join(fpsynth.render(found).split())
    assert f"Bounds are computed for the arithmetics that were revealed of {WHERE}, not for all that it computes." in text
    assert stories.verification_json(found)["verdict"] == "unknown"
