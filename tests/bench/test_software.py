"""Verifiers of C programs: what they say is read bit by bit, and held against the order of the program's text."""

from __future__ import annotations

import importlib.util
import os
import stat
from pathlib import Path

import pytest

from fpsynth.corpus.checking import check_corpus
from fpsynth.corpus.exporting.programs import program_files
from fpsynth.corpus.instances.data import Instance
from fpsynth.corpus.instances.reading import read_corpus
from fpsynth.corpus.making import WantedCorpus, make
from fpsynth.errors import InputError, MissingPackageError
from fpsynth.scoring.asking import AskedVerifier, asked_for
from fpsynth.scoring.job import Limits, done
from fpsynth.scoring.shrinking.instances import RESULT, ShrinkRequest, shrink_instance
from fpsynth.scoring.software import SEQUENTIAL, SOFTWARE, SoftwareTool, labelled_for
from fpsynth.verifiers.external.base import ToolQuestion
from fpsynth.verifiers.external.writing import written
from fpsynth.workers.commands import Ended, run_command

LIMITS = Limits(120.0, 8 << 30)
TRACE = """\
[Counterexample]

State 1 file program.c line 10 column 3 function main thread 0
----------------------------------------------------
  x0 = 1.818723e-1f (00111110 00111010 00111100 10111010)

State 2 file program.c line 12 column 3 function main thread 0
----------------------------------------------------
  n0_0 = 8.292467e-2f (00111101 10101001 11010100 01101001)

VERIFICATION FAILED
"""
"""As ESBMC 8.4 prints it."""


@pytest.fixture(scope="module")
def instances(folder: Path) -> dict[str, Instance]:
    return {one.name: one for one in read_corpus(folder).instances}


def verifier_of_programs(name: str) -> AskedVerifier:
    """One that is really there; else the test is skipped."""
    try:
        (asked,) = asked_for([name])
    except MissingPackageError as missing:
        pytest.skip(str(missing))
    return asked


def question(folder: Path, instance: Instance) -> ToolQuestion:
    """About an instance, whose model is not looked at."""
    shapes = instance.network.input_shape, instance.network.logits.output_shape
    (folder / "p.vnnlib").write_text(written(instance.box, instance.unsafe, *shapes))
    return ToolQuestion(folder / "none.onnx", folder / "p.vnnlib", 10.0)


def ended(output: str, status: int = 0) -> Ended:
    return Ended(status, "", output, "", 1.0, None, 0)


def test_counterexamples_are_read_bit_by_bit(instances: dict[str, Instance], tmp_path: Path) -> None:
    asked = question(tmp_path, instances["narrow_0"])  # of two inputs
    said = SoftwareTool("esbmc").said(ended(TRACE, 1), asked, tmp_path)
    assert said.verdict == "sat"
    assert said.point == (float.fromhex("0x1.747974p-3"), float(instances["narrow_0"].box.lower[1]))


@pytest.mark.parametrize(
    ("output", "verdict", "cause"),
    [
        ("VERIFICATION SUCCESSFUL\n", "unsat", ""),
        ("Timed out\n", "unknown", "time"),
        ("ERROR: PARSING ERROR\n", "unknown", "failed"),
        ("// VERIFICATION SUCCESSFUL is not what it says\n", "unknown", "failed"),
        ("", "unknown", "failed"),
    ],
)
def test_verdicts_are_read_where_they_are_said(
    instances: dict[str, Instance], tmp_path: Path, output: str, verdict: str, cause: str
) -> None:
    said = SoftwareTool("esbmc").said(ended(output, 6), question(tmp_path, instances["tie_0"]), tmp_path)
    assert (said.verdict, said.cause) == (verdict, cause)


def test_the_label_of_a_program_is_the_verdict_that_its_task_expects(instances: dict[str, Instance]) -> None:
    for one in instances.values():
        texts, _ = program_files(one)
        label = labelled_for(SEQUENTIAL, one).label(SEQUENTIAL)
        assert label is not None
        expected = {"sat": "false", "unsat": "true"}[label.verdict]
        assert f"expected_verdict: {expected}" in texts[f"{one.name}.yml"]


