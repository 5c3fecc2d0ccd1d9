"""Sides of a question: from what a user writes (a family, a tree, a file, an environment, real) to a view of a network."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType

from fpsynth.aliases import Progress
from fpsynth.alignment import Alignment
from fpsynth.errors import InputError
from fpsynth.files import read_limited, shown
from fpsynth.formats import Format, format_named
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.libraries.naming import parse_environment
from fpsynth.libraries.registry import NAMES, library_named
from fpsynth.orders import parse_order
from fpsynth.orders.families import FAMILIES
from fpsynth.revealing.file import reveals_from_json
from fpsynth.revealing.result import Reveal
from fpsynth.revealing.revealer import Revealer, require_usable
from fpsynth.rounding import Flush, Rounding, rounding_named
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.sums.arithmetic_json import arithmetic_from_json, order_from_json
from fpsynth.sums.building import program_of
from fpsynth.witness.data import View

_NAMES = "format|accumulator|operands|operand_rounding|rounding|align|align_rounding|align_cut|align_least"
_MODIFIERS = rf"(?:fused|flush(?:=[A-Za-z0-9_]+)?|bias=first|rounded=[0-9+]+|(?:{_NAMES})=-?[A-Za-z0-9_]+)"
_WITH_MODIFIERS = re.compile(rf"(?P<order>.*?)(?P<modifiers>(?:,{_MODIFIERS})*)", re.DOTALL)
MAX_FILE = 16 << 20


@dataclass(frozen=True)
class Shape:
    """The layer that is looked at."""

    terms: int
    outputs: int
    output: int
    """The neuron that is read."""


def is_environment(text: str) -> bool:
    """Whether the text names an environment rather than an arithmetic."""
    name, colon, _ = text.partition(":")
    return bool(colon) and name in NAMES


def require_order(text: str) -> None:
    """Raise InputError where a text that is to be an order names an environment, or a library alone: what to do instead."""
    if is_environment(text):
        raise InputError(
            f"{text[:80]} is an environment, and its order is not known before it is revealed: fpsynth reveal {text[:80]}"
            " --out NAME.json, and then name that file"
        )
    if text in NAMES and text not in FAMILIES:
        operation = library_named(text).operations[0]
        raise InputError(
            f"{text} is a library, not an order: what is revealed or compared is an environment, such as {text}:{operation}"
        )


def shape_for(texts: Sequence[str], terms: int, outputs: int | None, least: int = 1) -> Shape:
    """The shape of a layer that all environments among ``texts`` can share, of ``outputs`` neurons if that is given.

    Where nobody says how many there are, there are ``least``.  Raises InputError where two of them want different numbers of
    outputs, or look at different ones.
    """
    environments = [parse_environment(text) for text in texts if is_environment(text)]
    wanted = {e.outputs for e in environments if e.outputs is not None} | ({outputs} if outputs is not None else set())
    looked_at = {e.output for e in environments if e.output is not None}
    if len(wanted) > 1 or len(looked_at) > 1:
        raise InputError("all sides must have the same outputs=N and output=N: they evaluate one network")
    number, output = min(wanted, default=least), min(looked_at, default=0)
    if output >= number:
        raise InputError(f"output {output} is not among {number}: outputs are counted from 0")
    return Shape(terms, number, output)


class Sides:
    """Turns texts into views of a layer, revealing environments on the way.  Use it as a context manager."""

    def __init__(
        self,
        fmt: Format,
        shape: Shape,
        *,
        read: Sequence[int] = (),
        vectors: int = 10_000,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> None:
        """``fmt``: the format of an arithmetic that names none.  ``vectors``: on how many a reveal is checked.

        ``read``: the outputs whose arithmetics are wanted; empty: all.  Of the others see ``reveal_kernel``.
        """
        self.read = tuple(read) or tuple(range(shape.outputs))
        self._rows: dict[Environment, set[int]] = {}
        """The rows that are read of environments whose sides differ in nothing else: one reveal is of all of these."""
        self.format, self.shape, self.vectors, self.seed, self.progress = fmt, shape, vectors, seed, progress
        self.reveals: dict[str, Reveal] = {}
        """What was revealed, by the label of the view."""
        self._revealer = Revealer()

    def view(self, text: str, name: str, role: str) -> View:
        """Return the view that ``text`` stands for.  Raises InputError that says what cannot be used."""
        if is_environment(text):
            environment = parse_environment(text)
            return self.revealed(environment, name, role, text)
        if text.endswith(".json"):
            return self._from_file(text, name, role)
        return View(name, text, role, Deployment(self.arithmetic(text)))

    def planned(self, text: str, name: str, role: str) -> View:
        """The view that ``text`` stands for, an environment not yet revealed: its arithmetic is that of its format until then.

        Whatever can be told to be unusable without running a library raises InputError, as ``view`` does.
        """
        if not is_environment(text):
            return self.view(text, name, role)
        kernel = self._kernel(parse_environment(text))
        require_usable(kernel)
        environment = kernel.environment
        self._rows.setdefault(_placeless(environment), set()).add(environment.row)
        return View(name, text, role, Deployment(Arithmetic(self.format)), str(environment), row=environment.row)

    def _kernel(self, environment: Environment) -> Kernel:
        """The kernel of the layer in an environment."""
        return Kernel(replace(environment, outputs=self.shape.outputs), self.format, self.shape.terms, self.shape.outputs)

    def revealed(self, environment: Environment, name: str, role: str, label: str = "") -> View:
        """The view of an environment, revealed for the layer's shape."""
        if self.progress:
            self.progress(f"revealing {environment}")
        kernel = self._kernel(environment)
        rows = self._rows.get(_placeless(kernel.environment), set()) | {environment.row}
        read = tuple((row, output) for row in sorted(rows) for output in self.read)
        found = self._revealer.reveal(kernel, vectors=self.vectors, seed=self.seed, read=read)
        if self.progress:
            self.progress(f"{environment} is revealed; searching")
        self.reveals[label or str(environment)] = found
        deployment, placed = found.deployment(environment.row), str(kernel.environment)
        return View(name, label or str(environment), role, deployment, placed, row=environment.row)

    def arithmetic(self, text: str) -> Arithmetic:
        """Read ``real``, or an order and how its sums are taken: ORDER[,fused][,flush][,accumulator=FORMAT][,rounding=MODE]...

        ``rounded=LEAF+LEAF...``, with ``fused``: products that are rounded all the same; where the later one of a pair is, the
        other one is fused onto it.  ``flush=unbounded``: tiny results are told with unbounded exponent, as on x86.
        ``operands=FORMAT`` and ``operand_rounding=MODE``: what weights and inputs are rounded into, and how.  ``align=BITS``,
        with ``fused``: the sums are aligned, as tensor cores do it (see ``fpsynth.alignment.Alignment``), with so many fraction
        bits; ``align_rounding=MODE``, ``align_cut=MODE`` and ``align_least=EXPONENT`` are its other fields.

        Raises InputError that says what is wrong.
        """
        if text == "real":
            return REAL
        match = _WITH_MODIFIERS.fullmatch(text)
        assert match is not None
        require_order(match["order"])
        order = parse_order(match["order"])
        how = Arithmetic(self.format, order=order, bias_leaf=order.bias > 0)
        modifiers = [modifier.partition("=")[::2] for modifier in filter(None, match["modifiers"].split(","))]
        for name, value in modifiers:
            how = how if name.startswith("align") else _modified(how, name, value)
        how = _aligned(how, {name: value for name, value in modifiers if name.startswith("align")})
        if how.operands is None and how.operand_rounding is not Rounding.RNE:
            raise InputError("operand_rounding says how operands are rounded: it needs operands=FORMAT, such as operands=tf32")
        how.order.tree(self.shape.terms)
        if how.rounded and not how.fused:
            raise InputError("rounded says which products are not fused: it needs fused, as in sequential,fused,rounded=1")
        if any(leaf >= self.shape.terms for leaf in how.rounded):
            raise InputError(f"rounded={how.rounded[-1]}: the sum has no such product; they are 0 to {self.shape.terms - 1}")
        return how

    def _from_file(self, path: str, name: str, role: str) -> View:
        """A reveal file, or an arithmetic or an order as JSON."""
        text = read_limited(path, MAX_FILE)
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            raise InputError(f"{shown(path)} is not JSON") from None
        try:
            if isinstance(data, dict) and "reveals" in data:
                return self._chosen(reveals_from_json(data), path, name, role)
            how = self._read(data)
            program_of(how, self.shape.terms)
        except InputError as error:
            raise InputError(f"{shown(path)}: {error}") from None
        return View(name, path, role, Deployment(how))

    def _read(self, data: object) -> Arithmetic:
        if isinstance(data, dict) and "format" in data:
            return arithmetic_from_json(data)
        order = order_from_json(data) if isinstance(data, dict) else parse_order(json.dumps(data))
        return Arithmetic(self.format, order=order, bias_leaf=order.bias > 0)

    def _chosen(self, reveals: Sequence[Reveal], path: str, name: str, role: str) -> View:
        """The one reveal of a file that is of the layer's shape."""
        shape = self.shape
        fitting = [
            found
            for found in reveals
            if (found.kernel.terms, found.kernel.outputs, found.kernel.dtype) == (shape.terms, shape.outputs, self.format)
        ]
        if len(fitting) != 1:
            has = "no reveal" if not fitting else f"{len(fitting)} reveals"
            raise InputError(f"has {has} of {shape.terms} terms, {shape.outputs} outputs, {self.format}; one is needed")
        (found,) = fitting
        self.reveals[path] = found
        row = found.kernel.environment.row
        return View(name, path, role, found.deployment(row), str(found.kernel.environment), row=row)

    def close(self) -> None:
        """End the processes that the libraries run in."""
        self._revealer.close()

    def __enter__(self) -> Sides:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _placeless(environment: Environment) -> Environment:
    """The environment without what only says which of its results somebody looks at."""
    return replace(environment, row=0, output=None)


