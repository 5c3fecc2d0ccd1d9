"""What cannot be asked is refused before a library is run; what an operation restricts is kept to, so that it can be run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fpsynth import api
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32, TF32
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.revealing.revealer import Revealer
from fpsynth.solvers.engines import engines_named
from fpsynth.synthesis.checking.check import check
from fpsynth.synthesis.domain import UNIT
from fpsynth.synthesis.matrix import classes_of, confirm, detectors, reveal_all
from fpsynth.synthesis.settings import Settings
from fpsynth.synthesis.verdicts import Verdict

A, B = "numpy:matmul", "numpy:matmul:batch=4"
FEW = {"vectors": 300, "libraries": ["numpy"]}

REFUSED: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], str]] = [
    (api.interval, ("real", B), {}, "real: interval arithmetic rounds outward into a format"),
    (api.interval, (A, B), {"widening": "foo"}, "unknown widening 'foo'"),
    (api.interval, (A, B), {"radius": -1}, "the radius of a box cannot be negative"),
    (api.interval, (A, B), {"weights": "1e300:1e301"}, "exceeds the largest float32 number"),
    (api.interval, (f"{A}:outputs=3", f"{B},outputs=4"), {}, "all sides must have the same outputs=N"),
    (api.order, (A, B), {"dtype": "tf32"}, "numpy has no dtype tf32"),
    (api.order, (A, f"{B},outputs=1"), {"predicate": "argmax"}, "a class needs at least 2 outputs"),
    (api.order, (A, B), {"threshold": "0>5"}, "the threshold 5 is outside the inputs' range"),
    (api.order, (A, B), {"box": "0:5"}, "the box reaches beyond the inputs"),
    (api.order, (A, B), {"box": "0:0.5", "terms": 2}, "only in a sum of at least 3 terms"),
    (api.order, (A, "sequential,operands=tf32"), {"box": "0:0.5"}, "does not see the faces of a box"),
    (api.order, (A, B), {"inputs": "2:1"}, "is reversed"),
    (api.order, (A, B), {"solver": "foo"}, "foo"),
    (api.position, ("numpy:matmul:batch=4,outputs=4",), {"solver": "foo"}, "foo"),
    (api.order, (A, "nosuch.json"), {}, "cannot read nosuch.json"),
    (api.order, (A, B), {"silent": ["[[0,1],2]"], "terms": 8}, "8"),
    (api.order, (A, B), {"outputs": 4096, "terms": 4096}, "more than 1048576"),
    (
        api.order,
        ("numpy:vdot", "numpy:sum"),
        {"weights": "-1:1"},
        "numpy:sum has no weights, so that all are 1: leave the range",
    ),
    (api.order, (A, B), {"silent": ["numpy:sum"], "weights": "0:1"}, "numpy:sum has no weights"),
    (
        api.order,
        ("numpy:vdot", "numpy:sum"),
        {"predicate": "argmax"},
        "numpy:vdot has one output, and a class needs at least 2",
    ),
    (api.order, ("sequential", "numpy:sum"), {"outputs": 3}, "numpy:sum has one output: the layer cannot have 3"),
    (api.order, ("sequential", "numpy:vdot"), {"max_weight": 1}, "computes one layer: max_weight adds further ones"),
    (api.order, ("sequential", "numpy:vdot"), {"threshold": "0>0.5"}, "computes one layer: a box or a threshold adds further"),
    (api.relu, ("real", "numpy:sum"), {"weights": "0.5:1"}, "numpy:sum has no weights"),
    (api.interval, ("sequential", "numpy:sum"), {"weights": "0.5:1"}, "numpy:sum has no weights"),
    (api.twin, ("numpy:sum",), {}, "numpy:sum has one output: the question needs a layer of at least 2 neurons"),
    (api.twin, ("numpy:matmul:outputs=1",), {}, "at least 2 neurons, not outputs=1"),
    (api.twin, ("numpy:matmul",), {}, "say how many neurons the layer has"),
    (api.twin, ("numpy:matmul:outputs=4",), {"inputs": "1e39:1e40"}, "exceeds the largest float32 number"),
    (api.twin, ("numpy:matmul:outputs=4",), {"terms": 5000}, "terms must be from 1 to 4096"),
    (api.position, ("numpy:matmul:outputs=4",), {"kind": "row"}, "say batch=N"),
]


@pytest.mark.parametrize(
    ("ask", "sides", "options", "message"), REFUSED, ids=lambda value: getattr(value, "__name__", str(value)[:40])
)
def test_what_cannot_be_asked_is_refused_before_a_library_is_run(
    ask: Callable[..., Any], sides: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    steps: list[str] = []
    with pytest.raises(InputError) as error:
        ask(*sides, **{"terms": 8, "progress": steps.append, **options})
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert steps == [], "a library was asked"


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (Kernel(Environment("numpy", "vdot"), FLOAT32, 8, 1, bias=True), "numpy:vdot has one output and no bias"),
        (Kernel(Environment("numpy", "sum"), FLOAT32, 8, 2), "numpy:sum has one output and no bias"),
        (Kernel(Environment("numpy", "matmul"), TF32, 8), "numpy has no dtype tf32; it has float16,"),
    ],
)
def test_a_kernel_that_no_library_has_starts_no_process(kernel: Kernel, message: str) -> None:
    with Revealer() as revealer:
        with pytest.raises(InputError, match=message):
            revealer.reveal(kernel)
        assert not revealer._workers


def test_where_a_side_is_a_sum_all_weights_are_one_and_the_libraries_show_it() -> None:
    result = api.order("numpy:vdot", "numpy:sum", terms=24, **FEW)
    assert result.settings["weights"] == "1:1"
    if result.verdict is Verdict.IMPOSSIBLE:
        pytest.skip("numpy adds up both alike on this processor")
    (made,) = result.witnesses
    assert set(made.network.entries()) == {1.0}
    assert made.confirmed_by == ("numpy",)
    assert "all weights are 1: numpy:sum has no others" in made.provenance.notes
    assert api.relu("real", "numpy:sum", terms=24, **FEW).confirmed


def test_a_value_lies_outside_the_interval_of_one_neuron_of_several_and_numpy_shows_it() -> None:
    result = api.interval("pairwise", "numpy:matmul:batch=4,outputs=6,output=2,row=1", terms=16, **FEW)
    assert result.verdict is Verdict.FOUND, result.reason
    (made,) = result.witnesses
    assert made.network.widths == (16, 6)
    assert made.predicate.output == 2
    assert len(made.reference.interval) == 6
    assert (made.deployed.environment, made.deployed.row) == ("numpy:matmul:batch=4,outputs=6,output=2,row=1", 1)
    assert made.confirmed_by == ("numpy",)
    assert check(made).confirmed


def test_detectors_of_a_matrix_keep_to_the_weights_of_a_sum() -> None:
    environments = [Environment("numpy", "sum"), Environment("numpy", "vdot")]
    members = reveal_all(environments, FLOAT32, 24, 1, 300, 0, None)
    classes = classes_of(members, 24)
    settings = Settings(engines_named("auto"), seconds=60.0)
    cells = detectors(members, classes, FLOAT32, 24, UNIT, settings, None)
    if not cells:
        pytest.skip("numpy adds up both alike on this processor")
    (cell,) = confirm(cells, members, classes, FLOAT32, 1, None)
    assert set(cell.divergence.network.entries()) == {1.0}
    assert cell.confirmed, cell.reason
    assert cell.runs == 4, "the detector and its negation in either"
