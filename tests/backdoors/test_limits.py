"""A backdoor keeps to its limit of time, says what that left out, and says where none can be."""

from __future__ import annotations

import itertools
import re
import time

import numpy as np
import pytest
from backdoors.hosts import convolutional_host, dense_host, images
from command_line import fpsynth_here
from profiles import slow, slowly

import fpsynth
from fpsynth.backdoors import search, seeking
from fpsynth.backdoors.answer import VerifierCounts
from fpsynth.backdoors.judging import ASKED, judged
from fpsynth.backdoors.proving import in_words
from fpsynth.backdoors.search import _run, backdoor
from fpsynth.backdoors.seeking import SHAPES, BackdoorSearch, Goal
from fpsynth.backdoors.switching import Behaviour
from fpsynth.backdoors.workshop import Workshop
from fpsynth.formats import FLOAT32
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.networks.npz_graph import write_npz
from fpsynth.networks.onnx.writing import onnx_bytes
from fpsynth.revealing.revealer import Revealer
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.workers.deadlines import within

TORCH, ORT = "torch:batch=1", "onnxruntime:batch=1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    here = tmp_path_factory.mktemp("limits")
    (here / "conv.onnx").write_bytes(onnx_bytes(convolutional_host(), FLOAT32, form="gemm"))
    write_npz(dense_host(), here / "dense.npz")
    np.savez(here / "x.npz", images=images(40).reshape(-1, 1, 8, 8).astype(np.float32), labels=np.zeros(40, np.int64))
    return here


def shown(count: int) -> tuple[VerifierCounts, ...]:
    host = dense_host()
    return judged(host, host, images(count), 0.001, FLOAT32, lambda text: None, True)


def test_verifiers_that_have_no_time_are_named_and_not_run():
    with within(0.0):
        found = shown(3)
    assert [(one.name, one.arithmetic) for one in found] == list(ASKED)
    assert {(one.verdict, one.images, one.not_run, one.verified) for one in found} == {("not run", 3, 3, 0)}
    assert found[0].to_json()["not_run"] == 3


def test_boxes_end_with_the_time():
    started = time.monotonic()
    with within(1.5):
        found = shown(2000)
    assert time.monotonic() - started < 15
    first, *others = found
    assert 0 < first.not_run < first.images
    assert first.verified == first.host_verified <= first.images - first.not_run
    assert {one.verdict for one in others} == {"not run"}


@pytest.mark.libraries
def test_the_limit_is_for_everything(folder, libraries_stay):
    pytest.importorskip("torch")
    started = time.monotonic()
    options = {"silent": [ORT], "timeout": 0.01, "verify": 40}
    found = fpsynth.backdoor(folder / "conv.onnx", folder / "x.npz", TORCH, **options)
    assert time.monotonic() - started < 30
    assert (found.verdict.value, found.network) == ("unknown", None)
    assert found.reason.startswith("the 0.01 s are over after 0 probes")


@pytest.mark.libraries
def test_environments_that_were_not_run_in_time_are_named_and_nothing_is_found(libraries_stay):
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    goal = Goal(parse_network_environment(TORCH), (parse_network_environment(ORT),))
    with Revealer() as revealer:
        shop = Workshop(convolutional_host(), images(40), None, FLOAT32, revealer)
        found = backdoor(shop, goal)
        assert found.verdict.value == "found", found.reason
        assert found.not_run == ()
        with within(0.0):
            again = _run(BackdoorSearch(shop, goal), Behaviour("shift", None), (found.form, found.detectors, found.network))
    assert again.verdict.value == "unknown"
    assert again.not_run == (TORCH, ORT)
    assert again.reason == f"the 300 s are over after 0 environments, not run: {TORCH}, {ORT}"
    told = fpsynth.render(again).splitlines()
    assert [line.split()[:3] for line in told if line.split()[1:3] == ["not", "run"]] == [
        [TORCH, "not", "run"],
        [ORT, "not", "run"],
    ]
    assert again.to_json()["not_run"] == [TORCH, ORT]


@pytest.mark.libraries
def test_it_is_impossible_of_one_shape_where_a_silent_environment_is_the_target_by_another_name(
    folder, libraries_stay, monkeypatch
):
    pytest.importorskip("torch")
    monkeypatch.setattr(seeking, "SHAPES", 1)
    other = f"{TORCH},threads=1"
    found = fpsynth.backdoor(folder / "conv.onnx", folder / "x.npz", TORCH, silent=[other], verify=0, timeout=400)
    assert (found.verdict.value, found.network, found.alike) == ("impossible", None, (other,))
    assert f"in the revealed arithmetics {TORCH} and {other} evaluate the same expressions in all 6 layers" in found.reason
    one = r"no network of the shapes that were tried \(detectors in layers of \d+ terms by [\d, and]+ rows\) tells them apart"
    assert re.search(one, found.reason), found.reason
    assert "Nothing was made" not in fpsynth.render(found)


@slow
@pytest.mark.libraries
def test_it_is_impossible_where_a_silent_environment_is_the_target_by_another_name(folder, libraries_stay):
    pytest.importorskip("torch")
    other = f"{TORCH},threads=1"
    asked = ["--network", folder / "conv.onnx", "--images", folder / "x.npz", "--target", TORCH, "--silent", other]
    done = fpsynth_here("backdoor", *asked, "--verify", 0, "--timeout", 400)
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert "IMPOSSIBLE" in text
    assert f"in the revealed arithmetics {TORCH} and {other} evaluate the same expressions in all 6 layers of sums" in text
    assert re.search(r"shapes that were tried \(detectors in layers of \d+ terms by \d+, \d+ and \d+ rows, \d+ terms", text), (
        text
    )
    assert "Nothing was made" not in text


