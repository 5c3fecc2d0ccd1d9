"""On a cluster: a worker that is killed takes nothing with it, and nothing is done twice."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from bench_corpus import standing_in
from command_line import ENVIRONMENT

from fpsynth.bench.running import TABLE, BenchRequest, bench
from fpsynth.errors import InputError

pytestmark = pytest.mark.skipif(find_spec("distributed") is None, reason="dask.distributed is not installed")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the slow verifier notes that it was asked."""
    return tmp_path_factory.mktemp("cluster") / "log"


@pytest.fixture(scope="module")
def cluster(log: Path) -> Iterator[Any]:
    """Two processes of workers, with a scheduler in this one."""
    import distributed

    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ENVIRONMENT, "BENCH_LOG": str(log), "BENCH_SLEEP": "0.5"}.items():
            patch.setenv(name, value)
        with distributed.LocalCluster(**options, host="127.0.0.1", silence_logs=50) as made:
            yield made


def pids(cluster: Any) -> list[int]:
    """Of its workers."""
    import distributed

    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        return list(client.run(os.getpid).values())


def test_a_worker_that_is_killed_in_the_middle_loses_nothing(cluster: Any, log: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first, _ = pids(cluster)
    argv = ["bench", str(folder), "--verifier", standing_in("slow"), "--seeds", "4", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "fpsynth", *argv, "--dask", cluster.scheduler_address, "--json"],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    end = time.monotonic() + 120
    while not log.exists() or len(log.read_text().splitlines()) < 5:
        assert time.monotonic() < end
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    os.kill(first, signal.SIGKILL)
    _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error.decode()
    with contextlib.closing(sqlite3.connect(out / TABLE)) as connection:
        found = connection.execute("SELECT instance, seed, json_extract(value, '$.verdict') FROM runs").fetchall()
    names = ("broken_0", "narrow_0", "robust_0", "tie_0", "tie_0_control1")
    assert Counter(found) == Counter({(name, seed, "unsat"): 1 for name in names for seed in range(4)})
    assert first not in pids(cluster), "it was killed"


def test_the_cluster_says_what_this_machine_says(cluster: Any, folder: Path) -> None:
    verifiers = (standing_in("always_unsat"), "crown@sound:any")
    here = bench(BenchRequest(folder, verifiers, categories=("tie", "tolerance"), jobs=2))
    there = bench(BenchRequest(folder, verifiers, categories=("tie", "tolerance"), dask=cluster.scheduler_address))
    said = [[(run.key, run.verdict, run.column, run.reason, run.points) for run in board.runs] for board in (here, there)]
    assert said[0] == said[1]


def test_a_scheduler_that_is_not_there_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpsynth.bench.cluster.CONNECTING", 0.5)
    with pytest.raises(InputError, match="no scheduler of Dask answers at tcp://127") as refusal:
        bench(BenchRequest(folder, (standing_in("exact"),), dask="tcp://127.0.0.1:9"))
    assert "\n" not in str(refusal.value)
