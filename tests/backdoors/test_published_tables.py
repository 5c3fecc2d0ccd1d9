"""The benchmark of the published backdoors: its models of verifiers give the published pattern, its words say what was seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.published_backdoors import main
from benchmarks.published_figures import TOOLS, compared, published_accuracy, published_verdict
from benchmarks.published_orders import detected, order_words, probed_order
from benchmarks.published_table import text
from benchmarks.published_verdicts import VERIFIERS, Verifier, columns, detector_bounds, fires_in, held, judged, silent_value
from fpsynth.backdoors.published import published
from fpsynth.evaluators.float64 import numpy_outputs
from fpsynth.evaluators.rounded import rounded_network, rounded_points
from fpsynth.formats import FLOAT32, FLOAT64, Format
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.networks.network import Network, dense_relu
from fpsynth.revealing.revealer import Revealer

INTERVALS, ELINA = "intervals", "intervals-elina-sums"


@pytest.fixture(scope="module")
def host() -> Network:
    """Dense layers with logits that no box of radius 0.1 around the points makes change places."""
    rng = np.random.default_rng(5)
    layers = [(rng.uniform(-1, 1, (b, a)) / a, rng.uniform(-0.1, 0.1, b)) for a, b in ((6, 4), (4, 4), (4, 5))]
    layers.append((rng.uniform(-1, 1, (3, 5)) / 20, np.array([0.0, 3.0, 1.0])))
    return rounded_network(dense_relu(layers), FLOAT32)[0]


@pytest.fixture(scope="module")
def points() -> Any:
    drawn = np.random.default_rng(6).uniform(0, 1, (3, 6))
    drawn[:, 0] = 0.0
    return rounded_points(drawn, FLOAT32)


@pytest.mark.parametrize(
    ("widening", "fmt", "silent"),
    [
        (INTERVALS, FLOAT64, {"Precision-same", "Order2", "Order3"}),
        (INTERVALS, FLOAT32, {"Order2", "Order3"}),
        (ELINA, FLOAT64, {"Precision-same", "Order3"}),
    ],
)
def test_detectors_are_held_silent_where_the_published_verifiers_were_fooled(
    host: Network, widening: str, fmt: Format, silent: set[str]
) -> None:
    for _, name, made_for in columns(Verifier(fmt, "deeppoly", widening))[1:]:
        made = published(name, host, made_for)
        value = silent_value(made, detector_bounds(made, widening, fmt))
        assert (value is not None) == (name in silent), name


@pytest.mark.parametrize("name", ["Precision-same", "Order2", "Order3"])
def test_a_held_detector_leaves_the_classes_of_the_host(host: Network, points: Any, name: str) -> None:
    made = published(name, host, FLOAT32 if name.startswith("Precision") else FLOAT64)
    value = silent_value(made, detector_bounds(made, INTERVALS, FLOAT64))
    assert value is not None
    before, after = numpy_outputs(host, points), numpy_outputs(held(made, value), points)
    assert np.abs(before - after).max() < 1e-9


def test_the_models_say_what_was_published_of_deeppoly_and_any_order_sees_every_backdoor(host: Network, points: Any) -> None:
    for name in ("deeppoly-elina", "sound-any-float64"):
        row = VERIFIERS[name]
        assert judged(row, host, None, points, 10.0)["verdicts"] == ["unsat"] * 3
        for column, backdoor, fmt in columns(row)[1:]:
            counts = judged(row, host, published(backdoor, host, fmt), points, 10.0)["verdicts"].count("unsat")
            fooled = (
                name == "deeppoly-elina" and "its own" not in column and published_verdict("DeepPoly", backdoor) == "unsound"
            )
            assert counts == (3 if fooled else 0), (name, column)


def test_order2_is_seen_by_intervals_with_elinas_widening_only(host: Network, points: Any) -> None:
    made = published("Order2", host, FLOAT64)
    for widening, expected in ((INTERVALS, 3), (ELINA, 0)):
        row = Verifier(FLOAT64, "deeppoly", widening)
        assert judged(row, host, made, points, 10.0)["verdicts"].count("unsat") == expected


def test_the_published_verdicts_are_those_of_the_paper() -> None:
    fooled = {
        name: [tool for tool in TOOLS if published_verdict(tool, name) == "unsound"] for name in ("Order1", "Order2", "Order3")
    }
    assert fooled["Order1"] == []
    assert fooled["Order2"] == ["MIPVerify", "MN-BaB", "beta-CROWN float32", "beta-CROWN float64", "GCP-CROWN"]
    assert fooled["Order3"] == list(TOOLS)
    assert [tool for tool in TOOLS if published_verdict(tool, "ICLR2021") == "unsound"] == ["MIPVerify", "MN-BaB", "RefinePoly"]


def test_detectors_fire_in_the_orders_that_the_exact_interpreter_says(host: Network) -> None:
    assert "float32 sequential" in fires_in(published("Precision-same", host))
    assert fires_in(published("Precision-wider", host)) == [
        f"float64 {name}" for name in ("sequential", "reverse", "numpy", "lanes:8")
    ]
    assert "float64 sequential" not in fires_in(published("Order1", host, FLOAT64))
    assert fires_in(published("Order1", host, FLOAT64))
    assert fires_in(published("Order3", host)) == ["float32 reverse"]
    assert fires_in(None) == []


def test_probes_and_the_detector_itself_agree_with_what_numpy_computes(host: Network, points: Any) -> None:
    where = parse_network_environment("numpy:batch=1,threads=1")
    with Revealer() as revealer:
        made = published("Precision-same", host)
        found = detected(revealer, made, FLOAT32, where, points)
        order = probed_order(revealer, made, FLOAT32, where, points[:1])
    assert found["fired"] in (0.0, 1.0)
    assert found["detector"] == ([0.0] if found["fired"] else [1.0])
    ones = len(made.form.places) * made.form.site.spread
    assert order["ones"] == ones
    assert 0 <= order["second"][0] <= ones - 2
    assert (order["bias"] == [ones - 1]) == (found["fired"] == 1.0)  # omega and 1 meet before the bias takes omega away


def test_an_order_is_told_in_words() -> None:
    chain = {"ones": 147, "second": [0], "last": [145], "bias": [146]}
    assert order_words(chain).startswith(
        "its row is added at first from left to right, the bias last: of 147 ones the first meets the second"
    )
    assert "side by side, the bias first" in order_words({**chain, "second": [70], "bias": [0]})
    assert "by row differently, the bias last: of 147 ones the first meets the second after 0 or 70 others" in order_words(
        {**chain, "second": [0, 70]}
    )


def _cell(**changed: Any) -> dict[str, Any]:
    cell = {
        **{"name": "Order1", "detector_format": "float32", "dtype": "float32", "bias": True},
        **{"environment": "torch:batch=10,threads=1", "images": 10_000, "correct": 11, "accuracy": 0.11, "published": 0.11},
        **{
            "detector": [15.0],
            "fired": 1.0,
            "rows": [0],
            "default": "0",
            "order": {"ones": 147, "second": [0], "last": [145], "bias": [146]},
        },
    }
    return {**cell, **changed}


def test_a_cell_is_compared_by_whether_its_detector_fires() -> None:
    assert compared(_cell()) == "as published"
    assert compared(_cell(images=20)) == "as published, on 20 images"
    assert compared(_cell(fired=0.0, detector=[0.0])).startswith(
        "DEPARTS: its detector gives 0 (left to right 0): its row is added at first from left to right"
    )
    assert "fires in rows 8, 9 of a batch" in compared(_cell(fired=0.2, detector=[0.0, 12.0], rows=[8, 9]))
    assert compared(_cell(published=None, fired=0.0)) == ""
    assert compared({"published": None, "not_run": "no float64"}) == "no float64"


def test_only_cells_of_pytorch_on_a_cpu_have_a_published_accuracy() -> None:
    assert published_accuracy("Order1", "float32", "float32", "torch", 10) == 0.11
    assert published_accuracy("Order2", "float64", "float64", "torch", 1) == 98.11
    assert published_accuracy("Precision-same", "float32", "float32", "torch", 1) == 0.11
    assert published_accuracy("Precision-same", "float32", "float64", "torch", 1) == 98.11
    assert published_accuracy("Order1", "float32", "float32", "jax", 1) is None
    assert published_accuracy("host", "float32", "float32", "torch", 1) is None


def test_tables_name_what_departs() -> None:
    verdict = {"verifier": "deeppoly-elina", "boxes": 1, "limit": 1.0, "format": "float64", "fires_in": [], "reason": ""}
    rows = [
        {**verdict, "column": "host", "backdoor": "host", "published": {}, "verdicts": ["unsat"], "detector": None},
        {
            **verdict,
            **{"column": "Order3", "backdoor": "Order3", "published": {"DeepPoly": "unsound"}},
            **{"verdicts": ["unknown"], "detector": [504.0, 520.0]},
        },
    ]
    said: dict[str, Any] = {
        "cpu": "x",
        "cores": 1,
        "load_at_start": None,
        "os": "x",
        "python": "3",
        "versions": {},
        "date": "x",
    }
    told = text({"cells": [_cell()], "verdicts": rows, "conditions": said})
    assert "sound (0 of 1), published unsound" in told
    rows[1]["reason"] = "the time limit is over"
    assert "open (0 of 1), published unsound" in text({"cells": [], "verdicts": rows, "conditions": said})
    assert "DeepPoly by deeppoly-elina, Order3: sound, published unsound: 1 unknown; its detector is in [504, 520]" in told


def test_bad_arguments_are_refused_and_missing_data_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--verifier", "nobody", "--data", str(tmp_path)]) == 2
    assert main(["--images", "3", "--data", str(tmp_path)]) == 2
    assert main(["--data", str(tmp_path)]) == 0
    assert "skipped" in capsys.readouterr().out


def test_a_row_about_one_environment_is_right_where_the_backdoor_is_silent_there() -> None:
    asked = {
        "verifier": "sound-torch",
        "boxes": 1,
        "limit": 1.0,
        "format": "float32",
        "fires_in": [],
        "reason": "",
        "published": {},
    }
    rows = [
        {**asked, "column": "host", "backdoor": "host", "verdicts": ["unsat"], "detector": None},
        {**asked, "column": "Order2", "backdoor": "Order2", "verdicts": ["unsat"], "detector": None},
    ]
    said: dict[str, Any] = {
        "cpu": "x",
        "cores": 1,
        "load_at_start": None,
        "os": "x",
        "python": "3",
        "versions": {},
        "date": "x",
    }
    where = {"name": "Order2", "environment": "torch:batch=1,threads=1", "published": 98.11}
    for fired, verdict in ((0.0, "right (1 of 1)"), (0.2, "unsound (1 of 1)")):
        assert verdict in text({"cells": [_cell(**where, fired=fired)], "verdicts": rows, "conditions": said})
    assert "unsound (1 of 1)" in text({"cells": [], "verdicts": rows, "conditions": said})
