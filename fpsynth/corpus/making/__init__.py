"""Make corpora: jobs are done by several processes, kept on the way, and put together in an order that depends on the seed."""

from fpsynth.corpus.making.run import make
from fpsynth.corpus.making.wanted import WantedCorpus

__all__ = ["WantedCorpus", "make"]
