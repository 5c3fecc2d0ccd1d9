"""Every verifier there is: fpsynth's own, those that can be installed, and those of checkouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fpsynth.verifiers.base import VERIFIERS
from fpsynth.verifiers.claims import Ball
from fpsynth.verifiers.external.checkouts import CHECKOUTS
from fpsynth.verifiers.external.installing import installed
from fpsynth.verifiers.external.tools import TOOLS
from fpsynth.version import __version__

OWN, PACKAGE, CHECKOUT = "own", "package", "checkout"
MISSING = "not installed"
_KINDS = {
    OWN: "fpsynth's own",
    PACKAGE: "real ones, each in an environment of its own (fpsynth verifiers install NAME)",
    CHECKOUT: "real ones that need a checkout (option checkout)",
}


@dataclass(frozen=True)
class Listed:
    """A verifier in the list."""

    name: str
    kind: str
    """OWN, PACKAGE or CHECKOUT."""
    installed: bool
    version: str
    """That is installed, or MISSING, or empty where that is not known."""
    reads: tuple[str, ...]
    """Which networks and formats."""
    regions: tuple[str, ...]
    """boxes, balls."""
    about: str


def listed() -> tuple[Listed, ...]:
    """All of them, in this order: own ones, packages, checkouts."""
    return (*_own(), *map(_package, TOOLS), *(_checkout(name, file) for name, (file, _) in CHECKOUTS.items()))


def _own() -> list[Listed]:
    return [
        Listed(
            name,
            OWN,
            True,
            __version__,
            (entry.networks,),
            tuple("balls" if region is Ball else "boxes" for region in entry.regions),
            "",
        )
        for name, entry in VERIFIERS.items()
    ]


def _package(name: str) -> Listed:
    package, found = TOOLS[name], installed(name)
    version = found.version if found else MISSING
    return Listed(name, PACKAGE, found is not None, version, package.reads, ("boxes",), package.about)


def _checkout(name: str, file: str) -> Listed:
    return Listed(name, CHECKOUT, False, "", ("ONNX", "VNN-LIB 1.0"), ("boxes",), f"a checkout that has {file}")


def told(verifiers: Sequence[Listed]) -> str:
    """The list as text."""
    name = max(len(one.name) for one in verifiers)
    version = max(len(one.version) for one in verifiers)
    lines: list[str] = []
    for kind, title in _KINDS.items():
        lines += ["", f"{title}:"] if lines else [f"{title}:"]
        for one in verifiers:
            if one.kind == kind:
                about = f"; {one.about}" if one.about else ""
                reads = f"{', '.join(one.reads)}; {', '.join(one.regions)}{about}"
                lines.append(f"  {one.name:{name}}  {one.version:{version}}  {reads}")
    return "\n".join(lines)
