"""The results of ``benchmarks.real_networks`` as tables of text: layers, environments, and what is explained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.common import aligned, machine, short

NOTES = """\
A layer: outputs that its revealed arithmetic gives bit for bit, of those that hostile and real inputs of it gave; "all": all
of them.  whole: the same of the logits of hostile inputs.  logits: those of the test images that our arrays give in the
revealed arithmetic, bit for bit (zeros of either sign are different).  exact: sampled neurons of every layer on which the
exact interpreter and the arrays agree.  correct: images whose class in the library is their label.  Seconds: the reveal, all
images in the library, and by our arrays.  Libraries ran with one thread each."""


def text(results: dict[str, Any]) -> str:
    """A table for each network, what is not reproduced, and what the words mean."""
    cells = results["cells"]
    lines: list[str] = []
    for name in dict.fromkeys(cell["network"] for cell in cells):
        lines += [*_network([cell for cell in cells if cell["network"] == name]), ""]
    lines += _missing(cells)
    return "\n".join([*lines, NOTES, machine(results["conditions"]), ""])


def _network(cells: Sequence[dict[str, Any]]) -> list[str]:
    first = cells[0]
    rounded = first["rounded_into_float32"]
    title = (
        f"{first['network']}: {first['numbers']} numbers{f', {rounded} of them rounded into float32' if rounded else ''}, "
        f"{first['products']} products for each of {first['images_run']} images"
    )
    ran = sorted((cell for cell in cells if "layers" in cell), key=_place)
    layers = list(dict.fromkeys(layer["name"] for cell in ran for layer in cell["layers"]))
    rows = [["environment", *map(_short, layers), "whole", "logits", "correct", "exact", "reveal", "library", "arrays"]]
    rows += [_row(cell, layers) for cell in ran]
    return [title, "", *aligned(rows), *(f"{c['environment']}: not run: {c['not_run']}" for c in cells if "not_run" in c)]


def _place(cell: dict[str, Any]) -> tuple[str, str, int]:
    """Where an environment stands: by library and variant, settings, and batch."""
    name, _, options = cell["environment"].partition("batch=")
    batch, _, settings = options.partition(",")
    return name, settings, int(batch)


def _short(name: str) -> str:
    """A node's name without its operator: ``/conv1/Conv`` is conv1."""
    parts = [part for part in name.split("/") if part]
    return parts[0] if parts else name


def _row(cell: dict[str, Any], layers: Sequence[str]) -> list[str]:
    explained = {layer["name"]: _share(layer["explained"], layer["of"]) for layer in cell["layers"]}
    whole, logits, exact = cell["whole"], cell["logits"], cell["exact"]
    return [
        f"{cell['environment'].replace(',threads=1', '')} {cell['version']}",
        *(explained.get(name, "-") for name in layers),
        _share(whole["explained"], whole["of"]),
        f"{logits['equal']}/{logits['of']}",
        str(cell["correct"]),
        f"{exact['agree']}/{exact['of']}",
        *(f"{short(cell['seconds'][name])} s" for name in ("reveal", "library", "arrays")),
    ]


def _share(part: int, of: int) -> str:
    return "all" if part == of else f"{part}/{of}"


def _missing(cells: Sequence[dict[str, Any]]) -> list[str]:
    """What is not reproduced: where it begins, a value, what was tried."""
    some = sorted((cell for cell in cells if cell.get("first")), key=_place)
    lines = ["Not reproduced:" if some else "Everything is reproduced.", ""]
    for cell in some:
        first, logits = cell["first"], cell["logits"]
        lines.append(
            f"{cell['network']} in {cell['environment']}: {logits['of'] - logits['equal']} of {logits['of']} logits differ, by "
            f"{cell['largest_difference']:.3g} at most; {cell['images']['of'] - cell['classes']} classes change"
        )
        lines.append(f"  {_where(first)}")
        lines += [*(f"  tried: {one}" for one in first["tried"]), ""]
    return lines


def _where(first: dict[str, Any]) -> str:
    if first["layer"] is None:
        return "every layer is explained when the network ends there: layers are computed together"
    return (
        f"first at {first['layer']} ({first['kind']}): {first['differing']} of {first['of']} numbers; output {first['output']}"
        f" of image {first['image']} is {first['library']} in the library, {first['arrays']} by our arrays"
    )