def _modified(how: Arithmetic, name: str, value: str) -> Arithmetic:
    match name:
        case "fused":
            return replace(how, fused=True)
        case "flush":
            return replace(how, flush=_flush(value))
        case "rounded":
            return replace(how, rounded=_leaves(value))
        case "bias":
            return replace(how, bias_first=True)
        case "rounding":
            return replace(how, rounding=rounding_named(value))
        case "operand_rounding":
            return replace(how, operand_rounding=rounding_named(value))
        case "format":
            return replace(how, format=format_named(value))
        case "accumulator":
            return replace(how, accumulator=format_named(value))
    return replace(how, operands=format_named(value))


def _flush(text: str) -> Flush:
    """What ``flush`` or ``flush=unbounded`` says."""
    kinds = {kind.name.lower(): kind for kind in Flush if kind}
    if text and text not in kinds:
        raise InputError(f"flush={text[:40]} says how tiny results are told: choose flush (after rounding) or flush=unbounded")
    return kinds[text] if text else Flush.ROUNDED


def _leaves(text: str) -> tuple[int, ...]:
    """Leaves with plus signs between them, in ascending order."""
    if not re.fullmatch(r"[0-9]{1,6}(\+[0-9]{1,6})*", text):
        raise InputError(f"rounded={text[:40]} must name products by number, as in rounded=1 or rounded=1+3")
    return tuple(sorted({int(leaf) for leaf in text.split("+")}))


def _aligned(how: Arithmetic, chosen: Mapping[str, str]) -> Arithmetic:
    """The arithmetic with the alignment that the modifiers whose names begin with align describe."""
    if not chosen:
        return how
    if "align" not in chosen:
        raise InputError(f"{min(chosen)} says how sums are aligned: it needs align=BITS, such as align=25")
    if not how.fused:
        raise InputError("only products that are not rounded are aligned: align needs fused")
    modes = {name: rounding_named(chosen[f"align_{name}"]) for name in ("rounding", "cut") if f"align_{name}" in chosen}
    least = _whole("align_least", chosen["align_least"]) if "align_least" in chosen else None
    return replace(how, alignment=Alignment(_whole("align", chosen["align"]), **modes, least_exponent=least))


def _whole(name: str, text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,4}", text):
        raise InputError(f"{name}={text[:40]} must be a whole number, as in align=25")
    return int(text)
