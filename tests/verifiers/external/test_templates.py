"""What a command prints is read as the verdict that it means: lines of a log that begin with such a word are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from fpsynth.errors import InputError
from fpsynth.verifiers.external import Said, TemplateTool
from fpsynth.verifiers.external.base import ToolQuestion
from fpsynth.workers.commands import Ended

QUESTION = ToolQuestion(Path("m.onnx"), Path("q.vnnlib"), 1.0)


def said(printed: str, log: str = "") -> Said:
    return TemplateTool("x {onnx} {vnnlib}").said(Ended(0, "", printed, log, 1.0, None, 0), QUESTION, Path("none"))


@pytest.mark.parametrize(
    ("printed", "verdict"),
    [
        ("Verified 3 of 10 neurons stable\nResult: unknown\n", "unknown"),
        ("Robust accuracy: 0.0 %\nResult: sat\n", "sat"),
        ("unsat cores are off\nresult: timeout\n", "unknown"),
        ("Unsafe set read from p.vnnlib\nResult: unsat\n", "unsat"),
        ("- safe-mode off\nsat", "sat"),
        ("safe\nresult: sat\n", "sat"),
        ("error: no GPU, the CPU is used\nunsat\n", "unsat"),
        ("unsat", "unsat"),
        (" *** UNSAT ***\r\n", "unsat"),
        ("VERIFIED!\n", "unsat"),
        ("unsat (0.3 s)\n", "unsat"),
        ("holds, 12.5 seconds", "unsat"),
        ("Final verification result: holds.\n", "unsat"),
        ("the verdict is unsat\n", "unsat"),
        ('{"verdict": "sat", "time": 3}\n', "sat"),
        ("Result:\nunsat\n", "unsat"),
        ("unknown\ntimeout\n", "unknown"),
        ("unsat\nunsat\n", "unsat"),
    ],
)
def test_the_verdict_is_the_line_that_means_it(printed: str, verdict: str) -> None:
    assert said(printed).verdict == verdict


@pytest.mark.parametrize(
    "printed",
    ["verified: False\n", "Safe: no\n", "result: not verified\n", "safe-mode\n", "unsat cores are off\n", "Verified:\n 3\n"],
)
def test_other_lines_are_no_verdict(printed: str) -> None:
    found = said(printed)
    assert (found.verdict, found.cause) == ("unknown", "failed")
    assert found.reason.startswith("no verdict in what it printed")


@pytest.mark.parametrize("printed", ["sat\nunsat\n", "result: unknown\nresult: unsat\n", "safe\nviolated\n"])
def test_verdicts_that_contradict_each_other_are_not_understood(printed: str) -> None:
    with pytest.raises(InputError, match=r"it says \w+ and \w+"):
        said(printed)


@pytest.mark.parametrize(
    "printed", ["sat ((X_0 0.5))", "sat\n((X_0 0.5)\n (Y_0 1))", "result: sat (X_0 0.5)", "log\nsat (1.5 s)\n\n((X_0 0.5))\n"]
)
def test_the_point_follows_the_verdict(printed: str) -> None:
    assert (said(printed).verdict, said(printed).point) == ("sat", (0.5,))


@pytest.mark.parametrize("printed", ["\n" * (1 << 20), "unsat" + " " * (1 << 19) + "x", "- " * (1 << 19), "result" * (1 << 17)])
def test_long_outputs_take_no_long_time(printed: str) -> None:
    assert said(printed).verdict == "unknown"
