"""On a cluster: a worker that is killed takes nothing with it, and nothing is done twice."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from bench_corpus import standing_in
from command_line import ENVIRONMENT
from profiles import slow

from fpsynth.errors import InputError
from fpsynth.scoring.asking import asked_for
from fpsynth.scoring.running import TABLE, BenchRequest, bench
from fpsynth.scoring.versions import judging_versions, require_same
from fpsynth.scratch import PREFIX
from fpsynth.verifiers.external.running_onnx import runtime_version

pytestmark = pytest.mark.skipif(find_spec("distributed") is None, reason="dask.distributed is not installed")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the slow verifier notes that it was asked."""
    return tmp_path_factory.mktemp("cluster") / "log"


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where workers make temporary folders."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def cluster(log: Path, temporary: Path) -> Iterator[Any]:
    """Two processes of workers, with a scheduler in this one."""
    import distributed

    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**ENVIRONMENT, "BENCH_LOG": str(log), "BENCH_SLEEP": "0.5", "TMPDIR": str(temporary)}.items():
            patch.setenv(name, value)
        with distributed.LocalCluster(**options, host="127.0.0.1", silence_logs=50) as made:
            yield made


def pids(cluster: Any) -> list[int]:
    """Of its workers."""
    import distributed

    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        return list(client.run(os.getpid).values())


