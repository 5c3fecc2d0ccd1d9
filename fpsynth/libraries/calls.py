"""What an operation is to a user of its library: the very call, as text, and how its operands may lie in memory.

A layout is a letter for the rows x (batch, inputs) and one for the weights W (inputs, outputs) of x @ W, as in BLAS.  N: stored
row after row; T: its transpose is stored row after row.  After a letter, s: what is stored is the left half of an array twice
as wide; e: it is every second column of one.  So NT is x @ V.T with V (outputs, inputs), and NsN is wide[:, :inputs] @ W.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fpsynth.libraries.operands import BORDER, patch_shape

_LAYOUT = re.compile(r"([NT][se]?)([NT][se]?)?")
BOTH = ("NT", "NN", "TN", "TT")
"""The letters of two operands, the weights stored one row per output first."""


@dataclass(frozen=True)
class Called:
    """The call that computes an operation.

    In ``text`` stand ``{x}`` for the rows, ``{W}`` for the weights as (inputs, outputs), ``{V}`` for them as (outputs, inputs),
    ``{outputs}`` for their number, ``{flags}`` for the arguments that say what is transposed.
    """

    text: str
    biased: str = ""
    """The same with a bias b; empty: the text and + b."""
    one_row: str = ""
    """The call for a batch of one row, where that is another."""
    layouts: tuple[str, ...] = ()
    """Those that it takes, its own first; none where its operands have no such choice."""
    strided: bool = False
    """Whether s and e may stand after their letters."""
    tried: tuple[str, ...] = ()
    """Layouts, beside its own, that were found to change sums: a matrix tries them."""
    flags: tuple[str, str] = ("", "")
    """What says that x, and that W, is transposed, in a library whose arrays have no views."""
    images: str = ""
    """Of a convolution: NCHW or NHWC."""

    @property
    def own(self) -> str:
        """The layout that it has where none is asked for; empty where it takes none."""
        return self.layouts[0] if self.layouts else ""

    def takes(self, layout: str) -> bool:
        """Whether the operands may lie so."""
        plain = re.sub("[se]", "", layout) if self.strided else layout
        return _LAYOUT.fullmatch(layout) is not None and plain in self.layouts

    def choices(self) -> str:
        """The layouts that it takes, in words; empty where there is no choice."""
        if not self.layouts:
            return ""
        more = ", with s (left half of an array twice as wide) or e (every second column) after a letter"
        return ", ".join(self.layouts) + (more if self.strided else "")


def letters(layout: str) -> tuple[str, str]:
    """The code of x and that of W (empty where there is but one operand), such as Ns and T."""
    found = _LAYOUT.fullmatch(layout)
    assert found is not None, layout
    return found[1], found[2] or ""


def call_text(called: Called, layout: str = "", *, bias: bool = False, batch: int | None = None) -> str:
    """The call, such as ``np.dot(x, W.T)``; with sizes of slices where the layout has any.  ``layout``: empty for its own."""
    return _call(called, layout or called.own, bias, batch, None, None)


def full_text(
    called: Called,
    layout: str = "",
    *,
    batch: int | None = None,
    terms: int | None = None,
    outputs: int | None = None,
    bias: bool = False,
) -> str:
    """The call, and the operands as they are stored: ``np.dot(x, W.T)  x (4, 64) C, W (16, 64) C``.  None: a word instead."""
    chosen = layout or called.own
    operands = _stored(called, chosen, batch, terms, outputs)
    added = [f"b ({_word(outputs, 'outputs')},)"] if bias else []
    return f"{_call(called, chosen, bias, batch, terms, outputs)}  {', '.join([*operands, *added])}"


_MEMORY = {
    "C": "row after row in memory, the last index moving fastest",
    "NCHW": "images in memory one after the other, in each its channels, in these rows and columns",
    "NHWC": "images in memory one after the other, in each its rows and columns, at each of these its channels",
}
"""What the letters behind the shape of an operand say."""


def memory_words(call: str) -> list[str]:
    """What the letters behind the shapes in a ``full_text`` mean, those that there are, a line each."""
    return [f"{code}: {words}" for code, words in _MEMORY.items() if re.search(rf"\) {code}(,|$)", call)]


def _call(called: Called, layout: str, bias: bool, batch: int | None, terms: int | None, outputs: int | None) -> str:
    first, second = letters(layout) if layout else ("N", "T")
    columns = {"N": _word(terms, "inputs"), "T": _word(batch, "batch")}[first[0]]
    x = _part("x", first, columns)
    W = _part("W", second, {"N": _word(outputs, "outputs"), "T": _word(terms, "inputs")}[second[0]]) if second else ""
    flags = "".join(flag for flag, code in zip(called.flags, (first, second), strict=True) if code == "T")
    text = called.one_row if batch == 1 and called.one_row else called.text
    text = text if not bias else called.biased or f"{text} + b"
    turned = second[:1] == "T"
    return text.format(
        x=x + (".T" if first[0] == "T" else ""),
        W=W + (".T" if turned else ""),
        V=W + ("" if turned else ".T"),
        outputs=_word(outputs, "outputs"),
        flags=flags,
    )


def _part(name: str, code: str, columns: str) -> str:
    """What of a stored array is the operand, or its transpose."""
    return name + {"s": f"[:, :{columns}]", "e": "[:, ::2]"}.get(code[1:], "")


def _stored(called: Called, layout: str, batch: int | None, terms: int | None, outputs: int | None) -> list[str]:
    rows, inputs, columns = _word(batch, "batch"), _word(terms, "inputs"), _word(outputs, "outputs")
    if called.images:
        return _images(called, rows, terms, columns)
    first, second = letters(layout) if layout else ("N", "T" if "W" in called.text else "")  # sum, vdot
    shapes = {"N": (rows, inputs), "T": (inputs, rows)}, {"N": (inputs, columns), "T": (columns, inputs)}
    return [
        f"{name} ({shape[code[0]][0]}, {_doubled(shape[code[0]][1]) if code[1:] else shape[code[0]][1]}) C"
        for name, code, shape in zip("xW", (first, second), shapes, strict=True)
        if code
    ]


def _images(called: Called, batch: str, terms: int | None, outputs: str) -> list[str]:
    """Images and kernels of a convolution as the library takes them."""
    channels, high, wide = ("channels", "kernel rows", "kernel columns") if terms is None else map(str, patch_shape(terms))
    size = ["rows", "columns"] if terms is None else [str(int(high) + 2 * BORDER), str(int(wide) + 2 * BORDER)]
    if called.images == "NHWC":
        x, W = [batch, *size, channels], [high, wide, channels, outputs]
    else:
        x, W = [batch, channels, *size], [outputs, channels, high, wide]
    return [f"x ({', '.join(x)}) {called.images}", f"W ({', '.join(W)}) C"]


def _word(number: int | None, word: str) -> str:
    return word if number is None else str(number)


def _doubled(size: str) -> str:
    return str(2 * int(size)) if size.isdigit() else f"2 {size}"
