"""Closed, full and narrow streams, early interrupts, lost workers and missing packages: the right exit code, and one line."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import ENVIRONMENT, descendants, linux, start
from witnesses import published

from fpsynth.cli import streams
from fpsynth.cli.main import main
from fpsynth.witness import load, save

full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
shells = pytest.mark.skipif(os.name != "posix", reason="redirections of a POSIX shell")
PYTHON = f"'{sys.executable}' -m fpsynth"


def shell(line, cwd=None, **variables):
    environment = {**ENVIRONMENT, **variables}
    return subprocess.run(["sh", "-c", line], capture_output=True, cwd=cwd, env=environment, timeout=100, check=False)


def python(code, *arguments):
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=100, check=False)


# standard output and error that are closed or full


@full
@shells
@pytest.mark.parametrize(
    ("arguments", "streams", "code"),
    [
        ("tree pairwise", "2>&-", 0),
        ("tree pairwise", "2>/dev/full", 0),
        ("tree pairwise", ">&-", 2),
        ("tree pairwise", "<&- >&- 2>&-", 2),
        ("tree pairwise", ">/dev/full 2>/dev/full", 2),
        ("tree zigzag", "2>&-", 2),
        ("tree zigzag", "2>/dev/full", 2),
        ("tree --foo", "2>/dev/full", 2),
        ("tree --help", ">/dev/full", 2),
        ("--version", ">&-", 2),
    ],
)
def test_streams_that_are_closed_or_full(arguments, streams, code):
    done = shell(f"{PYTHON} {arguments} {streams}")
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr
    lost = ">" in streams.replace("2>", "")
    assert (done.stdout == b"") == (lost or code != 0)
    assert done.stderr.count(b"\n") == (lost and "2>" not in streams)
    assert not done.stderr or b"error: cannot write to standard output: " in done.stderr


@shells
def test_what_was_written_is_not_denied_and_holds_no_messages(tmp_path):
    done = shell(f"{PYTHON} tree pairwise --form json --out order.json >&-", tmp_path)
    assert done.returncode == 2
    assert done.stderr.endswith(b"what --out asked for is written: order.json\n")
    assert json.loads((tmp_path / "order.json").read_text())["leaves"] == 8
    (tmp_path / "empty").mkdir()
    nothing = "order --a sequential --b pairwise --terms 3 --timeout 5 --no-replay --out empty"  # proved impossible
    assert b"is written" not in shell(f"{PYTHON} {nothing} >/dev/full", tmp_path).stderr
    done = shell(f"{PYTHON} tie --solver sampling --no-replay --verbose --out tie.json <&- 2>&-", tmp_path)
    assert done.returncode == 0
    assert load(tmp_path / "tie.json").question == "tie"


@shells
def test_a_name_that_standard_output_cannot_show_is_escaped(tmp_path):
    done = shell(f"{PYTHON} tree pairwise --out bäume.txt", tmp_path, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"written: b\\xe4ume.txt\n"
    assert (tmp_path / "bäume.txt").exists()


@full
def test_a_stream_that_fails_is_not_tried_again(monkeypatch):
    with open("/dev/full", "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        assert not streams.say("lost")
        assert streams.say("goes nowhere")
    with open("/dev/full", "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(OSError, match="No space left"):
            streams.put("lost")
        streams.discard(stream)


def test_a_stream_that_was_closed_here_is_as_good_as_one_that_the_caller_closed(monkeypatch):
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "stdout", stream)
    assert not streams.say("lost")
    with pytest.raises(OSError, match="Bad file descriptor"):
        streams.put("lost")


def test_a_message_is_one_line_whatever_it_quotes(capsys):
    assert main(["tree", "zig\nzag\x1b[2J"]) == 2
    assert main(["check", "no\nsuch\x1bfile"]) == 2
    with pytest.raises(SystemExit):
        main(["tree", "pairwise", "--a\nb\x1b"])
    err = capsys.readouterr().err
    assert err.count("\n") == 3
    assert "\x1b" not in err


# interrupts

INTERRUPTED = """
import signal, sys, runpy, atexit

