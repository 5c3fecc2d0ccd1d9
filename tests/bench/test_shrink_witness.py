"""shrink of a witness: simpler numbers that still diverge, every claim of the new file computed again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import fpsynth_here

import fpsynth
from fpsynth.errors import InputError
from fpsynth.scoring.shrinking.instances import ShrinkRequest
from fpsynth.scoring.shrinking.size import costs
from fpsynth.scoring.shrinking.witnesses import RESULT, ShrunkWitness, shrink_witness
from fpsynth.synthesis.checking.check import check
from fpsynth.witness import Witness, load, save


def bits(witness: Witness) -> int:
    return costs([*witness.network.entries(), *(x for point in witness.points for x in point.numbers)])


def shrink(witness: Witness, folder: Path, **options: object) -> ShrunkWitness:
    folder.mkdir(exist_ok=True)
    save(witness, folder / "given.json")
    request = ShrinkRequest(folder / "given.json", folder / "out", **{"restarts": 1, **options})  # type: ignore[arg-type]
    return shrink_witness(request, folder / "given.json")


@pytest.fixture(scope="module")
def order() -> Witness:
    found = fpsynth.order("sequential", "pairwise", terms=4, replay=False)
    return found.witnesses[0]


def test_an_order_flip_gets_simpler_numbers(order: Witness, tmp_path: Path) -> None:
    found = shrink(order, tmp_path)
    after = load(tmp_path / "out" / RESULT)
    assert found.complete
    assert bits(after) < bits(order)
    assert check(after).confirmed
    assert (after.question, after.predicate, [view.deployment for view in after.views]) == (
        order.question,
        order.predicate,
        [view.deployment for view in order.views],
    )


def test_every_question_with_one_point_is_shrunk(tmp_path: Path) -> None:
    for name, ask in {
        "precision": lambda: fpsynth.precision(replay=False),
        "relu": lambda: fpsynth.relu("sequential", "pairwise", terms=8, replay=False),
        "interval": lambda: fpsynth.interval("sequential", "pairwise", terms=8, replay=False),
    }.items():
        given = ask().witnesses[0]
        found = shrink(given, tmp_path / name, restarts=0)
        assert bits(found.after) <= bits(given)
        assert check(found.after).confirmed, name


def test_a_tie_gets_simpler_numbers(tmp_path: Path) -> None:
    given = fpsynth.tie(dtype="float16", replay=False).witnesses[0]
    found = shrink(given, tmp_path, restarts=0)
    after = load(tmp_path / "out" / RESULT)
    assert bits(after) < bits(given)
    assert check(after).confirmed
    assert after.claim.accepted
    assert after == found.after


def test_the_same_seed_gives_the_same_numbers(order: Witness, tmp_path: Path) -> None:
    one, two = (shrink(order, tmp_path / name, seed=3) for name in ("a", "b"))
    assert one.after == two.after
    again = shrink(order, tmp_path / "a", seed=3)
    assert again.after == one.after


def test_the_command_takes_a_witness_file(order: Witness, tmp_path: Path) -> None:
    save(order, tmp_path / "w.json")
    done = fpsynth_here("shrink", tmp_path / "w.json", "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["still_wrong"] is True
    assert {"weights", "inputs", "layers"} <= set(data["before"]) & set(data["after"])
    refused = fpsynth_here("shrink", tmp_path / "w.json", "--out", tmp_path / "other", "--verifier", "crown")
    assert (refused.returncode, "leave the verifier out" in refused.stderr) == (2, True)


def test_what_is_no_witness_or_not_confirmed_is_refused(order: Witness, tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text("{}")
    with pytest.raises(InputError):
        shrink_witness(ShrinkRequest(tmp_path / "none.json", tmp_path / "out"), tmp_path / "none.json")
    from dataclasses import replace

    with pytest.raises(InputError, match="not confirmed"):
        shrink(replace(order, measure=order.measure + 1), tmp_path)
