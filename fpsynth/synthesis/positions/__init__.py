"""Positions: what depends on the place of a neuron in its layer, or of a sample in its batch."""
