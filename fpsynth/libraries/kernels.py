"""Kernels: one operation of one library on operands of one shape, under settings that choose how it is computed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from fpsynth.formats import Format

if TYPE_CHECKING:
    from fpsynth.libraries.layer_shapes import LayerShape

MAX_TERMS = 65_536
"""The most terms that a kernel's sums may have."""

MAX_RESULTS = 10_000_000
"""The most numbers that one call of a real layer may return: its outputs times the rows of the batch."""

Pairs: TypeAlias = tuple[tuple[str, str], ...]


class Process(NamedTuple):
    """What two environments must share to be run in one process."""

    library: str
    device: str = "cpu"
    threads: int | None = None
    switches: Pairs = ()
    settings: Pairs = ()


@dataclass(frozen=True)
class Environment:
    """Where a layer is computed: a library, an operation of it, the place in its output, and the settings of its process.

    ``str`` gives the text that ``parse_environment`` reads, such as ``torch:linear:batch=4,MKL_CBWR=COMPATIBLE``; of a
    whole network that which ``parse_network_environment`` reads, such as ``torch:batch=4``, and with a format of its own
    that which ``parse_formatted_environment`` does, such as ``torch:batch=4,dtype=bfloat16``.
    """

    library: str
    operation: str
    """A variant of the library that runs networks, or sum, vdot or conv2d."""
    batch: int = 1
    """Rows of the input."""
    outputs: int | None = None
    """Neurons of the layer; None: as many as the question needs."""
    row: int = 0
    """The row of the batch that is looked at."""
    output: int | None = None
    """The neuron that is looked at; None: whichever the question reads."""
    threads: int | None = None
    """Threads that the library may use; None: as many as it takes by itself."""
    settings: Pairs = ()
    """Variables of the process's environment, by name; they are set before the library is imported."""
    device: str = "cpu"
    switches: Pairs = ()
    """Switches of the library, by name (see ``Library.switches``), that are set when it has been imported."""
    layout: str = ""
    """How the operands lie in memory (see ``libraries.calls``); empty: as the operation has them by itself."""
    whole: bool = False
    """Whether whole networks are run there, and the text names no operation: it is the library's first variant."""
    dtype: str = ""
    """The format that a whole network and its inputs are rounded into there; empty: that of the question."""

    def __str__(self) -> str:
        parts = [f"batch={self.batch}"]
        for name in ("outputs", "output", "threads"):
            number = getattr(self, name)
            if number is not None:
                parts.append(f"{name}={number}")
        if self.row:
            parts.append(f"row={self.row}")
        if self.layout:
            parts.append(f"layout={self.layout}")
        if self.device != "cpu":
            parts.append(f"device={self.device}")
        if self.dtype:
            parts.append(f"dtype={self.dtype}")
        parts += [f"{name}={value}" for name, value in (*self.switches, *self.settings)]
        names = [self.library] if self.whole else [self.library, self.operation]
        return ":".join([*names, ",".join(parts)])

    @property
    def process(self) -> Process:
        """What two environments must share to be run in one process: library, device, threads, switches, settings."""
        return Process(self.library, self.device, self.threads, self.switches, self.settings)


@dataclass(frozen=True)
class Kernel:
    """An environment's operation on operands of one shape and format."""

    environment: Environment
    dtype: Format
    terms: int
    """Products in each sum: 1 <= terms <= MAX_TERMS."""
    outputs: int = 1
    """Sums per row: neurons of the layer, 1 for sum and vdot, channels of a convolution.

    Of a ``layer`` with weights the classes of its first group, of one without them its groups: what there is at one position.
    """
    bias: bool = False
    layer: LayerShape | None = None
    """The layer that the operation computes; None: a dense layer, or the operation's own sum."""
    position: int = 0
    """Of such a layer the place among its ``Sums.positions`` that is looked at."""

    @property
    def weighted(self) -> bool:
        """Whether its summands are products with weights."""
        return self.layer.sums.weight is not None if self.layer is not None else self.environment.operation != "sum"
