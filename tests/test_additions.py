"""What is added works by a file and a line: a copy of the package, in which few files are touched, gives real answers.

``tests/additions/`` holds the files that are added; each addition is made in a copy of its own, and used in processes that
import that copy.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
ADDED = ROOT / "tests" / "additions"
MOST = 3
"""Files that an addition may touch."""


@dataclass(frozen=True, eq=False)
class Addition:
    """What somebody who adds something does; all paths are those of the package."""

    row: str
    """What it is called in the table of ARCHITECTURE.md."""
    new: Mapping[str, str] = field(default_factory=dict)
    """Where files of ``tests/additions/`` come to stand."""
    lines: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """File to what stands in it once, to what takes its place."""


SOLVER = Addition(
    "a solver",
    {"solvers/z3sat.py": "z3sat.py"},
    {"solvers/engines.py": {'    "z3": "Z3",\n': '    "z3": "Z3",\n    "z3sat": "Z3Sat",\n'}},
)
_TABLE = "synthesis/table.py"
_IMPORT = "from fpsynth.synthesis.requests.libraries import"
_LANES = '''@asking(LanesRequest)
def lanes(request: LanesRequest) -> Result:
    """Find a network and an input on which a sum in one lane and one in ``lanes`` lanes disagree."""
    from fpsynth.synthesis.questions import run_order

    return run_order(request)


'''
QUESTION = Addition(
    "a question about two views",
    {"synthesis/requests/lanes.py": "lanes.py"},
    {
        _TABLE: {
            _IMPORT: f"from fpsynth.synthesis.requests.lanes import LanesRequest\n{_IMPORT}",
            '"interval", "order"': '"interval", "lanes", "order"',
            "@asking(OrderRequest)\n": f"{_LANES}@asking(OrderRequest)\n",
            "    OrderRequest,\n": "    OrderRequest,\n    LanesRequest,\n",
        }
    },
)
_DENSE = "from fpsynth.networks.layers.dense import Dense\n"
LAYER = Addition(
    "a layer type",
    {"networks/layers/negate.py": "negate.py"},
    {
        "networks/layers/__init__.py": {
            _DENSE: f"{_DENSE}from fpsynth.networks.layers.negate import Negate\n",
            "    DivideConstant,\n)": "    DivideConstant,\n    Negate,\n)",
        }
    },
)
OPERATION = Addition(
    "an operation of a library",
    {},
    {
        "libraries/numpy.py": {
            '"dot-rows")\n': '"dot-rows", "inner")\n',
            '"sum": Called': '"inner": Called("np.inner({x}, {V})", layouts=BOTH),\n            "sum": Called',
        },
        "libraries/numpy_layers.py": {
            '"dot-rows": row_by_row}': '"dot-rows": row_by_row, "inner": lambda rows, weight: np.inner(rows, weight.T)}'
        },
    },
)
_KINDS = ("relu, equal, outside", '"relu", "equal", "outside"')
PREDICATE = Addition(
    "a predicate",
    {"predicates/opposite.py": "opposite.py"},
    {
        "predicates/__init__.py": {
            "from fpsynth.predicates.outside import": "from fpsynth.predicates.opposite import Opposite\n"
            "from fpsynth.predicates.outside import",
            "        Outside(),\n": "        Outside(),\n        Opposite(),\n",
        },
        "witness/version3.schema.json": {_KINDS[0]: f"{_KINDS[0]}, opposite", _KINDS[1]: f'{_KINDS[1]}, "opposite"'},
    },
)
_TIE = "        tie.FAMILY,\n"
FAMILY = Addition(
    "a family of instances",
    {"corpus/families/shifted.py": "shifted.py"},
    {
        "corpus/families/table.py": {
            "    relu,\n    tie,\n": "    relu,\n    shifted,\n    tie,\n",
            _TIE: f"{_TIE}        shifted.FAMILY,\n",
        }
    },
)
ADDITIONS = [SOLVER, QUESTION, LAYER, OPERATION, PREDICATE, FAMILY]


@dataclass(frozen=True)
class Copy:
    """A copy of the package with an addition, and a folder to work in."""

    package: Path
    folder: Path

    def python(self, *arguments: str) -> str:
        """Run Python, which imports this copy; return what it prints."""
        done = self.ended(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ended(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The same whatever comes of it."""
        variables = {**os.environ, "PYTHONPATH": str(self.package.parent)}
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=self.folder, env=variables, capture_output=True, text=True, check=False, timeout=100)

    def fpsynth(self, *arguments: str) -> Any:
        """What the command line gives as JSON."""
        return json.loads(self.python("-m", "fpsynth", *arguments, "--json"))

    def say(self, program: str) -> Any:
        """What a program, which imports the package as its user does, leaves in ``said``."""
        return json.loads(self.python("-c", f"import json, fpsynth\n{program}\nprint(json.dumps(said))"))


