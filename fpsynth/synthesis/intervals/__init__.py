"""Intervals: values that interval arithmetic in another order does not contain, and why it contains those of its own."""