@pytest.mark.parametrize("name", SOFTWARE)
def test_what_is_not_there_says_how_it_is_to_be_had(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(MissingPackageError, match="there is no program at"):
        asked_for([f"{name}={tmp_path / 'none'}"])
    monkeypatch.setenv("PATH", "")
    if SOFTWARE[name].package and importlib.util.find_spec(SOFTWARE[name].package):
        pytest.skip(f"{SOFTWARE[name].package} is installed beside fpsynth")
    with pytest.raises(MissingPackageError, match=f"{name} is not installed: "):
        asked_for([name])


@pytest.mark.skipif(os.name != "posix", reason="the script is one of a shell")
def test_what_does_not_run_is_refused_and_not_taken_for_a_version(tmp_path: Path) -> None:
    path = tmp_path / "cbmc"
    path.write_text("#!/bin/sh\necho 'cbmc: error while loading shared libraries: libminisat.so.2' >&2\nexit 127\n")
    path.chmod(0o755)
    with pytest.raises(InputError, match="cbmc does not run: cbmc: error while loading shared libraries: libminisat"):
        asked_for([f"cbmc={path}"])


def test_unknown_verifiers_of_programs_are_refused() -> None:
    with pytest.raises(InputError, match="choose from esbmc, cbmc"):
        SoftwareTool("esbcm")


def liar(folder: Path) -> AskedVerifier:
    """A program that never finds a fault."""
    path = folder / "liar"
    path.write_text("#!/bin/sh\necho 'VERIFICATION SUCCESSFUL'\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    (asked,) = asked_for([f"esbmc={path}"])
    return asked


@pytest.mark.skipif(os.name != "posix", reason="the script is one of a shell")
def test_a_liar_is_judged_by_the_program_and_not_by_a_library(instances: dict[str, Instance], tmp_path: Path) -> None:
    asked = liar(tmp_path)
    assert (asked.kind, asked.semantics, asked.draws) == ("software", SEQUENTIAL, False)
    columns = {name: done(one, asked, 0, LIMITS).column for name, one in instances.items()}
    assert columns == {
        "tie_0": "false_unsat_float",
        "tie_0_control1": "right",
        "broken_0": "false_unsat_float",
        "robust_0": "right",
        "narrow_0": "false_unsat_float",
    }


@pytest.mark.skipif(os.name != "posix", reason="the script is one of a shell")
def test_a_liar_about_programs_is_shrunk(folder: Path, tmp_path: Path) -> None:
    asked = liar(tmp_path)
    request = ShrinkRequest(folder / "tolerance" / "narrow_0", tmp_path / "small", restarts=0, limits=LIMITS)
    shrunk = shrink_instance(request, asked)
    assert (shrunk.still_wrong, shrunk.column, len(shrunk.after.box.lower)) == (True, "false_unsat_float", 1)
    assert program_verdict(shrunk.after) == "sat"
    (kept,) = read_corpus(tmp_path / "small" / RESULT).instances
    assert kept.label(SEQUENTIAL) is None
    assert check_corpus(tmp_path / "small" / RESULT).holds


@pytest.mark.skipif(os.name != "posix", reason="the script is one of a shell")
def test_a_network_without_a_form_as_a_program_is_an_error_of_the_row(tmp_path: Path) -> None:
    (one, *_) = make(WantedCorpus(1, 1, ("folding",))).instances
    run = done(one, liar(tmp_path), 0, LIMITS)
    assert (run.column, "no form as a program" in run.reason) == ("error", True)


@pytest.mark.parametrize("name", SOFTWARE)
def test_real_ones_are_right_about_small_programs(name: str, instances: dict[str, Instance]) -> None:
    asked = verifier_of_programs(name)
    for one in instances.values():
        run = done(one, asked, 0, LIMITS)
        assert (run.column, run.verdict) == ("right", program_verdict(one)), (one.name, run.reason)


def program_verdict(instance: Instance) -> str:
    label = labelled_for(SEQUENTIAL, instance).label(SEQUENTIAL)
    assert label is not None
    return label.verdict


@pytest.mark.parametrize("name", SOFTWARE)
def test_real_ones_are_right_where_others_are_wrong(name: str) -> None:
    """An order that swallows a constant, in C as in ONNX Runtime, and its control."""
    asked = verifier_of_programs(name)
    for one in make(WantedCorpus(4, 6, ("order", "position"))).instances:
        run = done(one, asked, 0, LIMITS)
        assert (run.column, run.verdict) == ("right", program_verdict(one)), (one.name, run.reason)


@pytest.mark.parametrize("name", SOFTWARE)
def test_real_ones_agree_with_the_tasks_that_are_exported(name: str, instances: dict[str, Instance], tmp_path: Path) -> None:
    """The very files that SV-COMP's tools take, and not what the bench asks."""
    asked = verifier_of_programs(name)
    tool = SoftwareTool(asked.what, asked.more)
    for one in instances.values():
        texts, truth = program_files(one)
        (tmp_path / f"{one.name}.c").write_text(texts[f"{one.name}.c"])
        told = run_command([tool.program(), f"{one.name}.c", *SOFTWARE[name].options(100)], seconds=120, folder=tmp_path)
        assert truth.label is not None
        said = {"unsat": "VERIFICATION SUCCESSFUL", "sat": "VERIFICATION FAILED"}[truth.label.verdict]
        assert said in (told.output + told.log).splitlines(), one.name
