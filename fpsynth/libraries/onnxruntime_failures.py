"""Failures of ONNX Runtime itself that are known, each in a line that says what failed and what runs."""

from __future__ import annotations

_KNOWN = {
    "relu_clip_fusion.cc": "ONNX Runtime fails: it cannot fuse a Relu with the Clip behind it in float64 (relu_clip_fusion.cc);"
    " with optimize=off it runs",
}
"""What its message has in it, and what to say instead."""


def known_failure(error: BaseException) -> str:
    """What an exception of ONNX Runtime means where that is known; empty for any other."""
    text = str(error)
    return next((words for sign, words in _KNOWN.items() if sign in text), "")
