"""Index of a folder of witnesses: what each file is of, and what showed it, as one JSON object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from fpsynth.witness import Witness

INDEX = "index.json"
"""Its name in the folder."""
SCHEMA = "fpsynth-index"
VERSION = 2
COUNTED_FROM = 0
"""The number of the first input and of the first class."""


@dataclass(frozen=True)
class Origin:
    """Where a witness of a comparison comes from."""

    input: int | None = None
    """The number of the input, counted from 0, among those that were compared."""
    label: int | None = None
    """Of that input."""
    also_a: tuple[str, ...] = ()
    """The other environments that gave the logits of the first one at every input, bit for bit."""
    also_b: tuple[str, ...] = ()
    """Likewise those of the second one."""
    shown_by: tuple[str, ...] = ()
    """Libraries, with their versions, whose own runs showed it when it was found."""


@dataclass(frozen=True)
class IndexEntry:
    """One witness file, with what is not known of it, and classes where it is not about classes, as None."""

    file: str
    networks: tuple[str, ...]
    """The files beside it that hold its networks; none where they are inside."""
    question: str
    a: str
    """What is believed: an environment, an order, ``real``."""
    also_a: tuple[str, ...]
    """The other environments that compute the same at every input that was compared."""
    b: str
    """What departs from it."""
    also_b: tuple[str, ...]
    """The other environments that compute what ``b`` does."""
    input: int | None
    """The number of the input, counted from 0, among those that were compared."""
    label: int | None
    """Its label, where the inputs have labels."""
    class_a: int | None
    class_b: int | None
    class_real: int | None
    """In exact arithmetic; of two that tie the lower one, as argmax has it."""
    shown_by: tuple[str, ...]
    """Libraries whose own runs show it, with their versions where they are known; none where none was run."""
    measured: tuple[str, ...]
    """The names of the views whose logits were measured, since the revealed arithmetic gives others."""


def index_entry(file: str, witness: Witness, networks: Sequence[str] = (), origin: Origin = Origin()) -> IndexEntry:
    """The entry of a witness; ``networks``: the files beside it."""
    about_classes = witness.predicate.kind == "argmax"
    logits = (witness.reference.logits, witness.deployed.logits, witness.real)
    classes = [own.index(max(own)) if own and about_classes else None for own in logits]
    return IndexEntry(
        file=file,
        networks=tuple(networks),
        question=witness.question,
        a=witness.reference.label,
        also_a=origin.also_a,
        b=witness.deployed.label,
        also_b=origin.also_b,
        input=origin.input,
        label=origin.label,
        class_a=classes[0],
        class_b=classes[1],
        class_real=classes[2],
        shown_by=origin.shown_by or tuple(witness.confirmed_by),
        measured=tuple(view.name for view in witness.views if view.measured),
    )


def index_text(entries: Sequence[IndexEntry], files: tuple[str, str] = ("", "")) -> str:
    """The content of the index; ``files``: the names of the files of the network and of the inputs, where there are such."""
    data = {
        "schema": SCHEMA,
        "schema_version": VERSION,
        "counted_from": COUNTED_FROM,
        **{name: file for name, file in zip(("network", "inputs"), files, strict=True) if file},
        "witnesses": [_told(entry) for entry in entries],
    }
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def _told(entry: IndexEntry) -> dict[str, object]:
    """The entry without lists in which nothing is."""
    return {name: value for name, value in asdict(entry).items() if value != ()}
