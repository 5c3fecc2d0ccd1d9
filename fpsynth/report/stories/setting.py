"""The setting of a witness as text: its network, and its two points with their distance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

from fpsynth.formats import Format
from fpsynth.networks.network import Dense, Network
from fpsynth.report.computed import Logits
from fpsynth.report.numerals import decimal, power_text, radius_text, shortest, significant
from fpsynth.report.story import Drawing, Paragraph, Part, Space, Table, quiet
from fpsynth.report.text import QUIET, STRONG, Span, Text, class_text, class_tone, whole
from fpsynth.rounding import from_float, to_index
from fpsynth.verifiers.bounds import sqrt_upper
from fpsynth.witness import Witness
from fpsynth.witness.numerals import hex_text
from fpsynth.wording import counted, noun

MAX_ENTRIES = 48
"""Networks with more weights than this are summarised."""
MAX_INPUTS = 8
"""Points with more inputs than this are shown in part."""
_FLOAT64 = Fraction(1, 1 << 48)
"""What a radius may differ by from ratio times distance, both float64, without being another one."""


def distance_squared(witness: Witness) -> Fraction:
    """The squared L2 distance of the two points, exactly."""
    pairs = zip(witness.certified, witness.point, strict=True)
    return sum(((Fraction(a) - Fraction(b)) ** 2 for a, b in pairs), Fraction(0))


def distance(witness: Witness) -> float:
    """The L2 distance of the two points: the float64 nearest to it, however small."""
    return float(sqrt_upper(distance_squared(witness)))


def network_section(witness: Witness) -> list[Part]:
    """The network: a sketch and its weights."""
    network = witness.network
    biased = any(layer.bias is not None for layer in network.dense_layers)
    if network.widths[0] == 1 and len(network.dense_layers) == 1 and not biased and network.widths[-1] <= 5:
        return [_scalar_sketch(network), Space(), _scalar_weights(network, witness.format)]
    parts: list[Part] = [Paragraph(" ──▶ ".join(map(whole, [*layer_names(network), "argmax"])), 2, 4)]
    count = sum(1 for _ in network.entries())
    if count > MAX_ENTRIES or max(network.widths[:-1]) > 5:
        return [*parts, Paragraph(_summary(network, count))]
    for index, layer in enumerate(network.dense_layers):
        parts += [Space(), _weights_table(network, index, layer, witness.format)]
    return parts


def _scalar_sketch(network: Network) -> Drawing:
    """x fans out to the outputs, which meet in the argmax."""
    outputs = network.widths[-1]
    rows = 2 * outputs - 1
    middle = rows // 2
    lines: list[Text] = []
    for row in range(rows):
        k, wire = divmod(row, 2)
        left = "╭" if row == 0 else "╰" if row == rows - 1 else "├" if wire == 0 else "│"
        right = {"╭": "╮", "╰": "╯", "├": "┤", "│": "│"}[left]
        if row == middle:
            left, right = ("┼", "┼") if wire == 0 else ("┤", "├")
        inside = f"── × w{k} ──▶ y{k} ──" if wire == 0 else " " * 17
        before, after = ("  x ──", "──▶ argmax ──▶ class") if row == middle else ("      ", "")
        lines.append((f"{before}{left}", Span(inside, class_tone(k) if wire == 0 else ""), f"{right}{after}"))
    return Drawing(lines)


def _scalar_weights(network: Network, fmt: Format) -> Table:
    rows: list[list[Text]] = []
    weights = network.dense_layers[0].weight[:, 0].tolist()
    for k, weight in enumerate(weights):
        steps = to_index(from_float(weight), fmt) - to_index(from_float(weights[0]), fmt)
        where = _steps_away(steps, fmt, "w0") if k and steps else ""
        rows.append([(Span(f"w{k}", class_tone(k)), f" = {decimal(weight)}"), hex_text(weight), where])
    return Table((), rows)


def _steps_away(steps: int, fmt: Format, other: str) -> str:
    """How many numbers of the format lie between here and there."""
    if steps == 0:
        return f"the same number as {other}"
    side = "above" if steps > 0 else "below"
    return f"the next {fmt} number {side} {other}" if abs(steps) == 1 else f"{abs(steps)} {fmt} numbers {side} {other}"


def layer_names(network: Network) -> list[str]:
    """The layers as they follow each other, from the input to the logits."""
    parts = [f"x ({network.widths[0]})"]
    for index, layer in enumerate(network.dense_layers):
        parts.append(f"dense {layer.outputs}×{layer.inputs}" + (" + bias" if layer.bias is not None else ""))
        parts.append("ReLU" if index + 1 < len(network.dense_layers) else f"y ({layer.outputs})")
    return parts


def _summary(network: Network, count: int) -> str:
    entries = list(network.entries())
    return (
        f"{counted(count, 'weight or bias', 'weights and biases')} between {significant(min(entries), 4)} and"
        f" {significant(max(entries), 4)}; the witness file has them all"
    )


def _weights_table(network: Network, index: int, layer: Dense, fmt: Format) -> Table:
    """One layer: a neuron's weights as decimals, and below them as hexadecimal floats."""
    last = index + 1 == len(network.dense_layers)
    several = len(network.dense_layers) > 2
    source, target = ("x" if index == 0 else "h"), ("y" if last else "h")
    from_prefix = f"{index - 1}." if index and several else ""
    to_prefix = f"{index}." if not last and several else ""
    header = ["", *(f"{source}{from_prefix}{k} ×" for k in range(layer.inputs)), *(["bias"] if layer.bias is not None else [])]
    rows: list[list[Text]] = []
    for j, weights in enumerate(layer.weight.tolist()):
        entries = [*weights, *([float(layer.bias[j])] if layer.bias is not None else [])]
        rows.append([f"{target}{to_prefix}{j}" + ("" if last else " = ReLU of"), *(shortest(w, fmt) for w in entries)])
        rows.append(["", *(Span(hex_text(w), QUIET) for w in entries)])
    return Table(header, rows)


