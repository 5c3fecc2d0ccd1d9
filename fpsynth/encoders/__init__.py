"""Encoders: what a problem looks like to SMT solvers and to other tools; one file per view of it."""

from __future__ import annotations

from fpsynth.encoders.script import Script, Unknown
from fpsynth.errors import InputError
from fpsynth.problems import Problem

ENCODINGS = ("fp", "bitblast", "significands")
"""fp: the IEEE-754 theory; bitblast: the same in bits, by z3; significands: fixed-point integers of just sufficient width."""
TRANSLATOR = "z3-solver"
"""The distribution that makes bits of the IEEE-754 theory for "bitblast"."""


def encode(problem: Problem, encoding: str) -> Script:
    """Write ``problem`` as SMT-LIB text in one of ``ENCODINGS``.

    Raises InputError for an unknown encoding and where the encoding cannot express the problem, saying why;
    MissingPackageError where "bitblast" lacks z3.
    """
    if encoding == "fp":
        from fpsynth.encoders.smtlib import floating_script

        return floating_script(problem)
    if encoding == "bitblast":
        from fpsynth.encoders.bitblast import bitblast_script

        return bitblast_script(problem)
    if encoding == "significands":
        from fpsynth.encoders.significands import significands_script

        return significands_script(problem)
    raise InputError(f"unknown encoding {encoding!r}; choose from {', '.join(ENCODINGS)}")


__all__ = ["ENCODINGS", "TRANSLATOR", "Script", "Unknown", "encode"]
