"""Make a corpus in a folder: what is done is kept beside it until the folder is whole, and read back as it was made."""

from __future__ import annotations

from fpsynth.aliases import PathLike
from fpsynth.corpus.instances.data import Corpus
from fpsynth.corpus.instances.reading import require_readable
from fpsynth.corpus.instances.storing import write_corpus
from fpsynth.corpus.making.kept import KeptInstances
from fpsynth.corpus.making.run import Told, make, silent
from fpsynth.corpus.making.wanted import WantedCorpus
from fpsynth.files import require_free
from fpsynth.scratch import remove_abandoned


def made_in(out: PathLike, wanted: WantedCorpus, told: Told = silent) -> Corpus:
    """The corpus, written into a new or empty folder.

    Raises InputError where that is not free or cannot be written, and as ``make`` does.
    """
    require_free(out)
    remove_abandoned()
    with KeptInstances.beside(out, wanted) as kept:
        made = make(wanted, told, kept)
        write_corpus(made, out)
        kept.remove()  # whoever is interrupted from here on has a whole corpus
    require_readable(made, out)
    return made
