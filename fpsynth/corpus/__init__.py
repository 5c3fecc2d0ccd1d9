"""Corpora in Python: ``fpsynth.corpus.make``, ``list``, ``check``, ``replay`` and ``export``, as the command line has them.

Beside them the room holds benchmark folders of witnesses, VNN-LIB and SMT-LIB files, and all that instances are made of.
"""

from fpsynth.corpus.offered import check, export, list, make, replay

__all__ = ["check", "export", "list", "make", "replay"]
