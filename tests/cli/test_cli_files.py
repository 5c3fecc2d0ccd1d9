"""Files that are not what a subcommand takes: one line says what they are and what is taken, and nothing is executed."""

from __future__ import annotations

import os
import pickle
import zipfile

import numpy as np
import pytest
from profiles import slow

from fpsynth.cli.main import main
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.networks.onnx import onnx_bytes


def one_line(capsys, *arguments, code=2):
    """Run the command line in this process; return the one line that it prints on standard error."""
    assert main(list(map(str, arguments))) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.rstrip("\n").isprintable()
    assert len(err) < 700
    return err


class Harm:
    """Unpickling it would end the test run."""

    def __reduce__(self):
        return (os._exit, (99,))


def onnx_model(path):
    pytest.importorskip("onnx", reason="the package onnx is not installed")
    from fpsynth.formats import FLOAT32

    path.write_bytes(onnx_bytes(dense_relu((Dense(((1.0, 2.0),)),)), FLOAT32))


def archive_of(*names):
    def write(path):
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, pickle.dumps(Harm()))

    return write


FILES = {
    "an ONNX model": onnx_model,
    "a Keras model (.keras)": archive_of("config.json", "model.weights.h5"),
    "an HDF5 file, such as Keras writes (.h5)": lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64)),
    "a torch file (.pt, .pth)": archive_of("archive/data.pkl", "archive/data/0"),
    "a file of safetensors": lambda path: path.write_bytes(b"\x08\0\0\0\0\0\0\0{}      "),
    "a pickle, which fpsynth never opens": lambda path: path.write_bytes(pickle.dumps(Harm())),
    "a VNN-LIB property": lambda path: path.write_text("(declare-const X_0 Real)\n"),
    "an .npz file of NumPy": lambda path: path.write_bytes(archive_bytes(path)),
}


NETWORKS = {
    "an ONNX model": "a network with one output has no classes to certify",
    "a Keras model (.keras)": "config.json",
    "a torch file (.pt, .pth)": "it holds numbers without the module that says what is computed",
}
"""What is said of files that a network is read from, or would be."""


def archive_bytes(path):
    np.savez(path.with_suffix(".npz"), x=np.eye(2))
    return path.with_suffix(".npz").read_bytes()


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        pytest.param(command, kind, marks=slow if command != "check" and k > 1 else ())
        for command in ("check", "replay", "explain")
        for k, kind in enumerate(FILES)
    ],
)
def test_witness_commands_say_what_a_file_is_and_what_they_take(command, kind, tmp_path, capsys):
    FILES[kind](tmp_path / "file")
    said = one_line(capsys, command, tmp_path / "file")
    assert f"file is {kind}; what is needed is a witness file (JSON, written by fpsynth)" in said


@pytest.mark.parametrize("kind", FILES)
def test_certify_says_what_a_file_is_and_what_it_takes(kind, tmp_path, capsys):
    np.savez(tmp_path / "net.npz", W0=np.eye(2))
    np.savez(tmp_path / "images.npz", images=np.eye(2), labels=np.array([0, 1]))
    FILES[kind](tmp_path / "file")
    for network, images in (("file", "images.npz"), ("net.npz", "file")):
        said = one_line(capsys, "certify", "--network", tmp_path / network, "--images", tmp_path / images, "--eps", "0.1")
        if network == "file" and kind in NETWORKS:
            assert NETWORKS[kind] in said
        elif network == "file" and kind != "an .npz file of NumPy":
            assert f"file is {kind}; what is needed is an ONNX model, a Keras model (.keras), an .npz file" in said
        elif kind != "an .npz file of NumPy":
            assert f"file is {kind}; what is needed is an .npz file of NumPy with" in said
        else:
            assert "no array called" in said


def test_certify_help_says_the_layout(capsys):
    with pytest.raises(SystemExit):
        main(["certify", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "W0, W1, ..., each (inputs, outputs) as in x @ W0" in text
    assert "b0, b1, ..., each (outputs,)" in text
    assert "--timeout SECONDS" in text


@pytest.mark.parametrize("json", [False, True])
def test_certify_out_of_time_is_unknown(json, tmp_path, capsys):
    np.savez(tmp_path / "net.npz", W0=np.ones((30, 20)), W1=np.ones((20, 2)))
    np.savez(tmp_path / "images.npz", images=np.ones((2, 30)), labels=np.array([0, 1]))
    arguments = ["certify", "--network", tmp_path / "net.npz", "--images", tmp_path / "images.npz", "--eps", "0.1"]
    assert main([*map(str, arguments), "--certifier", "lipschitz-exact", "--timeout", "1e-6", *["--json"] * json]) == 3
    out, err = capsys.readouterr()
    assert err == ""
    assert "time ran out after 1e-06 s" in out
    assert "certified" not in out
    said = one_line(capsys, *arguments, "--timeout", "nan")
    assert "the time limit must be above 0" in said


@pytest.mark.parametrize("command", ["check", "replay", "explain"])
def test_paths_cannot_write_to_the_terminal(command, tmp_path, capsys):
    evil = tmp_path / "a\nfpsynth: confirmed\x1b[2J\u202e.json"
    assert "\\x1b[2J" in one_line(capsys, command, evil)
    evil.write_text("{}")
    assert "\\nfpsynth: confirmed\\x1b[2J\\u202e" in one_line(capsys, command, evil)
    evil.write_text('{"schema": "fpsynth-witness", "schema_version": 1, "a\\u001b[2J\\nb": 1}')
    one_line(capsys, command, evil)
