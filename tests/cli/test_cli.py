"""The command line: exit codes, what goes to which stream, one JSON object, one line for bad input, nothing left behind."""

import json
import signal
import subprocess
import sys
import time

import pytest
from command_line import ENVIRONMENT, HARD, fpsynth, fpsynth_here, refused
from profiles import slow
from witnesses import published

from fpsynth.witness import load, save, to_json

COMMANDS = [
    "tie",
    "order",
    "precision",
    "relu",
    "interval",
    "twin",
    "position",
    "reveal",
    "matrix",
    "tree",
    "certify",
    "environments",
    "check",
    "replay",
    "explain",
]

# help


def test_help_is_instant_and_states_the_exit_codes():
    began = time.monotonic()
    done = fpsynth("--help")
    assert time.monotonic() - began < 5
    assert done.returncode == 0
    for command in COMMANDS:
        assert command in done.stdout
    for code in ("0 ", "2 ", "3 ", "4 ", "130"):
        assert f"\n  {code}" in done.stdout


HELP = """
import contextlib, io, json, sys
from fpsynth.cli.main import main
told = {}
for command in sys.argv[1:]:
    text = io.StringIO()
    try:
        with contextlib.redirect_stdout(text):
            main([command, "--help"])
    except SystemExit as end:
        told[command] = [end.code, text.getvalue(), sorted({name.partition(".")[0] for name in sys.modules})]
print(json.dumps(told))
"""
"""Run with the commands: of each the exit code, what is printed, and the modules that are there by then."""


