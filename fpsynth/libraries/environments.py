"""What is installed here and what it can run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fpsynth.formats import FORMATS
from fpsynth.libraries.calls import full_text
from fpsynth.libraries.machine import gpu, machine
from fpsynth.libraries.pool import LOST, LibraryPool
from fpsynth.libraries.registry import NAMES, library_named
from fpsynth.packages import package_version


@dataclass(frozen=True)
class OfferedOperation:
    """What can be asked of a library by name."""

    call: str
    """With the operands as they are stored."""
    layouts: tuple[str, ...]
    """Those that it takes, its own first; none where there is no choice."""
    strided: bool
    """Whether s and e may stand after their letters (see ``libraries.calls``)."""


@dataclass(frozen=True)
class InstalledLibrary:
    """One library on one device, as found by importing it and trying."""

    library: str
    version: str
    """Empty if it is not installed."""
    device: str
    absent: str = ""
    """Why it cannot be used; empty if it can."""
    variants: dict[str, dict[str, str]] = field(default_factory=dict)
    """Variant, then dtype, to what is in the way; an empty string means that it runs."""
    operations: dict[str, OfferedOperation] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    """CPU, builds, kernels, threads, settings."""
    seconds: float = 0.0
    """How long importing and warming up took, all libraries at once."""

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Formats that at least one variant runs without reservation."""
        return tuple(name for name in FORMATS if any(obstacles[name] == "" for obstacles in self.variants.values()))


@dataclass(frozen=True)
class Installation:
    """What this machine is, what is installed on it, and what that can run."""

    machine: dict[str, str]
    libraries: tuple[InstalledLibrary, ...]
    packages: dict[str, str | None]
    """Solvers and whatever else fpsynth can use: version, or None where it is not installed."""

    @property
    def lost(self) -> bool:
        """Whether the process of a library was killed, crashed or took too long, so that what it can run is not known."""
        return any(library.absent.startswith(LOST) for library in self.libraries)


PACKAGES = ("python-flint", "sympy", "onnx", "ml_dtypes")
"""Optional packages, beside libraries and solvers, that fpsynth makes use of."""


def installation(names: Sequence[str], device: str, solvers: Sequence[str], *, timeout: float | None = None) -> Installation:
    """Describe the machine, the libraries (see ``environments``), the packages of ``solvers`` and whatever else is optional."""
    versions = {name: package_version(name) for name in (*solvers, *PACKAGES)}
    found = tuple(environments(names, device, timeout=timeout))
    return Installation({**machine(), **(gpu() if device == "cuda" else {})}, found, versions)


def environments(names: Sequence[str] = NAMES, device: str = "cpu", *, timeout: float | None = None) -> list[InstalledLibrary]:
    """Import each library in a process of its own and have it try every variant on every format.

    ``timeout``: seconds that a library may take; None: as many as compilers need on the device.  Takes as long as the slowest
    import and a few seconds more.  Raises InputError for an unknown name or device.
    """
    seconds = timeout or (400.0 if device == "cuda" else 120.0)
    with LibraryPool(names, device, timeout=seconds) as pool:
        abilities = pool.abilities()
        return [
            InstalledLibrary(
                library=member.name,
                version=member.version or "",
                device=device,
                absent=member.reason,
                variants=abilities[member.name],
                operations=operations_of(member.name),
                facts=member.environment,
                seconds=member.seconds,
            )
            for member in pool.members.values()
        ]


def operations_of(name: str) -> dict[str, OfferedOperation]:
    """The operations of a library: the call of each, with its operands, and its layouts."""
    found = {}
    for operation, called in library_named(name).calls.items():
        alone = 1 if operation == "vdot" else None
        found[operation] = OfferedOperation(full_text(called, batch=alone, outputs=alone), called.layouts, called.strided)
    return found
