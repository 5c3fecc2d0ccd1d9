"""Tellers: what is said of results, witnesses and reveals, as stories."""
