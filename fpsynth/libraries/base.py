"""What a library is to fpsynth: one protocol, one file per library."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

from fpsynth.aliases import Array
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32, FORMATS, Format
from fpsynth.libraries.calls import Called, letters
from fpsynth.libraries.operands import CannotRun as CannotRun
from fpsynth.libraries.operands import dtype_name, exact_array, narrowed, numpy_dtype, widened
from fpsynth.packages import package_version

if TYPE_CHECKING:
    from fpsynth.libraries.graphs import Numbers
    from fpsynth.libraries.kernels import Kernel
    from fpsynth.networks.network import Network
    from fpsynth.networks.rewrites import Rewritten

P = ParamSpec("P")
T = TypeVar("T")

Rows = Sequence[Sequence[float]]
"""A batch: one row per point, one number per input or output."""


@dataclass(frozen=True)
class Outputs:
    """What a library returned for a batch."""

    logits: tuple[tuple[float, ...], ...]
    """One row per row of the batch, exactly as computed (every format of fpsynth is a subset of float64)."""
    classes: tuple[int, ...]
    """The library's own argmax of each row."""


Runner = Callable[[Rows], Outputs]
"""A network made ready to run: takes a batch."""

Model = Callable[[Any], Any]
"""A network whose numbers are in the library's memory: flat points (batch, inputs) to the library's own tensor of logits."""

Operation: TypeAlias = "Callable[[Array, Array, Array | None], Array]"
"""Rows (batch, terms), weights (outputs, terms) and a bias (outputs,) or None, to sums (batch, outputs), all of one dtype."""


