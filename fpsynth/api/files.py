"""load, save, write_corpus and tree, in Python: what the command line does with files and orders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from fpsynth.errors import InputError
from fpsynth.synthesis.requests.functions import asking
from fpsynth.synthesis.requests.looking import TreeRequest

if TYPE_CHECKING:
    from fpsynth.backdoors.answer import Backdoor
    from fpsynth.corpus.index import Origin
    from fpsynth.report.orders import OrderTree
    from fpsynth.revealing.result import Reveal
    from fpsynth.synthesis.comparing.comparison import NetworkComparison
    from fpsynth.synthesis.result import Result
    from fpsynth.witness import Witness

Path = str | os.PathLike[str]
_SEVERAL = "witnesses"
"""What the file of a network that several witnesses share is of."""


def load(path: Path) -> Witness:
    """Read a witness file: a tie, or a divergence.

    Raises InputError with one line, naming the file and the field, for whatever is wrong with it.  Its claims are taken as
    they stand: ``fpsynth.check`` computes them again.
    """
    from fpsynth.synthesis.table import WITNESSED
    from fpsynth.witness import load as read

    return read(path, WITNESSED)


def save(what: Witness | Sequence[Reveal], path: Path) -> None:
    """Write a witness file, or a reveal file for what ``fpsynth.reveal`` returns, whole or not at all.

    What the path held before is replaced.  Raises InputError where it cannot be written.
    """
    from fpsynth.revealing.file import save_reveals
    from fpsynth.witness import Witness
    from fpsynth.witness import save as write

    if isinstance(what, Witness):
        write(what, path)
    else:
        save_reveals(what, path)


def write_corpus(found: Result | Iterable[Result | Witness], folder: Path, *, timeout: int = 60) -> tuple[str, ...]:
    """Write ties as a corpus in the layout of the VNN competition into a new or empty folder; return what was left out.

    ``found``: a result with its witnesses, or several results and witnesses.  ``timeout``: the limit in seconds that
    instances.csv states.  The folder appears complete or not at all.  Raises InputError where it is not free or cannot be
    written, where there are no witnesses, and for divergences, of which ``write_folder`` makes a folder each.
    """
    from fpsynth.corpus.writer import write_corpus as write
    from fpsynth.synthesis.result import Result

    witnesses: list[Witness] = []
    for one in [found] if isinstance(found, Result) else found:
        witnesses += one.witnesses if isinstance(one, Result) else [one]
    for witness in witnesses:
        if not witness.two_points:
            raise InputError(f"a corpus holds ties: write_folder writes the witness of a question such as {witness.question}")
    return write(witnesses, folder, timeout=timeout)


def write_witnesses(found: NetworkComparison | Sequence[Witness], folder: Path) -> list[str]:
    """Write witnesses into a new or empty folder, which appears complete or not at all; return their names, 000.json and so on.

    ``found``: witnesses, or what ``compare`` returns, which has one for each input whose class changes between two
    environments (100 at most).  The file of a large network lies beside them once; ``index.json`` says of each file which two
    views it is of, of which input with which label, which classes these give it, and which libraries show that.  Nothing is
    written where there are none.  Raises InputError where the folder is not free or cannot be written.
    """
    from fpsynth.corpus.index import INDEX, Origin, index_entry, index_text
    from fpsynth.files import write_tree
    from fpsynth.synthesis.comparing.comparison import NetworkComparison
    from fpsynth.synthesis.comparing.witnesses import witnesses as changed
    from fpsynth.witness.file import text_and_files

    witnesses = changed(found) if isinstance(found, NetworkComparison) else found
    compared = found if isinstance(found, NetworkComparison) else None
    origins = [Origin()] * len(witnesses) if compared is None else _origins(compared)
    tree: dict[str, bytes] = {}
    entries = []
    names = [f"{number:03d}.json" for number in range(len(witnesses))]
    for name, witness, origin in zip(names, witnesses, origins, strict=True):
        written, files = text_and_files(witness, _SEVERAL)
        tree |= {name: written.encode(), **files}
        entries.append(index_entry(name, witness, list(files), origin))
    if tree:
        sources = ("", "") if compared is None else compared.files
        write_tree(folder, {**tree, INDEX: index_text(entries, sources).encode()})
    return names


def _origins(found: NetworkComparison) -> list[Origin]:
    """Which input each witness is of, and the environments and libraries whose runs gave it its two classes."""
    from fpsynth.corpus.index import Origin
    from fpsynth.synthesis.comparing.witnesses import witnessed

    library = {one.name: f"{one.library} {one.version}" for one in found.environments}
    alike, labels = found.alike, found.labels
    return [
        Origin(
            input=number,
            label=None if labels is None else int(labels[number]),
            also_a=alike[pair.a][1:],
            also_b=alike[pair.b][1:],
            shown_by=tuple(dict.fromkeys(library[name] for name in (*alike[pair.a], *alike[pair.b]))),
        )
        for pair, number in witnessed(found)
    ]


def write_folder(found: Result | Witness | Backdoor, folder: Path) -> tuple[str, ...]:
    """Write one witness, or the first of a result, with its network as ONNX into a new or empty folder, as --out does.

    Of what ``backdoor`` returns: the network in every form, its witness, and instances for verifiers, for which the network is
    revealed in its target and in silent environments.  Returns what was left out, one line each.  Raises InputError where the
    folder is not free or cannot be written, and for a result without witnesses, or a backdoor without a network.
    """
    from fpsynth.backdoors.answer import Backdoor
    from fpsynth.corpus.divergence import write_divergence_folder
    from fpsynth.corpus.writer import write_witness_folder
    from fpsynth.synthesis.result import Result

    if isinstance(found, Backdoor):
        from fpsynth.api.witnesses import render
        from fpsynth.corpus.backdoor_folder import write_backdoor_folder

        return write_backdoor_folder(found, folder, render(found)).left_out
    several = found.witnesses if isinstance(found, Result) else (found,)
    if not several:
        raise InputError("nothing was found that could be written")
    first = several[0]
    return write_witness_folder(first, folder) if first.two_points and first.claims else write_divergence_folder(first, folder)


@asking(TreeRequest)
def tree(request: TreeRequest) -> OrderTree:
    """Read an order as a tree, and say where another one parts from it.

    ``order``: a family such as ``strided:8``, a nested list such as ``[[0,1],2]``, or the path of a .json file with an order,
    an arithmetic or a reveal; ``compare``: another one.  ``drawn`` of what is returned gives text, tree, SVG, FPCore or JSON.
    Raises InputError for what cannot be read or compared.
    """
    from fpsynth.report.orders import read_tree
    from fpsynth.synthesis.sides import require_order

    for text in (request.order, request.compare):
        if text is not None and not text.endswith(".json"):
            require_order(text)
    return read_tree(request.order, request.terms, request.compare)
