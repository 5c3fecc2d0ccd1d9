"""The version of fpsynth."""

__version__ = "0.1.0"
