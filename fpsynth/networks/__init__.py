"""Networks: fully connected ReLU networks, and one file for each foreign format."""

from fpsynth.networks.network import Dense, Network

__all__ = ["Dense", "Network"]
