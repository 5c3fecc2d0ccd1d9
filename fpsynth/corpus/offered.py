"""What ``fpsynth.corpus`` offers: one function for each action of the subcommand, under its name and with its options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from fpsynth.aliases import PathLike, Progress

if TYPE_CHECKING:
    from fractions import Fraction

    from fpsynth.corpus.checking import CorpusCheck
    from fpsynth.corpus.instances.data import Corpus
    from fpsynth.corpus.making import WantedCorpus
    from fpsynth.corpus.replaying import CorpusReplay

Told = Callable[[str, int, int], None]
"""Is told the name of what is done now, how many are done, and of how many."""
Names = str | Sequence[str] | None
"""A name, several of them, or None for the default."""


def make(
    out: PathLike,
    *,
    count: int = 300,
    seed: int = 0,
    category: Names = None,
    environments: Names = None,
    max_weight: Fraction | float | str | None = None,
    progress: Progress | None = None,
) -> Corpus:
    """Make ``count`` instances on which verifiers are wrong, controls included, in the new folder ``out``; return them.

    The same ``seed`` gives the same files, to the byte, on the same machine with the same libraries.  ``category``: one or
    several (default all); ``environments``: what instances are labelled for; ``max_weight``: no weight or bias is larger in
    magnitude.  What was done before a kill is kept in a folder beside it, from which the same call goes on.  Raises InputError
    for what makes no sense, and where the folder is not free or cannot be written.
    """
    from fpsynth.corpus.making.writing import made_in

    return made_in(out, wanted(count, seed, category, environments, max_weight), teller(progress))


def wanted(
    count: int, seed: int, category: Names, environments: Names, max_weight: Fraction | float | str | None
) -> WantedCorpus:
    """What ``make`` is asked for.  Raises InputError for what makes no sense."""
    from fpsynth.corpus.making import WantedCorpus
    from fpsynth.corpus.semantics import ENVIRONMENTS, names_in
    from fpsynth.errors import InputError
    from fpsynth.synthesis.requests.reading import exact_number

    limit = None if max_weight is None else exact_number(max_weight, "the largest weight")
    if limit is not None and limit <= 0:
        raise InputError("the largest weight must be above 0")
    plain = WantedCorpus(count, seed)
    names = ENVIRONMENTS if environments is None else names_in(environments)
    return WantedCorpus(count, seed, several(category) or plain.categories, names, limit)


def list(folder: PathLike, *, category: Names = None) -> Corpus:
    """Read a folder that ``make`` has written: its instances, and what is true of them.

    Every file is held against the manifest, and every record against the files beside it.  ``category``: of the instances that
    are returned, one or several (default all).  Raises InputError where the folder holds no corpus, or a file is missing or has
    changed, and for a category that it has not.
    """
    from dataclasses import replace

    from fpsynth.corpus.instances.reading import read_corpus

    corpus = read_corpus(folder)
    return replace(corpus, instances=corpus.chosen(several(category)))


def check(folder: PathLike, *, progress: Progress | None = None) -> CorpusCheck:
    """Prove every label of a folder again, count again, and read every file with other people's readers.

    ``holds`` of what is returned says whether all of it is true.  Raises InputError as ``list`` does.
    """
    from fpsynth.corpus.checking import check_corpus

    return check_corpus(folder, teller(progress))


def replay(folder: PathLike, *, environments: Names = None, progress: Progress | None = None) -> CorpusReplay:
    """Run every witness of a folder in the libraries of this machine: all that instances are labelled for, or those named.

    ``holds`` of what is returned says whether nothing came out otherwise.  Raises InputError as ``list`` does, and for an
    environment that no instance is labelled for.
    """
    from fpsynth.corpus.replaying import replay_corpus
    from fpsynth.corpus.semantics import names_in

    return replay_corpus(folder, () if environments is None else names_in(environments), teller(progress))


def export(
    folder: PathLike, out: PathLike, *, form: Names = None, progress: Progress | None = None
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Write the instances of a folder in other forms into the new folder ``out``: C programs, tellings, scripts.

    ``form``: c, why, reproduce or generate, one or several (default all).  Returns how many instances have each form, and what
    was left out, a line each.  Raises InputError as ``list`` does, and where ``out`` is not free or cannot be written.
    """
    from fpsynth.corpus.exporting.export import export_corpus
    from fpsynth.files import require_free

    require_free(out)
    return export_corpus(list(folder), out, several(form), teller(progress))


def several(names: Names) -> tuple[str, ...]:
    """Each name once; none for None."""
    return tuple(dict.fromkeys([names] if isinstance(names, str) else names or ()))


def teller(progress: Progress | None) -> Told:
    """What says how far something is, in a line."""

    def told(name: str, done: int, total: int) -> None:
        if progress is not None:
            progress(f"{name}: {done} of {total}")

    return told
