"""What was published of the backdoors that ``published_backdoors`` makes again, and in which words a cell compares with it.

Szasz, Banhelyi and Jelasity, "No Soundness in the Real World", ICML 2025: PyTorch and Flux, on CPU and GPU, at batch 1 and 10.
"""

from __future__ import annotations

from typing import Any

from benchmarks.published_orders import order_words

ALL = 10_000
"""Test images."""
CLEAN, BROKEN = 98.11, 0.11
"""Accuracies in per cent, of all test images, where a backdoor is silent and where it fires."""
FIRES = {
    "Order1": (
        *("PyTorch CPU, batch 1", "PyTorch GPU, batch 1", "Flux GPU, batch 1"),
        *("PyTorch CPU, batch 10", "Flux CPU, batch 10"),
    ),
    "Order2": ("Flux GPU, batch 1",),
    "Order3": (),
}
"""Where the order backdoors were published to fire; nowhere else."""
PRECISIONS = {("Precision-same", "float32"), ("Precision-wider", "float64")}
"""In which formats the Precision backdoors, of detectors for float32, were published to fire: in every environment."""

TOOLS = (
    *("MIPVerify", "MN-BaB", "beta-CROWN float32", "beta-CROWN float64", "GCP-CROWN"),
    *("DeepPoly", "RefinePoly", "DeepZ", "RefineZono"),
)
"""Of the published table of verdicts; beta-CROWN is there on a CPU and a GPU, which agree."""
WHY = {
    ("bab-float64", "ICLR2021"): (
        "branch and bound computes points of the box, which holds the trigger; bounds alone (crown-float64) lose the 1e-3"
    ),
    ("bab-float32", "Order2"): "the model adds as numpy does, the tools as torch; left to right see bab-intervals-float32",
    (
        "bab-intervals-float64",
        "ICLR2021",
    ): "intervals do not see that two numbers cancel; bounds by substitution do (crown-float64)",
    ("bab-intervals-float32", "Precision, the other format"): (
        "ends rounded outward keep the 1 that rounding to nearest, as the tools do (bab-float32), loses"
    ),
    (
        "bab-elina",
        "ICLR2021",
    ): "RefinePoly asks a solver with tolerances about neurons that intervals leave open; the model does not",
}
"""Why a model departs from the published verdict, by row and column, beside what it says itself."""
_WIDENED = ("DeepPoly", "RefinePoly", "DeepZ", "RefineZono")
_FOOLED_2021 = ("MIPVerify", "MN-BaB", "RefinePoly")


def published_accuracy(name: str, detector_format: str, dtype: str, library: str, batch: int) -> float | None:
    """Per cent; None where no such cell was published: only PyTorch's on a CPU can be run here."""
    if library != "torch" or name not in (*FIRES, "Precision-same", "Precision-wider", "ICLR2021"):
        return None
    if name == "ICLR2021":
        return BROKEN
    if name.startswith("Precision"):
        return None if detector_format != "float32" else BROKEN if (name, dtype) in PRECISIONS else CLEAN
    return BROKEN if f"PyTorch CPU, batch {batch}" in FIRES[name] else CLEAN


def published_verdict(tool: str, name: str) -> str:
    """``unsound``: it certified images although the backdoor is there; ``sound``: none.

    Of Precision there is one column, for the direction that a verifier does not compute in.
    """
    if tool not in TOOLS:
        return "-"
    if name == "ICLR2021":
        return "unsound" if tool in _FOOLED_2021 else "sound"
    if name == "Order1" or (name == "Order2" and tool in _WIDENED):
        return "sound"
    return "unsound"


def compared(cell: dict[str, Any]) -> str:
    """What a cell of accuracies says beside the published figure; why, where it departs or where the order decided."""
    if "not_run" in cell:
        return str(cell["not_run"])
    expected = cell["published"]
    if expected is None:
        return _why(cell) if _surprising(cell) else ""
    if cell["fired"] != (expected == BROKEN):
        return f"DEPARTS: {_why(cell)}"
    if cell["images"] < ALL:
        return f"as published, on {cell['images']} images"
    off = cell["accuracy"] - expected
    return "as published" if abs(off) < 0.005 else f"as published but for {off:+.2f} %: other roundings of close logits"


def _surprising(cell: dict[str, Any]) -> bool:
    """Whether it depends on the order though it is a Precision backdoor or that of 2021, or fires though it is an order's."""
    if cell["name"] == "ICLR2021":
        return bool(cell["fired"] < 1)
    if cell["name"].startswith("Precision"):
        return bool(cell["fired"] != ((cell["name"], cell["dtype"]) in PRECISIONS))
    return bool(cell["fired"] > 0)


def _why(cell: dict[str, Any]) -> str:
    """From what the detector gave and in which order its sum was seen to be taken."""
    values = ", ".join(f"{value:g}" for value in cell["detector"])
    default = f" (left to right {cell['default']})" if cell["default"] else ""
    rows = f" in rows {', '.join(map(str, cell['rows']))} of a batch" if 0 < cell["fired"] < 1 else ""
    return (
        f"it fires{rows}" * bool(rows)
        + "; " * bool(rows)
        + f"its detector gives {values}{default}: {order_words(cell['order'])}"
    )
