"""Index of a folder of witnesses: what each file is of, and what showed it, as one JSON object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from fpsynth.witness import Witness

INDEX = "index.json"
"""Its name in the folder."""
SCHEMA = "fpsynth-index"
VERSION = 1


@dataclass(frozen=True)
class IndexEntry:
    """One witness file, with what is not known of it, and classes where it is not about classes, as None."""

    file: str
    networks: tuple[str, ...]
    """The files beside it that hold its networks; none where they are inside."""
    question: str
    a: str
    """What is believed: an environment, an order, ``real``."""
    b: str
    """What departs from it."""
    input: int | None
    """The number of the input, counted from 0, among those that were compared."""
    class_a: int | None
    class_b: int | None
    class_real: int | None
    """In exact arithmetic; of two that tie the lower one, as argmax has it."""
    shown_by: tuple[str, ...]
    """Libraries whose own runs show it, with their versions where they are known; none where none was run."""
    measured: tuple[str, ...]
    """The names of the views whose logits were measured, since the revealed arithmetic gives others."""


def index_entry(
    file: str, witness: Witness, networks: Sequence[str] = (), number: int | None = None, shown_by: Sequence[str] = ()
) -> IndexEntry:
    """The entry of a witness; ``networks``: the files beside it; ``shown_by``: libraries that were run when it was found."""
    about_classes = witness.predicate.kind == "argmax"
    logits = (witness.reference.logits, witness.deployed.logits, witness.real)
    classes = [own.index(max(own)) if own and about_classes else None for own in logits]
    return IndexEntry(
        file=file,
        networks=tuple(networks),
        question=witness.question,
        a=witness.reference.label,
        b=witness.deployed.label,
        input=number,
        class_a=classes[0],
        class_b=classes[1],
        class_real=classes[2],
        shown_by=tuple(shown_by or witness.confirmed_by),
        measured=tuple(view.name for view in witness.views if view.measured),
    )


def index_text(entries: Sequence[IndexEntry]) -> str:
    """The content of the index."""
    data = {"schema": SCHEMA, "schema_version": VERSION, "witnesses": [asdict(entry) for entry in entries]}
    return json.dumps(data, indent=1, allow_nan=False) + "\n"
