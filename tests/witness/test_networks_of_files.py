"""Networks of any layers stand in a witness file, large ones in a file beside it; what is wrong with either is one line."""

import copy
import json
import math
import os
from dataclasses import replace
from fractions import Fraction
from hashlib import sha256

import numpy as np
import pytest
from divergences import PAIRWISE, SEQUENTIAL, divergence, triple, views
from graphs import graphs
from hypothesis import given, settings
from mutations import check as check_damaged
from mutations import mutated_data
from profiles import examples
from test_witness_bad_files import ABSENT, one_short_line, shown
from ties import changed
from witnesses import published

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32
from fpsynth.networks.layers import Add, BatchNormalisation, Convolution, Dense, Flatten, LeakyReLU, MultiplyConstant, ReLU
from fpsynth.networks.network import INPUT, Network, Node, dense_relu
from fpsynth.networks.npz_graph import write_npz
from fpsynth.predicates import Predicate
from fpsynth.synthesis.checking.check import check
from fpsynth.witness import Witness, deployments, from_json, load, save, to_json
from fpsynth.witness.data import only_point
from fpsynth.witness.file import files_beside, parse, text
from fpsynth.witness.networks import INLINE
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


# files beside


def large():
    """A witness of more parameters than stand in its own file."""
    weight = np.arange(INLINE + 2.0).reshape(2, -1) / 2**14
    return any_of(dense_relu((Dense(weight, np.array([0.5, -0.0])),)))


@pytest.fixture
def saved(tmp_path):
    """The path of the witness file, and of the only other file in its folder."""
    path = tmp_path / "witness.json"
    save(large(), path)
    (beside,) = set(tmp_path.iterdir()) - {path}
    return path, beside


def test_a_large_network_is_a_file_beside_the_witness_that_bears_its_name(saved):
    path, beside = saved
    digest = sha256(beside.read_bytes()).hexdigest()
    assert beside.name == f"witness.network-{digest[:12]}.npz"
    assert json.loads(path.read_text())["network"] == {"file": beside.name, "sha256": digest}
    assert files_beside(path) == (beside.name,)
    assert load(path) == large()
    assert repr(load(path)) == repr(large())
    before = beside.stat().st_mtime_ns
    save(large(), path)
    assert beside.stat().st_mtime_ns == before, "it is written once"


def test_witness_and_network_are_moved_by_one_pattern_and_found_again(tmp_path):
    (tmp_path / "there").mkdir()
    save(large(), tmp_path / "mine.json")
    save(any_of(dense_relu((Dense(np.ones((2, INLINE))),))), tmp_path / "yours.json")
    for path in tmp_path.glob("mine.*"):
        path.rename(tmp_path / "there" / path.name)
    assert load(tmp_path / "there" / "mine.json") == large()
    (tmp_path / "there" / "mine.json").rename(tmp_path / "there" / "called otherwise.json")
    assert load(tmp_path / "there" / "called otherwise.json") == large()
    assert len(list(tmp_path.glob("yours.*"))) == 2


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("a b.json", "a_b"),
        ("größe.json", "gr__e"),
        (".hidden.json", "hidden"),
        ("a.b.json", "a.b"),
        (f"{'x' * 240}.json", "x" * 100),
        ("...json", "witness"),
    ],
)
def test_the_name_of_a_network_is_plain_whatever_the_witness_is_called(tmp_path, name, owner):
    save(large(), tmp_path / name)
    (beside,) = files_beside(tmp_path / name)
    assert beside.rpartition(".network-")[0] == owner
    assert (tmp_path / beside).is_file()
    assert load(tmp_path / name) == large()


def test_a_witness_that_is_written_anew_leaves_the_network_that_the_former_one_names(tmp_path):
    path = tmp_path / "witness.json"
    save(large(), path)
    former = path.read_text()
    other = any_of(dense_relu((Dense(np.ones((2, INLINE))),)))
    save(other, path)
    assert load(path) == other
    path.write_text(former)
    assert load(path) == large()


def test_a_file_that_an_older_fpsynth_wrote_named_by_its_digest_alone_is_read(saved):
    path, beside = saved
    data = json.loads(path.read_text())
    data["network"]["file"] = f"{data['network']['sha256']}.npz"
    beside.rename(beside.with_name(data["network"]["file"]))
    path.write_text(json.dumps(data))
    assert load(path) == large()
    assert to_json(load(path), beside=path)["network"] == data["network"]


def test_the_data_of_a_witness_names_the_file_that_it_was_read_with(saved):
    path, _ = saved
    data = to_json(load(path), beside=path)
    assert data["network"] == json.loads(path.read_text())["network"]
    assert from_json(data, path.parent) == large()
    assert "file" not in to_json(any_of(dense_relu((Dense(np.ones((2, INLINE))),))), beside=path)["network"]


