"""Commands of others get what they are given and no more, and what they say arrives, cut where it is too long."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from fpsynth.workers import keeping
from fpsynth.workers.commands import Ended, run_command
from fpsynth.workers.deadlines import OutOfTimeError, within


def python(code: str, seconds: float = 60.0, **given: object) -> Ended:
    return run_command([sys.executable, "-c", code], seconds=seconds, **given)  # type: ignore[arg-type]


def test_it_says_how_it_ended() -> None:
    ended = python("import sys; print('out'); print('log', file=sys.stderr); sys.exit(7)")
    assert (ended.status, ended.cause, ended.output, ended.log, ended.left) == (7, "", "out\n", "log\n", 0)
    assert ended.tail == "log"
    assert 0 < ended.seconds < 60


def test_variables_are_added_and_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TO_GO", "1")
    code = "import os; print(os.environ.get('TO_GO'), os.environ.get('TO_COME'))"
    assert python(code, variables={"TO_GO": None, "TO_COME": "2"}).output == "None 2\n"


@pytest.mark.parametrize("path", [None, "/some/where"])
def test_the_import_path_of_workers_is_not_handed_on(monkeypatch: pytest.MonkeyPatch, path: str | None) -> None:
    """A foreign Python would find packages there that are of another version."""
    if path is None:
        monkeypatch.delenv("PYTHONPATH", raising=False)
    else:
        monkeypatch.setenv("PYTHONPATH", path)
    code = "import os; print(os.environ.get('PYTHONPATH'), [name for name in os.environ if name.startswith('FPSYNTH_WORKER')])"
    assert python(code).output == f"{path} []\n"


def test_it_reads_nothing_and_runs_where_it_is_told(tmp_path: Path) -> None:
    ended = python("import os, sys; print(repr(sys.stdin.read()), os.getcwd())", folder=tmp_path)
    assert ended.output == f"'' {tmp_path}\n"


def test_of_what_is_long_the_beginning_and_the_end_are_kept() -> None:
    ended = python(f"print('first'); print('x' * {3 * keeping.HEAD}); print('last')")
    assert ended.output.startswith("first\nxxx")
    assert ended.output.endswith("xxx\nlast\n")
    assert "\n...\n" in ended.output
    assert len(ended.output) < keeping.HEAD + 3 * keeping.TAIL


def test_the_time_of_the_whole_request_is_kept() -> None:
    started = time.monotonic()
    with pytest.raises(OutOfTimeError), within(1.0):
        python("import time; time.sleep(600)")
    assert time.monotonic() - started < 30


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much memory others have")
def test_the_peak_of_memory_is_measured() -> None:
    ended = python("import os, time; hold = os.urandom(1 << 20) * 64; time.sleep(1)")
    assert ended.memory is not None
    assert 64 << 20 < ended.memory < 256 << 20


def test_what_cannot_be_started_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no program")
    file, none = tmp_path / "file", tmp_path / "none"
    assert run_command([file], seconds=5).log == f"cannot start it: Permission denied: {file}"
    assert run_command(["true"], seconds=5, folder=none).log == f"cannot start it: No such file or directory: {none}"
    assert run_command([none], seconds=5).log == f"cannot start it: No such file or directory: {none}"
    assert os.path.exists(tmp_path / "file")
