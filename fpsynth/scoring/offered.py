"""What ``import fpsynth`` offers of the bench: ``bench`` and ``shrink``, with the options of the command line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fpsynth.aliases import PathLike, Progress
from fpsynth.errors import InputError
from fpsynth.files import shown

if TYPE_CHECKING:
    from fpsynth.scoring.scoreboard import Scoreboard
    from fpsynth.scoring.shrinking.instances import ShrunkInstance
    from fpsynth.scoring.shrinking.witnesses import ShrunkWitness
    from fpsynth.verifiers.external.callables import Function


def bench(
    corpus: PathLike,
    verifier: str | Function | Sequence[str | Function],
    *,
    arithmetic: str | Sequence[str] = "real",
    category: str | Sequence[str] = (),
    out: PathLike | None = None,
    seeds: int = 1,
    timeout: float = 60.0,
    memory: float = 8.0,
    jobs: int = 1,
    dask: str | None = None,
    progress: Progress | None = None,
) -> Scoreboard:
    """Ask verifiers about every instance of a corpus, and return the scoreboard.

    ``corpus``: a folder that ``fpsynth.corpus.make`` has written.  ``verifier``: one or several, in the words of the command
    line, or functions that answer a question.  ``arithmetic``: of fpsynth's own ones that name none.  ``category``: only
    these.  ``out``: a folder that keeps what is done, from which the same call goes on after any end, and the scoreboard in
    every form.  ``seeds``: runs of verifiers that may draw at random.  ``timeout`` in seconds and ``memory`` in GiB: what one
    has for an instance.  ``jobs``: at a time, on this machine; ``dask``: the address of a scheduler that does them instead,
    whose workers have the versions of fpsynth, numpy, onnxruntime and the verifiers that are here.

    Raises InputError for a corpus, a table or a verifier that cannot be used, and MissingPackageError for one that is not
    installed.
    """
    from fpsynth.scoring.forms import write_forms
    from fpsynth.scoring.running import BenchRequest
    from fpsynth.scoring.running import bench as ask

    request = BenchRequest(
        corpus,
        (verifier,) if isinstance(verifier, str) or callable(verifier) else tuple(verifier),
        arithmetics=_texts(arithmetic),
        out=out,
        categories=_texts(category),
        seeds=seeds,
        timeout=timeout,
        memory=memory,
        jobs=jobs,
        dask=dask,
        progress=progress,
    )
    board = ask(request)
    if out is not None:
        write_forms(board, out)
    return board


def shrink(
    instance: PathLike,
    *,
    out: PathLike,
    verifier: str | Function | None = None,
    arithmetic: str | Sequence[str] = "real",
    seed: int = 0,
    timeout: float = 600.0,
    each: float = 60.0,
    restarts: int = 2,
    memory: float = 8.0,
    progress: Progress | None = None,
) -> ShrunkInstance | ShrunkWitness:
    """Find the smallest instance on which a verifier is wrong as it is on this one; of a witness file the simplest numbers.

    ``instance``: CORPUS/CATEGORY/NAME, or a witness file, which needs no ``verifier``.  ``out``: a folder for the result, from
    which the same call goes on after any end.  ``timeout``: seconds for all of this call; ``each`` and ``memory``, in GiB: what
    the verifier has for an instance.  ``seed`` and ``restarts``: searches from the start in another order.

    Raises InputError for what cannot be read, where the verifier is not wrong, and for a verifier that cannot be asked.
    """
    from fpsynth.scoring.job import Limits
    from fpsynth.scoring.shrinking.instances import ShrinkRequest, shrink_instance
    from fpsynth.scoring.shrinking.witnesses import shrink_witness

    limits = Limits(each, int(memory * (1 << 30)))
    request = ShrinkRequest(instance, out, seed=seed, restarts=restarts, budget=timeout, limits=limits, progress=progress)
    if os.path.isfile(instance):
        if verifier is not None:
            raise InputError("a witness file says itself what is wrong: leave the verifier out")
        return shrink_witness(request, instance)
    if not os.path.exists(instance):
        raise InputError(f"there is no file or folder {shown(instance)}")
    if verifier is None:
        raise InputError("name the verifier that is wrong on the instance (only witness files need none)")
    from fpsynth.scoring.asking import asked_for

    verifiers = asked_for([verifier], _texts(arithmetic))
    if len(verifiers) != 1:
        raise InputError("shrink takes one verifier in one arithmetic")
    return shrink_instance(request, verifiers[0])


def _texts(texts: str | Sequence[str]) -> tuple[str, ...]:
    return (texts,) if isinstance(texts, str) else tuple(texts)