def test_a_network_of_exactly_the_limit_stays_inside(tmp_path):
    found = any_of(dense_relu((Dense(np.ones((2, INLINE // 2))),)))
    save(found, tmp_path / "witness.json")
    assert [path.name for path in tmp_path.iterdir()] == ["witness.json"]
    assert load(tmp_path / "witness.json") == found


def test_a_large_graph_is_a_file_too(tmp_path):
    weight = np.arange(INLINE + 2.0).reshape(2, 1, -1) / 2**14
    nodes = (Node("conv", Convolution(weight), (INPUT,)), Node("relu", ReLU(), ("conv",)), Node("flat", Flatten(), ("relu",)))
    found = any_of(Network(nodes, (1, INLINE // 2 + 1), "flat"))
    save(found, tmp_path / "witness.json")
    assert len(list(tmp_path.iterdir())) == 2
    assert load(tmp_path / "witness.json") == found


def test_a_network_of_a_view_is_kept_and_if_it_is_large_in_a_file_of_its_own(tmp_path):
    found = large()
    a, b = found.views
    own = dense_relu((Dense(-found.network.dense_layers[0].weight),))
    found = replace(found, views=(a, replace(b, network=own)))
    save(found, tmp_path / "witness.json")
    assert len(list(tmp_path.iterdir())) == 3
    again = load(tmp_path / "witness.json")
    assert again == found
    assert (again.views[0].network, again.views[1].network) == (None, own)
    small = replace(triple(), views=(triple().views[0], replace(triple().views[1], network=triple().network)))
    assert parse(text(small)) == small


def test_in_a_text_alone_the_network_is_inside():
    assert parse(text(large())) == large()


def refused(path):
    with pytest.raises(InputError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert one_short_line(message.removeprefix(str(path)))
    return message.removeprefix(f"{path}: ")


def test_a_network_that_is_not_there_is_refused(saved):
    path, beside = saved
    beside.unlink()
    assert refused(path) == (
        f"network.file: {beside.name} must lie beside the witness file, in {path.parent} (No such file or directory): copy"
        " both, they belong together"
    )


def test_a_network_that_was_changed_is_refused(saved):
    path, beside = saved
    content = bytearray(beside.read_bytes())
    content[len(content) // 2] ^= 1
    beside.write_bytes(content)
    assert refused(path) == f"network.sha256: {beside.name} has another content than the witness was made for"


def test_a_network_that_was_renamed_is_refused_until_the_witness_says_so(saved):
    path, beside = saved
    beside.rename(beside.with_name("network.npz"))
    assert refused(path).startswith(f"network.file: {beside.name} must lie beside")
    data = json.loads(path.read_text())
    data["network"]["file"] = "network.npz"
    path.write_text(json.dumps(data))
    assert load(path) == large()
    data["network"]["sha256"] = "0" * 64
    path.write_text(json.dumps(data))
    assert refused(path) == "network.sha256: network.npz has another content than the witness was made for"


@pytest.mark.parametrize(
    "name", ["../n.npz", "/n.npz", "a/n.npz", "a\\n.npz", ".npz", ".n.npz", "..npz", "n.npz\n", "n.np", "", "C:n.npz", "\0.npz"]
)
def test_a_name_that_could_leave_the_folder_is_refused(saved, name):
    path, _ = saved
    data = json.loads(path.read_text())
    data["network"]["file"] = name
    path.write_text(json.dumps(data))
    assert refused(path).startswith("network.file: must be the name of an .npz file beside this one")


def test_a_folder_in_its_place_is_refused(saved):
    path, beside = saved
    beside.unlink()
    beside.mkdir()
    assert refused(path).startswith("network.file: ")


@pytest.mark.parametrize("kind", ["pipe", "device", "endless"])
def test_what_has_no_end_in_its_place_is_refused_at_once(saved, kind):
    path, beside = saved
    beside.unlink()
    if kind == "pipe":
        os.mkfifo(beside)
    elif kind == "device":
        beside.symlink_to("/dev/zero")
    else:
        beside.touch()
        os.truncate(beside, 1 << 40)
    assert refused(path).startswith(f"network.file: {beside.name} must lie beside the witness file, in ")


def test_a_file_in_its_place_that_is_much_larger_is_replaced_unread(saved):
    path, beside = saved
    os.truncate(beside, 1 << 40)
    save(large(), path)
    assert load(path) == large()


@pytest.mark.parametrize("content", [b"", b"no archive", "images"], ids=str)
def test_a_file_of_the_right_digest_that_is_no_network_is_refused(saved, content):
    path, beside = saved
    if content == "images":
        np.savez(beside, images=np.zeros((1, 4), np.uint8), labels=np.array([0]))
        content = beside.read_bytes()
    data = json.loads(path.read_text())
    digest = sha256(content).hexdigest()
    beside.with_name(f"{digest}.npz").write_bytes(content)
    data["network"] = {"file": f"{digest}.npz", "sha256": digest}
    path.write_text(json.dumps(data))
    assert "\n" not in refused(path)


def test_a_network_of_other_numbers_than_the_witness_is_refused(saved):
    path, beside = saved
    write_npz(dense_relu((Dense(np.full((2, INLINE // 2 + 1), 0.1)),)), beside)
    content, data = beside.read_bytes(), json.loads(path.read_text())
    digest = sha256(content).hexdigest()
    beside.rename(beside.with_name(f"{digest}.npz"))
    data["network"] = {"file": f"{digest}.npz", "sha256": digest}
    path.write_text(json.dumps(data))
    assert refused(path) == "network: dense0 has parameters that are no float32"


def test_a_witness_that_was_not_read_from_a_folder_has_no_file_beside_it(saved):
    path, _ = saved
    with pytest.raises(InputError, match=r"network.file: .* lies beside a witness file, but this one was not read from a fol"):
        parse(path.read_text())


def test_a_tie_of_a_large_network_goes_the_same_way(tmp_path):
    network = dense_relu((Dense(np.arange(INLINE + 2.0).reshape(2, -1) / 2**14),))
    inputs = network.widths[0]
    found = changed(published(), network=network, certified=(1.0,) * inputs, counterexample=(0.5,) * inputs)
    save(found, tmp_path / "tie.json")
    assert len(list(tmp_path.iterdir())) == 2
    assert load(tmp_path / "tie.json") == found


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


def test_a_name_that_is_taken_leaves_no_network_beside_it(tmp_path):
    found = large()
    (tmp_path / "taken.json").write_text("mine")
    with pytest.raises(InputError, match="it exists"):
        save(found, tmp_path / "taken.json", new=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["taken.json"]
