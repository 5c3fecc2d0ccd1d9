"""Bounds of networks by relaxation: intervals, zonotopes, and linear bounds substituted backwards, in several arithmetics."""
