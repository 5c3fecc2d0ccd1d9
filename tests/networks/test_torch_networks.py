"""Modules of torch are read as torch computes them, state_dicts come back bit for bit, and no pickle is executed."""

from __future__ import annotations

import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graphs import graphs
from hypothesis import HealthCheck, given, settings
from make_models import torch_networks
from mutations import check, mutated_bytes
from profiles import examples, one_in
from rounding_bounds import outputs_and_bounds

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64
from fpsynth.networks.layers import BatchNormalisation, Convolution, Dense, ReLU
from fpsynth.networks.network import INPUT, Network, Node, dense_relu
from fpsynth.networks.torch import network_from_torch, read_state_dict, state_dict, with_state_dict, write_state_dict

torch = pytest.importorskip("torch")
nn: Any = torch.nn
NAMES = sorted(torch_networks())


@pytest.mark.parametrize("name", one_in(2, NAMES))
def test_torch_computes_what_was_read(name: str) -> None:
    module, shape = torch_networks()[name]
    read = network_from_torch(module, shape)
    assert read.format is FLOAT32
    points = torch.randn(4, *shape)
    values, bounds = outputs_and_bounds(read.network, points.numpy())
    with torch.no_grad():
        assert (np.abs(module(points).numpy() - values) <= bounds).all()


def test_integers_are_exact_in_float64() -> None:
    module, shape = torch_networks()["residual"]
    module = module.double()
    for number in [*module.parameters(), *module.buffers()]:
        number.data = number.data.mul(4).round().abs() if number.is_floating_point() else number.data
    module.norm.running_var.fill_(1.0)
    module.norm.eps = 0.0
    read = network_from_torch(module, shape)
    assert read.format is FLOAT64
    points = torch.randint(-3, 4, (5, *shape)).double()
    values, _ = outputs_and_bounds(read.network, points.numpy())
    with torch.no_grad():  # the mean over 25 places is rounded once, by whoever divides
        assert np.allclose(module(points).numpy(), values, rtol=1e-15, atol=0)


