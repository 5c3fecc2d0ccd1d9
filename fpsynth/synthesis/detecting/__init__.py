"""Detectors: networks built to tell arithmetics apart, the published ones among them; amplified, and bound to some inputs."""
