"""A layer type that its names say all of is read, written and run without a row of its own in any other table."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest
from profiles import slow

from fpsynth.networks.layers import CALLED, LAYERS, ReLU

ADDED = '''
"""A process in which the table of layers has one type more, before anything reads it."""
import math
from dataclasses import dataclass

import numpy as np
import torch

import fpsynth.networks.layers as la
from fpsynth.networks.layers.structure import taps


@dataclass(frozen=True, eq=False)
class Negate(la.Layer):
    kind = "negate"
    names = la.Names(("Neg",), ("neg",), arrays="negative", tensorflow="negative")
    called = True

    def shape(self, *inputs):
        return inputs[0]

    def structure(self, *inputs):
        count = math.prod(inputs[0])
        return la.Sums(taps([[0]]), groups=count, group_stride=1, weight=np.full((count, 1, 1), -1.0))


la.LAYERS["negate"], la.CALLED = Negate, (*la.CALLED, Negate)

from fpsynth.formats import FLOAT32
from fpsynth.libraries.numpy_layers import table as of_numpy
from fpsynth.libraries.torch_layers import table as of_torch
from fpsynth.networks.network import Network, Node
from fpsynth.networks.onnx import import_onnx, onnx_bytes
from fpsynth.networks.torch import network_from_torch

network = Network((Node("dense", la.Dense([[1.0, -2.0]], [0.5])), Node("minus", Negate(), ("dense",))), (2,), "minus")
again = import_onnx(onnx_bytes(network, FLOAT32), "net.onnx").network
assert [node.layer for node in again.nodes] == [node.layer for node in network.nodes]


class Module(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = torch.nn.Linear(2, 1)

    def forward(self, x):
        return torch.neg(self.dense(x))


assert isinstance(network_from_torch(Module().eval(), (2,)).network.nodes[-1].layer, Negate)

values = np.array([[1.5, -0.0, 3.0]], np.float32)
for table, given in ((of_torch("linear", True), torch.from_numpy(values)), (of_numpy(np, "matmul", np.copy), values)):
    result = np.asarray(table.rows[Negate](Negate(), (), (given,)))
    assert (-values).tobytes() == result.tobytes()
print("read, written and run")
'''


@pytest.mark.parametrize("layer", CALLED)
def test_a_called_type_has_nothing_but_its_name(layer: type[ReLU]) -> None:
    assert LAYERS[layer.kind] is layer
    assert not dataclasses.fields(layer)
    assert layer.inputs_taken == (1, 1)
    assert not layer.ending


def test_relu_is_one() -> None:
    assert ReLU in CALLED


@slow  # one more is added, evaluated and run in tests/test_additions.py
def test_a_type_that_is_added_to_the_table_alone_is_read_written_and_run() -> None:
    pytest.importorskip("onnx", reason="the package onnx is not installed")
    pytest.importorskip("torch", reason="torch is not installed")
    ran = subprocess.run([sys.executable, "-c", ADDED], capture_output=True, text=True, check=False, timeout=120)
    assert ran.stdout == "read, written and run\n", ran.stderr
