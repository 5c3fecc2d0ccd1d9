"""Draws tie.svg, the picture of the README, from the witness that `fpsynth tie --dtype float32` finds.

usage: python docs/draw_tie.py [FILE.svg]
"""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import fpsynth

WIDTH, HEIGHT, MIDDLE = 820, 372, 410
PER_ULP = 190
"""Pixels between two neighbouring float32 numbers."""
INK, GREY, RED, GREEN, BLUE = "#1b2631", "#7f8c8d", "#c0392b", "#1e8449", "#21618c"


def drawn() -> str:
    """The picture as one SVG document."""
    witness = fpsynth.tie("float32", replay=False).witnesses[0]
    (w0,), (w1,) = witness.network.dense_layers[0].weight.tolist()
    (b,), (a,) = witness.certified, witness.point
    radius, distance = float(witness.claim.radius), abs(a - b)
    body = [
        _text(20, 30, "One network, two points: y0 = w0·x, y1 = w1·x, the larger one is the class", INK, 16, bold=True),
        _text(20, 52, f"w0 = {_hex(w0)}  and  w1 = {_hex(w1)}, in float32", GREY),
        *_line(118, "b", b, (w0, w1), GREEN, f"b = {_hex(b)}: certified. Every point closer than {radius:.10g} has class 1."),
        *_line(
            252, "a", a, (w0, w1), RED, f"a = {_hex(a)}, only {distance:.3g} away: a tie, and argmax takes the lower index, 0."
        ),
        _text(
            20,
            358,
            "dots: float32 numbers · dashes: halfway, where rounding switches · blue: from exact product to result",
            GREY,
        ),
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
            'font-family="sans-serif" font-size="13">',
            "<title>Two points, certified alike, that float32 puts into different classes</title>",
            '<rect width="100%" height="100%" fill="white"/>',
            *body,
            "</svg>",
            "",
        ]
    )


def _line(y: int, name: str, x: float, weights: tuple[float, float], colour: str, words: str) -> list[str]:
    """The float32 numbers around the two logits of ``x``, the exact products above them, and what they round to."""
    import numpy as np

    exact = [Fraction(w) * Fraction(x) for w in weights]
    rounded = [np.float32(w) * np.float32(x) for w in weights]
    ulp = Fraction(float(np.spacing(rounded[0])))
    origin = round(sum(exact) / 2 / ulp) * ulp  # the float in the middle of the picture

    def place(value: Fraction) -> float:
        return float(MIDDLE + (value - origin) / ulp * PER_ULP)

    parts = [_text(20, y - 32, words, colour, 14, bold=True)]
    line = y + 44
    parts.append(f'<path d="M20 {line}H{WIDTH - 20}" stroke="{INK}" stroke-width="1.2"/>')
    for k in range(-2, 3):
        parts.append(f'<circle cx="{MIDDLE + k * PER_ULP}" cy="{line}" r="4" fill="{INK}"/>')
        half = MIDDLE + (k + 0.5) * PER_ULP
        parts.append(f'<path d="M{half:g} {line - 9}v18" stroke="{GREY}" stroke-dasharray="3 3"/>')
    for index, (value, becomes) in enumerate(zip(exact, rounded, strict=True)):
        start, end = place(value), place(Fraction(float(becomes)))
        parts.append(_text(start, y, f"w{index}·{name}", BLUE, anchor="middle"))
        parts.append(f'<path d="M{start:.1f} {y + 6}L{start:.1f} {line - 14}" stroke="{BLUE}" stroke-width="1.5"/>')
        parts.append(
            f'<path d="M{start:.1f} {line - 14}L{end:.1f} {line - 5}" stroke="{BLUE}" stroke-width="1.5" fill="none"/>'
            f'<circle cx="{end:.1f}" cy="{line}" r="6.5" fill="{colour}"/>'
        )
    names: dict[float, list[str]] = {}
    for index, becomes in enumerate(rounded):
        names.setdefault(float(becomes), []).append(f"y{index}")
    for number, labels in names.items():
        parts.append(
            _text(place(Fraction(number)), line + 24, f"{' = '.join(labels)} = {_hex(number)}", colour, anchor="middle")
        )
    return parts


def _hex(number: float) -> str:
    """The float in hexadecimal, without the zeros that float.hex adds."""
    head, exponent = number.hex().split("p")
    return f"{head.rstrip('0').rstrip('.')}p{exponent}"


def _text(x: float, y: float, text: str, colour: str, size: int = 13, *, bold: bool = False, anchor: str = "start") -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x:.1f}" y="{y}" fill="{colour}" font-size="{size}" text-anchor="{anchor}"{weight}>{text}</text>'


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("tie.svg")
    target.write_text(drawn(), encoding="utf-8")
