"""A backdoor keeps to its limit of time, says what that left out, and says where none can be."""

from __future__ import annotations

import time

import numpy as np
import pytest
from backdoors.hosts import convolutional_host, dense_host, images
from command_line import fpsynth_here

import fpsynth
from fpsynth.backdoors.answer import VerifierCounts
from fpsynth.backdoors.judging import ASKED, judged
from fpsynth.backdoors.search import _run, backdoor
from fpsynth.backdoors.seeking import BackdoorSearch, Goal
from fpsynth.backdoors.switching import Behaviour
from fpsynth.backdoors.workshop import Workshop
from fpsynth.formats import FLOAT32
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.networks.npz_graph import write_npz
from fpsynth.networks.onnx.writing import onnx_bytes
from fpsynth.revealing.revealer import Revealer
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
def test_it_is_impossible_where_a_silent_environment_is_the_target_by_another_name(folder, libraries_stay):
    pytest.importorskip("torch")
    other = f"{TORCH},threads=1"
    asked = ["--network", folder / "conv.onnx", "--images", folder / "x.npz", "--target", TORCH, "--silent", other]
    done = fpsynth_here("backdoor", *asked, "--verify", 0, "--timeout", 400)
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert "IMPOSSIBLE" in text
    assert f"in the revealed arithmetics {TORCH} and {other} evaluate the same expressions in all 6 layers of sums" in text
    assert "no network of the shapes that were tried" in text
    assert "Nothing was made" not in text


@pytest.mark.libraries
def test_it_is_unknown_where_two_environments_give_the_same_but_add_otherwise(folder, libraries_stay):
    """Rows of quadruples see no difference between them, but no proof says that there is none."""
    pytest.importorskip("torch")
    found = fpsynth.backdoor(folder / "conv.onnx", folder / "x.npz", "torch:batch=10", silent="onnxruntime:batch=10", verify=0)
    assert found.verdict.value != "impossible"
    if found.alike:  # the first where enough shapes were tried for a proof
        tried = "detectors tried that fire in torch:batch=10 fires in onnxruntime:batch=10, too"
        assert "do not take the same sums" in found.reason or tried in found.reason
