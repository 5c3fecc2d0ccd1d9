"""An option is written down once: parser, keywords, record and report of a question follow from its field."""

from __future__ import annotations

import argparse
import inspect
import subprocess
import sys
from dataclasses import KW_ONLY, MISSING, dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from rendered import report

import fpsynth
from fpsynth.cli.arguments import build_parser
from fpsynth.cli.asking import add_arguments, keywords, values
from fpsynth.cli.parser import Parser
from fpsynth.errors import InputError
from fpsynth.synthesis.divergences import Decision, concluded
from fpsynth.synthesis.requests.fields import Option, Request, asked, between, open_options
from fpsynth.synthesis.requests.functions import asking
from fpsynth.synthesis.requests.libraries import MatrixRequest
from fpsynth.synthesis.requests.order import OrderRequest
from fpsynth.synthesis.requests.positions import TwinRequest
from fpsynth.synthesis.requests.precision import PrecisionRequest
from fpsynth.synthesis.requests.relu import ReluRequest
from fpsynth.synthesis.requests.ties import TieRequest
from fpsynth.synthesis.result import Result
from fpsynth.synthesis.settings import Clock
from fpsynth.synthesis.table import QUESTIONS, environments_of
from fpsynth.synthesis.verdicts import Verdict

LEAST = {"reveal": ["numpy:dot"], "tree": ["pairwise"], "compare": ["model.onnx", "--inputs", "x.npz"]}
LEAST["certify"] = ["--network", "n.npz", "--images", "i.npz", "--eps", "0.5"]
LEAST["verify"] = ["--network", "n.npz"]
LEAST["backdoor"] = ["--network", "n.npz", "--images", "x.npz", "--target", "torch:batch=1"]
LEAST["defend"] = ["n.npz", "--images", "x.npz"]
"""What a command needs, where it needs anything."""


@dataclass(frozen=True)
class SweetRequest(OrderRequest):
    """The question about orders with one more option."""

    _: KW_ONLY
    sweetness: int = asked(
        3,
        Option("how sweet (default %(default)s)", "N", number=int, check=between(1, 5, "the sweetness", told=True), given=True),
    )


@asking(SweetRequest)
def sweet(request: SweetRequest) -> Result:
    """Answer nothing of what is asked."""
    return concluded(request, Decision(Verdict.UNKNOWN, None, "nobody looked"), Clock(1.0))


def parser_of(request: type[Request]) -> argparse.ArgumentParser:
    parser = Parser(prog="sweet")
    add_arguments(parser, request)
    return parser


def test_a_new_option_is_an_argument_of_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    parser = parser_of(SweetRequest)
    assert "--sweetness N" in parser.format_help()
    assert "how sweet (default 3)" in parser.format_help()
    given = keywords(parser.parse_args(["--sweetness", "4", "--silent", "reverse", "--no-replay"]), SweetRequest)
    assert (given["sweetness"], given["silent"], given["replay"]) == (4, ["reverse"], False)
    assert keywords(parser.parse_args([]), SweetRequest) == {}
    assert values(parser.parse_args([]), SweetRequest)["sweetness"] == 3
    with pytest.raises(SystemExit):
        parser.parse_args(["--sweetness", "very"])
    assert "argument --sweetness: invalid int value: 'very'" in capsys.readouterr().err


def test_a_new_option_is_a_keyword_with_its_type_and_default() -> None:
    parameter = inspect.signature(sweet).parameters["sweetness"]
    assert (parameter.default, parameter.annotation, parameter.kind) == (3, "int", inspect.Parameter.KEYWORD_ONLY)
    assert inspect.signature(sweet).return_annotation == "Result"
    assert "* sweetness: how sweet (default 3)" in sweet.__doc__
    with pytest.raises(InputError, match="the sweetness must be from 1 to 5, not 6"):
        sweet(sweetness=6)
    with pytest.raises(TypeError, match=r"sweet\(\) got an unexpected keyword argument 'sweetnes'"):
        sweet(sweetnes=4)  # type: ignore[call-arg]


def test_a_new_option_is_recorded_and_told_in_the_report() -> None:
    result = sweet(sweetness=4, replay=False)
    assert result.settings["sweetness"] == 4
    assert "sweetness 4" in " ".join(report(result).split())


