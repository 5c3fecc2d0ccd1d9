"""fpsynth's own verifiers on the bench: a copy of this process says what the command line says, within the same limits."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from fpsynth.corpus.instances.reading import read_corpus
from fpsynth.scoring.asking import Seeded, asked_for
from fpsynth.scoring.job import model_of, question_of
from fpsynth.scoring.own import OwnTool, own_function
from fpsynth.verifiers.external import ToolAnswer, ask_function, run
from fpsynth.verifiers.external.base import FAILED, MEMORY, TIME

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the command line is asked")


def files_of(folder: Path, name: str, place: Path) -> tuple[Path, Path]:
    """The network and the property of an instance, as a bench writes them."""
    (one,) = [one for one in read_corpus(folder).instances if one.name == name]
    (asked,) = asked_for(["crown@real"])
    model, query = place / "network.onnx", place / "property.vnnlib"
    model.write_bytes(model_of(one))
    query.write_text(question_of(one, asked))
    return model, query


@pytest.mark.parametrize(
    ("text", "name", "verdict"),
    [
        ("crown@sound:any", "tie_0", "unknown"),
        ("bab@real", "broken_0", "sat"),
        ("crown@sound:numpy:batch=1", "robust_0", "unsat"),
    ],
)
def test_a_copy_says_what_the_command_line_says(text: str, name: str, verdict: str, folder: Path, tmp_path: Path) -> None:
    (asked,) = asked_for([text])
    files = files_of(folder, name, tmp_path)
    copied = asked.ask(*files, 3, 60.0, MEMORY)
    command = run(Seeded(asked.tool(3), 3), *files, timeout=60.0)
    assert copied.verdict == verdict
    told = [(one.verdict, one.reason, one.point, one.cause, one.tool, one.left) for one in (copied, command)]
    assert told[0] == told[1]


def test_what_it_refuses_is_told_in_its_own_words(folder: Path, tmp_path: Path) -> None:
    model, query = files_of(folder, "tie_0", tmp_path)
    query.write_text("(declare-const X_0 Int)")
    (asked,) = asked_for(["crown@real"])
    copied, command = asked.ask(model, query, 0, 60.0, MEMORY), run(asked.tool(), model, query)
    assert (copied.verdict, copied.cause) == (command.verdict, command.cause) == ("unknown", FAILED)
    assert copied.reason
    assert command.reason.endswith(copied.reason)


def answer_of(body: str, monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path, timeout: float = 60.0) -> ToolAnswer:
    """What is made of a verifier that does something else instead."""
    monkeypatch.setattr("fpsynth.scoring.own.verify_request", lambda request: exec(body, {"os": os}))
    return ask_function(own_function(OwnTool("crown", "real")), *files_of(folder, "tie_0", tmp_path), timeout=timeout)


def test_its_crash_is_its_own(monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path) -> None:
    found = answer_of("os.kill(os.getpid(), 9)", monkeypatch, folder, tmp_path)
    assert (found.verdict, found.cause, found.reason) == ("unknown", FAILED, "signal 9 ended it: it printed nothing")


def test_it_is_killed_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path) -> None:
    monkeypatch.setattr("fpsynth.verifiers.external.callables.GRACE", 0.2)
    found = answer_of("while True: pass", monkeypatch, folder, tmp_path, timeout=0.2)
    assert (found.verdict, found.cause) == ("unknown", TIME)
    assert found.reason == "no answer within 0.2 s: it was killed"