def wait_for(log: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    """Until verifiers were asked so often."""
    end = time.monotonic() + 120
    while not log.exists() or len(log.read_text().splitlines()) < count:
        assert time.monotonic() < end
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def test_a_worker_that_is_killed_in_the_middle_loses_and_leaves_nothing(
    cluster: Any, log: Path, temporary: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first, _ = pids(cluster)
    argv = ["bench", str(folder), "--verifier", standing_in("slow"), "--seeds", "2", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "fpsynth", *argv, "--dask", cluster.scheduler_address, "--json"],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for(log, 3, process)
    os.kill(first, signal.SIGKILL)
    _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error.decode()
    with contextlib.closing(sqlite3.connect(out / TABLE)) as connection:
        found = connection.execute("SELECT instance, seed, json_extract(value, '$.verdict') FROM runs").fetchall()
    names = ("broken_0", "narrow_0", "robust_0", "tie_0", "tie_0_control1")
    assert Counter(found) == Counter({(name, seed, "unsat"): 1 for name in names for seed in range(2)})
    assert first not in pids(cluster), "it was killed"
    assert list(temporary.glob(f"{PREFIX}*")) == []


def test_the_cluster_says_what_this_machine_says(cluster: Any, folder: Path) -> None:
    verifiers = (standing_in("always_unsat"), "crown@sound:any")
    here = bench(BenchRequest(folder, verifiers, categories=("tie", "tolerance"), jobs=2))
    there = bench(BenchRequest(folder, verifiers, categories=("tie", "tolerance"), dask=cluster.scheduler_address))
    said = [[(run.key, run.verdict, run.column, run.reason, run.points) for run in board.runs] for board in (here, there)]
    assert said[0] == said[1]


def test_two_benches_on_one_cluster_do_not_mix(cluster: Any, folder: Path) -> None:
    """Their jobs have the same names, and other verifiers behind them."""
    requests = [
        BenchRequest(folder, (standing_in(name, "v"),), dask=cluster.scheduler_address) for name in ("slow", "always_outside")
    ]
    with ThreadPoolExecutor(2) as pool:
        boards = list(pool.map(bench, requests))
    assert [{run.verdict for run in board.runs} for board in boards] == [{"unsat"}, {"sat"}]


HOST = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None, host="127.0.0.1", silence_logs=50) as made:
        print(made.scheduler_address, flush=True)
        sys.stdin.read()
"""


def test_a_scheduler_that_is_lost_is_one_line_and_no_row(folder: Path, tmp_path: Path) -> None:
    log, out, host = tmp_path / "log", tmp_path / "out", tmp_path / "host.py"
    host.write_text(HOST)
    variables = {**ENVIRONMENT, "BENCH_LOG": str(log), "BENCH_SLEEP": "0.5"}
    with subprocess.Popen([sys.executable, host], env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as scheduler:
        assert scheduler.stdout is not None
        address = scheduler.stdout.readline().decode().strip()
        argv = ["bench", str(folder), "--verifier", standing_in("slow"), "--seeds", "2", "--out", str(out), "--dask", address]
        process = subprocess.Popen([sys.executable, "-m", "fpsynth", *argv], env=ENVIRONMENT, stderr=subprocess.PIPE)
        wait_for(log, 2, process)
        scheduler.kill()
    _, error = process.communicate(timeout=120)
    assert process.returncode == 2, error.decode()
    assert "the scheduler of Dask was lost: the same command goes on" in error.decode()
    with contextlib.closing(sqlite3.connect(out / TABLE)) as connection:
        verdicts = connection.execute("SELECT json_extract(value, '$.verdict') FROM runs").fetchall()
    assert 0 < len(verdicts) < 10
    assert set(verdicts) == {("unsat",)}


def test_a_worker_that_cannot_do_jobs_ends_the_bench_without_rows(
    cluster: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fpsynth.scoring.cluster.run_job_elsewhere", missing)
    with pytest.raises(InputError, match=r"a worker cannot do jobs: ModuleNotFoundError: No module named 'none_of_that'"):
        bench(BenchRequest(folder, (standing_in("exact"),), out=tmp_path, dask=cluster.scheduler_address))
    with contextlib.closing(sqlite3.connect(tmp_path / TABLE)) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (0,)


def missing(request: object, versions: object) -> object:
    """What a worker without fpsynth comes to."""
    raise ModuleNotFoundError("No module named 'none_of_that'")


@contextlib.contextmanager
def worker(address: str, **variables: str) -> Iterator[None]:
    """One more process of a cluster, in an environment of its own."""
    import distributed

    command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nworkers", "1", "--nthreads", "1"]
    options = ["--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
    with distributed.Client(address, set_as_default=False) as client:
        count = len(client.scheduler_info()["workers"])
        process = subprocess.Popen([*command, *options], env={**ENVIRONMENT, **variables}, stderr=subprocess.DEVNULL)
        client.wait_for_workers(count + 1, timeout=60)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """The address of one without workers."""
    import distributed

    with distributed.LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", host="127.0.0.1", silence_logs=50) as made:
        yield made.scheduler_address


def of_version(folder: Path, package: str, version: str) -> str:
    """A folder for PYTHONPATH before all others, where a package has another version."""
    place = folder / f"{package}-{version}.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    return os.pathsep.join([str(folder), ENVIRONMENT["PYTHONPATH"]])


@slow  # what makes versions differ is tried below
def test_a_worker_with_another_onnxruntime_adds_nothing(scheduler: str, folder: Path, tmp_path: Path) -> None:
    """What others have done is kept, and goes on where it has gone."""
    path, out = of_version(tmp_path / "odd", "onnxruntime", "0.9"), tmp_path / "out"
    request = BenchRequest(folder, (standing_in("slow"),), out=out, dask=scheduler)
    here = f"{re.escape(platform.node())}, and {re.escape(runtime_version())} where the bench was asked; each needs"
    with worker(scheduler, PYTHONPATH=path), pytest.raises(InputError, match=rf"onnxruntime is 0.9 on {here}"):
        bench(request)
    with contextlib.closing(sqlite3.connect(out / TABLE)) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (0,)
    with worker(scheduler):
        with worker(scheduler, PYTHONPATH=path), pytest.raises(InputError, match=r"onnxruntime is 0.9 on"):
            bench(request)
        assert Counter(run.verdict for run in bench(request).runs) == {"unsat": 5}


VERSIONED = """#!/bin/sh
[ -n "$TOOL_VERSION" ] || { echo "no licence" >&2; exit 3; }
[ "$1" = --version ] && { echo "$TOOL_VERSION"; exit; }
echo VERIFICATION SUCCESSFUL
"""


@slow  # as one with another onnxruntime is
def test_a_worker_with_another_version_of_a_verifier_or_none_is_refused(
    scheduler: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "tool"
    tool.write_text(VERSIONED)
    tool.chmod(0o755)
    monkeypatch.setenv("TOOL_VERSION", "8.4")
    request = BenchRequest(folder, (f"esbmc={tool}",), categories=("tie",), dask=scheduler)
    refusals = [("8.3", "esbmc is 8.3 on .*, and 8.4 where the bench was asked"), ("", "esbmc does not run: no licence")]
    for version, message in refusals:
        with worker(scheduler, TOOL_VERSION=version), pytest.raises(InputError, match=message) as refusal:
            bench(request)
        assert "a worker cannot do jobs" in str(refusal.value)
    with worker(scheduler, TOOL_VERSION="8.4"):
        assert {run.verdict for run in bench(request).runs} == {"unsat"}


def test_a_file_of_a_verifier_that_has_changed_is_another_version(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def mine(question):\n    return 'unsat'\n")
    (asked,) = asked_for([f"{file}:mine"])
    require_same(judging_versions(), asked)
    file.write_text("def mine(question):\n    return 'sat'\n")
    with pytest.raises(InputError, match=r"mine is [0-9a-f]{40} on"):
        require_same(judging_versions(), asked)
    with pytest.raises(InputError, match=r"numpy is .* on .*, and 1.0 where the bench was asked"):
        require_same({**judging_versions(), "numpy": "1.0"}, asked)


def test_a_scheduler_that_is_not_there_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fpsynth.scoring.cluster.CONNECTING", 0.5)
    with pytest.raises(InputError, match="no scheduler of Dask answers at tcp://127") as refusal:
        bench(BenchRequest(folder, (standing_in("exact"),), dask="tcp://127.0.0.1:9"))
    assert "\n" not in str(refusal.value)
