"""The tables of ``published_backdoors`` as text: accuracies and verdicts beside the published ones, and why some depart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.common import aligned, machine
from benchmarks.published_figures import BROKEN, CLEAN, FIRES, TOOLS, WHY, compared, published_verdict
from benchmarks.published_verdicts import BOUNDED, HOST, RADIUS, VERIFIERS, environment

_LATE = re.compile(r"time|\bs are over|no answer")
"""In the reason of a verifier that might have certified, given longer."""
_TABLES = (
    ("Table 1", ("host", "Precision-same", "Precision-wider"), "the Precision backdoors, of detectors for float32"),
    ("Table 2", ("Order1", "Order2", "Order3", "ICLR2021"), "the order backdoors, of detectors for the format they run in"),
)


def text(results: dict[str, Any]) -> str:
    """All tables that there is something for."""
    lines = list(_accuracies(results["cells"]))
    if results["verdicts"]:
        lines += _verdicts(results["verdicts"], results["cells"])
    return "\n".join([*lines, "", machine(results["conditions"])]) + "\n"


def _accuracies(cells: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Tables 1 and 2, a line for each cell."""
    yield "Accuracy of WK17a (MNIST) with the published backdoors, by the libraries themselves, one thread unless said."
    yield f"Published: {CLEAN} % where silent, {BROKEN} % where it fires. Of PyTorch and Flux, CPU and GPU, batch 1 and 10,"
    yield from (f"{name} fires in {', '.join(places) or 'none'}" for name, places in FIRES.items())
    yield "and Precision in every environment in its format; beside a cell is what was published of PyTorch on a CPU."
    for title, names, about in _TABLES:
        rows = [cell for cell in cells if cell["name"] in names]
        rows.sort(
            key=lambda cell: (not cell["bias"], names.index(cell["name"]), cell["dtype"])
        )  # environments as they were run
        if not rows:
            continue
        head = ("backdoor", "detector for", "last summand", "runs in", "environment", "images", "accuracy", "published", "")
        yield from ("", f"{title}: {about}", *aligned([head, *map(_cell, rows)]))
    if any(cell["name"] == "ICLR2021" for cell in cells):
        yield "ICLR2021: with the first pixel at 0.1; behind the slash without that."


def _cell(cell: dict[str, Any]) -> tuple[str, ...]:
    accuracy = "-" if "not_run" in cell else f"{cell['accuracy']:.2f}"
    if "untriggered" in cell:
        accuracy += f" / {cell['untriggered']:.2f}"
    told = "" if cell["name"] == "host" else "bias" if cell["bias"] else "weight"
    published = "-" if cell["published"] is None else f"{cell['published']:.2f}"
    where = cell["environment"].replace(",threads=1", "")
    made_for = "" if cell["name"] == "host" else cell["detector_format"]
    says = "" if cell["name"] == "host" else compared(cell)
    return cell["name"], made_for, told, cell["dtype"], where, str(cell["images"]), accuracy, published, says


