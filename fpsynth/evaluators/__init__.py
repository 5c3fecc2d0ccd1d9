"""Evaluators: what an expression graph is worth, exactly (exact.py) or over arrays (arrays.py)."""