class Library(ABC):
    """A library that runs networks.  Nothing is imported before ``load``."""

    name: str
    packages: tuple[str, ...]
    """Distributions that bring it, any of which will do."""
    variants: tuple[str, ...]
    """The ways in which it can run a network, each perhaps with an arithmetic of its own."""
    primitives: tuple[str, ...] = ()
    """Operations beside the variants: sum, vdot (the dot product of two vectors), conv2d."""
    calls: Mapping[str, Called] = MappingProxyType({})
    """The call of each operation, and the layouts that it takes."""
    other_names: Mapping[str, str] = MappingProxyType({})
    """Further names of operations that users know."""
    devices: tuple[str, ...] = ("cpu",)
    """Devices that it may be able to use."""
    dtypes: tuple[str, ...] = ("float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2")
    """Formats for which it has a dtype.  Whether a variant can really run one is found out by trying."""

    takes_patterns: bool = False
    """Whether operations take arrays of bit patterns of the formats that numpy has no dtype for (see ``numpy_dtype``)."""

    rows_per_weights: int = 1
    """How many rows had better meet the same weights: more than one where other weights cost much more than other rows."""

    switches: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    """Settings of its own that decide which kernels run: name to the values that it takes, its default first."""

    switch_devices: Mapping[str, str] = MappingProxyType({})
    """Switches that work on one device only: name to that device."""

    chosen: Mapping[str, str] = MappingProxyType({})
    """The switches that ``start`` has set."""

    def start(self, device: str, threads: int | None, switches: Mapping[str, str]) -> None:
        """``load``, then set the switches.  Raises what ``load`` does, and CannotRun for what it has not."""
        if device not in self.devices:
            raise CannotRun(f"{self.name} does not run on {device}, only on {', '.join(self.devices)}")
        for name, value in switches.items():
            if value not in self.switches.get(name, ()):
                raise CannotRun(f"{self.name} has no switch {name}={value}")
            if self.switch_devices.get(name, device) != device:
                raise CannotRun(f"{self.name} has the switch {name} on {self.switch_devices[name]} only")
        self.chosen = dict(switches)
        os.environ.update(self.variables(switches))
        self.load(device, threads)
        for name, value in switches.items():
            self.switch(name, value, device)

    def variables(self, switches: Mapping[str, str]) -> Mapping[str, str]:
        """Variables of the process's environment that switches need before the library is imported."""
        return {}

    def switch(self, name: str, value: str, device: str) -> None:
        """Set one of ``switches``.  Raises CannotRun where that cannot be done here."""
        raise CannotRun(f"{self.name} has no switch {name}={value}")

    def objection(self, operation: str, device: str, switches: Mapping[str, str]) -> str:
        """Why an operation cannot be computed on a device with these switches, one line; empty where nothing is known."""
        if device not in self.devices:
            return f"{self.name} does not run on {device}, only on {', '.join(self.devices)}"
        for name in switches:
            if self.switch_devices.get(name, device) != device:
                return f"{self.name} has the switch {name} on {self.switch_devices[name]} only"
        return ""

    def layout_objection(self, operation: str, layout: str) -> str:
        """Why the operands of an operation cannot lie so, one line; empty where they can (and where ``layout`` is empty)."""
        called = self.calls[operation]
        if not layout or called.takes(layout):
            return ""
        if not called.layouts:
            return f"{self.name}'s {operation} takes no layout"
        return f"{self.name}'s {operation} has no layout {layout[:20]!r}; choose from {called.choices()}"

    def layout_of(self, operation: str, layout: str) -> tuple[str, str]:
        """The codes of the rows and of the weights, for ``operands.stored``.  ``layout``: empty for the operation's own."""
        return letters(layout or self.calls[operation].own)

    @property
    def operations(self) -> tuple[str, ...]:
        """Everything whose arithmetic can be asked for: the variants (one layer of a network) and the primitives."""
        return (*self.variants, *self.primitives)

    def version(self) -> str | None:
        """The installed version, without importing the library; None if it is absent."""
        return next(filter(None, map(package_version, self.packages)), None)

    @abstractmethod
    def load(self, device: str, threads: int | None = None) -> None:
        """Import the library and whatever else it needs, and have it use ``threads`` threads (None: as many as it takes).

        Raises ImportError, or CannotRun where ``device`` is missing or the number of threads cannot be chosen.
        """

    @abstractmethod
    def describe(self, device: str) -> dict[str, str]:
        """What may decide the arithmetic here, beside the machine: builds, kernels, threads, settings.  Only after ``load``."""

    @abstractmethod
    def model(
        self,
        network: Network,
        numbers: Numbers,
        dtype: Format,
        variant: str,
        device: str,
        offset: int | None = None,
        layout: str = "",
    ) -> Model:
        """Return a network made ready: its operands are copied into the library's memory, so that their addresses do not vary.

        ``network`` says which layers there are, without an argmax or softmax at its end; its own numbers play no part, but
        ``numbers``, arrays (or what ``operand`` makes) of ``dtype``.  ``offset``: put operands at addresses that are this
        modulo 64 instead.  ``layout``: of the points and of the weights of all dense layers (see ``libraries.calls``); what
        hidden layers read lies as the library returns it.  Raises CannotRun for layers that the variant has not, with the
        node's name, and where the addresses cannot be chosen.
        """

    @abstractmethod
    def primitive(self, kernel: Kernel, offset: int | None = None) -> Operation:
        """Return one of ``primitives``; ``offset`` as for ``model``."""

    @abstractmethod
    def numbers(self, tensor: Any) -> Array:
        """The library's tensor as an array."""

    @abstractmethod
    def outputs(self, tensor: Any, dtype: Format) -> Outputs:
        """The logits in a tensor and the library's own argmax of each row."""

    def operand(self, values: object, dtype: Format) -> Any:
        """Nested numbers as something that ``model`` takes.  Raises CannotRun where one of them is not of that format."""
        return exact_array(values, dtype)

    def prepare(self, network: Network, dtype: Format, variant: str, device: str, layout: str = "") -> Runner:
        """Return ``network`` ready to run.  Raises CannotRun; the runner may raise anything the library raises."""

        from fpsynth.libraries.graphs import operands_of

        logits = network.logits
        numbers = operands_of(logits, lambda array: self.operand(array, dtype))
        model = self.model(logits, numbers, dtype, variant, device, layout=layout)
        return lambda rows: self.outputs(model(self.operand(rows, dtype)), dtype)

    def operation(self, kernel: Kernel, offset: int | None = None) -> Operation:
        """Return what computes a kernel's sums, with the very calls and layouts in memory that ``run`` uses for one layer.

        Of a real layer it computes the whole, and returns the sums at the kernel's position (see ``layer_kernels``).  Kernels
        that are not ``weighted`` ignore the weights.  ``offset``: bytes, modulo 64, at which the operands begin in memory;
        None: where the library puts them, which is the same in every call.  Raises CannotRun, after one call with ones.
        """
        import numpy as np

        where, dtype = kernel.environment, kernel.dtype
        known = self.operations if kernel.layer is None else self.variants
        self._refuse(where.operation, known, dtype, where.device, where.layout)
        if offset is not None and not (0 <= offset < 64 and offset % (dtype.bits // 8) == 0):
            raise CannotRun(f"an offset of {offset} bytes is not a multiple of a {dtype.name}'s size below 64")
        if where.operation in ("sum", "vdot") and (kernel.bias or kernel.outputs > 1):
            raise CannotRun(f"{where.operation} has one output and no bias")
        if where.operation == "vdot" and where.batch > 1:
            raise CannotRun("vdot takes one pair of vectors")
        make = self._layer if where.operation in self.variants else self.primitive
        compute, expected = attempt(make, kernel, offset), numpy_dtype(dtype, self.takes_patterns)
        shape = (where.batch, kernel.outputs)
        rows, weights, bias = (
            narrowed(np.ones(size), dtype, self.takes_patterns)
            for size in ((where.batch, kernel.terms), (kernel.outputs, kernel.terms), kernel.outputs)
        )
        result = attempt(compute, rows, weights, bias if kernel.bias else None)
        if result.dtype != expected:
            raise CannotRun(f"the result for {dtype.name} comes back in {dtype_name(result)}")
        if result.shape != shape:
            raise CannotRun(f"the result has the shape {result.shape}, not {shape}")
        return compute

    def _layer(self, kernel: Kernel, offset: int | None) -> Operation:
        """A layer of a network; its numbers are converted anew only when they have changed."""
        from fpsynth.libraries.layer_kernels import (
            layer_kernel,  # which needs kernels, and they the registry, and that this file
        )

        where, placing = kernel.environment, layer_kernel(kernel)
        held: tuple[bytes | None, bytes | None] | None = None
        model: Model | None = None

        def compute(rows: Array, weights: Array, bias: Array | None) -> Array:
            nonlocal held, model
            new = weights.tobytes() if kernel.weighted else None, None if bias is None else bias.tobytes()
            if new != held or model is None:
                numbers = placing.numbers(weights, bias)
                if model is None or not self.replace(model, numbers):
                    model = self.model(
                        placing.network, numbers, kernel.dtype, where.operation, where.device, offset, where.layout
                    )
                held = new
            return placing.sums(self.numbers(model(placing.inputs(rows))))

        return compute

    def launched(self, kernel: Kernel) -> tuple[str, ...]:
        """The GPU's own kernels that one call of the operation launches, by name; none where they are not known."""
        return ()

    def replace(self, model: Model, numbers: Numbers) -> bool:
        """Put other numbers of the same shapes into a model.  False, and nothing is done, where it takes a new one."""

        from fpsynth.libraries.graphs import HeldModel

        if not isinstance(model, HeldModel):
            return False
        model.put(numbers)
        return True

    def rewritten(self, network: Network, dtype: Format, variant: str) -> Rewritten:
        """The network that the library computes instead of one without an argmax at its end: itself, unless it says otherwise.

        Only after ``load``.
        """
        from fpsynth.networks.rewrites import Rewritten

        return Rewritten(network)

    def run(self, network: Network, rows: Rows, dtype: Format, variant: str, device: str = "cpu", layout: str = "") -> Outputs:
        """Run ``network`` on one batch in the library's own ``dtype``.

        Raises CannotRun, with the library's own words in one line, where it has no such dtype, variant, device or layout.
        """
        return attempt(self.runner(network, dtype, variant, device, layout), rows)

    def runner(self, network: Network, dtype: Format, variant: str, device: str = "cpu", layout: str = "") -> Runner:
        """``prepare`` with its arguments checked and every failure turned into CannotRun.

        A primitive runs networks of one layer (sum: one whose weights are all 1) and has numpy's argmax.
        """
        if variant in self.primitives:
            return self._single_layer(network, dtype, variant, device, layout)
        self._refuse(variant, self.variants, dtype, device, layout)
        return attempt(self.prepare, network, dtype, variant, device, layout)

    def _single_layer(self, network: Network, dtype: Format, primitive: str, device: str, layout: str) -> Runner:
        import numpy as np

        from fpsynth.libraries.kernels import Environment, Kernel  # which needs the registry, and that this file

        layer = network.dense_layers[0]
        if len(network.dense_layers) > 1:
            raise CannotRun(f"{primitive} computes one layer, and the network has {len(network.dense_layers)}")
        if primitive == "sum" and (layer.weight != 1).any():
            raise CannotRun("sum has no weights: it runs a network whose weights are all 1")
        self._refuse(primitive, self.primitives, dtype, device, layout)
        weight = attempt(exact_array, layer.weight, dtype, self.takes_patterns)
        bias = None if layer.bias is None else attempt(exact_array, layer.bias, dtype, self.takes_patterns)

        def run(rows: Rows) -> Outputs:
            where = Environment(self.name, primitive, batch=len(rows), device=device, layout=layout)
            operation = self.operation(Kernel(where, dtype, layer.inputs, layer.outputs, layer.bias is not None))
            logits = operation(exact_array(rows, dtype, self.takes_patterns), weight, bias)
            return outputs_of(logits, np.argmax(widened(logits), axis=1).tolist(), dtype)

        return run

    def _refuse(self, wanted: str, known: Sequence[str], dtype: Format, device: str, layout: str) -> None:
        if wanted not in known:
            raise CannotRun(f"{self.name} has no variant {wanted}; choose from {', '.join(known)}")
        objection = self.objection(wanted, device, self.chosen) or self.layout_objection(wanted, layout)
        if objection:
            raise CannotRun(objection)
        if dtype.name not in self.dtypes:
            raise CannotRun(f"{self.name} has no dtype {dtype.name}")

    def abilities(self, device: str = "cpu") -> dict[str, dict[str, str]]:
        """Try every variant on every format: variant, then dtype, to what is in the way (empty if nothing is)."""
        return {
            variant: {name: self._obstacle(fmt, variant, device) for name, fmt in FORMATS.items()} for variant in self.variants
        }

    def try_out(self, variant: str, device: str) -> None:
        """Run one small network, so that no measured run is the one that starts the library.  Raises what it raises."""
        from fpsynth.networks.network import Dense, dense_relu

        self.prepare(dense_relu([Dense(((1.0,), (2.0,)))]), FLOAT32, variant, device)([(1.0,)])

    def _obstacle(self, dtype: Format, variant: str, device: str) -> str:
        from fpsynth.networks.network import Dense, dense_relu

        plain = Dense(((1.0, 2.0), (2.0, 1.0)))
        biased = Dense(plain.weight, (1.0, 2.0))
        try:
            self.run(dense_relu((biased, biased)), [(1.0, 2.0)], dtype, variant, device)
        except CannotRun as reason:
            try:
                self.run(dense_relu((plain,)), [(1.0, 2.0)], dtype, variant, device)
            except CannotRun as simpler:
                return str(simpler)
            return f"only without hidden layers and biases ({reason})"
        return ""


def attempt(action: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call ``action``; whatever it raises becomes CannotRun with the first line of the message."""
    try:
        return action(*args, **kwargs)
    except (CannotRun, InputError) as error:
        raise CannotRun(str(error)) from None
    except Exception as error:  # every library has its own way to refuse, and each means: not run
        raise CannotRun(one_line(error)) from error


def one_line(error: BaseException, limit: int = 200) -> str:
    """An error as one line: its text (its type where it has none), cut at ``limit`` characters."""
    text = " ".join(str(getattr(error, "message", "") or error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 3] + "..."


def outputs_of(logits: Array, classes: Sequence[int], dtype: Format) -> Outputs:
    """Outputs from an array of logits.  Raises CannotRun where the library answered in another dtype than the one asked for."""
    if dtype_name(logits) != dtype.name:
        raise CannotRun(f"the result for {dtype.name} comes back in {dtype_name(logits)}")
    return Outputs(tuple(tuple(row) for row in widened(logits).tolist()), tuple(int(c) for c in classes))
