"""The real tools, where they are installed: each finds what is easy, and is taken in by what rounding hides.

fpsynth verifiers install NAME installs one, into the folder that FPSYNTH_VERIFIERS names; checkouts are named by
FPSYNTH_CHECKOUT_ALPHA_BETA_CROWN, FPSYNTH_CHECKOUT_NNENUM and FPSYNTH_CHECKOUT_AUTO_LIRPA, and an interpreter that has all they
need by FPSYNTH_CHECKOUT_PYTHON.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from external_questions import network

from fpsynth.errors import InputError, MissingPackageError
from fpsynth.networks.network import Network, dense_relu
from fpsynth.verifiers.claims import Ball, Box
from fpsynth.verifiers.external import NAMES, Tool, Verified, install, installed, tool_named, verify
from fpsynth.verifiers.external.checkouts import CHECKOUTS, from_checkout
from fpsynth.verifiers.external.judging import FALSE_IN_FLOAT, FALSE_OVER_REALS, FALSE_SAT, FLOAT_SAT, RIGHT, TRUE_SAT
from fpsynth.verifiers.external.standard import InstalledStandardTool
from fpsynth.verifiers.external.tools import TOOLS
from fpsynth.verifiers.external.verifying import exact
from fpsynth.verifiers.properties import Case, Inequality, Property, one_class

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

SCRIPTED = "vnnlib-test-solver"
REAL = tuple(name for name in TOOLS if name != SCRIPTED)
BOUNDING = ("abstractnn", "bound-propagation", "auto-lirpa")
"""Tools that compute bounds, and never say sat."""
TIMEOUT = 120.0
HIDDEN = dense_relu([([[1.0], [0.0]], [0.0, 1.0]), ([[1.0, 0.0], [0.5, 0.5]], [0.0, 0.25])])
"""For x in [0, 1]: outputs x and x / 2 + 3/4, of which the second is above but at x = 1.5 and beyond."""
TIE = dense_relu([([[1.0], [1.0]], [0.0, 2.0**-30])])
"""Over the reals output 1 is above; in float32 the two tie from 2^-6 on."""


def tool(name: str) -> Tool:
    """A tool, or why there is none here."""
    if name in CHECKOUTS:
        variable = f"FPSYNTH_CHECKOUT_{name.upper().replace('-', '_')}"
        if not os.environ.get(variable):
            pytest.skip(f"no checkout of {name} is named: set {variable}")
        return from_checkout(name, os.environ[variable], os.environ.get("FPSYNTH_CHECKOUT_PYTHON", ""))
    if installed(name) is None:
        pytest.skip(f"{name} is not installed: fpsynth verifiers install {name}")
    return tool_named(name)


def answer(of: Network, lower: float, upper: float, by: Tool, *known: float, wanted: Property | None = None) -> Verified:
    case = Case(Box((lower,), (upper,)), wanted or one_class(1, 2))
    return verify(of, [case], by, timeout=TIMEOUT, witnesses=[(x,) for x in known])


@pytest.mark.parametrize("name", [*REAL, *CHECKOUTS])
def test_what_is_plainly_robust_is_unsat(name: str) -> None:
    by = tool(name)
    found = answer(HIDDEN, 0.0, 1.0, by)
    assert (found.verdict, found.judgements[0].word) == ("unsat", RIGHT), found
    assert found.answers[0].tool == name


@pytest.mark.parametrize("name", [*REAL, *CHECKOUTS])
def test_what_is_plainly_unsafe_is_sat_with_a_true_point(name: str) -> None:
    found = answer(HIDDEN, 0.0, 4.0, tool(name), 3.0)
    if name in BOUNDING:
        assert found.verdict != "sat", found
    else:
        assert (found.verdict, found.judgements[0].word) == ("sat", TRUE_SAT), found
        assert found.answers[0].point[0] >= 1.5


@pytest.mark.parametrize("name", [*REAL, *CHECKOUTS])
def test_a_tie_of_rounding_is_missed_or_found_in_float_only(name: str) -> None:
    found = answer(TIE, 0.5, 1.0, tool(name), 0.75)
    assert (found.verdict, found.judgements[0].word) in (
        ("unsat", FALSE_IN_FLOAT),
        ("sat", FLOAT_SAT),
        ("unknown", "no verdict"),
    ), found


def test_a_relaxation_that_is_none_is_caught_over_the_reals() -> None:
    """AbstractNN takes the line above a ReLU for the ReLU: of |x| it thinks that it is 1 throughout [-1, 1]."""
    bent = dense_relu([([[1.0], [-1.0]], [0.0, 0.0]), ([[1.0, 1.0], [0.0, 0.0]], [0.0, 0.25])])
    found = answer(bent, -1.0, 1.0, tool("abstractnn"), 0.0, wanted=one_class(0, 2))
    assert (found.verdict, found.judgements[0].word) == ("unsat", FALSE_OVER_REALS), found


@pytest.mark.parametrize(("width", "verdict", "word"), [(2.0**-17, "unsat", FALSE_OVER_REALS), (2.0**-15, "sat", TRUE_SAT)])
def test_marabou_is_wrong_in_boxes_narrower_than_its_tolerance(width: float, verdict: str, word: str) -> None:
    """Of x >= 1/4 it misses the upper half of a box that is narrower than 1e-5."""
    shifted = dense_relu([([[1.0]], [0.0]), ([[1.0]], [-0.5])])
    upper_half = Property(((Inequality(((0, Fraction(-1)),), Fraction(0.25 - width / 2)),),))
    found = answer(shifted, 0.25, 0.25 + width, tool("maraboupy"), 0.25 + width, wanted=upper_half)
    assert (found.verdict, found.judgements[0].word) == (verdict, word), found


def test_several_cases_are_asked_until_one_is_sat() -> None:
    by = tool("maraboupy")
    cases = [Case(Box((low,), (low + 0.5,)), one_class(1, 2)) for low in (0.0, 2.0, 3.0)]
    found = verify(HIDDEN, cases, by, timeout=TIMEOUT)
    assert [one.verdict for one in found.answers] == ["unsat", "sat"]
    assert found.verdict == "sat"
    assert verify(HIDDEN, cases[:1] * 2, by).verdict == "unsat"


@pytest.fixture(scope="module")
def solver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """PyPI's test solver, installed for these tests where it is not there."""
    with pytest.MonkeyPatch.context() as patch:
        if installed(SCRIPTED) is None:
            patch.setenv("FPSYNTH_VERIFIERS", str(tmp_path_factory.mktemp("verifiers")))
            try:
                install(SCRIPTED)
            except MissingPackageError as error:
                pytest.skip(str(error))
        yield


