"""Jobs on a cluster, by the scheduler of Dask: what a lost worker had is given to another, and each job is told of once."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable
from concurrent.futures import CancelledError
from typing import Any

from fpsynth.aliases import Json
from fpsynth.errors import InputError, MissingPackageError
from fpsynth.packages import how_to_install
from fpsynth.scoring.job import BenchRun, Key, lost, run_from, run_job_elsewhere
from fpsynth.scoring.local import Told
from fpsynth.scoring.versions import judging_versions

CONNECTING = 30.0
"""Seconds that a scheduler may take to answer."""
AHEAD = 4
"""Jobs that are handed over for each thread of the cluster: the others wait here, where Ctrl-C reaches them."""
_NEEDS = "each needs the versions of fpsynth, numpy, onnxruntime and the verifiers that are here"


def run_there(jobs: Iterable[tuple[Key, Json]], address: str, told: Told) -> None:
    """Do all jobs on the cluster whose scheduler is at ``address``; ``told`` hears of each that is done.

    The workers need these versions of fpsynth, numpy, onnxruntime and the verifiers: what is done by others is no result.  A
    job whose workers die one after the other (as often as the scheduler allows) is an error of its row.  Raises
    MissingPackageError without dask.distributed, and InputError where nobody answers there, where the scheduler is lost, and
    where a worker cannot do jobs: of what was under way nothing is told.
    """
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise MissingPackageError(f"dask.distributed is not installed: {how_to_install('distributed', 'dask')}") from None
    try:
        client = Client(address, timeout=CONNECTING, set_as_default=False)
    except (OSError, ValueError) as refused:
        raise InputError(f"no scheduler of Dask answers at {address[:100]}: {refused or type(refused).__name__}") from None
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise InputError(f"the scheduler at {address[:100]} has no workers: start some (dask worker {address[:100]})")
        waiting, versions = iter(jobs), judging_versions()
        running: dict[Any, Key] = {}
        mine = uuid.uuid4().hex  # another bench on this cluster may have jobs of the same name, and a key is done once

        def submitted(key: Key, request: Json) -> Any:
            name = f"fpsynth-{mine}-{'/'.join(map(str, key))}"
            future = client.submit(run_job_elsewhere, request, versions, key=name, pure=False)
            running[future.key] = key
            return future

        first = [submitted(*job) for job in itertools.islice(waiting, AHEAD * threads)]
        ended = as_completed(first, loop=client.loop)
        try:
            for future in ended:
                told(_run_of(future, running.pop(future.key)))
                future.release()
                for job in itertools.islice(waiting, 1):
                    ended.add(submitted(*job))
        finally:
            client.cancel(list(ended.futures), force=True)


def _run_of(future: Any, key: Key) -> BenchRun:
    """What came of a job.  Raises InputError where that says nothing of its verifier."""
    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    try:
        return run_from(future.result())
    except KilledWorker as error:
        return lost(key, f"its workers were lost: {_words(error)}")
    except (CancelledError, CommClosedError):  # whichever comes first
        raise InputError("the scheduler of Dask was lost: the same command goes on from what is done") from None
    except InputError as error:  # other versions, or no verifier
        raise InputError(f"a worker cannot do jobs: {error}; {_NEEDS}") from None
    except Exception as error:  # whatever a worker throws that cannot do jobs
        raise InputError(f"a worker cannot do jobs: {type(error).__name__}: {_words(error)}; {_NEEDS}") from None


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