class Overwriting(nn.Module):
    """In-place operations, a view of what they overwrite, and a weight that is turned."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.relu, self.weight = nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True), nn.Parameter(torch.randn(3, 8))

    def forward(self, x: Any) -> Any:
        y = self.convolution(x)
        before = y.view(y.shape[0], -1)
        self.relu(y)
        y += 1
        return before @ self.weight.t() + 0.5


def test_views_see_what_is_overwritten_in_place() -> None:
    module = Overwriting().eval()
    network = network_from_torch(module, (1, 4, 4)).network
    points = torch.randn(3, 1, 4, 4)
    values, bounds = outputs_and_bounds(network, points.numpy())
    with torch.no_grad():
        assert (np.abs(module(points).numpy() - values) <= bounds).all()
    assert [node.layer.kind for node in network.nodes][:3] == ["convolution", "relu", "add constant"]


def test_nodes_are_called_as_modules() -> None:
    module, shape = torch_networks()["residual"]
    names = {node.name for node in network_from_torch(module, shape).network.nodes}
    assert {"first", "norm", "second", "skip", "out"} <= names


def test_a_batch_normalisation_keeps_its_numbers() -> None:
    module, shape = torch_networks()["normalised"]
    (layer,) = (n.layer for n in network_from_torch(module, shape).network.nodes if isinstance(n.layer, BatchNormalisation))
    assert np.array_equal(layer.variance, module[1].running_var.numpy())
    assert layer.epsilon == float(np.float32(1e-5))


def last(layer: Any) -> Any:
    return nn.Sequential(nn.Linear(2, 2), layer).eval()


class Twice(nn.Module):
    def forward(self, x: Any) -> Any:
        return x * x


class Broken(nn.Module):
    def forward(self, x: Any) -> Any:
        raise RuntimeError("two\nlines")


REFUSED: dict[str, tuple[Any, tuple[int, ...], str]] = {
    "training": (nn.Linear(2, 2), (2,), "training mode: call module.eval"),
    "no module": ("net.pt", (2,), "a torch.nn.Module is needed, not str"),
    "sigmoid": (last(nn.Sigmoid()), (2,), r"^1 \(sigmoid\): no layer of fpsynth is that"),
    "product": (Twice().eval(), (2,), "two values that are computed"),
    "wrong shape": (last(nn.ReLU()), (3,), r"torch.export cannot trace the module for one example of \(3,\)"),
    "an error of its own": (Broken().eval(), (2,), "cannot trace the module"),
    "two types": (nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).double()).eval(), (2,), "torch.float32, torch.float64"),
    "no statistics": (
        nn.Sequential(nn.BatchNorm1d(2, track_running_stats=False)).eval(),
        (2,),
        "BatchNorm|statistics|batch|trace",
    ),
    "softmax in the middle": (nn.Sequential(nn.Softmax(1), nn.ReLU()).eval(), (2,), "stands only at the end"),
    "circular": (nn.Conv1d(1, 1, 3, padding=1, padding_mode="circular").eval(), (1, 5), "pads in the mode|no layer of fpsynth"),
    "dilated pooling": (nn.MaxPool1d(2, dilation=2).eval(), (1, 5), "its dilation is not 1"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_read_is_one_line(what: str) -> None:
    module, shape, reason = REFUSED[what]
    with pytest.raises(InputError, match=reason) as caught:
        network_from_torch(module, shape)
    assert str(caught.value).isprintable()


def test_a_half_module() -> None:
    assert network_from_torch(nn.Linear(2, 2).half().eval(), (2,)).format is FLOAT16


def test_dropout_is_left_out() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)).eval()
    assert [node.layer.kind for node in network_from_torch(module, (2,)).network.nodes] == ["dense"]


# state_dicts


def test_a_state_is_loaded_into_the_module(tmp_path: Path) -> None:
    trained, fresh = (nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).eval() for _ in range(2))
    torch.save(trained.state_dict(), tmp_path / "net.pt")
    before = network_from_torch(fresh, (3,)).network
    read = network_from_torch(fresh, (3,), state=tmp_path / "net.pt").network
    assert read == network_from_torch(trained, (3,)).network != before
    assert network_from_torch(fresh, (3,)).network == before
    with pytest.raises(InputError, match=r"net.pt does not fit the module: .*size mismatch"):
        network_from_torch(nn.Sequential(nn.Linear(2, 2)).eval(), (2,), state=tmp_path / "net.pt")


class Bomb:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("a pickle was executed",))


def test_pickles_are_never_executed(tmp_path: Path) -> None:
    torch.save({"weight": Bomb()}, tmp_path / "bomb.pt")
    (tmp_path / "old.pt").write_bytes(pickle.dumps(Bomb()))
    torch.save(nn.Linear(2, 2), tmp_path / "module.pt")
    torch.save([torch.zeros(2)], tmp_path / "list.pt")
    for name in ("bomb.pt", "old.pt", "module.pt"):
        with pytest.raises(InputError, match=f"{name} holds no plain tensors by name"):
            read_state_dict(tmp_path / name)
    with pytest.raises(InputError, match="is no state_dict"):
        read_state_dict(tmp_path / "list.pt")


@settings(max_examples=examples(75), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graphs(divisors=True))
def test_state_dicts_come_back(tmp_path: Path, network: Network) -> None:
    write_state_dict(network, tmp_path / "state.pt", FLOAT64)
    nodes = tuple(Node(n.name, n.layer.filled(lambda _: 7.5), n.inputs) for n in network.nodes)
    other = Network(nodes, network.input_shape, network.output)
    assert with_state_dict(other, tmp_path / "state.pt") == network


def test_other_numbers_are_put_in(tmp_path: Path) -> None:
    one, two = (
        Network(
            (
                Node("c", Convolution([[[n]]], [n])),
                Node("r", ReLU(), ("c",)),
                Node("n", BatchNormalisation([n], [n], [n], [n]), ("r",)),
            ),
            (1, 2),
            "n",
        )
        for n in (1.0, 3.5)
    )
    write_state_dict(two, tmp_path / "state.pt")
    assert set(state_dict(two)) == {"c.weight", "c.bias", "n.weight", "n.bias", "n.running_mean", "n.running_var"}
    assert with_state_dict(one, tmp_path / "state.pt") == two
    other = Network((Node("c", Dense([[1.0]])),), (1,), "c")
    with pytest.raises(InputError, match=r"state\.pt has 'c.bias', which the network lacks"):
        with_state_dict(other, tmp_path / "state.pt")
    write_state_dict(Network((Node("c", Dense([[1.0, 2.0]])),), (2,), "c"), tmp_path / "state.pt")
    with pytest.raises(InputError, match=r"'c.weight' has shape \(1, 2\), not \(1, 1\)"):
        with_state_dict(other, tmp_path / "state.pt")


def test_numbers_are_never_rounded() -> None:
    with pytest.raises(InputError, match=r"dense0\.weight holds numbers that are not finite float32"):
        state_dict(dense_relu([([[0.1]], None)]))


def test_torch_loads_what_is_written(tmp_path: Path) -> None:
    network = Network((Node("0", Dense([[0.5, 2.0]], [1.0])),), (2,), "0")
    write_state_dict(network, tmp_path / "state.pt")
    module = nn.Sequential(nn.Linear(2, 1))
    module.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True), strict=True)
    assert network_from_torch(module.eval(), (2,)).network == network
    assert network.nodes[0].inputs == (INPUT,)


def test_damaged_states(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "whole.pt")
    whole, path = (tmp_path / "whole.pt").read_bytes(), tmp_path / "damaged.pt"
    network = Network((Node("a", Dense(np.eye(2), np.ones(2))),), (2,), "a")

    def make(draw: random.Random) -> Path:
        path.write_bytes(mutated_bytes(whole, draw))
        return path

    check("state", make, lambda place: with_state_dict(network, place))
