"""Adapters of checkouts: what alpha-beta-CROWN and nnenum need to be started, and how their points are read.

The scripts stand in for the tools, as their checkouts are laid out; the tools themselves run in test_real_tools.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from external_questions import BOX, UNSAFE, network

from fpsynth.errors import InputError
from fpsynth.verifiers.claims import Box
from fpsynth.verifiers.external import Verified, verify
from fpsynth.verifiers.external.checkouts import CHECKOUTS, from_checkout
from fpsynth.verifiers.external.judging import TRUE_SAT
from fpsynth.verifiers.properties import Case

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

ABCROWN = """
import argparse, pathlib
import auto_LiRPA  # of the submodule
parser = argparse.ArgumentParser()
for name in ("config", "onnx_path", "vnnlib_path", "results_file", "cex_path", "device", "timeout"):
    parser.add_argument("--" + name, required=True)
parser.add_argument("--save_adv_example", action="store_true")
given = parser.parse_args()
assert "device: cpu" in pathlib.Path(given.config).read_text()  # without a config file it fails
pathlib.Path(given.cex_path).write_text("((X_0 1.0)\\n(X_1 0.5)\\n(Y_0 1.5)\\n(Y_1 1.0))")
print("Result: WORD")
"""
NNENUM = """
import sys
class Result:
    result_str, cinput = "WORD", [1.0, 0.5]
def enumerate_network(box, network, spec):
    return Result()
def main():
    model, query, seconds, results = sys.argv[1:]
    with open(results, "w") as file:
        file.write("violated" if "unsafe" in enumerate_network(None, None, None).result_str else "holds")
"""


def placed(root: Path, name: str, word: str) -> Path:
    """A folder laid out as its checkout."""
    if name == "alpha-beta-crown":
        files = {"complete_verifier/abcrown.py": ABCROWN, "auto_LiRPA/auto_LiRPA/__init__.py": ""}
    else:
        files = {"src/nnenum/nnenum.py": NNENUM, "src/nnenum/__init__.py": ""}
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text.replace("WORD", word))
    return root


def said(root: Path, name: str, word: str) -> Verified:
    box = Box(tuple(map(float, BOX.lower)), tuple(map(float, BOX.upper)))
    return verify(network(), [Case(box, UNSAFE)], from_checkout(name, placed(root, name, word)), timeout=60.0)


@pytest.mark.parametrize(("name", "word"), [("alpha-beta-crown", "sat"), ("nnenum", "unsafe")])
def test_a_point_that_it_finds_is_read_and_judged(tmp_path: Path, name: str, word: str) -> None:
    found = said(tmp_path, name, word)
    assert (found.verdict, found.answers[0].point) == ("sat", (1.0, 0.5)), found
    assert found.judgements[0].word == TRUE_SAT


@pytest.mark.parametrize(("name", "word"), [("alpha-beta-crown", "unsat"), ("nnenum", "safe")])
def test_unsat_is_read(tmp_path: Path, name: str, word: str) -> None:
    assert said(tmp_path, name, word).verdict == "unsat"


def test_numbers_that_nnenum_did_not_confirm_are_no_point(tmp_path: Path) -> None:
    found = said(tmp_path, "nnenum", "unsafe (unconfirmed)")
    assert (found.verdict, found.answers[0].point) == ("sat", ())


@pytest.mark.parametrize("name", CHECKOUTS)
def test_a_folder_that_is_no_checkout_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"is no checkout of {name}"):
        from_checkout(name, tmp_path)
