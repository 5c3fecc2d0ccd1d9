"""Files say the very call beside a name; in those that do not, a name means what it meant when they were written."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from divergences import divergence, observed, views
from witnesses import published

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import parse_order
from fpsynth.predicates import Predicate
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.witness import Witness
from fpsynth.witness.file import parse, text

ROW = (-(2.0**-24), 1.0, -1.0, 2.0**-25)


def flip(environment: str) -> Witness:
    """A witness whose reference is an environment, and what that environment gave."""
    pairwise = Deployment(Arithmetic(FLOAT32, order=parse_order("pairwise")))
    sides = views(("sequential", Deployment(Arithmetic(FLOAT32))), (environment, pairwise))
    placed = replace(sides[1], environment=environment)
    found = divergence(dense_relu((Dense((ROW,) * 2),)), (1.0,) * 4, (sides[0], placed), Predicate("sign"))
    logits = tuple(float(logit) for logit in found.views[1].logits)
    _, operation, options = environment.split(":")
    layout = "NN" if "layout=NN" in options else ""
    seen = observed(found, logits, environment.partition(":")[0], variant=operation, batch=3, view="b", layout=layout)
    return replace(found, observations=(seen,))


def without_calls(found: Witness) -> str:
    """The file as it was before calls stood in it."""

    def strip(data: object) -> object:
        if isinstance(data, dict):
            return {key: strip(value) for key, value in data.items() if key not in ("call", "layout")}
        return [strip(value) for value in data] if isinstance(data, list) else data

    return json.dumps(strip(json.loads(text(found))))


@pytest.mark.parametrize(
    ("environment", "call"),
    [
        ("numpy:dot:batch=3", "np.dot(x, W.T)  x (3, 4) C, W (2, 4) C"),
        ("numpy:dot:batch=3,layout=NN", "np.dot(x, W)  x (3, 4) C, W (4, 2) C"),
        ("numpy:dot-rows:batch=3", "np.stack([np.dot(W, row) for row in x])  x (3, 4) C, W (2, 4) C"),
        ("torch:linear:batch=3", "torch.nn.functional.linear(x, W)  x (3, 4) C, W (2, 4) C"),
    ],
)
def test_a_file_says_the_call_of_each_environment(environment: str, call: str) -> None:
    found = flip(environment)
    data = json.loads(text(found))
    assert [view["call"] for view in data["views"]] == ["", call]
    assert data["observations"][0]["call"] == call.partition("  ")[0]
    assert parse(text(found)) == found


def test_a_network_of_several_layers_has_no_one_shape() -> None:
    found = flip("numpy:dot:batch=3")
    first = found.network.dense_layers[0]
    data = json.loads(text(replace(found, network=dense_relu((first, Dense(((1.0, 0.0), (0.0, 1.0))))))))
    assert data["views"][1]["call"] == "np.dot(x, W.T)"


@pytest.mark.parametrize(("library", "now"), [("numpy", "dot-rows"), ("cupy", "dot-rows"), ("torch", "vdot"), ("jax", "vdot")])
def test_a_file_without_calls_means_what_dot_was_then(library: str, now: str) -> None:
    """np.dot(W, row), row by row; and in libraries without a dot of their own the product of two vectors."""
    options = "batch=1" if now == "vdot" else "batch=3" + ",device=cuda" * (library == "cupy")
    found = flip("numpy:dot:batch=3")
    old = without_calls(found).replace("numpy:dot:batch=3", f"{library}:dot:{options}").replace('"numpy"', f'"{library}"')
    data = json.loads(old)
    data["observations"][0] |= {"batch": 1, "rows": [0]} if now == "vdot" else {}
    data["observations"][0] |= {"device": "cuda"} if library == "cupy" else {}
    read = parse(json.dumps(data))
    assert isinstance(read, Witness)
    assert read.deployed.environment == read.deployed.label == f"{library}:{now}:{options}"
    assert read.observations[0].variant == now
    assert read.observations[0].logits == found.observations[0].logits
    assert parse(text(read)) == read, "it is written under its present name, with its call"


def test_other_operations_of_old_files_keep_their_names() -> None:
    found = flip("numpy:matmul:batch=3")
    assert parse(without_calls(found)) == found


def test_replays_of_a_tie_are_read_alike() -> None:
    tie = published()
    dot = replace(tie, observations=tuple(replace(r, library="numpy", variant="dot") for r in tie.observations[:1]))
    data = json.loads(text(dot))
    assert data["observations"][0]["call"] == "np.dot(x, W.T)"
    assert parse(text(dot)) == dot
    old = parse(without_calls(dot))
    assert isinstance(old, Witness)
    assert [r.variant for r in old.observations] == ["dot-rows"]


@pytest.mark.parametrize("place", ["views", "observations"])
@pytest.mark.parametrize("call", ["np.dot(x, W)", "", "np.stack([np.dot(W, row) for row in x])"])
def test_a_call_that_is_another_ones_is_refused(place: str, call: str) -> None:
    data = json.loads(text(flip("numpy:dot:batch=3")))
    data[place][-1]["call"] = call
    with pytest.raises(InputError, match=rf"{place}\[\d\].call: .* is not the call") as refused:
        parse(json.dumps(data))
    assert "\n" not in str(refused.value)


def test_an_observation_of_another_layout_is_not_the_views() -> None:
    data = json.loads(text(flip("numpy:dot:batch=3,layout=NN")))
    data["observations"][0] |= {"layout": "", "call": "np.dot(x, W.T)"}
    with pytest.raises(InputError, match="not one of b's environment"):
        parse(json.dumps(data))
    data["observations"][0]["layout"] = "XY"
    with pytest.raises(InputError, match=r"observations\[0\].layout: must be"):
        parse(json.dumps(data))
