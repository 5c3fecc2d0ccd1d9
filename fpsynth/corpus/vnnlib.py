"""VNN-LIB: robustness queries, satisfied by inputs of the box whose class is another, in version 1.0 and in version 2.0.

Numbers are exact decimal expansions: the language has no exponents.  The comparison of logits is not strict: a tie counts as a
counterexample, as in the VNN competition.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from fpsynth.corpus.region import Region
from fpsynth.formats import Format
from fpsynth.witness.numerals import decimal_text

ELEMENT_TYPES = {
    "float16": "float16",
    "bfloat16": "bfloat16",
    "float32": "float32",
    "float64": "float64",
    "float8_e4m3fn": "float8e4m3fn",
    "float8_e5m2": "float8e5m2",
}
"""ONNX's names of the formats, which VNN-LIB 2.0 uses; tf32 is no ONNX type."""
REAL = "real"
"""The element type of a query that is about real numbers."""


def element_type(fmt: Format) -> str | None:
    """Return VNN-LIB 2.0's name of a format, or None where it has none."""
    return ELEMENT_TYPES.get(fmt.name)


def vnnlib1(region: Region, outputs: int, label: int, comments: Sequence[str] = ()) -> str:
    """Return a VNN-LIB 1.0 query: inputs X_0..., outputs Y_0... (``outputs`` of them), certified class ``label``.

    The numbers of tensors of more dimensions are counted row-major, as the VNN competition has it.

    It is in the form that the simple parsers of the competition read: one comparison per assertion for the inputs, and for the
    outputs one comparison (two classes) or a disjunction of conjunctions (more).
    """
    inputs = len(region.lower)
    declarations = [f"(declare-const X_{k} Real)" for k in range(inputs)] + [
        f"(declare-const Y_{j} Real)" for j in range(outputs)
    ]
    others = [f"(>= Y_{j} Y_{label})" for j in range(outputs) if j != label]
    violated = others[0] if len(others) == 1 else "(or " + " ".join(f"(and {other})" for other in others) + ")"
    bounds = _bounds(region, [f"X_{k}" for k in range(inputs)])
    return _file([*_comments(comments), *declarations, "", *bounds, "", f"(assert {violated})"])


def vnnlib2(
    region: Region,
    outputs: int,
    label: int,
    element: str,
    comments: Sequence[str] = (),
    *,
    input_shape: Sequence[int] = (),
    output_shape: Sequence[int] = (),
) -> str:
    """Return a VNN-LIB 2.0 query over tensors X of shape [1, *input shape] and Y of shape [1, *output shape].

    Where no shapes are given they are [1, inputs] and [1, outputs].  ``element`` is the type of both: the format's, which
    demands an answer for the floating-point network, or ``REAL``, which permits reasoning over the reals (VNN-LIB 2.0, element
    types).
    """
    shapes = (tuple(input_shape or (len(region.lower),)), tuple(output_shape or (outputs,)))
    sizes = [",".join(map(str, (1, *shape))) for shape in shapes]
    network = [
        "(declare-network N",
        f"  (declare-input X {element} [{sizes[0]}])",
        f"  (declare-output Y {element} [{sizes[1]}])",
        ")",
    ]
    x, y = _places("X", shapes[0]), _places("Y", shapes[1])
    others = [f"(>= {y[j]} {y[label]})" for j in range(outputs) if j != label]
    violated = others[0] if len(others) == 1 else "(or " + " ".join(others) + ")"
    bounds = _bounds(region, x)
    return _file([*_comments(comments), "(vnnlib-version <2.0>)", "", *network, "", *bounds, "", f"(assert {violated})"])


def _places(name: str, shape: Sequence[int]) -> list[str]:
    """The numbers of a tensor of shape [1, *shape], row-major."""
    return [f"{name}[{','.join(map(str, (0, *place)))}]" for place in itertools.product(*map(range, shape))]


def _bounds(region: Region, names: Sequence[str]) -> Iterable[str]:
    for name, lower, upper in zip(names, region.lower, region.upper, strict=True):
        yield f"(assert (>= {name} {decimal_text(lower)}))"
        yield f"(assert (<= {name} {decimal_text(upper)}))"


def _comments(lines: Sequence[str]) -> list[str]:
    """Comment lines in ASCII, whatever the text holds: a line break in it must not become a statement."""
    return ["; " + "".join(c if c.isascii() and c.isprintable() else "?" for c in line) for line in lines]


def _file(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
