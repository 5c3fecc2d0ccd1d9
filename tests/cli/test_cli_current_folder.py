"""Files in the current folder that are called like modules of Python or packages change nothing, or are named in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ENVIRONMENT, ROOT, fpsynth, refused

STRAY = (
    "json",
    "random",
    "numpy",
    "onnx",
    "torch",
    "email",
    "secrets",
    "shutil",
    "fractions",
    "signal",
    "argparse",
    "tempfile",
)


@pytest.mark.parametrize("content", ["x = 1\n", "raise RuntimeError('imported from the current folder')\n"])
def test_none_of_them_is_imported(content: str, tmp_path: Path) -> None:
    for name in STRAY:
        (tmp_path / f"{name}.py").write_text(content)
    done = fpsynth("tie", "--library", "numpy", "--out", "tie.json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    done = fpsynth("check", "tie.json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_checkout_in_the_current_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "fpsynth").symlink_to(ROOT / "fpsynth", target_is_directory=True)
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-m", "fpsynth", "tree", "pairwise"]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["json", "random", "numpy", "shutil"])
@pytest.mark.parametrize("package", [False, True])
def test_where_pythonpath_has_the_folder_the_file_is_named(
    name: str, package: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / name / "__init__.py" if package else tmp_path / f"{name}.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text("x = 1\n")
    monkeypatch.setitem(ENVIRONMENT, "PYTHONPATH", os.pathsep + str(ROOT))
    said = refused(fpsynth("tie", "--library", "numpy", "--json", cwd=tmp_path))
    assert f"error: {file} is imported in place of the module {name} that fpsynth needs" in said
    file.unlink()


def test_an_error_of_another_origin_is_not_laid_on_such_a_file(tmp_path: Path) -> None:
    (tmp_path / "secrets.py").write_text("x = 1\n")
    code = (
        "import secrets, sys\nimport fpsynth.cli.main as main\ndef run(*_):\n    raise ValueError('another')\n"
        "main._run = run\nsys.exit(main.main(['tree', 'pairwise']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 70
    assert "internal error, please report it with the lines above: ValueError: another" in done.stderr
