"""``python -m goldens.write PART ...``: write the goldens of witnesses, commands, reading, reveals or encodings again."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path


def _witnesses(folder: Path) -> None:
    from goldens import witness_goldens

    witness_goldens.write_all(folder)


def _commands(folder: Path) -> None:
    from goldens import command_goldens

    command_goldens.write_all(folder)


def _reveals(folder: Path) -> None:
    from goldens import reveal_goldens

    reveal_goldens.write_all()


def _reading(folder: Path) -> None:
    from goldens import reveal_goldens

    reveal_goldens.write_reading()


def _encodings(folder: Path) -> None:
    from goldens import encoding_goldens

    encoding_goldens.write_all()


PARTS: dict[str, Callable[[Path], None]] = {
    "witnesses": _witnesses,
    "commands": _commands,
    "reveals": _reveals,
    "reading": _reading,
    "encodings": _encodings,
}


def main(arguments: list[str] | None = None) -> None:
    """Write the parts that are named."""
    parser = argparse.ArgumentParser(prog="python -m goldens.write", description=__doc__)
    parser.add_argument("parts", nargs="+", choices=PARTS, metavar="PART", help=", ".join(PARTS))
    for part in parser.parse_args(arguments).parts:
        with tempfile.TemporaryDirectory() as folder:
            PARTS[part](Path(folder))


if __name__ == "__main__":
    main()
