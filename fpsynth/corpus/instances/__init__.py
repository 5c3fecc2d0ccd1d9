"""Labelled instances: a network, a box, a property, and the verdict of each semantics with what it rests on; their files."""
