"""Neurons of equal weights as one: the same function over the reals, and bounds that see copies cancel."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from backdoors.hosts import convolutional_host, dense_host, images

import fpsynth
from fpsynth.backdoors.answer import MERGED
from fpsynth.backdoors.judging import judged
from fpsynth.backdoors.merging import merged
from fpsynth.evaluators.float64 import float64_outputs
from fpsynth.formats import FLOAT32
from fpsynth.networks.layers import Dense
from fpsynth.networks.network import dense_relu
from fpsynth.networks.onnx.writing import onnx_bytes


def test_equal_neurons_are_read_once_with_the_sum_of_their_weights():
    first = np.array([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0], [1.0, 2.0]])
    network = dense_relu([(first, np.array([0.5, 0.0, 0.5, 0.0])), (np.array([[4.0, 1.0, -4.0, 7.0]]), None)])
    (reader,) = (node.layer for node in merged(network).nodes if node.name == network.output)
    assert reader.weight.tolist() == [[0.0, 1.0, 0.0, 7.0]]  # the last has another bias


def test_a_sum_that_is_rounded_is_left_as_it_is():
    network = dense_relu([(np.ones((2, 2)), None), (np.array([[1.0, 2.0**-60]]), None)])
    assert merged(network) is network


@pytest.mark.parametrize("host", [dense_host(), convolutional_host(), convolutional_host(pool=True)])
def test_hosts_have_no_equal_neurons(host):
    assert merged(host) is host


@pytest.mark.libraries
def test_bounds_certify_copies_once_they_are_one(tmp_path, libraries_stay):
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    (tmp_path / "host.onnx").write_bytes(onnx_bytes(convolutional_host(), FLOAT32, form="gemm"))
    np.savez(tmp_path / "x.npz", images=images(60).reshape(-1, 1, 8, 8).astype(np.float32))
    options = {"silent": "onnxruntime:batch=1", "copies": True, "max_weight": "host", "behaviour": "any", "eps": 0.001}
    found = fpsynth.backdoor(tmp_path / "host.onnx", tmp_path / "x.npz", "torch:batch=1", verify=3, **options)
    assert found.verdict.value == "found", found.reason
    points = images(60).reshape(-1, 1, 8, 8)
    one = merged(found.network)
    assert one != found.network
    layer = one[found.form.site.detector].layer
    assert isinstance(layer, Dense)
    assert not layer.weight[list(found.detectors.columns)].any()
    assert np.abs(float64_outputs(one, points) - float64_outputs(found.host, points)).max() < 1e-9
    counts = {(c.name, c.arithmetic): c for c in found.judged}
    assert counts[MERGED, "real"].verdict == "as the host"
    assert counts[MERGED, "real"].host_verified == 3
    assert "neurons of equal weights are one" in " ".join(fpsynth.render(found).split())
    plain = judged(found.host, found.host, points[:1].reshape(1, -1), Fraction(1, 1000), FLOAT32, lambda text: None, True)
    assert MERGED not in {c.name for c in plain}
