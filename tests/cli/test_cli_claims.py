"""What is said of libraries rests on reveals that are named with their counts, and is impossible only where they explain all.

A kernel of numpy is revealed once, for real; files that say other things of it than is so stand for reveals that went wrong.
"""

from __future__ import annotations

import copy
import json

import pytest

from fpsynth import api
from fpsynth.cli.main import main
from fpsynth.formats import FLOAT32
from fpsynth.orders import parse_order
from fpsynth.revealing.file import save_reveals
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.arithmetic_json import arithmetic_to_json

TERMS = 8
WANTED = ["--terms", str(TERMS), "--vectors", "1000", "--library", "numpy", "--batch", "1,4"]


@pytest.fixture(scope="module")
def true_file(tmp_path_factory):
    """A reveal of numpy's matrix product on a batch of 4."""
    path = tmp_path_factory.mktemp("reveals") / "true.json"
    found = api.reveal("numpy:matmul:batch=4,outputs=1", terms=TERMS, vectors=1000)
    if not found[0].explained:
        pytest.skip("numpy's kernel is not explained on this processor")
    save_reveals(found, path)
    return path


@pytest.fixture
def written(true_file, tmp_path):
    """Writes a copy of the file with the classes, the repeats or the facts changed; returns its path as text."""

    def write(name="changed.json", *, explained=None, total=None, arithmetic=None, **changes):
        data = copy.deepcopy(json.loads(true_file.read_text()))
        (one,) = data["reveals"]
        one |= changes
        for cls in one["classes"]:
            cls["total"] = cls["total"] if total is None else total
            cls["explained"] = cls["total"] if explained is None else explained
            cls["arithmetic"] = cls["arithmetic"] if arithmetic is None else arithmetic
        (tmp_path / name).write_text(json.dumps(data))
        return str(tmp_path / name)

    return write


def answer(capsys, *arguments):
    """Exit code and JSON object."""
    code = main([*arguments, *WANTED, "--json"])
    return code, json.loads(capsys.readouterr().out)


BACKWARDS = arithmetic_to_json(Arithmetic(FLOAT32, order=parse_order("reverse")))
"""No kernel of numpy's sums like that."""


def test_impossible_is_said_in_the_revealed_arithmetics_after_a_comparison(true_file, capsys):
    code, data = answer(capsys, "order", "--a", str(true_file), "--b", "numpy:matmul:batch=4")
    assert (code, data["verdict"]) == (0, "impossible")
    assert data["reason"].startswith("in the revealed arithmetics both views evaluate the same expression")
    assert data["proof"]["statement"] == data["reason"]
    assert [ground["view"] for ground in data["rests_on"]] == ["a", "b"]
    for ground in data["rests_on"]:
        assert ground["doubt"] == ""
        assert [(cls["explained"], cls["total"]) for cls in ground["classes"]] == [(1000, 1000)]
    assert (data["comparison"]["differing"], data["comparison"]["not_made"]) == (0, "")
    assert data["comparison"]["vectors"] > 900


@pytest.mark.parametrize(
    ("question", "changes", "told"),
    [
        ("order", {"explained": 998}, "explains 998 of 1000 hostile vectors"),
        ("interval", {"explained": 998}, "explains 998 of 1000 hostile vectors"),
        ("order", {"total": 300}, "was checked on 300 vectors only"),
        ("relu", {"repeats": ""}, "change between repeats was not tried"),
    ],
)
def test_a_reveal_that_leaves_something_open_makes_the_answer_unknown(written, capsys, question, changes, told):
    path = written(**changes)
    code, data = answer(capsys, question, "--a", path, "--b", path)
    assert (code, data["verdict"], data["proof"]) == (3, "unknown", None)
    assert told in data["reason"]
    assert data["reason"].startswith("in the revealed arithmetics ")
    assert all(told in ground["doubt"] for ground in data["rests_on"])


def test_a_report_of_nothing_found_names_the_reveals_and_the_comparison(written, capsys):
    path = written(explained=998)
    assert main(["order", "--a", path, "--b", path, *WANTED]) == 3
    text = " ".join(capsys.readouterr().out.split())
    assert "Rests on reveals numpy:matmul:batch=4,outputs=1, row 0: explains 998/1000" in text
    assert "compared directly, on " in text
    assert "beyond the ranges of the question: other results on 0, something else than was revealed on 0" in text