Adding = Callable[[Addition], Copy]


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory) -> Adding:
    """Makes a copy of the package with an addition, once for all tests."""
    return cache(lambda addition: _added(addition, tmp_path_factory.mktemp("addition")))


def _added(addition: Addition, folder: Path) -> Copy:
    package, working = folder / "copy" / "fpsynth", folder / "working"
    shutil.copytree(ROOT / "fpsynth", package)
    working.mkdir()
    for place, name in addition.new.items():
        assert not (package / place).exists()
        shutil.copy(ADDED / name, package / place)
    for place, changes in addition.lines.items():
        text = (package / place).read_text("utf-8")
        for old, new in changes.items():
            assert text.count(old) == 1, (place, old)
            text = text.replace(old, new)
        (package / place).write_text(text, "utf-8")
    return Copy(package, working)


def touched(package: Path) -> list[str]:
    """The files of a copy that the package has not, or has otherwise."""
    original, names = ROOT / "fpsynth", set()
    for base in (original, package):
        names |= {path.relative_to(base).as_posix() for path in base.rglob("*") if path.suffix in (".py", ".json")}
    return sorted(name for name in names if _content(package / name) != _content(original / name))


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


@pytest.mark.parametrize("addition", ADDITIONS, ids=lambda addition: addition.row)
def test_an_addition_touches_few_files_which_the_architecture_names(addition: Addition, added: Adding) -> None:
    files = touched(added(addition).package)
    assert files == sorted({*addition.new, *addition.lines})
    assert 0 < len(files) <= MOST
    (row,) = re.findall(rf"^\| {addition.row} \| (.*) \|$", (ROOT / "ARCHITECTURE.md").read_text("utf-8"), re.MULTILINE)
    named = [re.escape(name).replace(r"\*", "[^/]*") for name in re.findall(r"`([\w/.*]+)`", row)]
    for name in files:
        assert any(re.fullmatch(rf"{of}[^/]*" if of.endswith("/") else of, name) for of in named), (name, row)


def test_a_solver_that_is_added_answers_and_its_answer_is_checked(added: Adding) -> None:
    pytest.importorskip("z3", reason="z3 is not installed")
    copy = added(SOLVER)
    found = copy.fpsynth("tie", "--solver", "z3sat", "--dtype", "float8_e5m2", "--no-replay", "--out", "tie.json")
    assert found["verdict"] == "found"
    assert {attempt["engine"] for attempt in found["attempts"]} == {"z3sat"}
    assert "z3-solver" in found["versions"]
    assert copy.fpsynth("check", "tie.json")["confirmed"] is True
    asked = copy.say("""
from fpsynth.solvers.engines import engines_named, independent
from fpsynth.solvers.schedule import runners
raced = runners(engines_named("auto"))
said = [("z3sat", encoding) in raced for encoding in ("bitblast", "significands")], independent(["z3", "z3sat"])
""")
    assert asked == [[True, True], 1]  # the code of z3 is one witness
    assert "auto, z3, z3sat, bitwuzla" in " ".join(copy.python("-m", "fpsynth", "tie", "--help").split())


def test_a_question_that_is_added_is_asked_in_python_and_on_the_command_line(added: Adding) -> None:
    copy = added(QUESTION)
    found = copy.fpsynth("lanes", "--lanes", "4", "--terms", "6", "--no-replay", "--out", "lanes.json")
    assert (found["question"], found["verdict"]) == ("lanes", "found")
    assert (found["settings"]["lanes"], found["settings"]["sides"]) == (4, ["sequential", "strided:4"])
    assert copy.fpsynth("check", "lanes.json")["confirmed"] is True
    helped = " ".join(copy.python("-m", "fpsynth", "lanes", "--help").split())
    assert "--lanes N of the register (default 8)" in helped
    assert "--silent" not in helped  # which the question settles
    said = copy.say("""
import inspect
result = fpsynth.lanes(lanes=4, terms=6, replay=False)
fpsynth.save(result.witnesses[0], "again.json")
keyword = inspect.signature(fpsynth.lanes).parameters["lanes"]
try:
    fpsynth.lanes(lanes=1)
except fpsynth.errors.InputError as error:
    refused = str(error)
said = {
    "verdict": result.verdict.value,
    "record": result.settings["lanes"],
    "same": fpsynth.load("again.json") == result.witnesses[0],
    "keyword": [keyword.default, str(keyword.kind), str(keyword.annotation)],
    "told": fpsynth.lanes.__doc__,
    "named": "lanes" in dir(fpsynth) and "lanes" in fpsynth.__all__,
    "refused": refused,
}
""")
    assert (said["verdict"], said["record"], said["same"], said["named"]) == ("found", 4, True, True)
    assert said["keyword"] == [8, "KEYWORD_ONLY", "int"]
    assert "* lanes: of the register (default 8)" in said["told"]
    told = copy.python("-m", "fpsynth", "explain", "lanes.json")
    assert "Each lane of a register sums for itself" in " ".join(told.split())
    assert said["refused"] == "the number of lanes must be from 2 to 64, not 1"
    without = Copy(ROOT / "fpsynth", copy.folder).ended("-m", "fpsynth", "check", "lanes.json")
    assert (without.returncode, without.stderr.count("\n")) == (2, 1)
    assert "question: is none of order, precision, relu" in without.stderr


