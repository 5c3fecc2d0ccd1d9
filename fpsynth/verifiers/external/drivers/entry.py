"""Runs a tool's own command line, as ``entry.py MODULE:FUNCTION WORDS``: pip's scripts name a folder that has moved."""

from __future__ import annotations

import importlib
import sys

module, _, function = sys.argv.pop(1).partition(":")
sys.exit(getattr(importlib.import_module(module), function)())
