"""What --out writes and says, and the figures that stand beside the ratio."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import fpsynth_here as run
from witnesses import published

from fpsynth.witness import save, to_json


def test_json_says_what_was_left_out_of_the_folder(tmp_path):
    done = run("tie", "--dtype", "float8_e5m2", "--no-replay", "--json", "--out", str(tmp_path / "found"))
    said = json.loads(done.stdout)
    assert done.returncode == 0
    assert said["out"] == str(tmp_path / "found")
    assert any("onnx" in line for line in said["left_out"])  # ONNX has the type, but no matrix product of it
    assert not (tmp_path / "found" / "network.onnx").exists()


def test_the_certified_ratio_is_that_of_the_radius_that_is_printed():
    said = json.loads(run("tie", "--no-replay", "--json").stdout)
    assert said["ratio"] == 2**24
    assert said["certified_ratio"] == said["claims"][0]["region"]["radius"] / said["distance"]
    assert 0.999 * 2**24 < said["certified_ratio"] < 2**24


@pytest.mark.parametrize("command", [["tie", "--no-replay"], ["replay", "FILE"]])
@pytest.mark.parametrize("out", ["", "no/such/folder/x.json"])
def test_a_place_that_cannot_be_written_is_refused_before_any_work(tmp_path, command, out):
    save(published(), tmp_path / "w.json")
    command = [str(tmp_path / "w.json") if word == "FILE" else word for word in command]
    done = run(*command, "--out", out and str(tmp_path / out))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["check", "replay", "explain"])
def test_a_certifier_that_nobody_knows_is_refused(tmp_path, command):
    data = to_json(published())
    data["claims"][0]["verifier"] = "foo"
    (tmp_path / "w.json").write_text(json.dumps(data))
    done = run(command, str(tmp_path / "w.json"))
    assert done.returncode == 2
    assert "unknown certifier 'foo'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_explain_says_first_what_is_not_true_of_the_file(tmp_path):
    data = to_json(published())
    data["claims"][0]["region"] |= {"radius": 2.0, "radius_exact": "2"}
    (tmp_path / "w.json").write_text(json.dumps(data))
    first = run("explain", str(tmp_path / "w.json")).stdout.splitlines()[0]
    assert first.startswith("NOT TRUE of this file: lipschitz-exact accepts radius 2")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_output_that_cannot_be_written_is_one_line(tmp_path):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "fpsynth", "tie", "--no-replay"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_an_option_must_be_spelled_out():
    done = run("tie", "--dtyp", "float32")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_replay_writes_over_nothing(tmp_path):
    file = tmp_path / "w.json"
    save(published(), file)
    before = file.read_bytes()
    for out, reason in ((file, "it exists"), (tmp_path / "replayed.txt", "ends in .json")):
        done = run("replay", str(file), "--library", "numpy", "--batch", "1", "--out", str(out))
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert reason in done.stderr
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_bug_of_its_own_has_an_exit_code_of_its_own(monkeypatch, capsys):
    from fpsynth.cli import commands, main

    monkeypatch.setattr(commands, "COMMANDS", {"environments": lambda arguments, console: 1 // 0})
    assert main.main(["environments"]) == 70
    assert "internal error, please report it" in capsys.readouterr().err.splitlines()[-1]


def test_reveal_is_told_the_batch_size_once():
    done = run("reveal", "torch:linear:batch=4", "--batch", "1")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "say the batch size once" in done.stderr


def test_what_was_found_and_not_confirmed_has_its_own_exit_code(monkeypatch):
    from types import SimpleNamespace

    from fpsynth.cli.divergence_commands import _code

    def code(verdict, found, confirmed, replayed):
        result = SimpleNamespace(verdict=SimpleNamespace(value=verdict), witnesses=found, confirmed=confirmed)
        return _code(result, replayed)

    assert [code("found", (1,), *flags) for flags in ((True, True), (False, True), (False, False))] == [0, 4, 0]
    assert [code("impossible", (), False, True), code("unknown", (), False, True)] == [0, 3]
