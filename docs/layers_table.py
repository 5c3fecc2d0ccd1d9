"""Write the table of the layers that are read into docs/networks.md, from the tables in the code.

usage: python docs/layers_table.py
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fpsynth.networks import keras_layers, torch_operators
from fpsynth.networks.layers import LAYERS
from fpsynth.networks.onnx import operators

PAGE = Path(__file__).parent / "networks.md"
BEGIN, END = "<!-- layers, written by docs/layers_table.py -->\n", "<!-- end of layers -->\n"


def table() -> str:
    """A row for each layer type, then the names that are read as one of these, and those that are left out."""
    rows = [("layer", "ONNX operators", "PyTorch modules and functions", "Keras layers"), ("---",) * 4]
    named = [layer.names for layer in LAYERS.values()]
    for layer in LAYERS.values():
        names = layer.names
        if names.onnx or names.torch or names.keras:
            rows.append((layer.kind, _listed(names.onnx), _listed(names.torch), _listed(names.keras)))
    onnx = _others(operators.OPERATORS, operators.NOTHING, (name for names in named for name in names.onnx))
    keras = _others(keras_layers.LAYERS, keras_layers.NOTHING, (name for names in named for name in names.keras))
    rows.append(("made of one or more of these", _listed(onnx), "", _listed(keras)))
    nothing = (_listed(operators.NOTHING), _listed(torch_operators.IGNORED), _listed(keras_layers.NOTHING))
    rows.append(("left out, as nothing is computed", *nothing))
    calls = sorted({name.split(".")[0] for name in torch_operators.OPERATORS if not name.startswith(("_", "<"))})
    lines = [f"| {' | '.join(row)} |".replace("|  |", "| |").replace("|  |", "| |") for row in rows]
    lines[1] = "|---|---|---|---|"
    return "\n".join(
        [*lines, "", f"A torch module may call these operators of ATen, by modules or by itself: {_listed(calls)}.", ""]
    )


def _others(read: Iterable[str], nothing: Iterable[str], named: Iterable[str]) -> list[str]:
    without = {*nothing, *named}
    return [name for name in read if name not in without]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def written(page: str) -> str:
    """The page with the table as it is now."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
