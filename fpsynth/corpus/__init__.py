"""Corpora: benchmarks in the layout of the VNN competition, made from witnesses, and labelled instances of many families."""
