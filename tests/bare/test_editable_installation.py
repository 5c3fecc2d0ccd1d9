"""A checkout that is installed as the README says is the package wherever one works, in the folder above the checkout too."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from bare_python import ROOT, make

pytest.importorskip("setuptools", minversion="77")
pytestmark = [
    pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed"),  # of the bare environment
    pytest.mark.skipif(os.name == "nt", reason="the environment is made of symbolic links"),
]

BUILD = "import sys; from setuptools.build_meta import build_editable; build_editable(sys.argv[1])"
"""What pip does for ``-e``, without the network that an isolated build needs."""


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """The python that a checkout is installed for, the checkout, which is called fpsynth, and the package in it."""
    base = tmp_path_factory.mktemp("editable")
    checkout = base / "above" / "fpsynth"
    shutil.copytree(ROOT / "fpsynth", checkout / "fpsynth", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout)
    wheels = base / "wheels"
    wheels.mkdir()
    subprocess.run([sys.executable, "-c", BUILD, wheels], cwd=checkout, check=True, capture_output=True, timeout=100)
    python = make(base / "environment")
    (packages,) = (base / "environment").glob("lib/python*/site-packages")
    (wheel,) = wheels.iterdir()
    zipfile.ZipFile(wheel).extractall(packages)
    return python, checkout


def run(python, cwd, *arguments):
    """``python arguments`` in ``cwd``, with nothing on the path but what is installed."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run([python, *arguments], cwd=cwd, env=variables, capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize("where", ["the checkout", "the folder above it", "elsewhere"])
def test_it_is_the_package(places, where, tmp_path):
    python, checkout = places
    cwd = {"the checkout": checkout, "the folder above it": checkout.parent, "elsewhere": tmp_path}[where]
    done = run(python, cwd, "-c", "import fpsynth; print(fpsynth.__file__, fpsynth.tie.__name__)")
    assert done.stdout.split() == [str(checkout / "fpsynth" / "__init__.py"), "tie"], done.stderr
    done = run(python, cwd, "-m", "fpsynth", "--version")
    assert re.fullmatch(r"fpsynth [0-9.]+\n", done.stdout), done.stderr


def test_the_readme_installs_a_checkout():
    commands = re.findall(r"pip install [^&]*", Path(ROOT / "README.md").read_text())
    assert commands
    assert all(re.search(r" -c constraints\.txt -e (\.|'\.\[\w+\]') $", command) for command in commands), commands