@pytest.fixture(scope="module")
def helps():
    """What all commands say of themselves, one after the other in one process: what one imports stays."""
    done = subprocess.run([sys.executable, "-c", HELP, *COMMANDS], capture_output=True, text=True, env=ENVIRONMENT, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_none_of_it_imports_anything_heavy(helps, command):
    code, text, modules = helps[command]
    heavy = {"numpy", "z3", "bitwuzla", "cvc5", "torch", "tensorflow", "jax", "onnx", "onnxruntime", "flint"}
    assert not heavy & {*modules}
    assert "--json" in text
    assert code == 0


def test_every_option_of_tie_is_documented():
    text = fpsynth_here("tie", "--help").stdout
    options = (
        "dtype shape order weights inputs rounding maximise min-ratio prove certifier solver seed timeout jobs out json count"
    )
    for option in options.split():
        assert f"--{option}" in text


# what a run prints


def test_json_is_one_object_with_what_was_promised():
    done = fpsynth("tie", "--json", "--library", "numpy", "--batch", "1,4")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    said = json.loads(done.stdout)
    assert (said["verdict"], said["dtype"], said["ratio"]) == ("found", "float32", 16777216.0)
    (layer,) = said["network"]["layers"]
    assert len(layer["weight"]) == 2
    assert all(float.fromhex(entry) > 0 for row in layer["weight"] for entry in row)
    assert layer["bias"] is None
    assert [point["name"] for point in said["points"]] == ["certified", "counterexample"]
    (certified,), (counterexample,) = (point["numbers"] for point in said["points"])
    assert abs(float.fromhex(certified) - float.fromhex(counterexample)) == said["distance"]
    refuted = said["claims"][0]
    assert (refuted["verifier"], refuted["verdict"]) == ("lipschitz-exact", "unsat")
    assert refuted["region"]["centre"] == "certified"
    assert refuted["region"]["radius"] > said["distance"]
    assert said["control"]["verdict"] == "unknown"
    for seen in said["observations"]:
        assert {"library", "version", "device", "batch"} <= seen.keys()
        assert (seen["reference_class"], seen["class"], seen["departs"]) == (1, 0, True)
    assert {seen["batch"] for seen in said["observations"]} == {1, 4}
    assert all(said[name] for name in ("engine", "encoding"))
    assert isinstance(said["seed"], int)
    assert 0 < said["seconds"]["solve"] <= said["seconds"]["total"]
    assert said["proof"] is None


def test_json_of_what_is_impossible_has_the_same_keys():
    found = json.loads(fpsynth_here("tie", "--json", "--no-replay", "--dtype", "float16").stdout)
    done = fpsynth_here("tie", "--json", "--dtype", "float16", "--min-ratio", "2049", "--library", "numpy")
    said = json.loads(done.stdout)
    assert done.returncode == 0
    assert said["verdict"] == "impossible"
    assert said["network"] is None
    assert said["observations"] == []
    assert {"statement", "method"} <= said["proof"].keys()
    promised = (
        "question verdict dtype network points predicate views claims control distance ratio certified_ratio "
        "observations engine encoding seed seconds proof"
    )
    for name in promised.split():
        assert name in found
        assert name in said


def test_a_contradictory_domain_is_impossible_at_once():
    began = time.monotonic()
    done = fpsynth_here("tie", "--weights", "0.5:0.5", "--no-replay", "--json")
    assert time.monotonic() - began < 15  # where the time limit is 60
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (0, "impossible")


def test_verbose_logs_on_standard_error_only():
    done = fpsynth("tie", "--json", "--no-replay", "--verbose", "--solver", "sampling")
    assert json.loads(done.stdout)["verdict"] == "found"
    assert "sampling" in done.stderr


def test_a_report_is_printed_without_escape_codes_into_a_pipe():
    done = fpsynth("tie", "--no-replay", "--solver", "sampling")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stdout.count("\n") > 10


# files


def test_out_holds_the_witness_which_check_replay_and_explain_read(tmp_path):
    made = fpsynth("tie", "--out", "found", "--library", "numpy", "--batch", "1", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    file = tmp_path / "found" / "witness.json"
    assert (tmp_path / "found" / "network.onnx").stat().st_size > 0
    checked = fpsynth_here("check", file, "--json")
    assert (checked.returncode, json.loads(checked.stdout)["confirmed"]) == (0, True)
    replayed = fpsynth_here("replay", file, "--library", "numpy", "--batch", "2", "--out", tmp_path / "again.json")
    assert replayed.returncode == 0, replayed.stderr
    assert "confirmed by numpy" in replayed.stdout
    assert load(tmp_path / "again.json").observations[0].batch == 2
    explained = fpsynth_here("explain", file)
    assert explained.returncode == 0, explained.stderr


def test_count_with_out_writes_a_corpus(tmp_path):
    done = fpsynth_here("tie", "--count", "2", "--out", tmp_path / "corpus", "--no-replay", "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["witnesses"]) == 1  # beside the first
    assert len((tmp_path / "corpus" / "instances.csv").read_text().splitlines()) == 2
    assert len(list((tmp_path / "corpus").glob("witnesses/*.json"))) == 2


@pytest.mark.parametrize("name", ["there", "there.json", "no/such/folder/witness.json"])
def test_an_out_that_cannot_be_written_is_refused_before_any_search(tmp_path, name):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("mine")
    (tmp_path / "there.json").write_text("mine")
    began = time.monotonic()
    line = refused(fpsynth_here(*HARD, "--timeout", "50", "--out", name, cwd=tmp_path))
    assert time.monotonic() - began < 5
    assert name in line
    assert (tmp_path / "there.json").read_text() == (tmp_path / "there" / "file").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there", "there.json"]


def test_a_witness_that_is_tampered_with_is_not_confirmed(tmp_path):
    data = to_json(published())
    data["ratio"] = 7.0
    del data["ratio_hex"]
    (tmp_path / "tampered.json").write_text(json.dumps(data))
    done = fpsynth_here("check", tmp_path / "tampered.json")
    assert done.returncode == 4
    assert "FAILS the ratio in the file" in done.stdout
    assert "NOT confirmed" in done.stdout


# exit code 4


@pytest.mark.parametrize(
    "arguments", [["--dtype", "tf32", "--library", "numpy"], ["--dtype", "float8_e5m2", "--library", "onnxruntime"]]
)
def test_a_witness_that_no_library_confirms_ends_with_exit_code_4(arguments):
    done = fpsynth_here("tie", "--json", "--batch", "1", *arguments)
    said = json.loads(done.stdout)
    assert (done.returncode, said["verdict"]) == (4, "found")
    assert said["observations"]
    assert all(seen["not_run"] and not seen["departs"] for seen in said["observations"])


# bad input

BAD_ARGUMENTS = [
    (["--dtype", "float33"], "did you mean float32"),
    (["--dtype", ""], "unknown dtype"),
    (["--weights", "1:0.1"], "reversed"),
    (["--weights", ""], "form LO:HI"),
    (["--weights", "1"], "form LO:HI"),
    (["--weights", "a:b"], "not a decimal number"),
    (["--weights", "nan:1"], "not a decimal number"),
    (["--inputs", "1.00000001:1.00000002"], "holds no float32 number"),
    (["--inputs", "0:1e39"], "exceeds"),
    (["--inputs", "1e9999:1e9999"], "exceeds"),
    (["--inputs", "0:" + "9" * 5000], "not a decimal number"),
    (["--dtype", "float16", "--weights", "1:70000"], "exceeds the largest float16"),
    (["--shape", "2,1"], "one output"),
    (["--shape", "2"], "needs inputs and outputs"),
    (["--shape", "0,2"], "at least 1"),
    (["--shape", "1,,2"], "whole numbers"),
    (["--shape", "-1,2"], "shape"),
    (["--shape", "999999999,2"], "too large"),
    (["--shape", "9" * 400 + ",2"], "whole numbers"),
    (["--order", "strided"], "strided:4"),
    (["--rounding", "nearest"], "unknown rounding"),
    (["--maximise", "speed"], "unknown objective"),
    (["--min-ratio", "0"], "above 0"),
    (["--min-ratio", "1e400"], "at most"),
    (["--min-ratio", "inf"], "not a decimal number"),
    (["--certifier", "lipschitz-sound"], "negative control"),
    (["--solver", "cplex"], "unknown solver"),
    (["--seed", "-1"], "seed"),
    (["--seed", "x"], "seed"),
    (["--timeout", "0"], "time limit"),
    (["--timeout", "nan"], "time limit"),
    (["--timeout", "inf"], "time limit"),
    (["--timeout", "soon"], "timeout"),
    (["--jobs", "0"], "jobs"),
    (["--count", "0"], "number of witnesses"),
    (["--library", "numpi"], "did you mean numpy"),
    (["--batch", "0"], "batch sizes"),
    (["--batch", "1;2"], "batch sizes"),
    (["--device", "tpu"], "unknown device"),
    (["--count", "2", "--out", "two.json"], "folder for a corpus"),
    (["--fast"], "unrecognized arguments"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD_ARGUMENTS, ids=[" ".join(a)[:40] for a, _ in BAD_ARGUMENTS])
def test_bad_arguments_give_one_line_and_nothing_written(arguments, words, tmp_path, capsys, monkeypatch):
    from fpsynth.cli.main import main

    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    out = [] if "--out" in arguments else ["--out", "folder"]
    try:
        code = main(["tie", *out, *arguments])
    except SystemExit as end:  # argparse
        code = end.code
    finally:
        signal.signal(signal.SIGTERM, before)
    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert said.err.count("\n") == 1
    assert words in said.err
    assert said.err.startswith("fpsynth")
    assert list(tmp_path.iterdir()) == []


def test_bad_input_to_the_process_itself():
    assert (fpsynth().returncode, fpsynth().stdout) == (2, "")
    assert "unknown command 'tye' (did you mean tie?)" in refused(fpsynth("tye"))
    assert "did you mean" in refused(fpsynth("tie", "--dtype", "flot32", "--json"))


def test_a_radius_of_zero_is_bad_input(tmp_path):
    assert "above 0" in refused(fpsynth_here("certify", "--network", "n.npz", "--images", "i.npz", "--eps", "0"))
    assert "decimal number" in refused(fpsynth_here("certify", "--network", "n.npz", "--images", "i.npz", "--eps", "nan"))
    data = to_json(published())
    data["claims"][0]["region"] |= {"radius": 0.0, "radius_exact": "0.0"}
    (tmp_path / "zero.json").write_text(json.dumps(data))
    assert "radius" in refused(fpsynth_here("check", tmp_path / "zero.json"))


def _wrong_files():
    good = json.dumps(to_json(published()))
    data = json.loads(good)
    first = data["network"]["layers"][0]["weight"][0][0]
    return {
        "truncated": good[: len(good) // 2],
        "empty": "",
        "nan": good.replace(f'"{first}"', '"nan"'),
        "bare-nan": good.replace('"ratio": ', '"ratio": NaN, "was": '),
        "huge-exponent": good.replace(f'"{first}"', '"0x1p+9999"'),
        "huge-number": good.replace('"ratio": ', '"ratio": 1e999, "was": '),
        "wrong-type": json.dumps(data | {"network": [1, 2]}),
        "a-list": "[]",
        "unknown-schema": json.dumps(data | {"schema_version": 99}),
        "another-schema": json.dumps(data | {"schema": "something"}),
        "unknown-dtype": json.dumps(data | {"dtype": "float7"}),
        "nested": "[" * 100_000,
    }


@pytest.mark.parametrize(
    ("command", "name"),
    [
        *(("check", name) for name in _wrong_files()),
        *(
            pytest.param(command, name, marks=() if k < 2 else slow)
            for command in ("replay", "explain")
            for k, name in enumerate(_wrong_files())
        ),
    ],
)
def test_a_file_that_is_no_witness_gives_one_line(name, command, tmp_path, capsys):
    from fpsynth.cli.main import main

    file = tmp_path / "witness.json"
    file.write_text(_wrong_files()[name])
    before = signal.getsignal(signal.SIGTERM)
    try:
        code = main([command, str(file)])
    finally:
        signal.signal(signal.SIGTERM, before)
    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert said.err.count("\n") == 1
    assert "witness.json" in said.err
    assert len(said.err) < 400 + len(str(file))


def test_a_huge_file_and_a_missing_one_are_refused(tmp_path):
    with open(tmp_path / "huge.json", "wb") as file:
        file.truncate(1 << 32)
    assert "larger than" in refused(fpsynth_here("check", tmp_path / "huge.json"))
    assert "cannot read" in refused(fpsynth_here("check", tmp_path / "none.json"))
    assert "folder" in refused(fpsynth_here("replay", tmp_path))


def test_a_saved_witness_is_the_published_one(tmp_path):
    # what the tests above tamper with is itself read without complaint
    save(published(), tmp_path / "published.json")
    assert load(tmp_path / "published.json") == published()
