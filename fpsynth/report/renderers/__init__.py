"""Renderers: stories as text for a terminal and as JSON; drawings."""
