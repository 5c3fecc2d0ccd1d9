"""Networks of any layers stand in a witness file; what is wrong with one is one line."""

import copy
import json
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from divergences import PAIRWISE, SEQUENTIAL, divergence, views
from graphs import graphs
from hypothesis import given, settings
from mutations import check as check_damaged
from mutations import mutated_data
from profiles import examples
from test_witness_bad_files import ABSENT, one_short_line, shown

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32
from fpsynth.networks.layers import Add, BatchNormalisation, Convolution, Dense, Flatten, LeakyReLU, MultiplyConstant
from fpsynth.networks.network import INPUT, Network, Node
from fpsynth.predicates import Predicate
from fpsynth.synthesis.checking.check import check
from fpsynth.witness import Witness, deployments, from_json, load, save, to_json
from fpsynth.witness.data import only_point
from fpsynth.witness.file import parse, text
from fpsynth.witness.schema import require_valid, witness_schema


def residual(kernel=(-(2.0**24), 2.0**24, 1.0)):
    """A convolution over a signal of four numbers that is added to it, a branch with a slope, and a dense layer."""
    weight = np.array(kernel).reshape(1, 1, -1)
    nodes = (
        Node("conv", Convolution(weight, np.array([0.0]), padding=((1, 1),)), (INPUT,)),
        Node("sum", Add(), ("conv", INPUT)),
        Node("slope", LeakyReLU(0.25), ("sum",)),
        Node("scaled", MultiplyConstant(np.array([[0.5]])), ("slope",)),
        Node("flat", Flatten(), ("scaled",)),
        Node("logits", Dense(np.array([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 1.0]])), ("flat",)),
    )
    return Network(nodes, (1, 4), "logits")


def of_graph():
    """A divergence whose network is that graph, every view evaluated."""
    hows = views(("sequential", SEQUENTIAL), ("pairwise", PAIRWISE))
    return divergence(residual(), (1.0, 1.0, 1.0, 0.0), hows, Predicate("argmax"))


def any_of(network):
    """A witness of any network, of which nothing is evaluated."""
    point = only_point(float(k % 5 - 2) for k in range(math.prod(network.input_shape)))
    hows = views(("sequential", SEQUENTIAL), ("pairwise", PAIRWISE))
    return Witness("order", FLOAT32, network, point, Predicate("sign"), hows)


@settings(max_examples=examples(60), deadline=None)
@given(graphs())
def test_any_graph_is_read_back_from_text_and_from_data(network):
    found = any_of(network)
    assert parse(text(found)) == found
    assert from_json(to_json(found)) == found
    assert require_valid(json.loads(text(found))) is None


def test_a_graph_stands_in_the_file_node_by_node(tmp_path):
    found = of_graph()
    data = to_json(found)["network"]
    assert (data["input_shape"], data["output"]) == ([1, 4], "logits")
    assert [node["kind"] for node in data["nodes"]] == [node.layer.kind for node in found.network.nodes]
    assert data["nodes"][0]["parameters"]["weight"] == {"shape": [1, 1, 3], "numbers": ["-0x1p+24", "0x1p+24", "0x1p+0"]}
    assert data["nodes"][2]["attributes"] == {"slope": "0x1.0000000000000p-2"}
    save(found, tmp_path / "graph.json")
    assert load(tmp_path / "graph.json") == found
    assert [path.name for path in tmp_path.iterdir()] == ["graph.json"]


def test_the_check_of_a_graph_computes_what_its_file_says():
    found = from_json(to_json(of_graph()))
    assert not [finding for finding in check(found).findings if finding.claim.startswith("the logits") and not finding.holds]
    a, b = found.views
    lie = replace(found, views=(replace(a, logits=(Fraction(7),) * 2), b))
    assert "the logits of a (sequential) are right" in [f.claim for f in check(lie).findings if not f.holds]


def test_the_shipped_schema_accepts_a_graph():
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator(witness_schema()).validate(json.loads(text(of_graph())))


