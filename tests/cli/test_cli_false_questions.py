"""Questions that have no answer because both sides are the same: one line and exit code 2, or a true answer; never a search."""

import json
import shlex

import numpy as np
import pytest
from command_line import fpsynth_here, refused

from fpsynth.cli.commands import COMMANDS
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.networks.npz_graph import write_npz

GIVEN = "--network net.npz --points inputs.npz"
SAME = "cannot disagree with itself: choose two"
REFUSED = [
    ("precision --a float32 --b float32", "both sides are float32: choose two formats"),
    ("precision --a float32 --b binary32", "both sides are float32: choose two formats"),
    ("precision --a bfloat16 --b bfloat16 --order pairwise", "both sides are bfloat16: choose two formats"),
    ("precision --a float64", "both sides are float64: choose two formats"),
    ("order --a numpy:matmul --b numpy:matmul", SAME),
    ("order --a numpy:matmul --b numpy:matmul:batch=1", SAME),
    ("order --a numpy:matmul --only-in numpy:matmul", SAME),
    ("order --a sequential --b numpy:matmul --silent numpy:matmul", "as a silent side, is not to"),
    ("order --only-in numpy:matmul --b numpy:matmul", "as a silent side, is not to"),
    ("relu --a numpy:matmul --b numpy:matmul", SAME),
    ("relu --a tensorflow:matmul", SAME),
    (f"order {GIVEN} --a numpy --b numpy:batch=1", SAME),
    (f"order {GIVEN} --a real --b numpy --silent numpy", "as a silent side, is not to"),
    ("interval --a real --b real", "interval arithmetic rounds outward into a format, and real arithmetic has none"),
    ("twin numpy:matmul:batch=1,outputs=1", "needs a layer of at least 2 neurons"),
    ("position numpy:matmul:batch=1,outputs=1", "needs a layer of at least 2 neurons"),
    ("position numpy:matmul:batch=1,outputs=4 --kind row", "rows of a batch differ where there are at least 2"),
    ("compare net.npz --inputs inputs.npz --library numpy,numpy", "numpy is named twice: a comparison needs different ones"),
    ("compare net.npz --inputs inputs.npz --library numpy:batch=1 --library numpy:batch=1", "is named twice"),
    ("tie --order real", "unknown order 'real'"),
    ("tie --min-ratio 0", "ratio"),
    ("matrix --library numpy,nothing", "unknown library 'nothing'"),
]
"""What is asked, and what the line says."""
IMPOSSIBLE = [
    "order --a sequential --b sequential",
    "order --a pairwise",
    "order --a real --b real",
    "order --a sequential --b pairwise --terms 1",
    "order --a sequential --b pairwise --terms 2",
    "order --a sequential --b [[0,1],2] --terms 3",
    "order --a sequential --b sequential,format=float32",
    "order --a sequential --b pairwise --silent pairwise",
    "order --a sequential --only-in sequential",
    "order --a sequential --b sequential --predicate gap --gap 1",
    "order --a sequential --b sequential --predicate argmax",
    f"order {GIVEN} --a sequential --b sequential",
    f"order {GIVEN} --a real --b real",
    "relu --a sequential --b sequential",
    "relu --a real --b real",
    "interval --a sequential --b sequential",
]
"""Questions that are answered: that it cannot be is proved without a solver."""
ONE_SIDED = {
    "backdoor",
    "defend",
    "reveal",
    "certify",
    "environments",
    "check",
    "replay",
    "explain",
    "verify",
    "verifiers",
    "corpus",
    "bench",
    "shrink",
}
"""Subcommands that hold nothing against anything else that is named."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network, and inputs for it."""
    here = tmp_path_factory.mktemp("asked")
    write_npz(dense_relu([Dense(np.eye(3)), Dense(np.array([[1.0, 0.5, 0.25], [0.25, 0.5, 1.0]]))]), here / "net.npz")
    np.savez(here / "inputs.npz", inputs=np.eye(3, dtype=np.float32))
    return here


@pytest.mark.parametrize(("asked", "reason"), REFUSED, ids=[asked for asked, _ in REFUSED])
def test_a_false_question_is_refused_in_one_line(folder, asked, reason):
    assert reason in refused(fpsynth_here(*shlex.split(asked), cwd=folder))


@pytest.mark.parametrize("asked", IMPOSSIBLE)
def test_what_can_be_proved_impossible_is_answered(folder, asked):
    done = fpsynth_here(*shlex.split(asked), "--json", "--no-replay", cwd=folder)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["verdict"] == "impossible"
    assert answer["proof"]


def test_two_orders_that_are_one_tree_are_said_to_be(folder):
    done = fpsynth_here("tree", "sequential", "--compare", "[[0,1],2]", "--terms", 3, cwd=folder)
    assert done.returncode == 0
    assert "the same" in done.stdout


def test_a_library_that_is_named_twice_is_a_member_of_the_matrix_once(folder):
    asked = "matrix --library numpy,numpy --batch 1,1 --terms 4 --no-settings --vectors 10 --timeout 1 --json"
    done = fpsynth_here(*shlex.split(asked), cwd=folder)
    assert done.returncode == 0, done.stderr
    names = [one["environment"] for one in json.loads(done.stdout)["environments"]]
    assert names
    assert len(names) == len(set(names))


def test_every_subcommand_is_asked_a_false_question_or_has_one_side():
    asked = {question.partition(" ")[0] for question in (*(one for one, _ in REFUSED), *IMPOSSIBLE, "tree", "matrix")}
    assert asked | ONE_SIDED == set(COMMANDS)
    assert not asked & ONE_SIDED
