"""What a verdict is worth: exact arithmetic and ONNX Runtime say so, on networks where the two differ."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from external_questions import BOX, UNSAFE, network

from fpsynth.errors import InputError, WorkerLostError
from fpsynth.evaluators.enclosing import enclosed_logits
from fpsynth.formats import FLOAT32
from fpsynth.networks.layers import BatchNormalisation
from fpsynth.networks.network import Network, Node, dense_relu
from fpsynth.networks.onnx import OPSET, onnx_bytes
from fpsynth.verifiers.external.base import Said
from fpsynth.verifiers.external.judging import (
    BARE_SAT,
    FALSE_IN_FLOAT,
    FALSE_OVER_REALS,
    FALSE_SAT,
    FLOAT_SAT,
    NOTHING,
    RIGHT,
    TRUE_SAT,
    UNDECIDED,
    WORDS,
    Worth,
    judge,
)
from fpsynth.verifiers.external.outputs import stated
from fpsynth.verifiers.external.running_onnx import run_onnx
from fpsynth.verifiers.properties import ExactBox, Inequality, Property

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

TIE = dense_relu([([[1.0], [1.0]], [0.0, 2.0**-30])])
"""Outputs x and x + 2^-30: over the reals the second is above, in float32 they tie from 2^-6 on."""
UNIT = ExactBox((Fraction(0),), (Fraction(1),))


def model(folder: Path, of: Network) -> Path:
    path = folder / "m.onnx"
    path.write_bytes(onnx_bytes(of, FLOAT32, form="gemm", batch=1, opset=OPSET))
    return path


def judged(folder: Path, verdict: str, *point: float, of: Network = TIE, box: ExactBox = UNIT, known: float = 2.0) -> Worth:
    return judge(Said(verdict, point=point), of, model(folder, of), box, UNSAFE, [[known]] if len(box.lower) == 1 else [])


def test_a_point_that_is_unsafe_over_the_reals_is_true(tmp_path: Path) -> None:
    answer = judged(tmp_path, "sat", 0.5, 0.75, of=network(), box=BOX)
    assert answer.word == TRUE_SAT
    assert answer.reason.endswith("computes unsafe outputs")


def test_a_tie_counts_as_unsafe_and_strictness_is_kept(tmp_path: Path) -> None:
    path, said = model(tmp_path, network()), Said("sat", point=(0.5, 0.5))
    assert judge(said, network(), path, BOX, UNSAFE).word == TRUE_SAT
    strict = Property(((Inequality(UNSAFE.inequalities[0].coefficients, Fraction(0), strict=True),),))
    assert judge(said, network(), path, BOX, strict).word == FALSE_SAT


def test_a_tie_of_rounding_is_sat_in_float_only(tmp_path: Path) -> None:
    answer = judged(tmp_path, "sat", 0.5)
    assert answer.word == FLOAT_SAT
    assert answer.evaluated is not None
    assert answer.evaluated.outputs == (0.5, 0.5)


def test_a_double_is_taken_as_the_model_takes_it(tmp_path: Path) -> None:
    """0.1 is no float32: what runs is the float32 beside it."""
    answer = judged(tmp_path, "sat", 0.1)
    assert answer.word == FLOAT_SAT
    assert answer.evaluated is not None
    assert answer.evaluated.deployed == (0.10000000149011612,)


def test_a_safe_point_and_one_outside_are_false(tmp_path: Path) -> None:
    assert (judged(tmp_path, "sat", 2.0**-20).word, judged(tmp_path, "sat", 2.0**-20).reason) == (
        FALSE_SAT,
        "its point has safe outputs",
    )
    outside = judged(tmp_path, "sat", 1.5)
    assert (outside.word, outside.reason) == (FALSE_SAT, "its point lies outside the box")
    assert judged(tmp_path, "sat", float("nan")).word == FALSE_SAT
    assert judged(tmp_path, "sat", float("inf")).word == FALSE_SAT


def test_a_point_that_rounds_out_of_the_box_is_judged_by_itself(tmp_path: Path) -> None:
    """It is in the box, over the reals and safe there; the float32 beside it is unsafe, and outside."""
    box = ExactBox((Fraction(0),), (Fraction(0.1),))
    assert judged(tmp_path, "sat", 0.1, box=box).word == FALSE_SAT


def test_sat_without_a_point_and_unknown_are_said_to_be_that(tmp_path: Path) -> None:
    assert judged(tmp_path, "sat").word == BARE_SAT
    answer = judge(Said("unknown", "it crashed"), TIE, model(tmp_path, TIE), UNIT, UNSAFE)
    assert (answer.word, answer.reason) == (NOTHING, "it crashed")


def test_unsat_is_held_against_what_is_known(tmp_path: Path) -> None:
    assert judged(tmp_path, "unsat", known=0.5).word == FALSE_IN_FLOAT
    assert judged(tmp_path, "unsat", known=2.0**-20).word == RIGHT
    assert judged(tmp_path, "unsat", known=1.5).word == RIGHT, "a point outside the box says nothing"
    wrong = judge(Said("unsat"), network(), model(tmp_path, network()), BOX, UNSAFE, [[0.0, 0.0], [1.0, 1.0]])
    assert wrong.word == FALSE_OVER_REALS
    assert wrong.evaluated is not None
    assert wrong.evaluated.point == (1.0, 1.0)


def test_the_reals_count_before_floats(tmp_path: Path) -> None:
    below = dense_relu([([[1.0], [1.0]], [0.0, -(2.0**-30)])])
    assert judge(Said("unsat"), below, model(tmp_path, below), UNIT, UNSAFE, [[0.5]]).word == FALSE_OVER_REALS


def test_irrational_outputs_at_the_border_are_not_decided(tmp_path: Path) -> None:
    """1 / sqrt(3) against a number between the ends that enclose it, on the side where ONNX Runtime's result is safe."""
    norm = Node("norm", BatchNormalisation([0.0], [3.0], [1.0], [0.0], 0.0))
    root, path = Network((norm,), (1, 1), "norm"), tmp_path / "root.onnx"
    path.write_bytes(onnx_bytes(root, FLOAT32, batch=1))
    ((low, high),) = enclosed_logits(root, [(1, 1)])
    ((computed,),) = run_onnx(path, [(1.0,)]).outputs
    border = (low + high) / 2
    sign = 1 if computed > border else -1
    unsafe = Property(((Inequality(((0, Fraction(sign)),), sign * border),),))
    assert low < border < high
    assert judge(Said("sat", point=(1.0,)), root, path, UNIT, unsafe).word == UNDECIDED
    further = Property(((Inequality(((0, Fraction(1)),), low - Fraction(1, 2**200)),),))
    assert judge(Said("sat", point=(1.0,)), root, path, UNIT, further).word in (FALSE_SAT, FLOAT_SAT)


