"""shrink: a fault is found by bench and shrunk to what a reader takes in, proved again, and the same after a kill."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest
from bench_corpus import standing_in
from command_line import ENVIRONMENT, fpsynth_here
from profiles import slow

from fpsynth.corpus.instances.data import REAL, RUNTIME, SAT, UNSAT, Instance
from fpsynth.corpus.instances.reading import read_corpus
from fpsynth.errors import InputError
from fpsynth.evaluators.real import exact_logits
from fpsynth.scoring.asking import AskedVerifier, asked_for
from fpsynth.scoring.job import BenchRun, Limits
from fpsynth.scoring.running import BenchRequest, bench
from fpsynth.scoring.shrinking import instances
from fpsynth.scoring.shrinking.instances import ASKED, RESULT, ShrinkRequest, ShrunkInstance, StillWrong, shrink_instance
from fpsynth.scoring.shrinking.search import Search
from fpsynth.scoring.shrinking.size import Candidate, candidate_of, shape_of, size_of
from fpsynth.verifiers.external import installed, judge
from fpsynth.verifiers.external.base import Said
from fpsynth.verifiers.external.judging import FALSE_IN_FLOAT, FALSE_OVER_REALS
from fpsynth.workers.deadlines import OutOfTimeError, within


def only(text: str) -> AskedVerifier:
    (asked,) = asked_for([text])
    return asked


def shrink(folder: Path, name: str, verifier: str, out: Path, **options: object) -> ShrunkInstance:
    (one,) = [one for one in read_corpus(folder).instances if one.name == name]
    request = ShrinkRequest(folder / one.category / name, out, **{"restarts": 1, "budget": 300.0, **options})  # type: ignore[arg-type]
    return shrink_instance(request, only(verifier))


def wrong_over_reals(folder: Path, verifier: str, timeout: float) -> list[str]:
    """Instances of which a bench says that the verifier is wrong about them over the reals."""
    board = bench(BenchRequest(folder, (verifier,), timeout=timeout))
    return [run.instance for run in board.runs if run.column == "false_unsat_real"]


def written(out: Path) -> Instance:
    (one,) = read_corpus(out / RESULT).instances
    return one


def require_tiny(one: Instance) -> None:
    """One input, three neurons at most, and the witness is unsafe in exact arithmetic, which is computed here."""
    _, neurons, inputs = shape_of(one.network)
    assert (inputs, one.verdict(REAL)) == (1, SAT)
    assert neurons <= 3
    assert one.box.contains(one.witness)
    assert one.unsafe.violated(exact_logits(one.network, one.witness))
    assert one.box.upper[0] - one.box.lower[0] < Fraction(1, 10**5)


@pytest.fixture(scope="module")
def undisturbed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[ShrunkInstance, Instance]:
    """What comes of a shrinking that nothing disturbs, and what it has written."""
    out = tmp_path_factory.mktemp("undisturbed")
    return shrink(folder, "narrow_0", standing_in("narrow"), out, restarts=0), written(out)


def test_a_tolerance_is_found_without_being_told_where_to_look(
    folder: Path, undisturbed: tuple[ShrunkInstance, Instance]
) -> None:
    assert wrong_over_reals(folder, standing_in("narrow"), 60.0) == ["narrow_0"]
    found, one = undisturbed
    assert (found.still_wrong, found.complete, found.column) == (True, True, "false_unsat_real")
    assert shape_of(found.before.network) == (3, 5, 2)
    require_tiny(one)
    after = found.to_json()["after"]
    assert after["weights"] <= 2
    assert after["bits"] < 10


@slow
def test_beginning_once_more_finds_nothing_larger(
    folder: Path, tmp_path: Path, undisturbed: tuple[ShrunkInstance, Instance]
) -> None:
    again = shrink(folder, "narrow_0", standing_in("narrow"), tmp_path, restarts=1)
    assert (again.still_wrong, again.complete) == (True, True)
    assert size_of(candidate_of(again.after)) <= size_of(candidate_of(undisturbed[0].after))


@pytest.mark.skipif(installed("maraboupy") is None, reason="maraboupy is not installed: fpsynth verifiers install maraboupy")
def test_marabous_tolerance_is_found_without_being_told_where_to_look(folder: Path, tmp_path: Path) -> None:
    names = wrong_over_reals(folder, "maraboupy", 60.0)
    assert names == ["narrow_0"]
    found = shrink(folder, names[0], "maraboupy", tmp_path, restarts=0, budget=500.0)
    assert (found.still_wrong, found.column) == (True, "false_unsat_real")
    require_tiny(written(tmp_path))


def test_a_tie_of_rounding_is_shrunk_and_stays_one(folder: Path, tmp_path: Path) -> None:
    found = shrink(folder, "tie_0", standing_in("exact"), tmp_path, restarts=0)
    one = written(tmp_path)
    assert (found.still_wrong, found.column) == (True, "false_unsat_float")
    assert (one.verdict(REAL), one.verdict(RUNTIME)) == (UNSAT, SAT)
    assert size_of(candidate_of(one)) < size_of(candidate_of(found.before))
    assert one.about == "Shrunk from tie_0, as long as a verifier was wrong in the same way."
    model = tmp_path / RESULT / one.category / "1.0" / "onnx" / f"{one.name}.onnx"
    assert judge(Said("unsat"), one.network, model, one.box, one.unsafe, [one.witness]).word == FALSE_IN_FLOAT


def test_a_liar_needs_nothing_at_all(folder: Path, tmp_path: Path) -> None:
    found = shrink(folder, "broken_0", standing_in("always_unsat"), tmp_path, restarts=0)
    one = written(tmp_path)
    assert found.to_json()["after"] | {"box_inputs": "1"} == {
        **{"layers": 1, "neurons": 1, "inputs": 1, "weights": 0, "bits": 0, "box_inputs": "1"},
    }
    model = tmp_path / RESULT / one.category / "1.0" / "onnx" / f"{one.name}.onnx"
    assert judge(Said("unsat"), one.network, model, one.box, one.unsafe, [one.witness]).word == FALSE_OVER_REALS


def test_false_sat_is_shrunk_on_what_is_robust(folder: Path, tmp_path: Path) -> None:
    found = shrink(folder, "tie_0_control1", standing_in("always_outside"), tmp_path, restarts=0)
    one = written(tmp_path)
    assert (found.column, found.still_wrong) == ("false_sat", True)
    assert (one.verdict(REAL), one.verdict(RUNTIME)) == (UNSAT, UNSAT)


def test_who_is_right_has_nothing_to_shrink(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="says unsat of robust_0, which is right: there is nothing to shrink"):
        shrink(folder, "robust_0", standing_in("exact"), tmp_path)
    with pytest.raises(InputError, match="which is not wrong"):
        shrink(folder, "tie_0", standing_in("always_sat"), tmp_path / "other")
    assert (list(tmp_path.iterdir()), (tmp_path / "other").exists()) == ([], False), "others may begin there"


@slow  # a shrinking that was killed gives the same, too
def test_the_same_seed_gives_the_same_result(
    folder: Path, tmp_path: Path, undisturbed: tuple[ShrunkInstance, Instance]
) -> None:
    one, two = undisturbed[0], shrink(folder, "narrow_0", standing_in("narrow"), tmp_path, restarts=0)
    assert one.after == two.after
    assert one.considered == two.considered


def test_a_killed_shrinking_goes_on_to_the_same_result(
    folder: Path, tmp_path: Path, undisturbed: tuple[ShrunkInstance, Instance]
) -> None:
    out = tmp_path / "out"
    argv = ["shrink", str(folder / "tolerance" / "narrow_0"), "--verifier", standing_in("narrow"), "--restarts", "0", "--json"]
    killed = subprocess.Popen([sys.executable, "-m", "fpsynth", *argv, "--out", str(out)], env=ENVIRONMENT)
    end = time.monotonic() + 120
    while _asked(out) < 4:
        assert time.monotonic() < end
        assert killed.poll() is None
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait(60)
    second = subprocess.run([sys.executable, "-m", "fpsynth", *argv, "--out", str(out)], env=ENVIRONMENT, capture_output=True)
    assert second.returncode == 0, second.stderr
    told, whole = json.loads(second.stdout), json.loads(json.dumps(undisturbed[0].to_json()))
    assert {name: told[name] for name in whole} == whole
    assert written(out) == undisturbed[1]


def _asked(out: Path) -> int:
    """Bytes of the log of the database, in pages: it is locked as long as it is written."""
    log = out / f"{ASKED}-wal"
    return log.stat().st_size // 8192 if log.exists() else 0


def test_ctrl_c_says_how_to_go_on(folder: Path, tmp_path: Path) -> None:
    out, log = tmp_path / "out", tmp_path / "log"
    argv = ["shrink", str(folder / "plain" / "broken_0"), "--verifier", standing_in("slow"), "--out", str(out)]
    variables = {**ENVIRONMENT, "BENCH_SLEEP": "0.2", "BENCH_LOG": str(log)}
    process = subprocess.Popen([sys.executable, "-m", "fpsynth", *argv], env=variables, stderr=subprocess.PIPE)
    end = time.monotonic() + 120
    while not log.exists() or len(log.read_text().splitlines()) < 2:
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    last = error.decode().splitlines()[-1]
    assert last == f"interrupted: what is done is kept in {out}: the same command goes on from there"
    assert shrink(folder, "broken_0", standing_in("slow"), out, restarts=2, budget=5.0).still_wrong


def test_nothing_is_asked_twice(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_LOG", str(tmp_path / "log"))
    shrink(folder, "broken_0", standing_in("always_unsat"), tmp_path / "out", restarts=0)
    first = (tmp_path / "log").read_text().splitlines()
    shrink(folder, "broken_0", standing_in("always_unsat"), tmp_path / "out", restarts=0)
    again = (tmp_path / "log").read_text().splitlines()
    assert len(again) == len(first) + 1, "the result alone is asked about once more"


@slow  # one that was killed goes on, too
def test_time_that_is_over_gives_the_best_so_far_and_more_goes_on(folder: Path, tmp_path: Path) -> None:
    """However busy the machine is: twice the time, until the verifier was asked once."""
    short = None
    for seconds in (2.0**k for k in range(10)):
        with suppress(InputError):  # the time was over before the verifier was asked once
            short = shrink(folder, "narrow_0", standing_in("narrow"), tmp_path, restarts=0, budget=seconds)
            break
    assert short is not None
    assert short.still_wrong
    long = shrink(folder, "narrow_0", standing_in("narrow"), tmp_path, restarts=0)
    assert long.complete
    assert size_of(candidate_of(long.after)) <= size_of(candidate_of(short.after))


def test_an_answer_that_the_end_of_time_cut_off_is_none(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verifier takes longer than all of the time: nothing is kept of it, and with more time it is asked again."""
    monkeypatch.setenv("BENCH_SLEEP", "300")
    started = time.monotonic()
    with pytest.raises(InputError, match="the time is over before the verifier was asked once"):
        shrink(folder, "broken_0", standing_in("slow"), tmp_path, restarts=0, budget=3.0)
    assert time.monotonic() - started < 50, "the verifier was killed before its own limit of 60 s"
    monkeypatch.setenv("BENCH_SLEEP", "0")
    assert shrink(folder, "broken_0", standing_in("slow"), tmp_path, restarts=0).still_wrong


