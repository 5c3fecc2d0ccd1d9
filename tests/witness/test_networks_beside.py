"""Large networks lie in files beside their witnesses, under the witness's name; what is wrong with such a file is one line."""

import json
import os
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from divergences import triple
from test_networks_of_files import any_of
from test_witness_bad_files import one_short_line
from ties import changed
from witnesses import published

from fpsynth.errors import InputError
from fpsynth.networks.layers import Convolution, Dense, Flatten, ReLU
from fpsynth.networks.network import INPUT, Network, Node, dense_relu
from fpsynth.networks.npz_graph import write_npz
from fpsynth.witness import from_json, load, save, to_json
from fpsynth.witness.file import files_beside, parse, text, text_and_files
from fpsynth.witness.networks import INLINE, own_content


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


def test_a_network_that_lies_there_anyway_is_named_and_not_written_again(tmp_path):
    digest, content = own_content(large().network)
    written, files = text_and_files(large(), "witness", {digest: "own.npz"})
    assert files == {}
    assert json.loads(written)["network"] == {"file": "own.npz", "sha256": digest}
    (tmp_path / "witness.json").write_text(written)
    (tmp_path / "own.npz").write_bytes(content)
    assert load(tmp_path / "witness.json") == large()
    _, files = text_and_files(large(), "witness", {"0" * 64: "own.npz"})
    assert list(files) == [f"witness.network-{digest[:12]}.npz"]


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


def test_a_name_that_is_taken_leaves_no_network_beside_it(tmp_path):
    found = large()
    (tmp_path / "taken.json").write_text("mine")
    with pytest.raises(InputError, match="it exists"):
        save(found, tmp_path / "taken.json", new=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["taken.json"]