def scripted(folder: Path, monkeypatch: pytest.MonkeyPatch, rule: str, timeout: float = 60.0) -> Verified:
    """What comes of a rule of the test solver."""
    config = folder / "solver.toml"
    config.write_text(f'[solver]\nname = "scripted"\nversion = "3.4"\n[[rules]]\nmatch = "*"\n{rule}\n')
    monkeypatch.setenv("VNNLIB_TEST_SOLVER_CONFIG", str(config))
    return verify(network(), [Case(Box((0.0, 0.0), (1.0, 1.0)), one_class(1, 2))], SCRIPTED, timeout=timeout)


@pytest.mark.usefixtures("solver")
@pytest.mark.parametrize(
    ("rule", "verdict", "reason"),
    [
        ('result = "unsat"', "unsat", ""),
        ('result = "unknown"', "unknown", "it says unknown"),
        ('result = "timed-out"', "unknown", "it says timed-out"),
        ('result = "unsat"\nraw_stdout = "perhaps"', "unknown", "no verdict in what it printed: perhaps"),
        ('result = "unsat"\nstderr = "noise"', "unsat", ""),
    ],
)
def test_scripted_answers_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: str, verdict: str, reason: str) -> None:
    found = scripted(tmp_path, monkeypatch, rule)
    assert (found.verdict, found.reason) == (verdict, reason), found


@pytest.mark.usefixtures("solver")
def test_a_scripted_counterexample_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    true = scripted(tmp_path, monkeypatch, 'result = "sat"\nassignments = { X = [0.5, 0.75], Y = [1.25, 1.0] }')
    assert (true.answers[0].point, true.judgements[0].word) == ((0.5, 0.75), TRUE_SAT), true
    false = scripted(tmp_path, monkeypatch, 'result = "sat"\nassignments = { X = [0.25, 0.25], Y = [1.25, 1.0] }')
    assert (false.verdict, false.judgements[0].word) == ("sat", FALSE_SAT), false


@pytest.mark.usefixtures("solver")
def test_a_scripted_crash_and_a_hang_are_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crash = scripted(tmp_path, monkeypatch, 'result = "unsat"\ncrash = true')
    assert crash.verdict == "unknown"
    assert crash.reason.startswith(("signal ", "it ended with status ")), crash
    monkeypatch.setattr("fpsynth.verifiers.external.base.GRACE", 0.5)
    hang = scripted(tmp_path, monkeypatch, 'result = "unsat"\ndelay_seconds = 600', timeout=3)
    assert hang.verdict == "unknown", hang


def test_what_a_real_tool_supports() -> None:
    by = tool("vibecheck-nn")
    assert isinstance(by, InstalledStandardTool)
    assert by.version() == TOOLS["vibecheck-nn"].version
    assert by.supports("vnnlib-versions") == ("1.0", "2.0")
    assert by.supports("no-such-capability") == ()


def test_what_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FPSYNTH_VERIFIERS", str(tmp_path))
    cases = [Case(Box((0.0,), (1.0,)), one_class(1, 2))]
    for name in TOOLS:
        with pytest.raises(MissingPackageError, match=f"fpsynth verifiers install {name}"):
            verify(TIE, cases, name)
    for name in CHECKOUTS:
        with pytest.raises(InputError, match="name a checkout of it"):
            verify(TIE, cases, name)
        with pytest.raises(InputError, match=f"is no checkout of {name}"):
            verify(TIE, cases, tool_named(name, tmp_path))
    with pytest.raises(InputError, match="unknown external verifier"):
        tool_named("crowns")
    assert set(NAMES) == {*TOOLS, *CHECKOUTS}


def test_balls_are_refused() -> None:
    with pytest.raises(InputError, match="boxes, not balls"):
        exact(Case(Ball((0.0,), Fraction(1)), one_class(1, 2)))