class Finder:
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            {what}

class Dying:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

for name in [name for name in sys.modules if name.partition(".")[0] in ("argparse", "numpy")]:
    del sys.modules[name]
sys.meta_path.insert(0, Finder())
sys.argv = ["fpsynth", "order", "--terms", "64", "--gap", "0.00001", "--timeout", "20", "--no-replay"]
runpy.run_module("fpsynth", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    ("module", "what"),
    [
        ("argparse", "signal.raise_signal(signal.SIGINT)"),
        ("fpsynth.cli.commands", "signal.raise_signal(signal.SIGINT)"),
        ("numpy", "signal.raise_signal(signal.SIGINT)"),
        ("numpy", "Dying()"),  # where Python cannot raise it
        ("argparse", "signal.raise_signal(signal.SIGTERM)"),
        ("fpsynth.cli.commands", "signal.raise_signal(signal.SIGTERM)"),
    ],
)
def test_an_interrupt_at_any_time_is_130_and_one_word(module, what):
    code = INTERRUPTED.format(module=module, what=what)
    done = python(code)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


LAST = """
import builtins
class Last:
    def __del__(self, send=signal.raise_signal, number=signal.SIGTERM):
        send(number)
builtins.last = Last()
"""
"""A request to end that comes when the interpreter has taken its handlers away."""


def test_further_requests_to_end_change_nothing():
    """They come while the first one is answered, one after the other: what is begun then is not broken off."""
    code = (
        f"import runpy, signal, sys\n{LAST}import fpsynth.cli.main as main\n"
        "say, end = main.say, lambda: signal.raise_signal(signal.SIGTERM)\n"
        "main._run, main.say = lambda *_: end(), lambda text: (end(), say(text), end())\n"
        "main.end_all = lambda: (end(), print('all are killed'))\n"
        "sys.argv = ['fpsynth', 'tree', 'pairwise']\n"
        "runpy.run_module('fpsynth', run_name='__main__', alter_sys=True)"
    )
    done = python(code)
    assert (done.returncode, done.stdout, done.stderr) == (130, "all are killed\n", "interrupted\n")


def test_a_request_to_end_in_a_destructor_is_not_lost_where_interrupts_are_ignored():
    """As in a script that starts it in the background."""
    code = (
        "import runpy, signal, sys, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nimport fpsynth.cli.main as main\n"
        "class Asks:\n    def __del__(self):\n        signal.raise_signal(signal.SIGTERM)\n"
        "def run(*_):\n    Asks()\n    time.sleep(20)\nmain._run = run\n"
        "sys.argv = ['fpsynth', 'tree', 'pairwise']\n"
        "runpy.run_module('fpsynth', run_name='__main__', alter_sys=True)"
    )
    began = time.monotonic()
    done = python(code)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_on_the_way_out_comes_too_late(name):
    code = (
        f"import atexit, runpy, signal, sys\natexit.register(signal.raise_signal, signal.{name})\n{LAST}"
        "sys.argv = ['fpsynth', 'tree', 'pairwise']\nrunpy.run_module('fpsynth', run_name='__main__', alter_sys=True)"
    )
    done = python(code)
    assert (done.returncode, done.stderr) == (0, "")
    assert "pairwise, 8 terms" in done.stdout


@linux
def test_an_interrupt_that_the_caller_ignores_is_ignored():
    line = f"trap '' INT; {PYTHON} order --terms 64 --gap 0.00001 --timeout 0.5 --no-replay & sleep 0.3; kill -INT $!; wait $!"
    done = shell(line)
    assert done.returncode == 3, done.stderr


# workers and packages


