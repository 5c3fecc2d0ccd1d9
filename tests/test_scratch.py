"""Temporary folders: gone when they are done with, and gone at the next start where their process was killed."""

import os
import signal
import subprocess
import sys
import tempfile
import time

import pytest
from command_line import ENVIRONMENT

from fpsynth.files import write_tree
from fpsynth.scratch import HOST, PREFIX, locked, remove_abandoned, scratch

pytestmark = pytest.mark.skipif(os.name != "posix", reason="nothing is locked there")

HOLD = """
import time
from fpsynth.scratch import scratch
with scratch() as folder:
    (folder / "deep").mkdir()
    (folder / "deep" / "file").write_text("x")
    print(folder, flush=True)
    time.sleep(600)
"""
MANY = """
from fpsynth.scratch import scratch
for number in range(150):
    with scratch() as folder:
        assert list(folder.iterdir()) == []
        for name in "abc":
            (folder / name).write_text(str(number))
        assert sorted(path.read_text() for path in folder.iterdir()) == [str(number)] * 3
"""
WRITE = """
import sys
from fpsynth.files import write_tree
write_tree(sys.argv[1], {f"{number}.txt": b"x" for number in range(200_000)})
"""


def started(code, tmp_path, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, env={**ENVIRONMENT, "TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, text=True)


def test_it_is_empty_and_goes_whatever_is_in_it(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with scratch() as folder:
        assert folder.parent == tmp_path
        assert list(folder.iterdir()) == []
        (folder / "deep").mkdir()
        (folder / "deep" / "file").touch()
    with pytest.raises(ValueError, match="no"), scratch():
        raise ValueError("no")
    assert list(tmp_path.iterdir()) == []


def test_what_the_killed_leave_is_removed_and_what_the_living_hold_is_not(tmp_path):
    with started(HOLD, tmp_path) as dead, started(HOLD, tmp_path) as alive:
        folders = [process.stdout.readline().strip() for process in (dead, alive)]
        dead.kill()
        dead.wait(60)
        assert sorted(os.listdir(tmp_path)) == sorted(map(os.path.basename, folders))
        remove_abandoned(tmp_path)
        assert os.listdir(tmp_path) == [os.path.basename(folders[1])]
        assert os.path.exists(os.path.join(folders[1], "deep", "file"))
        alive.kill()
        alive.wait(60)
    remove_abandoned(tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_copy_of_the_process_that_lives_on_holds_it(tmp_path):
    (tmp_path / f"{PREFIX}xxxxxxxx").mkdir()
    reading, writing = os.pipe()
    with locked(tmp_path / f"{PREFIX}xxxxxxxx") as ours:
        assert ours
        child = os.fork()
        if child == 0:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
    remove_abandoned(tmp_path)
    assert len(os.listdir(tmp_path)) == 1
    os.close(writing)
    os.waitpid(child, 0)
    os.close(reading)
    remove_abandoned(tmp_path)
    assert os.listdir(tmp_path) == []


def test_nothing_else_is_touched(tmp_path):
    """Folders of other names or hosts, files, and links, whatever they are called."""
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    (tmp_path / f"{PREFIX}linklink").symlink_to(kept)
    (tmp_path / f"{PREFIX}filefile").touch()
    (tmp_path / "fpsynth-another-host-x").mkdir()
    before = sorted(tmp_path.rglob("*"))
    remove_abandoned(tmp_path)
    remove_abandoned(tmp_path / "missing")
    assert sorted(tmp_path.rglob("*")) == before


def test_nobody_loses_a_folder_to_others_who_tidy_up_all_the_time(tmp_path):
    """Between its making and its locking a folder looks like one of the dead."""
    processes = [started(MANY, tmp_path) for _ in range(2)]
    while any(process.poll() is None for process in processes):
        remove_abandoned(tmp_path)
    assert [process.wait() for process in processes] == [0, 0]
    for process in processes:
        process.stdout.close()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("deep", ["out", "deep/out"])
def test_a_half_written_folder_of_the_killed_is_removed_where_it_is_written_again(tmp_path, deep):
    with started(WRITE, tmp_path, tmp_path / deep) as process:
        end = time.monotonic() + 60
        while not list(tmp_path.glob(".*.tmp/**/*.txt")):
            assert time.monotonic() < end
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    (left,) = os.listdir(tmp_path)
    assert left.startswith(f".{deep.partition('/')[0]}.")
    write_tree(tmp_path / "other", {"x": b"1"})
    assert sorted(os.listdir(tmp_path)) == [left, "other"], "it may be of somebody who is at it"
    write_tree(tmp_path / deep, {"x": b"1"})
    assert sorted(os.listdir(tmp_path)) == sorted(["other", deep.partition("/")[0]])
    assert (tmp_path / deep / "x").read_bytes() == b"1"


def test_folders_of_hosts_whose_names_go_on_otherwise_are_theirs(tmp_path):
    others = [f"{PREFIX}1-abcdefgh", f"{PREFIX}abcdefgh.other"]
    for name in others:
        (tmp_path / name).mkdir()
    (tmp_path / f".out.{HOST}.cluster.0123456789ab.tmp").mkdir()
    remove_abandoned(tmp_path)
    write_tree(tmp_path / "out", {"file": b"x"})
    assert sorted(os.listdir(tmp_path)) == sorted([*others, f".out.{HOST}.cluster.0123456789ab.tmp", "out"])
