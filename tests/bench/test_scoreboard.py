"""The scoreboard: counts, rates and points of runs that are written down here, and the forms that other programs read."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bench_corpus import standing_in
from command_line import fpsynth_here

from fpsynth.cli.bench_arguments import FORMS as NAMED
from fpsynth.corpus.instances.data import ANY, COMPUTED, RUNTIME, SAT, Instance, Label
from fpsynth.corpus.instances.layout import onnx
from fpsynth.corpus.instances.reading import read_corpus
from fpsynth.corpus.labels.environments import Computed
from fpsynth.errors import InputError
from fpsynth.formats import BFLOAT16, FLOAT32
from fpsynth.networks.network import dense_relu
from fpsynth.report.renderers.style import Style
from fpsynth.report.telling import rendered
from fpsynth.scoring.asking import AskedVerifier, asked_for
from fpsynth.scoring.forms import FILES, FORMS, csv_text, junit, runs_csv
from fpsynth.scoring.job import BenchRun, Limits, model_of, run_from
from fpsynth.scoring.judging import COLUMNS, judged
from fpsynth.scoring.scoreboard import Scoreboard
from fpsynth.scoring.telling import scoreboard_story
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.verifiers.external.base import FAILED, TIME, TOO_MUCH, Said
from fpsynth.verifiers.external.outputs import stated
from fpsynth.verifiers.properties import ExactBox, Inequality, Property


@pytest.fixture(scope="module")
def instances(folder: Path) -> dict[str, Instance]:
    return {one.name: one for one in read_corpus(folder).instances}


def run(instance: str, column: str, points: int, seed: int = 0, verifier: str = "v") -> BenchRun:
    return BenchRun(instance, verifier, seed, "unsat", column, "because", points, 1.5, 1 << 20, ("0x1p-1",))


@pytest.fixture
def board(instances: dict[str, Instance]) -> Scoreboard:
    runs = (
        run("tie_0", "false_unsat_float", -150),
        run("tie_0", "right", 10, 1),
        run("tie_0_control1", "right", 10),
        run("tie_0_control1", "unknown", 0, 1),
        run("broken_0", "false_unsat_real", -150),
        run("broken_0", "timeout", 0, 1),
        *(run(name, "right", 10, verifier="w") for name in ("tie_0", "tie_0_control1", "broken_0")),
    )
    chosen = tuple(instances[name] for name in ("tie_0", "tie_0_control1", "broken_0"))
    verifiers = (AskedVerifier("v", "command", "v {onnx} {vnnlib}"), AskedVerifier("w", "own", "crown", "real", "1"))
    return Scoreboard("corpus", "0" * 64, chosen, verifiers, runs, Limits(60.0, 1 << 30))


def test_counts_rates_and_points(board: Scoreboard) -> None:
    tie = board.tally("v", "tie")
    assert {column: tie.count(column) for column in COLUMNS if tie.count(column)} == {
        "false_unsat_float": 1,
        "right": 2,
        "unknown": 1,
    }
    assert (tie.points, tie.wrong, tie.seeds_wrong, tie.controls_right) == (-65.0, 1, 1, (1, 2))
    assert board.tally("v").points == (-150 + 10 + 10 + 0 - 150 + 0) / 2
    assert [board.share(name, "tie") for name in ("v", "w")] == [0.0, 100.0]
    data = board.to_json()
    assert data["instances"] == 3
    assert [(row["verifier"], row["category"]) for row in data["scoreboard"]] == [
        ("v", "tie"),
        ("v", "plain"),
        ("w", "tie"),
        ("w", "plain"),
    ]
    assert [row["runs"] for row in data["totals"]] == [6, 3]


def test_scores_are_those_of_the_competition(instances: dict[str, Instance]) -> None:
    """By hand, of three tools: of each benchmark the share of the best one, at least 0; the total is the sum of them."""
    told = {
        "a": {"tie_0": 10, "tie_0_control1": 10, "broken_0": 10, "robust_0": 10, "narrow_0": -150},
        "b": {"tie_0": 10, "tie_0_control1": 0, "broken_0": -150, "robust_0": 10, "narrow_0": 0},
        "c": {"tie_0": 0, "tie_0_control1": 0, "broken_0": 10, "robust_0": 0, "narrow_0": 0},
    }
    runs = tuple(
        run(name, "right", points, verifier=verifier) for verifier, row in told.items() for name, points in row.items()
    )
    verifiers = tuple(AskedVerifier(name, "own", "crown") for name in told)
    board = Scoreboard("corpus", "0" * 64, tuple(instances[name] for name in told["a"]), verifiers, runs, Limits(60.0, 1 << 30))
    scores = {name: [board.share(name, category) for category in ("tie", "plain", "tolerance")] for name in told}
    assert scores == {"a": [100.0, 100.0, 0.0], "b": [50.0, 0.0, 0.0], "c": [0.0, 50.0, 0.0]}
    assert [row["score_percent"] for row in board.to_json()["totals"]] == [200.0, 50.0, 50.0]


def test_every_form_is_what_it_is_called(board: Scoreboard) -> None:
    assert {"text", *FORMS} == set(NAMED)
    table = list(csv.DictReader(io.StringIO(csv_text(board))))
    assert [(row["verifier"], row["category"], row["right"]) for row in table] == [
        ("v", "tie", "2"),
        ("v", "plain", "0"),
        ("w", "tie", "2"),
        ("w", "plain", "1"),
    ]
    assert len(list(csv.DictReader(io.StringIO(runs_csv(board))))) == len(board.runs)
    assert json.loads(FORMS["json"](board))["schema"] == "fpsynth-bench"
    text = rendered(scoreboard_story(board), "text", Style(width=120))
    markdown = FORMS["markdown"](board)
    assert "| v | tie | 4 | 2 | 0 | **1** | 0 | 1 | 0 | 0 |" in markdown
    assert "false_unsat" not in text


def test_errors_are_listed_with_their_reasons_each_once(board: Scoreboard) -> None:
    assert "Errors" not in rendered(scoreboard_story(board), "text", Style(width=120))
    crashed = [replace(run(name, "error", 0, 2), reason="no such layer") for name in ("tie_0", "broken_0")]
    other = replace(run("tie_0", "error", 0, 3, "w"), reason="killed")
    text = rendered(scoreboard_story(replace(board, runs=(*board.runs, *crashed, other))), "text", Style(width=120))
    listed = text[text.index("Errors") : text.index("Words")].splitlines()
    assert [line.split() for line in listed[3:5]] == [["v", "2", "tie_0", "no", "such", "layer"], ["w", "1", "tie_0", "killed"]]
    many = [replace(one, reason=f"reason {number}") for number, one in enumerate(crashed * 7)]
    assert "and 2 more reasons" in rendered(scoreboard_story(replace(board, runs=tuple(many))), "text", Style(width=120))


def test_junit_has_a_case_for_each_run(board: Scoreboard) -> None:
    strange = replace(board, runs=(*board.runs, replace(run("broken_0", "error", 0, 2), reason="<\x00&\u2028>")))
    suites = ElementTree.fromstring(junit(strange))
    first, second = suites.findall("testsuite")
    assert {name: first.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        **{"tests": "7", "failures": "2", "errors": "1", "skipped": "2"}
    }
    assert (second.get("tests"), second.get("failures")) == ("3", "0")
    cases = first.findall("testcase")
    assert len(cases) == 7
    assert [case.get("name") for case in cases][:2] == ["tie_0", "tie_0[seed 1]"]
    assert sum(case.find("failure") is not None for case in cases) == 2


def test_the_folder_holds_every_form(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = fpsynth_here("bench", folder, "--verifier", standing_in("always_unsat"), "--out", out, "--form", "csv")
    assert done.returncode == 0, done.stderr
    assert set(FILES) <= {path.name for path in out.iterdir()}
    assert (out / "scoreboard.csv").read_text() == done.stdout
    bad = fpsynth_here("bench", folder, "--verifier", "crown", "--form", "html")
    assert (bad.returncode, "unknown form" in bad.stderr) == (2, True)


@pytest.mark.parametrize(("cause", "column"), [("", "unknown"), (TIME, "timeout"), (TOO_MUCH, "error"), (FAILED, "error")])
def test_no_verdict_has_its_column(instances: dict[str, Instance], cause: str, column: str) -> None:
    found = judged(Said("unknown", "why", cause=cause), instances["tie_0"], "none.onnx")
    assert (found.column, found.reason, found.points) == (column, "why", 0)


def model(folder: Path, one: Instance) -> Path:
    return folder / onnx(one.category, one.name, "1.0")


def test_a_point_decides_what_sat_is_worth(folder: Path, instances: dict[str, Instance]) -> None:
    tie, broken, control = (instances[name] for name in ("tie_0", "broken_0", "tie_0_control1"))
    for one, point, column, points in (
        (tie, tie.witness, "right", 10),
        (broken, broken.witness, "right", 10),
        (control, (0.5,), "false_sat", -150),
        (tie, (0.75,), "false_sat", -150),
        (tie, (0.5, 0.5), "false_sat", -150),
        (tie, (float("nan"),), "false_sat", -150),
    ):
        found = judged(Said("sat", point=point), one, model(folder, one))
        assert (found.column, found.points) == (column, points), (one.name, point)


def test_points_are_those_of_the_competition_s_rules(folder: Path, instances: dict[str, Instance]) -> None:
    """Ten for a correct answer, 150 off for an incorrect one or a counterexample that is none, nothing for no answer."""
    tie, robust = instances["tie_0"], instances["robust_0"]
    for one, said, points in (
        (tie, Said("sat", point=tie.witness), 10),
        (robust, Said("unsat"), 10),
        (tie, Said("unsat"), -150),
        (tie, Said("sat"), -150),
        (robust, Said("sat"), -150),
        (tie, Said("unknown"), 0),
        (tie, Said("unknown", cause=TIME), 0),
        (robust, Said("unknown", cause=FAILED), 0),
    ):
        assert judged(said, one, model(folder, one)).points == points, (one.name, said)


@pytest.mark.parametrize(
    ("point", "column", "points"),
    [
        ((0.502,), "right", 10),
        ((0.50390625 + 0.00009,), "false_sat", 10),
        ((0.50390625 + 0.00011,), "false_sat", -150),
        ((0.5 - 0.00009,), "false_sat", -150),
        ((float("inf"),), "false_sat", -150),
    ],
)
def test_the_competition_pays_for_points_beside_the_box(
    folder: Path, instances: dict[str, Instance], point: tuple[float, ...], column: str, points: int
) -> None:
    """Up to 1e-4, where ONNX Runtime has unsafe outputs: Y_0 = x is unsafe from 0.501 on; the box is [0.5, 0.50390625]."""
    one = instances["broken_0"]
    found = judged(Said("sat", point=point), one, model(folder, one))
    assert (found.column, found.points) == (column, points)


def test_a_point_on_a_decimal_end_of_the_box_is_in_it(folder: Path, instances: dict[str, Instance]) -> None:
    """Printed as 0.15, whose float64 is below 3/20: exactly it is an end of the box, and unsafe there."""
    one, end = instances["broken_0"], Fraction(3, 20)
    unsafe = Property(((Inequality(((0, Fraction(1)),), end + Fraction(1, 10**12)),),))
    asked = replace(one, box=ExactBox((end,), (Fraction(1, 4),)), unsafe=unsafe, labels=())
    said = stated("sat\n((X_0 0.15))")
    assert said is not None
    assert judged(said, asked, model(folder, one)).column == "right"
    assert judged(Said("sat", point=said.point), asked, model(folder, one)).column == "false_sat"


def test_outputs_beyond_all_floats_are_not_called_safe(folder: Path, instances: dict[str, Instance]) -> None:
    steep = dense_relu([([[float(2**127)]], [0.0])])
    unsafe = Property(((Inequality(((0, Fraction(-1)),), Fraction(-(2**130))),),))
    box = ExactBox((Fraction(2),), (Fraction(3),))
    one = replace(instances["broken_0"], network=steep, box=box, unsafe=unsafe, labels=())
    path = folder.with_name("steep.onnx")
    path.write_bytes(model_of(one))
    found = judged(Said("sat", point=(2.0,)), one, path)
    assert (found.column, found.reason) == ("false_sat", "its outputs in ONNX Runtime are not finite")


def test_verdicts_about_one_arithmetic_are_held_against_that_alone(folder: Path, instances: dict[str, Instance]) -> None:
    tie, broken = instances["tie_0"], instances["broken_0"]
    for semantics in (RUNTIME, ANY):
        assert judged(Said("unsat"), tie, "", semantics).column == "false_unsat_float"
        assert judged(Said("sat", point=tie.witness), tie, model(folder, tie), semantics).column == "right"
    assert judged(Said("unsat"), broken, "", RUNTIME).column == "false_unsat_float"
    unknown = judged(Said("unsat"), tie, "", "torch:batch=64")
    assert (unknown.column, "no label of torch:batch=64" in unknown.reason) == ("unknown", True)
    assert judged(Said("unsat"), instances["robust_0"], "", RUNTIME).column == "right"


def test_verdicts_about_any_order_of_float32_are_not_held_against_what_keeps_less(instances: dict[str, Instance]) -> None:
    one = instances["robust_0"]
    narrow = Computed("torch:batch=1", one.network.logits, Deployment(Arithmetic(FLOAT32, operands=BFLOAT16)))
    witness = tuple(map(float, one.box.lower))
    label = Label("torch:batch=1", SAT, COMPUTED, "", computed=narrow.to_json(one.network), witness=witness)
    tensor_cores = replace(one, labels=(*one.labels, label))
    assert judged(Said("unsat"), tensor_cores, "", ANY).column == "right"
    assert judged(Said("unsat"), tensor_cores, "", "torch:batch=1").column == "false_unsat_float"


def test_a_label_that_is_missing_is_not_held_against_anybody(folder: Path, instances: dict[str, Instance]) -> None:
    blind = replace(instances["robust_0"], labels=())
    found = judged(Said("unsat"), blind, "")
    assert (found.column, found.points) == ("unknown", 10)
    assert "no label of onnxruntime:batch=1 and real" in found.reason
    tie, control = instances["tie_0"], instances["tie_0_control1"]
    for one, point in ((tie, tie.witness), (tie, (0.5,)), (control, (0.5,))):
        found = judged(Said("sat", point=point), one, model(folder, one), "torch:batch=64")
        assert (found.column, "no label of torch:batch=64" in found.reason) == ("unknown", True)
    assert judged(Said("sat", point=(0.75,)), tie, model(folder, tie), "torch:batch=64").column == "false_sat"


def test_environments_have_the_names_of_labels() -> None:
    (one,) = asked_for(["crown@sound:onnxruntime:batch=1"])
    assert one.semantics == RUNTIME
    assert asked_for(["crown@sound:any"])[0].semantics == ANY
    assert asked_for(["crown"])[0].semantics == ""


@pytest.mark.parametrize(
    "change", [{"column": "wrong"}, {"seed": "0"}, {"points": 1.5}, {"seconds": "1"}, {"seconds": float("nan")}, {"reason": 3}]
)
def test_damaged_rows_are_refused(change: dict[str, object]) -> None:
    data = asdict(run("tie_0", "right", 10))
    assert run_from(data) == run("tie_0", "right", 10)
    with pytest.raises(InputError, match="no run"):
        run_from({**data, **change})
    with pytest.raises(InputError, match="no run"):
        run_from({name: value for name, value in data.items() if name != "point"})


def test_the_example_of_the_documents_does_what_it_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[2] / "docs" / "corpora.md").read_text("utf-8")
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "bench" in block)
    *lines, last = code.strip().splitlines()
    expression, _, said = last.partition("  # ")
    monkeypatch.chdir(folder.parent)
    names: dict[str, object] = {}
    exec("\n".join([*lines, f"shown = {expression}"]).replace('"hard"', repr(folder.name)), names)
    assert repr(names["shown"]) == said