def test_a_new_option_is_one_of_no_other_question() -> None:
    assert set(open_options(SweetRequest)) - set(open_options(OrderRequest)) == {"sweetness"}
    assert "sweetness" not in fpsynth.order(terms=1, replay=False).settings


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_command_line_and_python_have_the_same_defaults(name: str) -> None:
    (commands,) = (action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction))
    arguments = commands.choices[name].parse_args(LEAST.get(name, []))
    given = values(arguments, QUESTIONS[name])
    signature = inspect.signature(getattr(fpsynth, name)).parameters
    assert set(given) <= set(signature)
    for keyword, value in given.items():
        default = signature[keyword].default
        if default is not inspect.Parameter.empty:
            assert value == default, keyword
            assert type(value) is type(default), keyword


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_option_of_a_question_is_told_of_and_has_a_type(name: str) -> None:
    function = getattr(fpsynth, name)
    for keyword, (one, option) in open_options(QUESTIONS[name]).items():
        assert one.type
        assert option.help
        assert f"* {keyword}" in function.__doc__
        assert "%(" not in function.__doc__
        assert (
            option.positional
            or one.default is not MISSING
            or name in ("certify", "verify", "backdoor", "defend")
            or keyword == "images"
        )


def test_a_narrower_question_leaves_nothing_open_that_it_settles() -> None:
    with pytest.raises(TypeError, match=r"relu\(\) got an unexpected keyword argument 'box'"):
        fpsynth.relu(box="0:1")  # type: ignore[call-arg]
    assert ReluRequest(terms=4, replay=False).described()["predicate"] == "relu"
    assert TwinRequest().described()["kind"] == "twin"
    assert set(ReluRequest().described()) == set(OrderRequest().described()) == set(PrecisionRequest().described())


def test_the_numbers_of_a_question_about_formats_are_those_of_both() -> None:
    request = PrecisionRequest("bfloat16", "float32", order="pairwise", replay=False)
    assert request.dtype == "bfloat16"
    assert request.sides == ("pairwise,format=bfloat16", "pairwise,format=float32")
    assert PrecisionRequest("float64", "float32", dtype="float16").dtype == "float32"


def test_a_request_stays_what_it_was_where_another_is_made_of_it() -> None:
    request = OrderRequest("reverse", only_in="strided:4", silent=["pairwise"], gap="0.1", seed=3, replay=False)
    assert request.sides == ("reverse", "strided:4", "pairwise")
    narrowed = replace(request, weights="1:1")
    assert narrowed.described() == {**request.described(), "weights": "1:1"}
    assert request.weights is None
    assert request.described()["gap"] == 0.1


def test_what_may_name_an_environment_is_said_where_it_is_asked() -> None:
    assert set(environments_of("order")) == {"a", "b", "silent", "only_in"}
    assert environments_of("precision") == ()
    assert environments_of("reveal") == environments_of("twin") == ("environment",)
    assert environments_of("tree") == ()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: OrderRequest(terms=0), "the number of terms must be from 1 to 4096, not 0"),
        (lambda: OrderRequest(outputs=5000), "the number of outputs must be from 1 to 4096, not 5000"),
        (lambda: OrderRequest(predicate="sine"), "unknown predicate 'sine'"),
        (lambda: OrderRequest(gap="nan"), "the gap 'nan' is not a decimal number"),
        (lambda: OrderRequest(box="0:1", threshold="0>1"), "choose one of box and threshold"),
        (lambda: TieRequest(count=0), "the number of witnesses must be from 1 to 10000"),
        (lambda: TieRequest(order="sequential+bias:1"), "places a bias"),
        (lambda: TieRequest(shape=(1.5, 2)), "a shape holds whole numbers"),  # type: ignore[arg-type]
        (lambda: MatrixRequest(vectors=0), "vectors from 1 to 10000000"),
        (lambda: MatrixRequest(batch=(0,)), "batch sizes must be from 1"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_done(wrong: Any, message: str) -> None:
    with pytest.raises(InputError, match=message.replace("'", ".").replace("(", r"\(")):
        wrong()


@pytest.mark.parametrize("commands", ["", "; from fpsynth.cli.commands import COMMANDS"])
def test_help_reads_the_table_without_anything_heavy(commands: str) -> None:
    """And a command imports what it needs itself alone: of a witness file that is a process of its own."""
    build = f"import sys; from fpsynth.cli.arguments import build_parser; build_parser(){commands}"
    code = f"{build}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "z3", "bitwuzla", "cvc5", "torch", "tensorflow", "jax", "onnx", "sympy"} & set(done.stdout.split())


def test_options_of_questions_are_written_down_nowhere_else_on_the_command_line() -> None:
    folder = Path(fpsynth.cli.__file__).parent
    texts = [path.read_text("utf-8") for path in folder.glob("*.py") if not path.name.startswith("corpus_")]  # has its own
    for name in ("only_in", "only-in", "camouflage", "max_weight", "max-weight", "threshold", "min_ratio", "min-ratio"):
        assert not any(name in text for text in texts), name