def points_section(witness: Witness, at_b: Logits, at_a: Logits) -> list[Part]:
    """The two points, their classes, their distance, the certified radius and the ratio."""
    points = _scalar_points if len(witness.certified) == 1 else _points
    return [*points(witness, at_b, at_a), Space(), _measures(witness)]


def _scalar_points(witness: Witness, at_b: Logits, at_a: Logits) -> list[Part]:
    (b,), (a,) = witness.certified, witness.point
    steps = to_index(from_float(a), witness.format) - to_index(from_float(b), witness.format)
    rows: list[list[Text]] = [
        ["certified", f"b = {decimal(b)}", hex_text(b), class_text(at_b.rounded_class)],
        ["counterexample", f"a = {decimal(a)}", hex_text(a), class_text(at_a.rounded_class)],
    ]
    return [Table((), rows), quiet(f"a is {_steps_away(steps, witness.format, 'b')}")]


def _points(witness: Witness, at_b: Logits, at_a: Logits) -> list[Part]:
    fmt = witness.format
    pairs = list(zip(witness.certified, witness.point, strict=True))
    changed = [k for k, (b, a) in enumerate(pairs) if b != a]
    chosen = range(len(pairs)) if len(pairs) <= MAX_INPUTS else changed[:MAX_INPUTS]
    rows: list[list[Text]] = [list(_components(k, pairs[k][0], pairs[k][1], fmt)) for k in chosen]
    rows.append(["", class_text(at_b.rounded_class), "", class_text(at_a.rounded_class), ""])
    parts: list[Part] = [Table(["", "b, certified", "", "a, counterexample", ""], rows)]
    if len(chosen) < len(pairs):
        differing = f"{len(changed)} of {counted(len(pairs), 'input')} {noun(len(changed), 'differs', 'differ')}"
        more = f"; the first {len(chosen)} of them are shown" if len(changed) > len(chosen) else ""
        parts.append(Paragraph(differing + more))
    return parts


def _components(k: int, b: float, a: float, fmt: Format) -> Iterator[Text]:
    yield f"x{k}"
    for number in (b, a):
        yield shortest(number, fmt)
        yield hex_text(number)


def _measures(witness: Witness) -> Table:
    """Distance, radius and ratio, and the ratio in lengths that one can picture."""
    away = distance(witness)
    norm = "|a − b|" if len(witness.certified) == 1 else "‖a − b‖"
    radius = witness.claim.reach
    ratio = witness.ratio or (float(radius) / away if away else 0.0)
    power = power_text(ratio) if ratio >= 4 else ""
    rows: list[list[Text]] = [
        [f"distance {norm}", significant(away, 10), power_text(away)],
        ["certified radius", radius_text(radius), "every smaller one is accepted"],
    ]
    exact = Fraction(ratio) * Fraction(away) if away and math.isfinite(ratio) else radius
    if abs(exact - radius) > _FLOAT64 * radius and radius_text(exact) != radius_text(radius):
        rows.append(["exact radius", radius_text(exact), "without the certifier's rounding; gives the ratio"])
    told = " · ".join(filter(None, (power, _picture(ratio))))
    rows.append(["ratio", Span(significant(ratio, 9, "down"), STRONG), told])
    return Table((), rows)


def _picture(ratio: float) -> str:
    """The ratio as a length, were the distance a millimetre; empty where there is nothing to picture."""
    lengths: Sequence[tuple[float, str]] = ((1e6, "km"), (1e3, "m"), (1e1, "cm"))
    for millimetres, unit in lengths:
        if 10 * millimetres <= ratio < 1e4 * millimetres or (unit == "km" and 1e7 <= ratio < 4e10):
            return f"as {significant(ratio / millimetres, 3)} {unit} to 1 mm"
    return ""
