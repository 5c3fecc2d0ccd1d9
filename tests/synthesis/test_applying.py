"""Options beside a network that is given: each says whether it means something there, and one that does not is refused."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import pytest

import fpsynth
from fpsynth.cli.main import main
from fpsynth.errors import InputError
from fpsynth.synthesis.requests.applying import require_said, takes_given
from fpsynth.synthesis.requests.fields import Option, asked, default_text, open_options
from fpsynth.synthesis.requests.functions import asking
from fpsynth.synthesis.requests.order import OrderRequest
from fpsynth.synthesis.requests.ties import TieRequest
from fpsynth.synthesis.table import QUESTIONS

GIVEN = {name: request for name, request in QUESTIONS.items() if takes_given(request)}
BESIDE = {
    "order": ["--network", "NET", "--points", "X", "--no-replay"],
    "tie": ["--network", "NET", "--points", "X", "--no-replay"],
    "reveal": ["numpy", "--network", "NET"],
}
MADE_UP = [
    (name, option)
    for name, request in GIVEN.items()
    for option, (_, about) in open_options(request).items()
    if about.given is False
]
VALUES = {"shape": "1,2", "gap": "1", "weights": "-1:1", "inputs": "-1:1", "max_weight": "1", "box": "0:1", "threshold": "0>1"}
VALUES |= {"outputs": "1", "jobs": "1"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("given")
    drawn = np.random.default_rng(3)
    arrays = {"W0": drawn.standard_normal((4, 6)), "W1": drawn.standard_normal((6, 2))}
    np.savez(folder / "net.npz", **{name: array.astype(np.float32) for name, array in arrays.items()})
    np.savez(folder / "x.npz", inputs=drawn.standard_normal((20, 4)).astype(np.float32))
    return {"NET": str(folder / "net.npz"), "X": str(folder / "x.npz")}


def argument(name: str, option: str) -> list[str]:
    """The option as somebody writes it down who wants its default, where it has one that can be written."""
    one, about = open_options(QUESTIONS[name])[option]
    flag = "--" + option.replace("_", "-")
    if isinstance(one.default, bool) or about.bare:
        return [flag]
    return [flag, VALUES.get(option) or str(default_text(one))]


def test_the_questions_about_given_networks_are_these() -> None:
    assert set(GIVEN) == set(BESIDE)
    assert {("order", "terms"), ("order", "jobs"), ("tie", "prove"), ("reveal", "terms")} <= set(MADE_UP)


@pytest.mark.parametrize(("name", "option"), MADE_UP)
def test_an_option_of_networks_that_are_made_up_is_refused_by_name_even_by_its_default(
    files: dict[str, str], capsys: pytest.CaptureFixture[str], name: str, option: str
) -> None:
    words = [files.get(word, word) for word in [name, *BESIDE[name], *argument(name, option)]]
    assert main(words) == 2
    out, err = capsys.readouterr()
    said = f"{option} is of networks that are made up: leave it out where a network is given"
    assert (out, err) == ("", f"fpsynth {name}: error: {said}\n")


def test_python_refuses_the_same_before_it_reads_a_file() -> None:
    with pytest.raises(InputError, match=r"^terms is of networks that are made up"):
        fpsynth.order(network="net.npz", images="x.npz", terms=8)
    with pytest.raises(InputError, match=r"^rounding is of networks that are made up"):
        fpsynth.tie(network="net.npz", images="x.npz", rounding="RNE")
    with pytest.raises(InputError, match=r"^jobs is of networks that are made up"):
        OrderRequest(network="net.npz", images="x.npz", jobs=3)
    with pytest.raises(InputError, match=r"net\.npz"):  # what asks for nothing is no matter: the file is read
        fpsynth.order(network="net.npz", images="x.npz", camouflage=False, gap=None, replay=False)


def test_a_batch_size_is_said_once_of_a_whole_network_too(files: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="say the batch size once"):
        fpsynth.reveal_network(files["NET"], "numpy:batch=2", batch=4)
    assert main(["reveal", "numpy:threads=1", "--network", files["NET"], "--threads", "1"]) == 2
    assert "say the number of threads once" in capsys.readouterr().err
    with pytest.raises(InputError, match="every environment says its own batch: leave the option batch out"):
        fpsynth.compare(files["NET"], files["X"], library=["numpy:batch=1", "numpy:batch=3"], batch=(1, 64))


def test_a_record_says_only_what_was_asked_of_a_given_network(files: dict[str, str]) -> None:
    result = fpsynth.order("sequential", "reverse", network=files["NET"], images=files["X"], replay=False, timeout=20)
    assert set(result.settings) == {"sides", "dtype", "predicate", "seed", "timeout", "vectors", "network", "images"}
    assert result.settings["vectors"] == 1000  # those that would have checked each layer
    request: Any = {"network": files["NET"], "images": files["X"]}
    for said in (3000, 10_000):
        assert OrderRequest(vectors=said, **request).described()["vectors"] == said
    assert OrderRequest().described()["vectors"] == 10_000
    told = {"dtype", "order", "min_ratio", "certifier", "seed", "timeout", "network", "images"}
    assert set(TieRequest(**request).described()) == told


@pytest.mark.parametrize("name", GIVEN)
def test_every_option_of_a_question_about_given_networks_says_whether_it_means_something_there(name: str) -> None:
    require_said(GIVEN[name])


def test_an_option_that_says_nothing_of_given_networks_is_no_option_of_such_a_question() -> None:
    @dataclass(frozen=True)
    class Silent(OrderRequest):
        _: KW_ONLY
        sweetness: int = asked(3, Option("how sweet", "N", number=int))

    with pytest.raises(TypeError, match=r"order: sweetness: Option\(given=...\) says whether"):

        @asking(Silent)
        def silent(request: Silent) -> int:
            return request.sweetness
