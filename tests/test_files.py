"""Files are read within a limit, and written whole or not at all."""

import hashlib
import os
import stat
import threading

import pytest

from fpsynth import files
from fpsynth.errors import InputError
from fpsynth.files import digested, read_bytes_limited, read_limited, write_atomically, write_new_files, write_tree


def listing(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def refused(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.fixture
def failing_disk(monkeypatch):
    """A disk that is full when the second file is synced."""
    calls = []

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fsync)


def test_a_file_is_read_up_to_the_limit_and_not_beyond(tmp_path):
    path = tmp_path / "f"
    path.write_bytes("äb".encode())
    assert read_limited(path, 3) == "äb"
    assert read_bytes_limited(path, 3) == "äb".encode()
    assert "larger than 2 bytes" in refused(read_limited, path, 2)


@pytest.mark.skipif(not os.path.exists("/proc/self/limits"), reason="there are no such files")
def test_a_file_that_is_larger_than_it_was_said_to_be_is_read_whole_up_to_the_limit():
    """Files of the kernel are of size 0 until they are read."""
    with open("/proc/self/limits", "rb") as file:
        content = file.read()
    assert os.stat("/proc/self/limits").st_size < len(content)
    assert read_bytes_limited("/proc/self/limits", len(content)) == content
    assert digested("/proc/self/limits", len(content)) == (hashlib.sha256(content).hexdigest(), len(content))
    for read in (read_bytes_limited, digested):
        assert "larger than" in refused(read, "/proc/self/limits", len(content) - 1)


def test_a_digest_is_that_of_all_of_a_file(tmp_path):
    content = bytes(range(256)) * (files._PIECE // 100)
    (tmp_path / "f").write_bytes(content)
    assert digested(tmp_path / "f", len(content)) == (hashlib.sha256(content).hexdigest(), len(content))
    assert "larger than" in refused(digested, tmp_path / "f", len(content) - 1)
    assert "No such file" in refused(digested, tmp_path / "g", 1)


def test_what_cannot_be_read_is_one_line(tmp_path):
    (tmp_path / "latin").write_bytes(b"abc\xe4")
    os.mkfifo(tmp_path / "pipe")
    assert "No such file" in refused(read_limited, tmp_path / "absent", 10)
    assert "it is a folder" in refused(read_limited, tmp_path, 10)
    assert "byte 3 is not UTF-8" in refused(read_limited, tmp_path / "latin", 10)
    assert "not a regular file" in refused(read_limited, tmp_path / "pipe", 10)
    assert "not a regular file" in refused(read_limited, "/dev/zero", 10)
    assert "embedded null" in refused(read_limited, "a\x00b", 10)  # byte, or character from Python 3.12 on
    assert "\\x1b" in refused(read_limited, tmp_path / "\x1b[2J\n", 10)


def test_a_written_file_replaces_the_old_one_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "f"
    write_atomically(path, "old")
    write_atomically(path, b"new")
    assert path.read_text() == "new"
    assert listing(tmp_path) == ["f"]


def test_the_mode_of_a_new_file_follows_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        write_atomically(tmp_path / "f", "x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, failing_disk):
    path = tmp_path / "f"
    path.write_text("old")
    files.os.fsync(0)
    assert refused(write_atomically, path, "new") == f"cannot write {path}: No space left on device"
    assert path.read_text() == "old"
    assert listing(tmp_path) == ["f"]


def test_an_interrupt_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "f", "x")
    with pytest.raises(KeyboardInterrupt):
        write_tree(tmp_path / "deep" / "folder", {"a": b""})
    assert listing(tmp_path) == []


def test_links_are_followed_and_devices_left_alone(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_atomically(tmp_path / "link", "x")
    assert (tmp_path / "target").read_text() == "x"
    assert (tmp_path / "link").is_symlink()
    assert "not a regular file" in refused(write_atomically, "/dev/null", "x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert "not a regular file" in refused(write_atomically, tmp_path, "x")
    assert "No such file" in refused(write_atomically, tmp_path / "absent" / "f", "x")


def test_a_tree_appears_whole_with_its_missing_parents(tmp_path):
    write_tree(tmp_path / "a" / "b", {"x.txt": b"1", "sub/y.txt": b"2"})
    assert listing(tmp_path) == ["a", "a/b", "a/b/sub", "a/b/sub/y.txt", "a/b/x.txt"]


def test_an_empty_folder_may_be_filled_and_another_not(tmp_path):
    (tmp_path / "empty").mkdir()
    write_tree(tmp_path / "empty", {"x": b"1"})
    message = refused(write_tree, tmp_path / "empty", {"y": b"2"})
    assert message == f"cannot write {tmp_path / 'empty'}: the folder exists and is not empty: choose another name, or empty it"
    assert "not a folder" in refused(write_tree, tmp_path / "empty" / "x", {"y": b"2"})
    assert listing(tmp_path) == ["empty", "empty/x"]


def test_a_tree_that_fails_midway_leaves_nothing(tmp_path, failing_disk):
    assert "No space left" in refused(write_tree, tmp_path / "a" / "b", {"x": b"1", "sub/y": b"2"})
    assert listing(tmp_path) == []


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "", "a\\b"])
def test_no_file_of_a_tree_lands_outside_it(tmp_path, name):
    with pytest.raises(ValueError, match="does not stay in the folder"):
        write_tree(tmp_path / "a", {name: b""})
    assert listing(tmp_path) == []


def raced(write, count=8):
    """Call ``write(number)`` in so many threads at once; return the numbers of those that were not refused."""
    start, won, lines = threading.Barrier(count), [], []

    def run(number):
        start.wait()
        try:
            write(number)
        except InputError as refused:
            lines.append(str(refused))
        else:
            won.append(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) + len(lines) == count
    assert all(line.isprintable() for line in lines)
    return won


def test_of_those_that_write_one_new_file_one_wins_and_the_others_are_told(tmp_path):
    (won,) = raced(lambda number: write_atomically(tmp_path / "f", str(number) * 100_000, new=True))
    assert (tmp_path / "f").read_text() == str(won) * 100_000
    assert listing(tmp_path) == ["f"]


def test_of_those_that_write_one_folder_one_wins_and_nothing_is_mixed(tmp_path):
    def write(number):
        write_tree(tmp_path / "a" / "b", {f"{number}.txt": b"", "sub/same.txt": str(number).encode()})

    (won,) = raced(write)
    assert listing(tmp_path) == ["a", "a/b", f"a/b/{won}.txt", "a/b/sub", "a/b/sub/same.txt"]
    assert (tmp_path / "a" / "b" / "sub" / "same.txt").read_text() == str(won)


def test_folders_that_share_missing_parents_do_not_get_into_each_others_way(tmp_path):
    won = raced(lambda number: write_tree(tmp_path / "new" / "deep" / str(number), {"x": b""}))
    assert sorted(won) == list(range(8))
    assert len(listing(tmp_path)) == 2 + 2 * 8


def test_without_links_a_new_file_is_written_all_the_same(tmp_path, monkeypatch):
    def link(source, target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(files.os, "link", link)
    (won,) = raced(lambda number: write_atomically(tmp_path / "f", str(number), new=True))
    assert (tmp_path / "f").read_text() == str(won)
    assert listing(tmp_path) == ["f"]


def test_several_new_files_are_written_all_or_none(tmp_path):
    (tmp_path / "b").write_text("mine")
    names = {str(tmp_path / name): name for name in "abc"}
    assert refused(write_new_files, names) == f"cannot write {tmp_path / 'b'}: {files.TAKEN}"
    assert listing(tmp_path) == ["b"]
    (tmp_path / "b").unlink()
    write_new_files(names)
    assert {name: (tmp_path / name).read_text() for name in "abc"} == {"a": "a", "b": "b", "c": "c"}


def test_a_file_that_appears_while_others_are_written_takes_them_along(tmp_path, monkeypatch):
    link = os.link

    def late(source, target):
        (tmp_path / "b").write_text("mine")
        link(source, target)

    monkeypatch.setattr(files.os, "link", late)
    assert "it exists by now" in refused(write_new_files, {str(tmp_path / name): name for name in "ab"})
    assert listing(tmp_path) == ["b"]
    assert (tmp_path / "b").read_text() == "mine"