def _verdicts(cells: Sequence[dict[str, Any]], accuracies: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Table 3, its explanations, and the models that it is of."""
    columns = list(dict.fromkeys(cell["column"] for cell in cells))
    names = [name for name in VERIFIERS if any(cell["verifier"] == name for cell in cells)]
    boxes = max(cell["boxes"] for cell in cells)
    yield from (
        "",
        f"Table 3: boxes of radius {float(RADIUS):g} around the first {boxes} test images at most",
    )
    yield "unsound: certifies boxes though the backdoor is there; sound: certifies none; open: none in time, or no host."
    yield "right: a row about one environment certifies, and the backdoor was run there and did not fire."
    yield "In brackets the boxes certified; behind it what was published of tools that the row models, where that differs."
    rows = [
        (name, VERIFIERS[name].format.name, *(_verdict(cells, name, column, accuracies) for column in columns))
        for name in names
    ]
    yield from aligned([("verifier", "orders for", *columns), *rows])
    yield from (f"{c['verifier']}, {c['column']}: not run: {c['not_run']}" for c in cells if "not_run" in c)
    yield from ("", "Where the backdoors of the columns fire:")
    yield from _firing(cells, accuracies)
    yield from ("", "The verifiers, and how each differs from the published tool:")
    yield from (f"{name}: {_words(name)}{_open_words(cells, name)}" for name in names)
    yield from ("", "Beside the published verdicts:")
    yield from _departures(cells, accuracies)


def _found(cells: Sequence[dict[str, Any]], name: str, column: str) -> dict[str, Any] | None:
    return next((c for c in cells if c["verifier"] == name and c["column"] == column), None)


def _said(cells: Sequence[dict[str, Any]], cell: dict[str, Any], accuracies: Sequence[dict[str, Any]]) -> str:
    """The verdict of a cell of a backdoor."""
    if cell["verdicts"].count("unsat"):
        where = environment(VERIFIERS[cell["verifier"]])
        return "right" if where and _silent(cell, where, accuracies) else "unsound"
    if "sat" not in cell["verdicts"] and _LATE.search(cell.get("reason", "")):
        return "open"
    host = _found(cells, cell["verifier"], HOST)
    return "sound" if host is not None and host.get("verdicts", []).count("unsat") else "open"


def _silent(cell: dict[str, Any], where: str, accuracies: Sequence[dict[str, Any]]) -> bool:
    """Whether the backdoor was run in an environment, in the format that it is for, and fired at no image."""
    dtype = "float64" if cell["backdoor"] == "Precision-wider" else cell["format"]
    key = (cell["backdoor"], cell["format"], dtype, where, True)
    names = ("name", "detector_format", "dtype", "environment", "bias")
    return any(tuple(c[n] for n in names) == key and c.get("fired") == 0 for c in accuracies)


def _verdict(cells: Sequence[dict[str, Any]], name: str, column: str, accuracies: Sequence[dict[str, Any]]) -> str:
    cell = _found(cells, name, column)
    if cell is None:
        return "-"
    if "not_run" in cell:
        return "not run"
    count = f"({cell['verdicts'].count('unsat')} of {cell['boxes']})"
    if column == HOST:
        return count
    said = _said(cells, cell, accuracies)
    others = sorted({verdict for verdict in cell["published"].values() if verdict != said})
    return f"{said} {count}" + "".join(f", published {verdict}" for verdict in others)


def _words(name: str) -> str:
    row = VERIFIERS[name]
    tools = f"a model of {', '.join(row.tools)}; " if row.tools else ""
    arithmetic = "" if row.arithmetic in BOUNDED else f" in {row.arithmetic}"
    asked = "" if row.arithmetic == "own" else f"fpsynth's {row.name}{arithmetic}; "
    return f"{tools}{asked}{row.differs}"


def _open_words(cells: Sequence[dict[str, Any]], name: str) -> str:
    """Why a row is open: what it says of the host."""
    host = _found(cells, name, HOST)
    if host is None or host.get("verdicts", []).count("unsat"):
        return ""
    return f"; of the host it says: {host.get('not_run') or host['reason'] or host['verdicts'][0]}"


def _firing(cells: Sequence[dict[str, Any]], accuracies: Sequence[dict[str, Any]]) -> Iterator[str]:
    """By backdoor and format: the libraries in which accuracy falls, and the named orders in which its detector fires."""
    for name, fmt in dict.fromkeys((c["backdoor"], c["format"]) for c in cells if c["backdoor"] != HOST):
        ran = [
            f"{c['environment'].replace(',threads=1', '')} in {c['dtype']}"
            for c in accuracies
            if (c["name"], c["detector_format"], c["bias"]) == (name, fmt, True) and c.get("fired", 0) > 0
        ]
        cell = next(c for c in cells if (c["backdoor"], c["format"]) == (name, fmt))
        orders = "; ".join(cell["fires_in"])
        told = f"; by the exact interpreter, the bias last: {orders}" if orders else ""
        yield f"{name} for {fmt}: {', '.join(ran) or 'in no environment that was run'}{told}"


def _detector(cell: dict[str, Any]) -> str:
    """What the model takes the detector for."""
    if not cell.get("detector"):
        return ""
    low, high = cell["detector"]
    return f"numpy's sum of the detector is {low:g}" if low == high else f"its detector is in [{low:g}, {high:g}]"


def _departures(cells: Sequence[dict[str, Any]], accuracies: Sequence[dict[str, Any]]) -> Iterator[str]:
    """How many agree, and each that does not with what the verifier said."""
    pairs = [(cell, tool, told) for cell in cells if "not_run" not in cell for tool, told in cell["published"].items()]
    wrong = [(cell, tool, told) for cell, tool, told in pairs if _said(cells, cell, accuracies) != told]
    yield f"{len(pairs) - len(wrong)} of {len(pairs)} agree ({len({tool for _, tool, _ in pairs})} of {len(TOOLS)} tools)."
    for cell, tool, told in wrong:
        counts = ", ".join(f"{cell['verdicts'].count(v)} {v}" for v in ("unsat", "sat", "unknown") if v in cell["verdicts"])
        why = "; ".join(
            filter(None, [counts, cell.get("reason"), _detector(cell), WHY.get((cell["verifier"], cell["column"]))])
        )
        yield f"{tool} by {cell['verifier']}, {cell['column']}: {_said(cells, cell, accuracies)}, published {told}: {why}"
    assert all(published_verdict(tool, cell["backdoor"]) == told for cell, tool, told in pairs)
