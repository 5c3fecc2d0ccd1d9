"""Detectors by keywords: what tests ask of ``bounded_detector`` and ``input_dependent`` in one line."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from fpsynth.synthesis.detecting.amplify import bounded_detector
from fpsynth.synthesis.detecting.triggers import input_dependent
from fpsynth.synthesis.detecting.wanted import LastLayer, Strength, Where
from fpsynth.witness.data import View, Witness


def bounded(a: View, b: View, *silent: View, **asked: Any) -> Witness:
    """``bounded_detector`` of two views and silent ones."""
    layer, strength = _made(LastLayer, asked), _made(Strength, asked)
    return bounded_detector((a, b, *silent), layer, strength, **asked)


def dependent(a: View, b: View, *silent: View, **asked: Any) -> Witness:
    """``input_dependent`` of two views and silent ones."""
    layer, where, strength = (_made(kind, asked) for kind in (LastLayer, Where, Strength))
    return input_dependent((a, b, *silent), layer, where, strength, **asked)


def _made(kind: type, asked: dict[str, Any]) -> Any:
    """An object of those keywords that are its fields, which are taken out."""
    return kind(**{field.name: asked.pop(field.name) for field in fields(kind) if field.name in asked})
