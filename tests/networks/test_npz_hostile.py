"""Archives made to do harm: refused in one line, before anything is read or made of what they say they hold."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fpsynth.errors import InputError
from fpsynth.networks.npz import load_images, load_network

EYE = np.eye(2)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.npz"


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def header(text, version=b"\x01\x00"):
    """The start of a .npy file with this header, whatever it says."""
    size = struct.pack("<H" if version == b"\x01\x00" else "<I", len(text))
    return b"\x93NUMPY" + version + size + text.encode()


def archive(path, members, method=zipfile.ZIP_DEFLATED):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zipfile, about names that are there twice
        with zipfile.ZipFile(path, "w", method) as file:
            for name, data in members:
                file.writestr(name, data)


def refused(load, path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError) as caught:
            load(path)
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < 400
    return said


def zeros(count):
    """An archive member of so many zero bytes, written without holding them."""
    return b"\0" * count


@pytest.fixture(scope="module")
def bomb(tmp_path_factory):
    """A network of 96 million weights of one byte in a file of 100 KB."""
    path = tmp_path_factory.mktemp("bomb") / "bomb.npz"
    text = "{'descr': '|u1', 'fortran_order': False, 'shape': (8192, 12000), }\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("W0.npy", "w") as member:
        member.write(header(text))
        for _ in range(96):
            member.write(zeros(1024 * 1000))
    assert path.stat().st_size < 200_000
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of the memory from /proc")
def test_a_bomb_is_refused_before_anything_is_read(bomb):
    code = (
        "import sys, time\n"
        "from fpsynth.errors import InputError\n"
        "from fpsynth.networks.npz import load_network\n"
        "start = time.perf_counter()\n"
        "try:\n    load_network(sys.argv[1])\n"
        "except InputError as error:\n    print(error)\n"
        "seconds = time.perf_counter() - start\n"
        "(peak,) = [line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')]\n"
        "print(seconds, peak)\n"
    )
    here = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code, str(bomb)],
        env={**os.environ, "PYTHONPATH": here},
        capture_output=True,
        text=True,
        check=True,
    )
    said, figures = done.stdout.splitlines()
    seconds, peak = map(float, figures.split())
    assert said.endswith("the arrays need more than 128 MiB in float64")
    assert seconds < 5  # 41 s were it read
    assert peak * 1024 < 300e6


def test_the_limit_counts_float64_and_labels_as_they_are_read(path, monkeypatch):
    np.savez(path, images=np.zeros((10, 4), np.uint8), labels=np.zeros(10, np.uint8))
    monkeypatch.setattr("fpsynth.networks.npz.MAX_IMAGE_BYTES", 40 + 80)
    assert load_images(path).pixels.shape == (10, 4)
    monkeypatch.setattr("fpsynth.networks.npz.MAX_IMAGE_BYTES", 40 + 79)
    assert "images need more than" in refused(load_images, path)
    np.savez(path, W0=np.zeros((10, 10), np.uint8))
    monkeypatch.setattr("fpsynth.networks.npz_archive.MAX_BYTES", 799)
    assert "in float64" in refused(load_network, path)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_other_compressions_are_refused(path, method):
    archive(path, [("W0.npy", npy(EYE))], method)
    assert "compressed by" in refused(load_network, path)
    archive(path, [("images.npy", npy(EYE)), ("labels.npy", npy(np.array([0, 1])))], method)
    assert "savez_compressed" in refused(load_images, path)


def test_members_of_no_interest_may_be_compressed_otherwise(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("W0.npy", npy(EYE))
        file.writestr("more.npy", npy(EYE), compress_type=zipfile.ZIP_LZMA)
    assert load_network(path).widths == (2, 2)


def test_headers_of_python_2_are_read_without_a_warning(path):
    archive(path, [("W0.npy", header("{'descr': '<f8', 'fortran_order': False, 'shape': (2L, 2L), }\n") + EYE.tobytes())])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (load_network(path).dense_layers[0].weight == EYE).all()


@pytest.mark.parametrize("version", [b"\x02\x00", b"\x03\x00"])
def test_headers_of_later_versions_are_read(path, version):
    text = '{"shape": (2, 2), "fortran_order": True, "descr": ">f4"}'
    archive(path, [("W0.npy", header(text, version) + np.array([[1, 2], [3, 4]], ">f4").tobytes())])
    assert load_network(path).dense_layers[0].weight.T.tolist() == [[1, 3], [2, 4]]


GOOD = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }"
BAD_HEADERS = {
    "truth as a size": GOOD.replace("(2, 2)", "(True, 4)"),
    "fraction as a size": GOOD.replace("(2, 2)", "(2.0, 2)"),
    "list as a shape": GOOD.replace("(2, 2)", "[2, 2]"),
    "number as a shape": GOOD.replace("(2, 2)", "(4)"),
    "huge size": GOOD.replace("(2, 2)", "(2, " + "9" * 5000 + ")"),
    "too many dimensions": GOOD.replace("(2, 2)", "(" + "1, " * 500 + ")"),
    "sum as a size": GOOD.replace("(2, 2)", "(1+1, 2)"),
    "call": GOOD.replace("(2, 2)", "(exit(), 2)"),
    "truth by number": GOOD.replace("False", "0"),
    "no shape": "{'descr': '<f8', 'fortran_order': False}",
    "shape twice": GOOD.replace("'descr': '<f8'", "'descr': '<f8', 'shape': (2, 2)"),
    "more": GOOD.replace("}", "'more': True}"),
    "after the end": GOOD + " + {}",
    "empty": "",
    "nested": "{" * 9000,
    "null": GOOD.replace("(2, 2)", "(2, \x00)"),
    "no number": GOOD.replace("'<f8'", "None"),
}


@pytest.mark.parametrize("case", BAD_HEADERS)
def test_bad_headers_are_one_line(path, case):
    archive(path, [("W0.npy", header(BAD_HEADERS[case]) + EYE.tobytes())])
    assert "the header of 'W0.npy' is damaged" in refused(load_network, path)


@pytest.mark.parametrize("kind", ["|O", "|V8", "<c16", "<U2", "|S8", "<M8[s]", "|b1", "<f", "<i3", "f8f8", "<f3", "<f99"])
def test_nothing_but_numbers_is_read(path, kind):
    archive(path, [("W0.npy", header(GOOD.replace("<f8", kind)) + EYE.tobytes())])
    assert "W0 does not hold plain numbers" in refused(load_network, path)


@pytest.mark.parametrize("kind", ["<f12", "<f16", ">f16"])
def test_long_doubles_are_one_line_whether_numpy_has_them_or_not(path, kind):
    data = header(GOOD.replace("<f8", kind)) + bytes(4 * int(kind[2:]))
    archive(path, [("W0.npy", data)])
    said = refused(load_network, path)
    assert "wider than float64" in said or "does not hold plain numbers" in said


def test_a_member_that_is_there_twice_is_refused(path):
    archive(path, [("W0.npy", npy(EYE)), ("W0.npy", npy(EYE * 2))])
    assert "there twice" in refused(load_network, path)


def test_a_name_that_differs_between_the_directory_and_the_member_is_refused(path):
    archive(path, [("W0.npy", npy(EYE)), ("b0.npy", npy(np.ones(2)))])
    whole = path.read_bytes()
    place = whole.rindex(b"b0.npy")
    path.write_bytes(whole[:place] + b"bp" + whole[place + 2 :])  # the bias would be lost without a word
    assert "not what the archive's directory says" in refused(load_network, path)


def test_an_encrypted_member_is_refused(path):
    archive(path, [("W0.npy", npy(EYE))])
    whole = bytearray(path.read_bytes())
    whole[whole.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(whole)
    assert "is encrypted" in refused(load_network, path)


def test_too_many_members_are_refused(path):
    archive(path, [(f"x{k}", b"") for k in range(10_001)])
    assert "more than 10000 members" in refused(load_network, path)


def test_a_member_that_decompresses_to_more_or_less_than_it_says_is_refused(path):
    for change in (-8, 8, 1 << 20):
        archive(path, [("W0.npy", header(GOOD.replace("(2, 2)", f"(1, {4 + change // 8})")) + bytes(32))])
        whole = bytearray(path.read_bytes())
        place = whole.index(b"PK\x01\x02") + 24
        whole[place : place + 4] = struct.pack("<I", len(header(GOOD)) + 32 + change + len(str(4 + change // 8)) - 1)
        path.write_bytes(whole)
        refused(load_network, path)


def test_a_wrong_checksum_is_refused(path):
    archive(path, [("W0.npy", npy(EYE))], zipfile.ZIP_STORED)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(EYE.tobytes(), (EYE * 2).tobytes()))
    assert "'W0.npy' is damaged" in refused(load_network, path)


def test_a_comment_at_the_end_may_stand_there(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("W0.npy", npy(EYE))
        file.comment = b"PK\x05\x06 is how the end begins"
    assert load_network(path).widths == (2, 2)


def test_what_zip_streams_write_is_read(path):
    class Stream(io.BytesIO):
        def seekable(self):
            return False

        def seek(self, *place):
            raise OSError

        def tell(self):
            raise OSError

    stream = Stream()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("W0.npy", npy(EYE))  # its sizes stand after it
    path.write_bytes(stream.getvalue())
    assert load_network(path).widths == (2, 2)


@pytest.mark.parametrize("load", [load_network, load_images])
def test_nothing_but_regular_files_is_opened(load, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "to-pipe").symlink_to(tmp_path / "pipe")
    for name in ("pipe", "zero", "to-pipe"):
        assert "not a regular file" in refused(load, tmp_path / name)
    assert "cannot read" in refused(load, tmp_path / "loop")
    assert "\\x1b" in refused(load, tmp_path / "a\x1b[2J\nb.npz")


def test_a_link_to_an_archive_is_followed(path, tmp_path):
    np.savez(path, W0=EYE)
    (tmp_path / "link").symlink_to(path)
    assert load_network(tmp_path / "link").widths == (2, 2)


@pytest.mark.parametrize("labels", [np.array([0, 2**63], np.uint64), np.array([0, 2**40])])
def test_labels_beyond_any_class_are_refused(path, labels):
    np.savez(path, images=np.zeros((2, 3)), labels=labels)
    assert "labels must be 2 integers from 0" in refused(load_images, path)
