"""What messages say is to be installed: a command that works for who has a checkout, the same in all of them."""

import re
import tomllib
from pathlib import Path

import pytest

from fpsynth.packages import EXTRAS, how_to_install
from fpsynth.solvers.engines import solvers

ROOT = Path(__file__).parents[1]
EXTRA_OF = {**EXTRAS, **{engine.package: engine.extra for engine in solvers()}}
"""A build of several names stands for cupy."""


def test_one_function_says_how_to_install():
    """A message of its own would forget the checkout, which is all that there is: nothing is published."""
    files = [path for path in (ROOT / "fpsynth").rglob("*.py") if "pip install" in path.read_text()]
    assert [path.name for path in files] == ["packages.py"]


@pytest.mark.parametrize(("package", "extra"), EXTRAS.items())
def test_the_command_of_a_checkout_comes_first(package, extra):
    assert how_to_install(package).startswith(f"pip install -e '.[{extra}]' in the checkout")
    assert how_to_install("numpy") == "pip install numpy"


@pytest.mark.parametrize("engine", solvers(), ids=lambda engine: engine.name)
def test_a_solver_says_itself_what_brings_it(engine):
    assert engine.how_to_install() == how_to_install(engine.package, engine.extra)
    assert engine.how_to_install().startswith(f"pip install -e '.[{engine.extra}]' in the checkout")
    assert how_to_install(engine.package, "") == f"pip install {engine.package}"


@pytest.mark.parametrize(("package", "extra"), EXTRA_OF.items())
def test_the_extra_brings_the_package(package, extra):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    brought = [re.split(r"[<>=]", text)[0] for text in extras[extra]]
    assert any(name == package or name.startswith(f"{package}-cuda") for name in brought)
