"""Settings of the whole suite: tiers, and what property tests draw.

Property tests draw the same examples every time, and with FPSYNTH_NIGHTLY=1 others and more of them (see ``profiles.py``).
What is costly is shared by the tests of a file, which ``--dist loadfile`` keeps in one process.
"""

import gc
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import profiles
import pytest
from profiles import slow
from schedule import LONGEST, ROOT, left, sampled, tier_of

from fpsynth.libraries.machine import WAITING
from fpsynth.workers.kept import processes_kept

profiles.load()


def pytest_configure(config: pytest.Config) -> None:
    """Let Ctrl-C through to the programs under test, have them keep what they compile, and keep reveals nowhere.

    Where tests run in the background of a script, its shell starts them with SIGINT ignored, and whatever they start inherits
    that.  Hundreds of processes import this package: where they may not keep it compiled, that is half of their time.
    No test reads what the user's cache keeps, or writes into it; those of the cache have a folder of their own.
    Threads without work sleep here as they do in the processes of libraries: the cores are busy with other tests.
    Files are begun in the order of ``LONGEST``, where ``--dist loadfile`` would by itself begin those of most tests first.
    """
    config.option.loadscopereorder = False
    gc.disable()
    for name, value in WAITING.items():
        os.environ.setdefault(name, value)
    os.environ["FPSYNTH_CACHE"] = "off"
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there are cores: many tests wait for processes that end, start, or run into a limit."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test with its tier; have the longest files begin; leave what is sampled to the slow run."""
    places = {ROOT / file: place for place, file in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))
    for item in items:
        item.add_marker(tier_of(item.path))
    counts = Counter[tuple[Path, str]]()
    for item in items:
        name = item.path, item.name.partition("[")[0]
        if sampled(*name) and slow.mark not in item.iter_markers("skipif"):
            counts[name] += 1
        if left(*name) or counts[name] % 2 == 0 < counts[name]:
            item.add_marker(slow)


def pytest_collection_finish() -> None:
    """Keep the garbage collector from going through thousands of tests again and again: they stay to the end.

    As long as they are collected, there is next to no garbage.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # hypothesis is called each time
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def libraries_stay() -> Iterator[None]:
    """Libraries that one test has imported stay for the next ones, which would import them in the same way.

    All five that are run, those that are revealed meanwhile, and what checks files: together they hold one to two gigabytes.
    """
    with processes_kept(8):
        yield


@pytest.fixture(scope="module", autouse=True)
def variables_do_not_stay() -> Iterator[None]:
    """Libraries that a file loads into this process set variables, which processes of the next file would inherit."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def nothing_stays() -> Iterator[None]:
    """For tests of how processes begin and end: none is there from before, and none stays."""
    with processes_kept(0):
        yield