CONV = ("nodes", 0)
WEIGHT = (*CONV, "parameters", "weight")
WRAPPING = [7695460, 49477, 8681, 5581]
"""Sizes whose product is 2**64 + 4."""
DAMAGED = [
    ((*CONV, "name"), "", "network.nodes[0].name: must be the name of a node"),
    ((*CONV, "name"), "sum", "network: "),
    ((*CONV, "kind"), "convolve", "network.nodes[0].kind: there is no layer of the kind 'convolve'"),
    ((*CONV, "kind"), ABSENT, "network.nodes[0].kind: is missing"),
    ((*CONV, "kind"), 5, "network.nodes[0].kind: must be a kind of layer"),
    ((*CONV, "inputs"), [], "network.nodes[0].inputs: must be a list of 1 to 4096 names of nodes"),
    ((*CONV, "inputs"), ["nowhere"], "network: "),
    ((*CONV, "inputs"), ["sum"], "network: "),
    (("nodes", 5, "inputs"), ["slope"], "network: "),
    (WEIGHT, ABSENT, "network.nodes[0]: node 0 has no weight"),
    ((*WEIGHT, "numbers"), ["0x1p+0"] * 2, "network.nodes[0].parameters.weight: has 2 numbers"),
    ((*WEIGHT, "shape"), [1, 3], "network"),
    ((*WEIGHT, "shape"), [1, 1, 0], "network.nodes[0].parameters.weight.shape[2]: must be"),
    ((*WEIGHT, "shape"), WRAPPING, "network.nodes[0].parameters.weight: has 3 numbers"),
    ((*WEIGHT, "numbers", 1), "1.0", "network.nodes[0].parameters.weight.numbers[1]: must be"),
    ((*WEIGHT, "numbers", 1), "0x1.0p+5000", "network.nodes[0].parameters.weight.numbers[1]: "),
    ((*WEIGHT, "numbers", 1), "0x1.0000001p+0", "network: conv has parameters that are no float32"),
    ((*CONV, "parameters", "kernel"), {"shape": [1], "numbers": ["0x1p+0"]}, "network.nodes[0].parameters: a layer of"),
    ((*CONV, "attributes", "stride"), ABSENT, "network.nodes[0]: node 0 lacks the attribute 'stride'"),
    ((*CONV, "attributes", "strides"), [1], "network.nodes[0]: node 0 has the attribute 'strides'"),
    ((*CONV, "attributes", "stride"), "1", "network.nodes[0]: node 0: stride is no list of integers"),
    ((*CONV, "attributes", "stride"), [0], "network"),
    ((*CONV, "attributes", "padding"), [[1]], "network"),
    ((*CONV, "attributes", "name"), "sum", "network.nodes[0].attributes: name stands beside them"),
    ((*CONV, "attributes"), ABSENT, "network.nodes[0]: node 0 lacks the attribute"),
    (("nodes", 2, "attributes", "slope"), 0.1, "network.nodes[2]: node 2: slope is no hexadecimal number"),
    (("nodes", 2, "attributes", "slope"), "nan", "network"),
    (("nodes", 2, "attributes", "slope"), (0.1).hex(), "network: slope has the slope 0.1, which is no float32"),
    (("nodes", 3, "parameters"), ABSENT, "network.nodes[3]: node 3 has no value"),
    (("nodes",), [], "network.nodes: must be a list of 1 to 20000 nodes"),
    (("output",), "nowhere", "network: "),
    (("output",), ABSENT, "network.output: is missing"),
    (("input_shape",), ABSENT, "network.input_shape: is missing"),
    (("input_shape",), [4], "network"),
    (("layers",), [{"weight": [["0x1p+0"]], "bias": None}], "network: must have one of layers, nodes, file"),
    (("nodes",), ABSENT, "network: must have one of layers, nodes, file, not none"),
    (("sha256",), "0" * 64, "network.sha256: does not go with nodes"),
    (("comment",), "x", "network.comment: is unknown here"),
]


def damaged(path, value):
    data = json.loads(text(of_graph()))
    place = data["network"]
    for step in path[:-1]:
        place = place[step]
    if value is ABSENT:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return data


@pytest.mark.parametrize(("path", "value", "reason"), DAMAGED, ids=lambda v: shown(v) if isinstance(v, tuple) else "")
def test_a_damaged_graph_is_refused_in_one_line_that_names_the_field(path, value, reason):
    with pytest.raises(InputError) as caught:
        from_json(damaged(path, value))
    assert str(caught.value).startswith(reason)
    assert one_short_line(str(caught.value))


def test_a_shape_whose_product_is_a_small_number_in_64_bits_is_refused():
    data = damaged((*WEIGHT, "shape"), WRAPPING)
    assert math.prod(WRAPPING) == 2**64 + 4
    data["network"]["nodes"][0]["parameters"]["weight"]["numbers"] = ["0x1p+0"] * 4
    with pytest.raises(InputError, match=r"network.nodes\[0\].parameters.weight: has 4 numbers, its shape is"):
        from_json(data)


def test_a_graph_damaged_at_random_is_read_or_refused_in_one_line():
    whole = json.loads(text(of_graph()))

    def make(draw):
        return json.dumps(whole | {"network": mutated_data(whole["network"], draw)})

    check_damaged("graph of a witness", make, parse)


def test_what_is_added_to_a_variance_need_be_no_number_of_the_format(tmp_path):
    normalised = BatchNormalisation(np.zeros(2), np.ones(2), np.ones(2), np.zeros(2), epsilon=1e-5)
    nodes = (Node("logits", Dense(np.ones((2, 3))), (INPUT,)), Node("norm", normalised, ("logits",)))
    found = any_of(Network(nodes, (3,), "norm"))
    save(found, tmp_path / "witness.json")
    assert load(tmp_path / "witness.json") == found


def test_exceptions_of_many_outputs_that_few_bytes_name_are_refused_in_time(monkeypatch):
    data = to_json(of_graph())
    data["views"][0]["deployment"]["exceptions"] = [{"layer": 0, "outputs": [[0, 3]], "arithmetic": 1}]
    assert len(from_json(data).reference.deployment.exceptions) == 4
    monkeypatch.setattr(deployments, "MAX_EXCEPTIONS", 3)
    with pytest.raises(InputError, match=r"deployment: exceptions\[0\]: names more than the 3 outputs"):
        from_json(data)


def test_the_data_of_a_graph_is_not_shared_with_the_network():
    found = of_graph()
    data = to_json(found)
    assert copy.deepcopy(data) == data
    data["network"]["nodes"][0]["parameters"]["weight"]["numbers"][0] = "0x0p+0"
    assert to_json(found) != data