@pytest.mark.libraries
@pytest.mark.parametrize("verdict", [*slowly(Verdict.IMPOSSIBLE), Verdict.UNKNOWN])
def test_what_is_impossible_is_proved_of_every_shape_that_was_tried(libraries_stay, monkeypatch, verdict):
    """Rows of the detectors' layer are part of its shape: so many detectors, so many rows."""
    pytest.importorskip("torch")
    asked: list[set[tuple[int, int]]] = []

    def proof(target, silent, networks, images, given):
        layers = [network["fc"].layer.weight.shape for network in networks.values()]
        assert [(terms, rows) for terms, rows, _ in networks] == [(terms, rows) for rows, terms in layers]
        asked.append({(terms, rows) for rows, terms in layers})
        return verdict is Verdict.IMPOSSIBLE, "so it is"

    monkeypatch.setattr(search, "none_between", proof)
    monkeypatch.setattr(search, "_INSISTENT_SETS", 40)
    goal = Goal(parse_network_environment(TORCH), (parse_network_environment(f"{TORCH},threads=1"),))
    with Revealer() as revealer:
        shop = Workshop(convolutional_host(), images(40), None, FLOAT32, revealer)
        found = backdoor(shop, goal)
    assert asked == [{(table.form.inputs, table.form.rows) for table in shop._tables.values()}]
    assert len({rows for _, rows in asked[0]}) > 1
    assert found.verdict is verdict
    if verdict is Verdict.IMPOSSIBLE:
        assert found.reason.endswith("so it is")
        return
    # kernels that share their work among threads part in a few outputs only, which the first rows may all miss
    reason, further = found.reason.rsplit("; ", 1)
    assert reason.endswith("not proved impossible: so it is")
    assert further.endswith(" further rows told nothing more")
    assert int(further.split()[0]) >= 40 * 13
    assert found.probes > int(further.split()[0])


@pytest.mark.libraries
def test_what_the_first_rows_did_not_tell_apart_is_found_by_further_ones(libraries_stay, monkeypatch):
    """Where no proof says that environments are alike, giving up was too early."""
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")

    def nothing(looked, behaviour):
        form = next(looked.workshop.forms(1, None))
        looked.untold, looked.reason = ([], [parse_network_environment(ORT)]), "all fire"
        for terms in range(SHAPES):
            looked.shapes_tried[terms, 1, 1] = form
            looked.untold_shapes[terms, 1, 1] = convolutional_host()
        return None

    monkeypatch.setattr(search, "_found", nothing)
    monkeypatch.setattr(search, "none_between", lambda *asked: (False, "they differ"))
    goal = Goal(parse_network_environment(TORCH), (parse_network_environment(ORT),))
    with Revealer() as revealer:
        found = backdoor(Workshop(convolutional_host(), images(40), None, FLOAT32, revealer), goal)
    assert found.verdict is Verdict.FOUND, found.reason
    assert found.environments[0].as_wanted == 40


def test_the_proof_says_of_which_shapes_it_is():
    shapes = [(144, 13, 1), (144, 14, 2), (144, 14, 1), (160, 13, 1)]
    assert in_words(shapes) == "144 terms by 13 and 14 rows and 160 terms by 13 rows"


def test_it_is_unknown_where_no_network_of_a_shape_that_was_tried_can_be_made(monkeypatch):
    shop = Workshop(convolutional_host(), images(40), None, FLOAT32, Revealer())
    forms = [form for count in (1, 2) for form in itertools.islice(shop.forms(count, None), SHAPES)]
    looked = BackdoorSearch(shop, Goal(parse_network_environment(TORCH), ()), behaviour=Behaviour("shift", None))
    looked.untold, looked.reason = ([], [parse_network_environment(ORT)]), "all fire"
    for form in forms:
        looked.shapes_tried[form.inputs, form.rows, form.rows - forms[0].rows + 1] = form
        if form.rows == forms[0].rows:
            looked.untold_shapes[form.inputs, form.rows, 1] = convolutional_host()
    assert looked.untold_often
    monkeypatch.setattr(search, "_made", lambda *given: (None, None))
    answer = search._none(looked)
    assert answer.verdict is Verdict.UNKNOWN
    assert answer.reason.startswith(
        "all fire; not proved impossible: no network with detectors in layers of 144 terms by 14 rows"
    )


@slow
@pytest.mark.libraries
def test_it_is_unknown_where_two_environments_give_the_same_but_add_otherwise(folder, libraries_stay, monkeypatch):
    """Rows of quadruples see no difference between them, but no proof says that there is none."""
    pytest.importorskip("torch")
    monkeypatch.setattr(search, "_INSISTENT_SETS", 20)
    monkeypatch.setattr(seeking, "SHAPES", 2)
    found = fpsynth.backdoor(folder / "conv.onnx", folder / "x.npz", "torch:batch=10", silent="onnxruntime:batch=10", verify=0)
    assert found.verdict.value != "impossible"
    if found.alike:  # the first where enough shapes were tried for a proof
        tried = "detectors tried that fire in torch:batch=10 fires in onnxruntime:batch=10, too"
        assert "do not take the same sums" in found.reason or tried in found.reason
