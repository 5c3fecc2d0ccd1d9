"""np.dot is np.dot, and how its operands lie decides the kernel: found, replayed, and seen by hand in this very process."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fpsynth.cli.main import main

QUICK = ["--terms", "64", "--library", "numpy", "--batch", "1,4", "--vectors", "300"]
Array = np.ndarray[Any, Any]
Product = Callable[[Array, Array], Array]
"""Of a batch of points and weights (inputs, outputs)."""


def nt(product: Product) -> Product:
    """With the weights stored (outputs, inputs)."""
    return lambda x, w: product(x, np.ascontiguousarray(w.T).T)


def differ(first: Product, second: Product) -> int:
    """In how many of 20 draws the first rows differ."""
    draw = np.random.default_rng(5)
    operands = [(draw.standard_normal((4, 64)).astype("f4"), draw.standard_normal((64, 16)).astype("f4")) for _ in range(20)]
    return sum(not np.array_equal(first(x, w)[0], second(x, w)[0]) for x, w in operands)


CASES: dict[str, tuple[list[str], Product, Product]] = {
    "np.dot at two batch sizes": (
        ["--a", "numpy:dot:batch=1,outputs=16", "--b", "numpy:dot:batch=4,outputs=16"],
        nt(lambda x, w: np.dot(x[:1], w)),
        nt(np.dot),
    ),
    "weights stored (inputs, outputs)": (
        ["--a", "numpy:matmul:batch=4,outputs=16,layout=NN", "--b", "numpy:matmul:batch=4,outputs=16"],
        np.matmul,
        nt(np.matmul),
    ),
    "points stored column by column": (
        ["--a", "numpy:dot:batch=4,outputs=16,layout=TT", "--b", "numpy:dot:batch=4,outputs=16"],
        nt(lambda x, w: np.dot(np.asfortranarray(x), w)),
        nt(np.dot),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_flip_is_found_that_numpy_shows_when_it_is_called_by_hand(case, tmp_path, capsys):
    arguments, first, second = CASES[case]
    if not differ(first, second):
        pytest.skip("this BLAS gives the same bits")
    path = str(tmp_path / "flip.json")
    assert main(["order", *arguments, *QUICK, "--json", "--out", path]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["verdict"] == "found"
    layer = data["network"]["layers"][0]["weight"]
    weights = np.array([[float.fromhex(w) for w in row] for row in layer], "f4")
    point = np.array([float.fromhex(x) for x in data["points"][0]["numbers"]], "f4")
    batch, turned = np.tile(point, (4, 1)), np.ascontiguousarray(weights.T)
    a, b = (float(product(batch, turned)[0, 0]) for product in (first, second))
    assert (a > 0) != (b > 0), "the flip is there without fpsynth"
    predicted = [view["logits"][0] for view in data["views"]]
    assert [float.fromhex(text) for text in predicted] == [a, b]

    assert main(["replay", path, "--library", "numpy", "--batch", "4", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    ran = {seen["view"]: seen for seen in again["observations"] if seen["view"]}
    for view, side in zip(data["views"], arguments[1::2], strict=True):
        assert view["environment"] == ran_in(ran[view["name"]]) == side
        assert ran[view["name"]]["agrees_with"] == [view["name"]]
        assert view["call"].startswith(ran[view["name"]]["call"] + "  x (")


def ran_in(seen: dict[str, Any]) -> str:
    """The environment of a run, as text."""
    layout = f",layout={seen['layout']}" if seen["layout"] else ""
    return f"{seen['library']}:{seen['variant']}:batch={seen['batch']},outputs=16{layout}"


def test_a_reveal_says_the_call_and_the_operands(tmp_path, capsys):
    path = tmp_path / "reveal.json"
    where = "numpy:dot:batch=4,outputs=16,layout=NeT"
    assert main(["reveal", where, "--terms", "8", "--vectors", "300", "--out", str(path)]) == 0
    call = "np.dot(x[:, ::2], W.T)  x (4, 16) C, W (16, 8) C"
    assert f"\n  {call}\n" in capsys.readouterr().out
    kernel = json.loads(path.read_text())["reveals"][0]["kernel"]
    assert (kernel["environment"], kernel["call"]) == (where, call)


def test_a_layout_that_is_none_is_one_line(capsys):
    for where in ("numpy:dot:layout=NX", "jax:jit:layout=NsT", "torch:conv2d:layout=NN"):
        assert main(["reveal", where]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert "layout" in error


def test_environments_tells_calls_and_layouts(capsys):
    assert main(["environments", "--library", "numpy"]) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert "numpy:dot np.dot(x, W.T) x (batch, inputs) C, W" in words
    assert "numpy:vdot np.vdot(x[0], W[0]) x (1, inputs) C, W (1," in words
    assert "NT NN TN TT s e" in words
    assert main(["environments", "--library", "numpy", "--json"]) == 0
    (library,) = json.loads(capsys.readouterr().out)["libraries"]
    assert library["operations"]["dot"]["call"].startswith("np.dot(x, W.T)")
    assert library["operations"]["dot"]["layouts"] == ["NT", "NN", "TN", "TT"]
