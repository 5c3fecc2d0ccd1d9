"""Claims of cache.py: what was revealed is read again where all is the same, and nothing else is ever believed."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from simulated import Simulated, kernel, layer, revealed

from fpsynth.cli.main import main
from fpsynth.formats import FLOAT32, FLOAT64
from fpsynth.libraries.base import Library
from fpsynth.libraries.kernels import Kernel
from fpsynth.libraries.layer_shapes import layer_shape
from fpsynth.libraries.naming import parse_environment, parse_network_environment
from fpsynth.libraries.registry import library_named
from fpsynth.networks.graph import Node
from fpsynth.networks.layers import Convolution, Dense, Flatten, ReLU
from fpsynth.networks.network import Network
from fpsynth.networks.npz_graph import write_npz
from fpsynth.orders import parse_order
from fpsynth.revealing import cache as cached
from fpsynth.revealing.cache import Cache, cache_folder
from fpsynth.revealing.identity import code, identity
from fpsynth.revealing.kernels import CachedKernels, _asked, now, placeless
from fpsynth.revealing.result import Check, Read, Reveal
from fpsynth.revealing.revealer import Revealer
from fpsynth.sums.arithmetic import Arithmetic

KERNEL = Kernel(parse_environment("numpy:matmul:batch=2,outputs=3"), FLOAT32, 8, 3)
IDENTITY = {"machine": "this one"}
pytestmark = pytest.mark.usefixtures("nothing_stays")  # a process remembers what it has revealed


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, which the processes of libraries inherit."""
    monkeypatch.setenv("FPSYNTH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def entries(folder: Path) -> list[Path]:
    return sorted((folder / "reveals").glob("*.json"))


def asked(kernel: Kernel = KERNEL, *, threads: bool = False) -> Reveal:
    """A reveal from a process that knows of no other."""
    with Revealer() as revealer:
        return revealer.reveal(kernel, vectors=100, threads=threads)


# reveals of real libraries


def test_a_second_process_reads_what_the_first_has_revealed(folder: Path) -> None:
    first, second = asked(), asked()
    assert (first.cached, second.cached) == (False, True)
    assert second == first  # counts, calls, seconds and the time, too
    assert first.revealed
    assert [cls.check.total for cls in second.classes] == [cls.check.total for cls in first.classes]


def test_what_is_known_of_threads_is_kept_with_it(folder: Path) -> None:
    assert asked().threads == ""
    first = asked(threads=True)
    assert (first.cached, first.threads) == (True, "the same results with 1 thread")
    assert len(entries(folder)) == 1
    assert asked() == first


OTHERS = [
    replace(KERNEL, terms=9),
    replace(KERNEL, outputs=2, environment=replace(KERNEL.environment, outputs=2)),
    replace(KERNEL, bias=True),
    replace(KERNEL, dtype=FLOAT64),
    *(
        replace(KERNEL, environment=replace(KERNEL.environment, **other))
        for other in ({"batch": 3}, {"layout": "NN"}, {"threads": 1})
    ),
    replace(KERNEL, environment=parse_environment("numpy:matmul:batch=2,outputs=3,OPENBLAS_CORETYPE=Haswell")),
]
"""Another shape, format or bias; another batch, layout, number of threads or variable."""


def test_another_kernel_or_process_is_revealed_anew(folder: Path) -> None:
    asked()
    with Revealer() as revealer:
        assert [revealer.reveal(other, vectors=100).cached for other in OTHERS] == [False] * len(OTHERS)
        assert not revealer.reveal(KERNEL, vectors=100, seed=1).cached
        assert not revealer.reveal(KERNEL, vectors=101).cached
    assert len(entries(folder)) == len(OTHERS) + 3
    with Revealer() as revealer:
        assert [revealer.reveal(other, vectors=100).cached for other in OTHERS] == [True] * len(OTHERS)


def test_a_place_in_the_result_is_of_the_same_kernel(folder: Path) -> None:
    asked()
    elsewhere = replace(KERNEL, environment=replace(KERNEL.environment, row=1, output=2))
    found = asked(elsewhere)
    assert found.cached
    assert found.kernel == elsewhere


def test_nothing_is_kept_where_the_cache_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FPSYNTH_CACHE", "off")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert not asked().cached
    assert not asked().cached
    assert list(tmp_path.iterdir()) == []


# whole networks


def network(seed: int = 0) -> Network:
    rng = np.random.default_rng(seed)
    numbers = [rng.standard_normal(shape).astype(np.float32) for shape in ((2, 1, 3, 3), (2,), (3, 32), (3,))]
    nodes = (
        Node("conv", Convolution(numbers[0], numbers[1], padding=1)),
        Node("relu", ReLU(), ("conv",)),
        Node("flat", Flatten(), ("relu",)),
        Node("dense", Dense(numbers[2], numbers[3]), ("flat",)),
    )
    return Network(nodes, (1, 4, 4), "dense")


def answered(given: Network, inputs: np.ndarray | None = None) -> dict:
    with Revealer() as revealer:
        return revealer.network(given, FLOAT32, parse_network_environment("numpy:batch=1"), vectors=100, inputs=inputs)


def told(answer: dict) -> dict:
    return {name: value for name, value in answer["reveal"].items() if name != "cached"}


def test_a_network_is_read_again_as_it_was_revealed(folder: Path) -> None:
    first, second = answered(network()), answered(network())
    assert (first["reveal"]["cached"], second["reveal"]["cached"]) == (False, True)
    assert told(first) == told(second)
    assert second["reveal"]["network"]["of"] == 64 * 3


def test_other_weights_have_the_same_kernels_but_are_checked_themselves(folder: Path) -> None:
    answered(network())
    found = answered(network(1))["reveal"]
    assert not found["cached"]
    assert [(layer["name"], layer["cached"]) for layer in found["layers"]] == [("conv", True), ("dense", True)]


def test_with_inputs_logits_are_computed_and_compared_anew(folder: Path) -> None:
    points = np.random.default_rng(3).standard_normal((5, 16)).astype(np.float32).astype(np.float64)
    first, second, other = answered(network(), points), answered(network(), points), answered(network(), points[:4])
    assert [one["reveal"]["cached"] for one in (first, second, other)] == [False, True, False]
    assert (first["logits"] == second["logits"]).all()
    assert (first["bounds"] == second["bounds"]).all()
    assert first["reproduced"] == second["reproduced"] == 15


def test_a_kernel_of_a_layer_is_read_for_the_layer_alone(folder: Path) -> None:
    answered(network())
    shape = layer_shape(network()["conv"].layer, (1, 4, 4))
    found = asked(Kernel(parse_environment("numpy:matmul:batch=1,outputs=2"), FLOAT32, 9, 2, True, shape, shape.inner))
    assert found.cached
    assert found.kernel.layer == shape


# what users see


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main([*arguments]) == 0
    return capsys.readouterr().out


REVEAL = ("reveal", "numpy:matmul", "--terms", "4", "--vectors", "100")


def test_a_report_says_that_it_is_from_the_cache_and_the_data_when_it_was_revealed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = json.loads(printed(capsys, *REVEAL, "--json"))["reveals"][0]
    second = json.loads(printed(capsys, *REVEAL, "--json"))["reveals"][0]
    assert first == second
    assert f"from the cache, revealed {first['revealed']}" in printed(capsys, *REVEAL)


def test_a_search_rests_on_a_kept_reveal_with_the_same_counts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sides = ("--a", "numpy:matmul:batch=4", "--b", "numpy:matmul:batch=4,row=1")
    question = ("order", *sides, "--terms", "3", "--vectors", "1000", "--no-replay")
    first, second = (json.loads(printed(capsys, *question, "--json")) for _ in range(2))
    assert [[reveal["cached"] for reveal in one["reveals"]] for one in (first, second)] == [[False, False], [True, True]]
    assert [one["verdict"] for one in (first, second)] == ["impossible"] * 2
    assert first["rests_on"] == second["rests_on"]
    assert first["reveals"][0]["revealed"] == second["reveals"][0]["revealed"]
    assert f"from the cache, revealed {first['reveals'][0]['revealed']}" in " ".join(printed(capsys, *question).split())


def test_a_network_says_what_is_from_the_cache(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (0, 1):
        write_npz(network(seed), folder.parent / f"{seed}.npz")
    path = str(folder.parent / "0.npz")
    command = ("reveal", "numpy", "--vectors", "100", "--network")
    assert "from the cache" not in printed(capsys, *command, path)
    whole = printed(capsys, *command, path)
    assert "from the cache, revealed 20" in whole
    assert "from the cache: the kernels of conv, dense" in printed(capsys, *command, str(folder.parent / "1.npz"))
    np.savez(folder.parent / "x.npz", inputs=np.ones((2, 1, 4, 4), np.float32))
    compare = ("compare", path, "--inputs", str(folder.parent / "x.npz"), "--library", "numpy", "--batch", "1,2")
    assert main([*compare]) == main([*compare]) == 0
    said = capsys.readouterr().out
    assert said.count("Revealed before, and read from the cache: numpy:batch=1, numpy:batch=2.") == 1


# entries


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Cache, Kernel, CachedKernels]:
    """A cache with one entry, of a simulated library."""
    own = kernel(FLOAT32, 4)
    library = library_named("numpy")
    kernels = CachedKernels(library, cache=Cache(tmp_path, IDENTITY))
    found = revealed(layer(own, lambda row, output: Arithmetic(FLOAT32)), own)
    kernels.keep(replace(found, revealed=now()), 100, 0)
    assert kernels(own, 100, 0).cached
    return kernels.cache, own, kernels


def test_some_positions_are_never_taken_for_all(tmp_path: Path) -> None:
    """What was revealed of some answers for these alone, whatever was revealed of all answers for any."""
    own = kernel(FLOAT32, 6, outputs=3)
    usual, last = Arithmetic(FLOAT32), Arithmetic(FLOAT32, order=parse_order("reverse"))
    library = cast(Library, Simulated(layer(own, lambda row, output: last if output == 2 else usual)))
    first, other, whole = ((0, 0),), ((0, 2),), ()

    def answered(read: Read) -> Reveal:
        return CachedKernels(library, cache=Cache(tmp_path, IDENTITY))(own, 200, 0, read)

    assert [answered(read).cached for read in (first, other, whole)] == [False] * 3
    for read in (first, other, whole):  # all of them are known by now
        assert (answered(read).cached, answered(read).whole) == (True, True)
    (tmp_path / "reveals" / f"{_digest_of(own, whole)}.json").unlink()
    assert [(answered(read).cached, answered(read).whole) for read in (first, other)] == [(True, False)] * 2
    assert answered(first).at(0, 2).check == Check(0, 0)
    assert answered(other).at(0, 2).check.perfect


def test_positions_that_all_act_alike_are_kept_as_all(tmp_path: Path) -> None:
    own = kernel(FLOAT32, 6, outputs=3)
    library = cast(Library, Simulated(layer(own, lambda row, output: Arithmetic(FLOAT32))))
    assert CachedKernels(library, cache=Cache(tmp_path, IDENTITY))(own, 200, 0, ((0, 1),)).whole
    assert CachedKernels(library, cache=Cache(tmp_path, IDENTITY))(own, 200, 0).cached


def _digest_of(own: Kernel, read: Read) -> str:
    return cached._digest({"asked": _asked(placeless(own), 200, 0, read), "identity": IDENTITY})


def is_believed(kernels: CachedKernels, own: Kernel) -> bool:
    return kernels._kept(placeless(own), 100, 0) is not None


def test_every_change_of_an_entry_is_noticed(kept) -> None:
    """Any byte of it: what is damaged is not there."""
    cache, own, kernels = kept
    (path,) = entries(cache.folder)
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in [*range(0, len(data), 37), *rng.integers(0, len(data), 40).tolist()]:
        changed = bytearray(data)
        changed[place] ^= 1 << int(rng.integers(0, 7))
        path.write_bytes(bytes(changed))
        same = json_or_none(bytes(changed)) == json.loads(data)  # such as another white space
        assert is_believed(kernels, own) == same
    for end in range(0, len(data), 101):
        path.write_bytes(data[:end])
        assert not is_believed(kernels, own)
    path.write_bytes(data)
    assert is_believed(kernels, own)


def json_or_none(data: bytes) -> object:
    try:
        return json.loads(data)
    except ValueError:
        return None


@pytest.mark.parametrize("text", [b"", b"null", b"[]", b"{}", b"[" * 100_000, b"\xff", b'{"schema": NaN}'])
def test_a_file_of_something_else_is_not_there(kept, text: bytes) -> None:
    cache, own, kernels = kept
    (path,) = entries(cache.folder)
    path.write_bytes(text)
    assert not is_believed(kernels, own)


def test_an_entry_by_another_name_is_not_there(kept) -> None:
    cache, own, _ = kept
    (path,) = entries(cache.folder)
    other = Cache(cache.folder, {"machine": "another"})
    path.rename(other._path(other._key(question(own))))
    assert other.get(question(own)) is None


def question(own: Kernel) -> dict:
    return _asked(placeless(own), 100, 0)


def test_an_answer_that_is_whole_but_no_reveal_of_the_kernel_is_not_believed(kept) -> None:
    """The reader of reveal files decides, whoever wrote the digest."""
    cache, own, kernels = kept
    answer = cache.get(question(own))
    assert answer is not None
    wrong = json.loads(json.dumps(answer))
    wrong["reveals"][0]["classes"][0]["explained"] += 1
    other = json.loads(json.dumps(answer))
    other["reveals"][0]["kernel"]["bias"] = True
    for bad in (wrong, other, {**answer, "reveals": []}, {**answer, "reveals": answer["reveals"] * 2}):
        cache.put(question(own), bad)
        assert cache.get(question(own)) == bad
        assert not is_believed(kernels, own)
    cache.put(question(own), answer)
    assert is_believed(kernels, own)


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give files away")
def test_an_entry_of_another_user_is_not_there(kept) -> None:
    cache, own, kernels = kept
    (path,) = entries(cache.folder)
    os.chown(path, 12345, 12345)
    assert not is_believed(kernels, own)


def test_results_that_change_between_repeats_are_not_kept(kept) -> None:
    cache, own, kernels = kept
    (found,) = [kernels(own, 100, 0)]
    kernels.keep(replace(found, repeats="3 of 18 calls"), 101, 0)
    assert len(entries(cache.folder)) == 1


@pytest.mark.parametrize(("number", "size"), [(3, 1 << 30), (1000, 3000)], ids=["number", "size"])
def test_the_oldest_entries_are_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, size: int) -> None:
    monkeypatch.setattr(cached, "MAX_ENTRIES", number)
    monkeypatch.setattr(cached, "MAX_BYTES", size)
    cache = Cache(tmp_path, IDENTITY)
    for k in range(6):
        cache.put({"number": k}, {"text": "x" * 800})
        os.utime(cache._path(cache._key({"number": k})), (k, k))
    there = [k for k in range(6) if cache.get({"number": k}) is not None]
    assert there == [3, 4, 5] if number == 3 else there in ([4, 5], [3, 4, 5])