def test_a_layer_type_that_is_added_is_evaluated_and_run(added: Adding) -> None:
    said = added(LAYER).say("""
from fractions import Fraction
from fpsynth.evaluators.real import exact_logits
from fpsynth.formats import FLOAT32
from fpsynth.libraries.registry import library_named
from fpsynth.networks.layers import LAYERS, Dense
from fpsynth.networks.network import Network, Node
dense = Node("dense", Dense([[1.0, -2.0], [3.0, 0.25]], [0.5, -1.0]))
network = Network((dense, Node("minus", LAYERS["negate"](), ("dense",))), (2,), "minus")
point = [3.0, 0.5]
numpy = library_named("numpy")
numpy.load("cpu")
ran = numpy.prepare(network, FLOAT32, "matmul", "cpu")([point]).logits[0]
said = [float(x) for x in exact_logits(network, [Fraction(x) for x in point])], ran
""")
    assert said == [[-2.5, -8.125]] * 2


def test_an_operation_that_is_added_is_revealed_and_replayed(added: Adding) -> None:
    copy = added(OPERATION)
    said = copy.say("""
(reveal,) = fpsynth.reveal("numpy:inner", terms=5, outputs=2, vectors=200)
said = reveal.explained, str(reveal.kernel.environment)
""")
    assert said == [True, "numpy:inner:batch=1,outputs=2"]
    checked = json.loads(copy.python(str(ROOT / "tests" / "libraries" / "operations_check.py"), "numpy", "some"))
    assert (
        checked["differ"]["inner"] == checked["inexact"]["inner"] == checked["calls"]["differ"] == []
    )  # what others are held to
    assert ["inner", "NT"] in checked["calls"]["compared"]
    found = copy.fpsynth("order", "--a", "real", "--b", "numpy:inner", "--library", "numpy", "--batch", "1", "--vectors", "200")
    assert found["verdict"] == "found", found["reason"]
    assert found["confirmed_by"] == ["numpy"]
    assert "inner" in {seen["variant"] for seen in found["observations"]}
    assert [seen["call"] for seen in found["reveals"]] == ["np.inner(x, W)  x (1, 8) C, W (1, 8) C"]


def test_a_predicate_that_is_added_is_searched_for_and_keeps_the_contract(added: Adding) -> None:
    copy = added(PREDICATE)
    found = copy.fpsynth("order", "--predicate", "opposite", "--terms", "6", "--no-replay", "--out", "opposite.json")
    assert (found["verdict"], found["settings"]["predicate"]) == ("found", "opposite")
    assert copy.fpsynth("check", "opposite.json")["confirmed"] is True
    assert "on opposite sides of zero" in " ".join(copy.python("-m", "fpsynth", "explain", "opposite.json").split())
    contract = str(ROOT / "tests" / "predicates" / "test_predicate_contract.py")
    options = ("-q", "-c", str(ROOT / "pyproject.toml"), "-p", "no:cacheprovider", "-k", "opposite or stands_in_the_table")
    assert re.search(r"\d\d passed", copy.python("-m", "pytest", *options, contract))


def test_a_family_that_is_added_is_made_and_checked(added: Adding) -> None:
    for package in ("torch", "onnxruntime"):
        pytest.importorskip(package)
    copy = added(FAMILY)
    made = copy.fpsynth("corpus", "make", "--out", "corpus", "--count", "1", "--category", "shifted")
    assert made["categories"] == [{"category": "shifted", "instances": 1, "controls": 0}]
    (one,) = copy.fpsynth("corpus", "list", "corpus")["listed"]
    assert (one["verdicts"]["real"], one["verdicts"]["onnxruntime:batch=1"]) == ("unsat", "sat")
    assert copy.fpsynth("corpus", "check", "corpus")["holds"] is True
