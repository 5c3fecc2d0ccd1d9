"""Devices: one that is not there is refused before anything is imported, searched for or revealed."""

from __future__ import annotations

from argparse import Namespace

from fpsynth.synthesis.table import environments_of


def require_devices(arguments: Namespace) -> None:
    """Raise InputError where --device, or an environment among the sides of a question, is on a device that is not there."""
    texts = [text for name in environments_of(arguments.subcommand) for text in _several(getattr(arguments, name))]
    wanted = {getattr(arguments, "device", "cpu"), *(_device(text) for text in texts)}
    if wanted == {"cpu"}:
        return
    from fpsynth.libraries.pool import require_device

    for device in sorted(wanted):
        require_device(device)


def _several(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else value or []


def _device(text: str) -> str:
    """The device that an environment names.  Whether it is a well-formed one is seen when it is read."""
    options = text.split(":", 2)[2:]
    return "cuda" if options and "device=cuda" in options[0].split(",") else "cpu"
