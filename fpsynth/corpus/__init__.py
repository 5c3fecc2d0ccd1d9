"""Corpora: benchmarks in the layout of the VNN competition, made from witnesses."""