def test_what_a_killed_process_left_is_dropped_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached, "MAX_ENTRIES", 1)
    cache = Cache(tmp_path, IDENTITY)
    cache.put({"number": 1}, {})
    left = tmp_path / "reveals" / ".entry.json.0123.tmp"
    left.write_text("half of an ent")
    os.utime(left, (1, 1))
    cache.put({"number": 2}, {})
    assert not left.exists()
    assert cache.get({"number": 2}) == {}


def test_what_is_too_large_or_no_json_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached, "MAX_ENTRY", 1000)
    cache = Cache(tmp_path, IDENTITY)
    cache.put({"a": 1}, {"text": "x" * 1000})
    cache.put({"a": 2}, {"number": float("inf")})
    assert entries(tmp_path) == []


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = Cache(tmp_path / "file", IDENTITY)
    cache.put({"a": 1}, {"b": 2})
    assert cache.get({"a": 1}) is None


def test_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FPSYNTH_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / ".cache" / "fpsynth"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which the specification has ignored
    assert cache_folder() == tmp_path / ".cache" / "fpsynth"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert cache_folder() == tmp_path / "other" / "fpsynth"
    monkeypatch.setenv("FPSYNTH_CACHE", str(tmp_path / "named"))
    assert cache_folder() == tmp_path / "named"
    monkeypatch.setenv("FPSYNTH_CACHE", "OFF")
    assert cache_folder() is None


def test_an_identity_says_what_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    request = {"device": "cpu", "threads": None, "switches": {}}
    library = library_named("numpy")
    library.load("cpu")
    own = identity(library, request, {})
    assert own == identity(library, request, {})
    assert own["code"] == code()
    assert own["loaded"] != identity_digest_of_nothing()
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    other = identity(library, request, {})
    assert {name for name in own if own[name] != other[name]} == {"machine", "variables"}
    assert identity(library, {**request, "threads": 2}, {})["process"] != own["process"]


def identity_digest_of_nothing() -> str:
    from fpsynth.revealing.identity import _digest

    return _digest([])
