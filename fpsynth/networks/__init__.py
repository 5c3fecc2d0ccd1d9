"""Networks: graphs of layers over arrays, the table of layer types, and one file for each foreign format."""

from fpsynth.networks.network import INPUT, Dense, Network, Node, dense_relu

__all__ = ["INPUT", "Dense", "Network", "Node", "dense_relu"]
