"""Claims of network.py: what shapes a network may have, and that its entries are walked and mapped in one order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import networks

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT16
from fpsynth.networks.network import Dense, dense_relu


def test_shape_and_entries_by_hand() -> None:
    network = dense_relu((Dense(((1.0, 2.0), (3.0, 4.0), (5.0, 6.0)), (7.0, 8.0, 9.0)), Dense(((10.0, 11.0, 12.0),))))
    assert network.widths == (2, 3, 1)
    assert list(network.entries()) == [float(k) for k in range(1, 13)]
    assert network.dense_layers[1].bias is None


@given(st.data(), st.lists(st.integers(1, 4), min_size=2, max_size=4))
def test_mapping_keeps_shape_and_order(data: st.DataObject, widths: list[int]) -> None:
    network = data.draw(networks(FLOAT16, widths))
    strings = network.map(str)
    assert strings.widths == network.widths == tuple(widths)
    assert list(strings.entries()) == [str(entry) for entry in network.entries()]
    assert [layer.bias is None for layer in strings.dense_layers] == [layer.bias is None for layer in network.dense_layers]


@pytest.mark.parametrize("weight", [(), ((),), ((1.0, 2.0), (3.0,))])
def test_a_weight_is_a_rectangle(weight: Any) -> None:
    with pytest.raises(InputError, match="non-empty rectangle"):
        Dense(weight)


def test_sizes_must_fit() -> None:
    with pytest.raises(InputError, match="a layer with 1 outputs has a bias of 2 numbers"):
        Dense(((1.0,),), (1.0, 2.0))
    with pytest.raises(InputError, match="a layer with 1 outputs is followed by one with 2 inputs"):
        dense_relu((Dense(((1.0,),)), Dense(((1.0, 2.0),))))
    with pytest.raises(InputError, match="at least one layer"):
        dense_relu(())
