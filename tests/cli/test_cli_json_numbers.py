"""What docs/python.md says of the numbers in JSON: hexadecimal ones, those with decimals beside them, and plain ones."""

import json
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fpsynth.cli.main import main
from fpsynth.networks.layers import Convolution, Dense, Flatten
from fpsynth.networks.network import Network, Node
from fpsynth.networks.npz_graph import write_npz

HEXADECIMAL = re.compile(r"-?0x[01](\.[0-9a-f]+)?p[+-]\d+")
FRACTION = re.compile(r"-?\d+/\d+")
LOSSLESS = {"weight", "bias", "numbers", "logits", "reference_logits", "real", "measure"}
WITH_DECIMALS = {"weight", "bias", "numbers"}
EXACTLY = {"radius": "radius_exact", "supremum": "supremum_exact", "distance": "distance_hex", "ratio": "ratio_hex"}
MEASURED = {
    "max_difference",
    "from_exact",
    "bound",
    "any_order",
    "seconds",
    "solve",
    "total",
    "encode_seconds",
    "solve_seconds",
}
"""Distances that compare measures, and times."""
ASKED = {"timeout", "min_ratio", "certified_ratio"}
DOCUMENT = (Path(__file__).parents[2] / "docs" / "python.md").read_text()


def leaves(value):
    """The strings and numbers in lists of lists."""
    if isinstance(value, list):
        return [leaf for part in value for leaf in leaves(part)]
    return [] if value is None else [value]


def members(value, inside=()):
    """Every member of every object: the names that it is inside of, its object, its name, its value."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield inside, value, name, part
            yield from members(part, (*inside, name))
    elif isinstance(value, list):
        for part in value:
            yield from members(part, inside)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    draw = np.random.default_rng(7)

    def drawn(*shape):
        return draw.standard_normal(shape).astype(np.float32)

    nodes = (
        Node("conv", Convolution(drawn(2, 1, 3, 3), drawn(2))),
        Node("flat", Flatten(), ("conv",)),
        Node("last", Dense(drawn(2, 18)), ("flat",)),
    )
    write_npz(Network(nodes, (1, 5, 5), "last"), folder / "net.npz")
    np.savez(folder / "x.npz", inputs=drawn(40, 1, 5, 5))
    return folder


COMMANDS = {
    "tie": ["tie", "--no-replay"],
    "order": ["order", "--a", "sequential", "--b", "pairwise", "--no-replay"],
    "replayed": ["order", "--a", "numpy:dot", "--b", "reverse", "--library", "numpy", "--batch", "1"],
    "given": ["order", "--network", "net.npz", "--points", "x.npz", "--a", "sequential", "--b", "pairwise", "--no-replay"],
    "compare": ["compare", "net.npz", "--inputs", "x.npz", "--library", "numpy", "--batch", "1,4", "--vectors", "100"],
}


@pytest.fixture(scope="module", params=COMMANDS)
def printed(request, model):
    """The object that a command prints."""
    import contextlib
    import io

    words = [str(model / word) if word.endswith(".npz") else word for word in COMMANDS[request.param]]
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        assert main([*words, "--json"]) in (0, 4, 5)  # not confirmed by a library, classes change
    return request.param, json.loads(text.getvalue())


def test_numbers_that_must_not_be_lost_are_hexadecimal_or_fractions(printed):
    command, data = printed
    seen = set()
    for inside, _, name, value in members(data):
        numbers = leaves(value)
        if name in LOSSLESS and "settings" not in inside and numbers and not isinstance(value, dict):
            seen.add(name)
            for number in numbers:
                assert isinstance(number, str), (*inside, name)
                assert HEXADECIMAL.fullmatch(number) or (FRACTION.fullmatch(number) and name in ("real", "logits", "measure"))
    assert seen >= (set() if command == "compare" else {"numbers", "logits", "measure"})


def test_decimals_stand_beside_those_of_dense_layers_and_points(printed):
    command, data = printed
    seen = 0
    for _, owner, name, value in members(data):
        if name in WITH_DECIMALS and leaves(value) and name + "_decimal" in owner:
            seen += 1
            exact = [Fraction(float.fromhex(number)) for number in leaves(value)]
            assert [Fraction(number.lstrip("≈ ")) for number in leaves(owner[name + "_decimal"])] == exact
        assert not (name == "weight" and isinstance(value, list)) or "weight_decimal" in owner
    for point in data.get("points", ()):
        assert "numbers_decimal" in point
    assert (seen > 0) is (command != "compare")


def test_every_other_float_is_one_that_the_document_calls_plain(printed):
    _, data = printed
    for inside, owner, name, value in members(data):
        if any(isinstance(leaf, float) for leaf in leaves(value)):
            assert name in {*EXACTLY, *MEASURED, *ASKED}, (*inside, name)
            if name in EXACTLY:
                told = owner[EXACTLY[name]]
                exact = float.fromhex(told) if told.startswith(("0x", "-0x")) else float(Fraction(told))
                assert value == exact


def test_the_document_names_members_that_there_are():
    (paragraph,) = [part for part in DOCUMENT.split("\n\n") if "schema_version" in part]
    named = set(re.findall(r"`(\w+_(?:decimal|exact|hex))`", paragraph))
    assert named == {*EXACTLY.values(), *(f"{name}_decimal" for name in WITH_DECIMALS)}
