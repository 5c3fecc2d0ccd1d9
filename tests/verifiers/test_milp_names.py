"""Names of mixed-integer verifiers: what they say, what is refused, what is to be installed, and what the command tells."""

from __future__ import annotations

import builtins
import json
from typing import Any

import numpy as np
import pytest
from witnesses import W1, W2

from fpsynth.errors import InputError, MissingPackageError
from fpsynth.networks.layers import Dense
from fpsynth.networks.network import dense_relu
from fpsynth.packages import package_version
from fpsynth.sums.arithmetic import REAL, Deployment
from fpsynth.verifiers import Box, verifier
from fpsynth.verifiers.milp.settings import SOLVERS, MilpSettings, settings_named

TIE, TIE_BOX = dense_relu([Dense([[W1], [W2]])]), Box((0.1579,), (0.2364,))
PACKAGES = {name: solver.package for name, solver in SOLVERS.items()}


def test_what_names_say() -> None:
    assert settings_named("milp") == MilpSettings()
    assert settings_named("milp:scip") == MilpSettings("scip")
    assert settings_named("milp:feasibility") == MilpSettings(objective="feasibility")
    assert settings_named("milp:highs,worst-margin,tolerance=1e-9,margin=0.5") == MilpSettings(
        "highs", "worst margin", 1e-9, 0.5
    )
    assert verifier("milp:scip,closest", Deployment(REAL)).name == "milp:scip,closest"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("milp:", "names no mixed-integer verifier"),
        ("milp:gurobi", "unknown option 'gurobi' of milp: choose highs, scip"),
        ("milp:scip,", "unknown option ''"),
        ("milp:scip,highs", "says its solver twice"),
        ("milp:tolerance=1e-11", "the tolerance of milp must be between 1e-10 and 0.001"),
        ("milp:tolerance=nan", "the tolerance of milp must be between"),
        ("milp:tolerance=x", "is a number, not 'x'"),
        ("milp:margin=-1", "the margin of milp must be a number from 0 on"),
        ("milp:margin=inf", "the margin of milp must be a number from 0 on"),
        ("crown:scip", "unknown verifier"),
        ("milpp", "did you mean milp"),
    ],
)
def test_what_names_do_not_say_is_one_line(name: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        verifier(name, Deployment(REAL))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("solver", "package"), PACKAGES.items())
def test_a_missing_solver_is_one_line_with_what_to_install(solver: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(module: str, *rest: Any) -> Any:
        if module.split(".")[0] == package:
            raise ImportError(module)
        return real(module, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPackageError, match=rf"needs the package {package}: .*\[verifiers\]") as caught:
        verifier(f"milp:{solver}", Deployment(REAL)).verify(TIE, TIE_BOX)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not all(map(package_version, ("highspy", "scipy"))), reason="needs highspy and scipy")
def test_the_command_says_that_nothing_is_proved(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from fpsynth.cli.main import main

    np.savez(tmp_path / "net.npz", W0=np.array([[W1, W2]], np.float32))
    code = main(["verify", "--network", str(tmp_path / "net.npz"), "--box", "0.1579:0.2364", "--verifier", "milp", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert (code, said["verdict"], said["verifier"]) == (0, "unsat", "milp")
    assert said["notes"] == ["unsat is what highs says, in floating point with a tolerance of 1e-07, and not a proof"]
