"""Replay: what a witness does in every environment, and what that confirms."""
