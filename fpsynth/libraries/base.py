"""What a library is to fpsynth: one protocol, one file per library, and the conversions that all of them share."""

from __future__ import annotations

import importlib.metadata
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from fpsynth.errors import InputError
from fpsynth.formats import FORMATS, Format
from fpsynth.networks.network import Dense, Network

if TYPE_CHECKING:
    import numpy as np

P = ParamSpec("P")
T = TypeVar("T")

Rows = Sequence[Sequence[float]]
"""A batch: one row per point, one number per input or output."""


class CannotRun(RuntimeError):
    """A library cannot do what is asked of it here; the message is the reason, one line."""


@dataclass(frozen=True)
class Outputs:
    """What a library returned for a batch."""

    logits: tuple[tuple[float, ...], ...]
    """One row per row of the batch, exactly as computed (every format of fpsynth is a subset of float64)."""
    classes: tuple[int, ...]
    """The library's own argmax of each row."""


Runner = Callable[[Rows], Outputs]
"""A network made ready to run: takes a batch."""


class Library(ABC):
    """A library that runs networks.  Nothing is imported before ``load``."""

    name: str
    packages: tuple[str, ...]
    """Distributions that bring it, any of which will do."""
    variants: tuple[str, ...]
    """The ways in which it can run a network, each perhaps with an arithmetic of its own."""
    primitives: tuple[str, ...] = ()
    """Operations beside the variants: sum, vdot (the dot product of two vectors), conv2d."""
    devices: tuple[str, ...] = ("cpu",)
    """Devices that it may be able to use."""
    dtypes: tuple[str, ...] = ("float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2")
    """Formats for which it has a dtype.  Whether a variant can really run one is found out by trying."""

    @property
    def operations(self) -> tuple[str, ...]:
        """Everything whose arithmetic can be asked for: the variants (one layer of a network) and the primitives."""
        return (*self.variants, *self.primitives)

    def version(self) -> str | None:
        """The installed version, without importing the library; None if it is absent."""
        for package in self.packages:
            try:
                return importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                continue
        return None

    @abstractmethod
    def load(self, device: str) -> None:
        """Import the library and whatever else it needs.  Raises ImportError, or CannotRun where ``device`` is missing."""

    @abstractmethod
    def describe(self, device: str) -> dict[str, str]:
        """What may decide the arithmetic here, beside the machine: builds, kernels, threads, settings.  Only after ``load``."""

    @abstractmethod
    def prepare(self, network: Network[float], dtype: Format, variant: str, device: str) -> Runner:
        """Return ``network`` ready to run.  Raises CannotRun; the runner may raise anything the library raises."""

    def run(self, network: Network[float], rows: Rows, dtype: Format, variant: str, device: str = "cpu") -> Outputs:
        """Run ``network`` on one batch in the library's own ``dtype``.

        Raises CannotRun, with the library's own words in one line, where it has no such dtype, variant or device.
        """
        return attempt(self.runner(network, dtype, variant, device), rows)

    def runner(self, network: Network[float], dtype: Format, variant: str, device: str = "cpu") -> Runner:
        """``prepare`` with its arguments checked and every failure turned into CannotRun."""
        if variant not in self.variants:
            raise CannotRun(f"{self.name} has no variant {variant}; choose from {', '.join(self.variants)}")
        if device not in self.devices:
            raise CannotRun(f"{self.name} does not run on {device}")
        if dtype.name not in self.dtypes:
            raise CannotRun(f"{self.name} has no dtype {dtype.name}")
        return attempt(self.prepare, network, dtype, variant, device)

    def abilities(self, device: str = "cpu") -> dict[str, dict[str, str]]:
        """Try every variant on every format: variant, then dtype, to what is in the way (empty if nothing is)."""
        return {
            variant: {name: self._obstacle(fmt, variant, device) for name, fmt in FORMATS.items()} for variant in self.variants
        }

    def _obstacle(self, dtype: Format, variant: str, device: str) -> str:
        plain = Dense(((1.0, 2.0), (2.0, 1.0)))
        biased = Dense(plain.weight, (1.0, 2.0))
        try:
            self.run(Network((biased, biased)), [(1.0, 2.0)], dtype, variant, device)
        except CannotRun as reason:
            try:
                self.run(Network((plain,)), [(1.0, 2.0)], dtype, variant, device)
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


def numpy_dtype(dtype: Format) -> np.dtype[Any]:
    """The numpy dtype of a format.  Raises CannotRun where numpy has none, or ml_dtypes, which brings it, is not installed."""
    import numpy as np

    if dtype.name in ("float16", "float32", "float64"):
        return np.dtype(dtype.name)
    try:
        import ml_dtypes
    except ImportError:
        raise CannotRun(f"numpy has no dtype {dtype.name} without the package ml_dtypes") from None
    if not hasattr(ml_dtypes, dtype.name):
        raise CannotRun(f"numpy has no dtype {dtype.name}")
    found: np.dtype[Any] = np.dtype(getattr(ml_dtypes, dtype.name))
    return found


def exact_array(values: object, dtype: Format) -> np.ndarray[Any, Any]:
    """Nested numbers as an array of ``dtype``.  Raises CannotRun where one of them is not of that format."""
    import numpy as np

    wide = np.asarray(values, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # what does not fit is refused below
        array = wide.astype(numpy_dtype(dtype))
    if not np.array_equal(array.astype(np.float64), wide, equal_nan=True):
        raise CannotRun(f"the network or the points hold numbers that are not {dtype.name}")
    return array


def outputs_of(logits: np.ndarray[Any, Any], classes: Sequence[int], dtype: Format) -> Outputs:
    """Outputs from an array of logits.  Raises CannotRun where the library answered in another dtype than the one asked for."""
    import numpy as np

    if logits.dtype != numpy_dtype(dtype):
        raise CannotRun(f"the result for {dtype.name} comes back in {logits.dtype.name}")
    rows = logits.astype(np.float64).tolist()
    return Outputs(tuple(tuple(row) for row in rows), tuple(int(c) for c in classes))
