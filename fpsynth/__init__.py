"""fpsynth: networks and inputs on which a robustness certificate is wrong in floating point, proved on real libraries."""

__version__ = "0.1.0"
