"""Runs nnenum's own main function, as ``nnenum_main.py SOURCES MODEL PROPERTY SECONDS RESULTS``, and keeps the point it finds.

It prints its counterexample where there are few numbers, and writes none into its results.
"""

from __future__ import annotations

import sys
from typing import Any

sources, *words = sys.argv[1:]
sys.path.insert(0, sources)
from nnenum import nnenum  # noqa: E402

found: list[Any] = []
enumerate_network = nnenum.enumerate_network


def kept(*args: Any) -> Any:
    """What nnenum's function says, put down."""
    found.append(enumerate_network(*args))
    return found[-1]


if __name__ == "__main__":
    nnenum.enumerate_network = kept
    sys.argv[1:] = words
    nnenum.main()
    if found and found[-1].result_str == "unsafe":  # another word is that of a point that nnenum could not confirm
        pairs = " ".join(f"(X_{place} {float(number).hex()})" for place, number in enumerate(found[-1].cinput))
        with open(words[3], "a") as file:
            file.write(f"\n({pairs})\n")
