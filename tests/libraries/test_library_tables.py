"""A library's table of layers says which layer it cannot run, why, and what to do."""

from __future__ import annotations

import numpy as np
import pytest

from fpsynth.libraries.graphs import LayerStep, forward
from fpsynth.libraries.layer_table import Guarded, LayerTable
from fpsynth.libraries.numpy_layers import table
from fpsynth.libraries.operands import CannotRun
from fpsynth.networks import layers as la
from fpsynth.networks.network import Network, Node

NETWORK = Network((Node("first", la.ReLU()), Node("second", la.Clip(0.0, 1.0), ("first",))), (3,), "second")
ADVICE = r"; choose another variant or library \(fpsynth environments lists them\)$"


def test_a_layer_type_without_a_row() -> None:
    rows: dict[type[la.Layer], str] = {la.ReLU: "relu"}
    asked = LayerTable("lib", rows)
    assert asked.call(NETWORK, NETWORK["first"]) == "relu"
    for ask in (lambda: asked.require(NETWORK), lambda: asked.call(NETWORK, NETWORK["second"])):
        with pytest.raises(CannotRun, match=r"^lib cannot run second \(clip\): it has no call for it" + ADVICE):
            ask()


def test_a_layer_to_which_there_is_an_objection() -> None:
    clip = Guarded("clip", lambda layer, shape: f"{shape} up to {layer.upper}" if layer.upper == 1 else "")
    asked = LayerTable("lib", {la.ReLU: "relu", la.Clip: clip})
    with pytest.raises(CannotRun, match=r"^lib cannot run second \(clip\): \(3,\) up to 1.0" + ADVICE):
        asked.require(NETWORK)
    other = Network((Node("only", la.Clip(0.0, 2.0)),), (3,), "only")
    asked.require(other)
    assert asked.call(other, other["only"]) == "clip"


def test_forward_refuses_too() -> None:
    rows: dict[type[la.Layer], LayerStep] = {la.ReLU: lambda layer, tensors, inputs: inputs[0]}
    with pytest.raises(CannotRun, match=r"^lib cannot run second \(clip\)"):
        forward(NETWORK, LayerTable("lib", rows))


def test_numpy_has_every_layer_type_but_those_behind_the_logits() -> None:
    kinds = {kind for kind in la.LAYERS.values() if not kind.ending}
    assert set(table(np, "matmul", np.asarray).rows) == kinds
