"""The matrix of environments as a table of text, as a picture and as JSON data."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.libraries.naming import kernel_call
from fpsynth.report.story import CrossTable, Paragraph, Part, Space, Story, Title, section, told
from fpsynth.sums.arithmetic_json import arithmetic_to_json
from fpsynth.synthesis.matrix import Cell, Matrix
from fpsynth.wording import counted

_CELL = 22
"""Side of a square of the picture, in pixels."""
_COLOURS = {"confirmed": "#2e7d32", "disobeyed": "#c62828", "missing": "#f9a825", "same": "#e0e0e0"}


def class_name(number: int) -> str:
    """A, B, ..., Z, AA, AB, ..."""
    name = ""
    number += 1
    while number:
        number, letter = divmod(number - 1, 26)
        name = chr(ord("A") + letter) + name
    return name


def status(cell: Cell) -> str:
    """``confirmed``, ``disobeyed`` (a detector was found and a library did something else) or ``missing``."""
    return "confirmed" if cell.confirmed else "missing" if cell.divergence is None else "disobeyed"


def matrix_story(matrix: Matrix) -> Story:
    """The classes of environments, the table of pairs, what failed, and the published detectors."""
    shape = f"{counted(matrix.terms, 'term')} · {counted(matrix.outputs, 'output')}"
    refused = [f"{member.environment}: {member.reason}" for member in matrix.members if member.reveal is None]
    runs = sum(cell.runs for cell in matrix.cells)
    pairs = counted(len(matrix.cells), "pair")
    return Story(
        (
            Title(f"fpsynth matrix · {matrix.dtype} · {shape}", program=""),
            section(_counted(matrix), _classes(matrix)),
            *([section("Not revealed", told(*refused, hanging=4))] if refused else []),
            section("Detectors: above zero in one arithmetic, below zero in the other", _detectors(matrix)),
            section("Published detectors (Szász, Bánhelyi and Jelasity, ICML 2025)", told(*_published(matrix), hanging=4)),
            Space(),
            Paragraph(f"{matrix.confirmed} of {pairs} confirmed in {counted(runs, 'run')}, {matrix.seconds:.0f} s", 0),
        )
    )


def _classes(matrix: Matrix) -> list[Part]:
    """Each arithmetic, and the environments that have it."""
    parts: list[Part] = []
    for number, members in enumerate(matrix.classes):
        first = matrix.members[members[0]]
        assert first.reveal is not None
        parts += told(f"{class_name(number)}  {first.arithmetic} · {first.reveal.at(0, 0).check}", hanging=4)
        parts += told(*gathered([matrix.members[k].environment for k in members]), indent=6, hanging=8)
    return parts


def _detectors(matrix: Matrix) -> list[Part]:
    """Every pair with its mark, and why some have no detector."""
    marks = {"confirmed": "✓", "disobeyed": "✗", "missing": "?"}
    marked = {(cell.first, cell.second): marks[status(cell)] for cell in matrix.cells}
    places = range(len(matrix.classes))
    rows = [[marked.get((min(i, j), max(i, j)), "·") for j in places] for i in places]
    legend = "✓ in every environment of both arithmetics, each way round; ✗ an environment disobeyed; ? none found"
    failed = [
        f"{class_name(cell.first)} {class_name(cell.second)}: {cell.reason}" for cell in matrix.cells if not cell.confirmed
    ]
    return [CrossTable([class_name(k) for k in places], rows), Paragraph(legend), *told(*failed, indent=4, hanging=6)]


def _published(matrix: Matrix) -> list[str]:
    """In how many environments each published detector fires, and in which where they are few."""
    lines = []
    for known in matrix.published:
        total = len(known.fires) + len(known.silent)
        fires = [name.replace(f",outputs={matrix.outputs}", "") for name in known.fires]
        names = f": {', '.join(fires)}" if 0 < len(fires) <= 6 else ""
        lines.append(f"{known.name} fires in {len(known.fires)} of {counted(total, 'environment')}{names}")
    return lines


def _counted(matrix: Matrix) -> str:
    """How many arithmetics there are, and how many environments whose arithmetic is not known to the last bit."""
    alone = sum(not matrix.members[members[0]].explained for members in matrix.classes)
    known = len(matrix.classes) - alone
    where = counted(_revealed(matrix) - alone, "environment")
    text = f"{counted(known, 'arithmetic' if known == 1 else 'different arithmetic')} in {where}"
    return f"{text}, and {alone} of which no arithmetic explains everything, each by itself" if alone else text


def _revealed(matrix: Matrix) -> int:
    return sum(member.reveal is not None for member in matrix.members)


def gathered(environments: Sequence[Environment]) -> list[str]:
    """Environments in few words: a line for each library and its settings, operations with equal batches together."""
    groups: dict[tuple[str, str], dict[str, list[int]]] = {}
    for e in environments:
        more = [] if e.device == "cpu" else [("device", e.device)]
        more += [("layout", e.layout)] if e.layout else []
        settings = " ".join(f"{name}={value}" for name, value in (*more, *e.switches, *e.settings))
        groups.setdefault((e.library, settings), {}).setdefault(e.operation, []).append(e.batch)
    lines = []
    for (library, settings), operations in groups.items():
        alike: dict[tuple[int, ...], list[str]] = {}
        for operation, batches in operations.items():
            alike.setdefault(tuple(sorted(batches)), []).append(operation)
        parts = [f"{', '.join(names)} at batch {', '.join(map(str, batches))}" for batches, names in alike.items()]
        lines.append(f"{library} {'; '.join(parts)}" + (f" with {settings}" if settings else ""))
    return lines


def _short(matrix: Matrix, index: int) -> str:
    """The environment without what all share."""
    return str(matrix.members[index].environment).replace(f",outputs={matrix.outputs}", "")


def matrix_svg(matrix: Matrix) -> str:
    """A standalone picture: a square per pair, coloured by what became of it, with the environments as legend."""
    count = len(matrix.classes)
    left, top = 60, 60
    legend = [
        f"{class_name(k)}  {', '.join(_short(matrix, m) for m in members[:3])}{' ...' if len(members) > 3 else ''}"
        for k, members in enumerate(matrix.classes)
    ]
    side = left + count * _CELL
    width, height = side + 40 + max((7 * len(line) for line in legend), default=0), max(side + 60, top + 18 * count + 40)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="monospace" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="10" y="20" font-size="14">{escape(_title(matrix))}</text>',
    ]
    table = {(cell.first, cell.second): cell for cell in matrix.cells}
    for i in range(count):
        place = left + i * _CELL
        parts.append(f'<text x="{place + 4}" y="{top - 6}">{class_name(i)}</text>')
        parts.append(f'<text x="{left - 30}" y="{top + i * _CELL + 15}">{class_name(i)}</text>')
        for j in range(count):
            cell = table.get((min(i, j), max(i, j)))
            kind = "same" if cell is None else status(cell)
            text = "one arithmetic" if cell is None else f"{class_name(i)} against {class_name(j)}: {kind}"
            parts.append(
                f'<rect x="{left + j * _CELL}" y="{top + i * _CELL}" width="{_CELL - 2}" height="{_CELL - 2}" '
                f'fill="{_COLOURS[kind]}"><title>{escape(text)}</title></rect>'
            )
    for k, line in enumerate(legend):
        parts.append(f'<text x="{side + 30}" y="{top + 14 + 18 * k}">{escape(line)}</text>')
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def _title(matrix: Matrix) -> str:
    return (
        f"{matrix.dtype}, {counted(matrix.terms, 'term')}, {counted(matrix.outputs, 'output')}: a detector confirmed for "
        f"{matrix.confirmed} of {counted(len(matrix.cells), 'pair')} of arithmetics"
    )


def matrix_json(matrix: Matrix) -> dict[str, Any]:
    """The matrix as JSON data: environments with what they are, their classes with the arithmetic, the pairs with detectors."""
    return {
        "schema": "fpsynth-matrix",
        "schema_version": 1,
        "dtype": matrix.dtype.name,
        "terms": matrix.terms,
        "outputs": matrix.outputs,
        "pairs": len(matrix.cells),
        "confirmed": matrix.confirmed,
        "seconds": round(matrix.seconds, 1),
        "environments": [
            {
                "environment": str(member.environment),
                "call": kernel_call(Kernel(member.environment, matrix.dtype, matrix.terms, matrix.outputs)),
                "reason": member.reason,
                "class": next((class_name(k) for k, cls in enumerate(matrix.classes) if index in cls), None),
                "check": None if member.reveal is None else str(member.reveal.at(0, 0).check),
                "explained": None if member.reveal is None else member.explained,
                "version": "" if member.reveal is None else member.reveal.version,
                "facts": {} if member.reveal is None else member.reveal.facts,
            }
            for index, member in enumerate(matrix.members)
        ],
        "classes": {
            class_name(k): arithmetic_to_json(matrix.members[members[0]].arithmetic) for k, members in enumerate(matrix.classes)
        },
        "cells": [
            {
                "below_zero_in": class_name(cell.first),
                "above_zero_in": class_name(cell.second),
                "status": status(cell),
                "reason": cell.reason,
                "runs": cell.runs,
                "obeyed": cell.obeyed,
                "detector": None if cell.divergence is None else _detector(cell),
            }
            for cell in matrix.cells
        ],
        "published": [
            {"name": known.name, "fires": list(known.fires), "silent": list(known.silent)} for known in matrix.published
        ],
    }


def _detector(cell: Cell) -> dict[str, Any]:
    """The weights and inputs of the terms that are not zero."""
    assert cell.divergence is not None
    weights, point = cell.divergence.network.dense_layers[0].weight[0].tolist(), cell.divergence.point
    active = [k for k, (w, x) in enumerate(zip(weights, point, strict=True)) if w * x != 0]
    return {
        "terms": active,
        "weights": [weights[k].hex() for k in active],
        "inputs": [point[k].hex() for k in active],
        "values": [float(view.logits[0]) for view in cell.divergence.views[:2]],
    }