def test_an_unknown_within_less_than_its_limit_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have known better with the time that it was promised; and it is not kept."""
    monkeypatch.setattr(
        instances, "done", lambda *asked: BenchRun("x", "v", 0, "unknown", "unknown", "", 0, asked[3].timeout, None)
    )
    problem = StillWrong(None, None, Limits(60.0, 1.0), None, None, 0)  # type: ignore[arg-type]
    assert problem.answered(None, "x").seconds == 60.0  # type: ignore[arg-type]
    with within(30.0), pytest.raises(OutOfTimeError):
        problem.answered(None, "x")  # type: ignore[arg-type]


def test_a_folder_of_another_shrinking_is_refused(folder: Path, tmp_path: Path) -> None:
    shrink(folder, "broken_0", standing_in("always_unsat"), tmp_path, restarts=0)
    with pytest.raises(InputError, match="is of another instance"):
        shrink(folder, "narrow_0", standing_in("narrow"), tmp_path)
    with pytest.raises(InputError, match="is of another seed"):
        shrink(folder, "broken_0", standing_in("always_unsat"), tmp_path, seed=1)


def test_what_one_verifier_said_is_not_held_against_another(folder: Path, tmp_path: Path) -> None:
    """In the same folder: nothing that is kept there is theirs."""
    assert shrink(folder, "broken_0", standing_in("always_unsat"), tmp_path, restarts=0).still_wrong
    with pytest.raises(InputError, match="exact says sat of broken_0, which is right: there is nothing to shrink"):
        shrink(folder, "broken_0", standing_in("exact"), tmp_path, restarts=0)


def test_what_is_no_instance_is_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    for place, message in ((folder, "is no instance"), (folder / "tie" / "tie_1", "has no instance tie/tie_1")):
        with pytest.raises(InputError, match=message):
            shrink_instance(ShrinkRequest(place, tmp_path), only(standing_in("exact")))
    for options in ({"budget": 0.0}, {"restarts": -1}, {"limits": Limits(-1.0, 1)}):
        with pytest.raises(InputError):
            ShrinkRequest(folder, tmp_path, **options)  # type: ignore[arg-type]


def test_a_result_that_does_not_stand_is_said_not_to(folder: Path, tmp_path: Path) -> None:
    """A verifier that was wrong as long as it was shrunk, and is right when it is asked once more."""
    mark = tmp_path / "mark"
    mark.touch()
    file = tmp_path / "moody.py"
    file.write_text(f"import os\ndef moody(question):\n    return 'unsat' if os.path.exists({str(mark)!r}) else 'unknown'\n")
    place, out = folder / "plain" / "broken_0", tmp_path / "out"
    request = ["shrink", place, "--verifier", f"{file}:moody", "--out", out, "--restarts", "0", "--json"]
    assert fpsynth_here(*request).returncode == 0
    mark.unlink()
    done = fpsynth_here(*request)
    assert (done.returncode, json.loads(done.stdout)["still_wrong"]) == (4, False)


def test_the_command_tells_before_and_after(folder: Path, tmp_path: Path) -> None:
    done = fpsynth_here(
        *("shrink", folder / "plain" / "broken_0", "--verifier", standing_in("always_unsat"), "--out", tmp_path / "out")
    )
    assert done.returncode == 0, done.stderr
    assert "weights that are not zero" in done.stdout
    assert re.search(r"unsafe: \S+ <= Y_0\n +witness: X_0 = \S+\n", done.stdout)
    assert os.path.isdir(tmp_path / "out" / RESULT)
    refused = fpsynth_here("shrink", folder / "plain" / "broken_0", "--out", tmp_path / "other")
    assert refused.returncode == 2
    assert "name the verifier" in refused.stderr
    refused = fpsynth_here("shrink", tmp_path / "none.json", "--out", tmp_path / "other")
    assert (refused.returncode, "there is no file or folder" in refused.stderr) == (2, True)


def test_every_proposal_of_every_pass_is_a_network_that_fits_its_box(folder: Path) -> None:
    """Whatever is refused or taken: shapes fit, and points have as many numbers as the box."""
    seen: list[Candidate] = []

    class Recording:
        """Takes nothing, and looks at all."""

        def size(self, candidate: Candidate) -> tuple[object, ...]:
            return (-len(seen),)

        def holds(self, candidate: Candidate) -> bool:
            seen.append(candidate)
            assert len(candidate.box.lower) == candidate.network.input_shape[0]
            assert all(len(point) == len(candidate.box.lower) for point in candidate.points)
            candidate.unsafe.require(candidate.network.output_shape[0])
            return False

    for one in read_corpus(folder).instances:
        for change in instances.PASSES:
            search = Search(Recording(), candidate_of(one), Random(0))
            search._size = (1,)
            change(search)
    assert len(seen) > 100