@linux
def test_a_killed_worker_means_that_nothing_is_known():
    process = start("reveal", "numpy:matmul", "--terms", "2000", "--outputs", "3", "--batch", "1,4,64")
    end = time.monotonic() + 60
    while not (seen := descendants(process.pid)) and time.monotonic() < end and process.poll() is None:
        time.sleep(0.01)
    for worker in seen:
        os.kill(worker, signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.count("\n")) == (3, "", 1)
    assert "fpsynth reveal: unknown: numpy:matmul" in err
    assert "crashed" in err


WITHOUT_NUMPY = """
import json, sys
sys.modules["numpy"] = None
from fpsynth.cli.main import main
for line in json.loads(sys.argv[1]):
    try:
        code = main(line.split())
    except SystemExit as end:
        code = end.code
    print(line, code, file=sys.stderr)
"""


def test_without_numpy_every_command_says_what_to_install():
    needing = ["tie", "order", "precision", "relu", "interval", "twin", "position", "matrix", "tree pairwise"]
    needing += ["certify --network n.npz --images i.npz --eps 1"]
    done = python(WITHOUT_NUMPY, json.dumps([*needing, "tie --help", "--version"]))
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    for line in needing:
        name = line.split()[0]
        expected = [f"fpsynth {name}: error: numpy is not installed: pip install numpy", f"{line} 2"]
        assert [lines.pop(0), lines.pop(0)] == expected
    assert lines == ["tie --help 0", "--version 0"]


REPLAY = {"timeout": 600.0, "do": "replay", "libraries": ["numpy"], "batches": [1], "device": "cpu", "keep": False, "style": {}}


@linux
def test_a_library_that_was_killed_during_a_replay_leaves_open_whether_it_confirms(tmp_path, monkeypatch, capsys):
    from fpsynth.api.worker import _Handler
    from fpsynth.cli.outcomes import unconfirmed
    from fpsynth.libraries.pool import LibraryPool

    save(published(), tmp_path / "tie.json")
    start = LibraryPool.start

    def killed(pool):
        start(pool)
        for member in pool.members.values():
            os.kill(member.worker.process.pid, signal.SIGKILL)

    monkeypatch.setattr(LibraryPool, "start", killed)
    where = ["--library", "numpy", "--batch", "1"]
    answer = _Handler()({**REPLAY, "file": str(tmp_path / "tie.json")})  # as the process of the command does it
    assert not answer["holds"]
    assert unconfirmed(answer["not_run"]) == 3
    assert main(["tie", "--dtype", "float16", "--solver", "sampling", *where]) == 3
    assert main(["order", "--terms", "4", *where]) == 3
    assert capsys.readouterr().out.count("crashed") >= 2


def test_memory_that_runs_out_is_an_unknown(monkeypatch, capsys):
    from fpsynth.cli import commands

    def hungry(arguments, console):
        return bytearray(1 << 62)

    monkeypatch.setattr(commands, "COMMANDS", {"environments": hungry})
    assert main(["environments"]) == 3
    assert capsys.readouterr().err == "fpsynth environments: unknown: memory ran out\n"


# two runs, one name


@pytest.mark.parametrize("out", ["flip.json", "flip"])
def test_of_two_runs_that_write_one_place_one_wins_and_the_other_is_told(out, tmp_path, monkeypatch, capsys):
    from fpsynth import api

    place, ask = tmp_path / out, api.order

    def slow(*arguments, **options):
        """While this run searches, another one with the same --out comes to its end."""
        monkeypatch.setattr(api, "order", ask)
        assert main(["order", "--terms", "4", "--no-replay", "--out", str(place)]) == 0
        return ask(*arguments, **options)

    monkeypatch.setattr(api, "order", slow)
    assert main(["order", "--terms", "8", "--no-replay", "--out", str(place)]) == 2
    out, err = capsys.readouterr()
    assert out.count("FOUND") == 1
    assert err.count("\n") == 1
    assert f"cannot write {place}" in err
    assert load(place if place.is_file() else place / "witness.json").network.widths[0] == 4