def test_a_library_that_departs_from_what_was_revealed_is_found(written, tmp_path, capsys):
    """The file says that numpy sums backwards; numpy itself says otherwise, and that is the evidence."""
    path, out = written(arithmetic=BACKWARDS, explained=998), str(tmp_path / "found.json")
    code, data = answer(capsys, "order", "--a", "reverse", "--b", path, "--out", out)
    assert (code, data["verdict"], data["confirmed_by"]) == (0, "found", ["numpy"])
    assert [view["measured"] for view in data["views"]] == [False, True]
    assert data["comparison"]["differing"] > 0
    assert main(["check", out]) == 4
    assert "NOT confirmed" in capsys.readouterr().out
    again = str(tmp_path / "again.json")
    assert main(["replay", out, "--library", "numpy", "--batch", "4", "--out", again]) == 0
    assert "confirmed by numpy" in capsys.readouterr().out
    assert main(["explain", again]) == 0
    assert "measured" in capsys.readouterr().out


def test_a_difference_that_answers_nothing_is_named_and_nothing_is_impossible(written, capsys):
    path = written(arithmetic=BACKWARDS)
    code, data = answer(capsys, "order", "--predicate", "gap", "--gap", "100", "--a", "reverse", "--b", path)
    assert (code, data["verdict"]) == (3, "unknown")
    assert "the two give other results on" in data["reason"]
    first = data["comparison"]["first"]
    assert (len(first["point"]), len(first["weights"][0]), set(first["values"])) == (TERMS, TERMS, {"a", "b"})


def test_a_gap_that_no_order_reaches_is_impossible_though_the_libraries_differ(true_file, capsys):
    """They differ as their arithmetics say: that is no doubt about the proof."""
    code, data = answer(capsys, "order", "--gap", "1", "--a", "reverse", "--b", str(true_file))
    assert (code, data["verdict"]) == (0, "impossible")
    assert data["comparison"]["differing"] > 0
    assert data["comparison"]["unexplained"] == 0
    assert data["reason"].startswith("in the revealed arithmetics no order of 8 products")


def test_a_reveal_of_another_machine_is_believed_and_said_not_to_have_been_run(written, capsys):
    path = written(facts={"cpu": "abacus"})
    code, data = answer(capsys, "order", "--a", path, "--b", path)
    assert (code, data["verdict"]) == (0, "impossible")
    assert "was revealed on another processor" in data["comparison"]["not_made"]
    assert main(["order", "--a", path, "--b", path, *WANTED]) == 0
    assert "not compared directly: numpy:matmul:batch=4,outputs=1 was revealed on another" in " ".join(
        capsys.readouterr().out.split()
    )


def test_a_found_answer_names_its_reveals_and_the_versions_of_what_was_used(written, capsys):
    import numpy

    path = written(explained=998)
    code, data = answer(capsys, "order", "--a", "reverse", "--b", path)
    assert (code, data["verdict"]) == (0, "found")
    assert any("explains 998 of 1000" in note for note in data["provenance"]["notes"])
    assert data["provenance"]["versions"]["numpy"] == data["versions"]["numpy"] == numpy.__version__


def test_arithmetics_alone_rest_on_nothing(capsys):
    code, data = answer(capsys, "order", "--a", "pairwise", "--b", "pairwise")
    assert (code, data["verdict"], data["rests_on"], data["comparison"]) == (0, "impossible", [], None)
    assert "revealed" not in data["reason"]


def test_the_matrix_calls_nothing_equal_that_is_not_explained(written, capsys):
    path = written(explained=998)
    arguments = ["matrix", "--terms", "8", "--outputs", "1", "--batch", "4", "--library", "numpy", "--no-settings"]
    assert main([*arguments, "--vectors", "1000", "--reveals", path, "--json"]) == 4
    data = json.loads(capsys.readouterr().out)
    doubtful = [entry for entry in data["environments"] if entry["explained"] is False]
    assert [entry["check"] for entry in doubtful] == ["explains 998/1000"]
    assert sum(entry["class"] == doubtful[0]["class"] for entry in data["environments"]) == 1
    (cell,) = [cell for cell in data["cells"] if "same expression" in cell["reason"]]
    assert cell["reason"].startswith("unknown: in the revealed arithmetics both views evaluate the same expression")
    assert "explains 998 of 1000" in cell["reason"]
