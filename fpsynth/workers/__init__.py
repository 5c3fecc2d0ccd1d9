"""Processes that work for this one: messages with arrays, limits of time and memory, and workers kept for the next request."""
