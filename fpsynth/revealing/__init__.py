"""Reveal: which arithmetic a library uses for a sum, found by probes and checked on hostile random vectors."""