def test_every_word_is_listed_once() -> None:
    assert len(set(WORDS)) == len(WORDS) == 10


def test_a_point_of_another_length_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the point has 2 numbers, but the box has 1"):
        judged(tmp_path, "sat", 0.5, 0.5)


def test_points_are_run_one_by_one(tmp_path: Path) -> None:
    ran = run_onnx(model(tmp_path, network()), [(0.25, 0.5), (1.0, 1.0)])
    assert ran.outputs == ((0.75, 1.0), (2.0, 1.0))


def test_a_model_that_is_none_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"nothing")
    with pytest.raises(WorkerLostError, match="did not run the model"):
        run_onnx(tmp_path / "m.onnx", [(0.0,)])


def test_a_decimal_end_of_the_box_lies_in_it_though_its_float_does_not(tmp_path: Path) -> None:
    """The float64 of 0.1 is above 1/10; the point that is printed is 1/10, and unsafe there over the reals."""
    box, said = ExactBox((Fraction(0),), (Fraction(1, 10),)), stated("sat\n((X_0 0.1) (Y_0 0.1))")
    unsafe = Property(((Inequality(((0, Fraction(-1)),), Fraction(-1, 10)),),))
    assert said is not None
    assert (said.point, said.exact) == ((0.1,), (Fraction(1, 10),))
    answer = judge(said, TIE, model(tmp_path, TIE), box, unsafe)
    assert answer.word == TRUE_SAT
    assert answer.evaluated is not None
    assert (answer.evaluated.in_box, answer.evaluated.point) == (True, (0.1,))
    assert answer.reason.endswith("takes lie outside the box")


def test_outputs_that_are_not_finite_are_not_called_safe(tmp_path: Path) -> None:
    """Twice the number is beyond all float32, and over the reals still below the border."""
    steep = dense_relu([([[float(2**127)]], [0.0])])
    unsafe = Property(((Inequality(((0, Fraction(-1)),), Fraction(-(2**130))),),))
    box = ExactBox((Fraction(2),), (Fraction(3),))
    answer = judge(Said("sat", point=(2.0,)), steep, model(tmp_path, steep), box, unsafe)
    assert (answer.word, answer.reason) == (FALSE_SAT, "its outputs in ONNX Runtime are not finite")
    reached = Property(((Inequality(((0, Fraction(-1)),), Fraction(-(2**128))),),))
    true = judge(Said("sat", point=(2.0,)), steep, model(tmp_path, steep), box, reached)
    assert (true.word, true.reason.endswith("are not finite")) == (TRUE_SAT, True)
    outside = judge(Said("sat", point=(4.0,)), steep, model(tmp_path, steep), box, unsafe)
    assert outside.reason == "its point lies outside the box"
