"""Running the command line, in a process of its own or in this one, and watching the processes below it."""

import argparse
import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fpsynth.cli.arguments import build_parser
from fpsynth.cli.main import main

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
HARD = ["tie", "--solver", "z3", "--weights", "0.5:0.50001", "--min-ratio", "16777216", "--library", "numpy"]
"""No solver decides it in seconds: only a few inputs near powers of two are left."""


def leaves(parser=None, name=""):
    """The parsers of all subcommands by their names, those of one that does several things by two words."""
    parser = build_parser() if parser is None else parser
    inner = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not inner:
        return {name: parser}
    return {leaf: found for word, below in inner[0].items() for leaf, found in leaves(below, f"{name} {word}".strip()).items()}


def fpsynth(*arguments, cwd=None):
    """Run the command line to its end."""
    return subprocess.run(
        [sys.executable, "-m", "fpsynth", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        cwd=cwd,
        timeout=100,
        stdin=subprocess.DEVNULL,
    )


def fpsynth_here(*arguments, cwd="."):
    """Run the command line in this process: where what it prints and its exit code are looked at, and nothing of a process."""
    out, err, handler = io.StringIO(), io.StringIO(), signal.getsignal(signal.SIGTERM)
    try:
        with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([*map(str, arguments)])
    except SystemExit as end:  # argparse
        code = end.code
    finally:
        signal.signal(signal.SIGTERM, handler)
    return subprocess.CompletedProcess(arguments, code or 0, out.getvalue(), err.getvalue())


def refused(done):
    """Assert exit code 2, one clear line on standard error, nothing on standard output; return the line."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 400
    return done.stderr


def descendants(process):
    """Process numbers below a process."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents[int(stat.parent.name)] = int(fields[1])
    below = {process}
    while grown := {child for child, parent in parents.items() if parent in below} - below:
        below |= grown
    return below - {process}


def alive(processes):
    """Those that still run."""
    running = set()
    for process in processes:
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                running.add(process)
        except OSError:
            continue
    return running


def gone(processes, seconds=3.0):
    """Whether they all end within some seconds."""
    end = time.monotonic() + seconds
    while alive(processes) and time.monotonic() < end:
        time.sleep(0.02)
    return not alive(processes)


linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "fpsynth", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        start_new_session=True,
    )


def workers(process):
    """Wait until the process has workers, and return all that ever appear until there are some solvers among them."""
    seen, end = set(), time.monotonic() + 20
    while len(seen) < 2 and time.monotonic() < end and process.poll() is None:
        seen |= descendants(process.pid)
        time.sleep(0.02)
    assert len(seen) >= 2
    return seen
