"""A machine that has numpy and torch alone: the source tree runs there, and says in one line what it would need for more."""

import json
import os
from importlib.util import find_spec

import pytest
from bare_python import ABSENT, Bare, closure
from divergences import precision, triple
from profiles import slow

import fpsynth
from fpsynth.packages import how_to_install
from fpsynth.witness import save
from fpsynth.witness.schema import SCHEMA_VERSION

pytestmark = [
    pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed"),
    pytest.mark.skipif(os.name == "nt", reason="the environment is made of symbolic links"),
]

LIMITS = ["--library", "torch,numpy", "--timeout", "60"]
ADVICE = "no solver is installed that could decide it: pip install -e '.[solvers]' in the checkout"


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    with Bare(tmp_path_factory.mktemp("bare") / "environment") as made:
        yield made


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Witness files by name: a tie, two orders, two formats."""
    folder = tmp_path_factory.mktemp("files")
    found = {}
    (tie,) = fpsynth.tie(replay=False).witnesses
    for name, witness in (("tie", tie), ("order", triple()), ("precision", precision())):
        found[name] = folder / f"{name}.json"
        save(witness, found[name])
    assert {json.loads(path.read_text())["schema_version"] for path in found.values()} == {SCHEMA_VERSION}
    return found


def test_it_holds_numpy_and_torch_and_what_these_require(bare):
    done = bare.run(
        "-c",
        "import importlib.util as u, importlib.metadata as m, json, sys;"
        f"print(json.dumps([[n for n in {ABSENT!r} if u.find_spec(n)],"
        " sorted({d.metadata['Name'].lower().replace('_', '-') for d in m.distributions()})]))",
    )
    there, distributions = json.loads(done.out)
    assert there == []
    installed = set(distributions) - {"fpsynth"}  # the source tree itself may hold what an installation left there
    assert installed == set(closure())
    assert not {"ml-dtypes", "z3-solver", "onnx", "jax", "tensorflow"} & installed


def test_help_and_the_environments(bare):
    assert bare.run("-m", "fpsynth", "--help").code == 0
    done = bare.run("-m", "fpsynth", "environments", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    absent = {library["library"]: library["absent"] for library in found["libraries"]}
    assert absent == {name: "" if name in ("numpy", "torch") else "not installed" for name in absent}
    (torch,) = (library for library in found["libraries"] if library["library"] == "torch")
    assert {"float16", "bfloat16", "float32", "float64"} <= set(torch["dtypes"])
    assert {name for name, version in found["packages"].items() if version} <= {"sympy"}


@slow
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float8_e5m2"])
def test_torch_is_revealed_in_every_format(bare, dtype):
    """Every time ``test_as_a_library`` does it in bfloat16, of which numpy has no dtype, and the matrix in float32."""
    done = bare.fpsynth(
        "reveal", "torch:linear:batch=4", "--terms", 8, "--dtype", dtype, "--vectors", 200, "--threads", 1, "--json"
    )
    assert done.code == 0, done.err
    (found,) = json.loads(done.out)["reveals"]
    (cls,) = found["classes"]
    assert cls["explained"] == cls["total"] == 200


def test_numpy_is_revealed_and_refuses_what_it_has_no_dtype_for(bare):
    assert bare.fpsynth("reveal", "numpy:matmul:batch=4", "--terms", 8, "--vectors", 200).code == 0
    done = bare.fpsynth("reveal", "numpy:matmul", "--dtype", "bfloat16")
    assert done.code == 2
    assert "numpy has no dtype bfloat16 without the package ml_dtypes" in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("library", "extra"), [("tensorflow:matmul", "tensorflow"), ("jax:jit", "jax"), ("onnxruntime:gemm", "onnx")]
)
def test_an_absent_library_is_one_line(bare, library, extra):
    done = bare.fpsynth("reveal", library)
    said = f"{library.partition(':')[0]} is not installed: {how_to_install(extra)}"
    assert (done.code, done.err) == (2, f"fpsynth reveal: error: {said}\n")


@pytest.mark.parametrize(
    ("name", "libraries"),
    [("tie", ""), ("order", "numpy,jax"), pytest.param("order", "", marks=slow), pytest.param("precision", "", marks=slow)],
)
def test_a_witness_file_is_replayed_checked_and_explained(bare, files, name, libraries):
    done = bare.fpsynth("replay", files[name], "--json", *(["--library", libraries] if libraries else []))
    assert done.code == 0, done.err
    records = json.loads(done.out)["observations"]
    ran = {"numpy"} if libraries else {"numpy", "torch"}
    assert {record["library"] for record in records if not record["not_run"]} == ran
    assert "not installed" in {record["not_run"] for record in records}
    assert bare.fpsynth("check", files[name]).code == 0
    done = bare.fpsynth("explain", files[name])
    assert done.code == 0, done.err
    assert done.out


def test_as_a_library(bare, files):
    program = (
        "import sys, fpsynth\n"
        "replayed = fpsynth.replay(sys.argv[1], libraries=['numpy'])\n"
        "assert any(record.departs for record in replayed.observations), replayed\n"
        "assert fpsynth.check(sys.argv[1]).confirmed\n"
        "(found,) = fpsynth.reveal('torch:linear', terms=4, dtype='bfloat16', vectors=200)\n"
        "assert found.explained, found\n"
    )
    done = bare.run("-c", program, files["tie"])
    assert done.code == 0, done.err


QUESTIONS = {
    "order": ["order", "--library", "torch,numpy"],
    "order in bfloat16": ["order", "--dtype", "bfloat16", "--terms", "4", "--no-replay"],
    "order of a library in bfloat16": [
        "order",
        "--b",
        "torch:linear",
        "--dtype",
        "bfloat16",
        "--terms",
        "8",
        "--vectors",
        "200",
    ],
    "precision": ["precision", "--no-replay"],
    "relu": ["relu", "--a", "sequential", "--b", "pairwise", "--no-replay"],
    "interval": ["interval", "--no-replay"],
    "twin": ["twin", "torch:linear:outputs=10", "--terms", "16", "--vectors", "200", "--no-replay"],
    "position": ["position", "numpy:matmul:outputs=10", "--terms", "16", "--vectors", "200", "--no-replay"],
    "position in torch": ["position", "torch:linear:outputs=10", "--terms", "16", "--vectors", "200", "--no-replay"],
    "tie": ["tie", "--no-replay"],
    "tie in bfloat16": ["tie", "--dtype", "bfloat16", "--library", "torch"],
}


OTHERWISE = ("order", "order of a library in bfloat16", "tie in bfloat16", "position in torch")
"""What is tried elsewhere, in another format or without a library, or by the question beside it."""


@pytest.mark.parametrize(
    "arguments", [pytest.param(QUESTIONS[key], id=key, marks=slow if key in OTHERWISE else ()) for key in QUESTIONS]
)
def test_what_needs_no_solver_is_found(bare, arguments):
    """Twins and moved neurons may behave alike on another machine: that is an answer too."""
    done = bare.fpsynth(
        *arguments, *(LIMITS if not {"--library", "--no-replay"} & {*arguments} else ["--timeout", "60"]), "--json"
    )
    said = json.loads(done.out)
    if arguments[0] in ("twin", "position") and said["verdict"] != "found":
        assert done.code in (0, 3)
        return
    assert said["verdict"] == "found", said["reason"]
    assert done.code == (4 if said.get("confirmed") is False and "--no-replay" not in arguments else 0)


def test_the_matrix_of_two_libraries(bare):
    limits = ["--terms", "8", "--batch", "1", "--vectors", "200", "--no-settings"]
    done = bare.fpsynth("matrix", *limits, *LIMITS, "--json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert {place["environment"].partition(":")[0] for place in said["environments"]} == {"numpy", "torch"}
    assert {place["check"] for place in said["environments"]} == {"explains 200/200"}
    assert said["confirmed"] == said["pairs"]


def test_what_is_impossible_by_its_structure_needs_no_solver(bare):
    done = bare.fpsynth("order", "--a", "sequential", "--b", "reverse", "--terms", 2, "--no-replay", "--json")
    assert (done.code, json.loads(done.out)["verdict"]) == (0, "impossible")


@pytest.mark.parametrize(
    "arguments",
    [
        ["relu", "--a", "sequential,fused", "--b", "sequential", "--terms", "2"],
        ["tie", "--weights", "0.5:0.50001", "--min-ratio", "16777216"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_only_a_solver_decides_is_unknown_and_says_how_to_get_one(bare, arguments):
    done = bare.fpsynth(*arguments, "--no-replay", "--timeout", 1, "--jobs", 1, "--json")
    said = json.loads(done.out)
    assert (done.code, said["verdict"]) == (3, "unknown")
    assert ADVICE in said["reason"]
    assert done.seconds < 20


def test_a_solver_that_is_asked_for_by_name_is_refused(bare):
    done = bare.fpsynth("tie", "--solver", "z3")
    said = f"the solver z3 is not installed: {how_to_install('z3-solver', 'solvers')}"
    assert (done.code, done.err) == (2, f"fpsynth tie: error: {said}\n")
