"""Where detectors go in a host, and what hosts have no place for them."""

import numpy as np
import pytest
from backdoors.hosts import convolutional_host, dense_host

from fpsynth.backdoors.sites import site_in
from fpsynth.errors import InputError
from fpsynth.networks.layers import BatchNormalisation, Dense, ReLU
from fpsynth.networks.network import INPUT, Network, Node, dense_relu


def test_a_dense_layer_behind_a_convolution():
    site = site_in(convolutional_host())
    assert (site.carrier, site.detector, site.tail) == ("deep", "fc", ("fc", "out"))
    assert (site.channels, site.spread) == (6, 16)


def test_the_last_layer_where_it_is_the_only_dense_one():
    site = site_in(convolutional_host(pool=True))
    assert (site.carrier, site.detector, site.tail, site.spread) == ("deep", "out", ("out",), 4)


def test_the_first_dense_layer_behind_another_one():
    site = site_in(dense_host())
    assert (site.carrier, site.detector, site.spread) == ("dense0", "dense1", 1)
    assert site_in(dense_host(), "dense2").carrier == "dense1"


@pytest.mark.parametrize("layer", ["dense0", "nothing"])
def test_a_layer_that_will_not_do_is_refused(layer):
    with pytest.raises(InputError):
        site_in(dense_host(), layer)


def test_a_single_layer_has_no_place():
    with pytest.raises(InputError, match="this host ends with dense"):
        site_in(dense_relu([Dense(np.eye(3))]))


def test_a_normalisation_between_them_is_no_constant_channel():
    one = np.ones(4)
    nodes = (
        Node("a", Dense(np.eye(4)), (INPUT,)),
        Node("norm", BatchNormalisation(one, one, one, one, 1e-5), ("a",)),
        Node("relu", ReLU(), ("norm",)),
        Node("b", Dense(np.eye(4)), ("relu",)),
    )
    with pytest.raises(InputError, match="a backdoor needs a dense layer"):
        site_in(Network(nodes, (4,), "b"))
