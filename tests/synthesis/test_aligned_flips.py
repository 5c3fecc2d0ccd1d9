"""Simulated tensor cores: each differs from every other arithmetic on a layer that is found without a solver."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from aligned_arithmetics import tensor_core, tensor_cores
from detectors import dependent
from profiles import SLOW, slow

from fpsynth import api
from fpsynth.alignment import Alignment
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT16, FLOAT32, TF32, Format
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.libraries.machine import has_gpu
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import Tree, fixed_order, parse_order
from fpsynth.predicates import Predicate
from fpsynth.revealing.file import save_reveals
from fpsynth.revealing.result import Check, PositionClass, Reveal
from fpsynth.rounding import Rounding
from fpsynth.solvers.engines import engines_named
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.detecting.amplify import amplified
from fpsynth.synthesis.detecting.swallowing import swallowing
from fpsynth.synthesis.domain import Interval
from fpsynth.synthesis.flips import FlipQuestion, FlipResult, find_flip
from fpsynth.synthesis.flips.solving import solve
from fpsynth.synthesis.settings import Settings
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.witness import load, save
from fpsynth.witness.data import View, Witness
from fpsynth.witness.prediction import predicted_logits

SAMPLING = Settings(engines_named("sampling"), seconds=60.0, jobs=1)
UNIT = Interval(Fraction(-1), Fraction(1))


def asked(hows: Sequence[Arithmetic], terms: int, fmt: Format, kind: str = "relu", **options: object) -> FlipQuestion:
    names = ("a", "b", *(f"silent{k}" for k in range(1, len(hows))))
    roles = ("reference", "deployed", *["silent"] * len(hows))
    views = tuple(View(n, n, r, Deployment(how)) for n, r, how in zip(names, roles, hows, strict=False))
    given = {"weights": UNIT, "inputs": UNIT, "predicate": Predicate(kind), **options}
    return FlipQuestion("order", fmt, terms, views=views, **given)  # type: ignore[arg-type]


def found(question: FlipQuestion) -> Witness:
    result: FlipResult = find_flip(question, SAMPLING)
    assert result.verdict is Verdict.FOUND, result.reason
    flip = result.divergence
    assert flip is not None
    for view in flip.views:
        assert predicted_logits(flip.network, flip.point, view) == view.logits
    assert question.predicate.holds(flip.reference.logits, flip.deployed.logits)
    assert not any(question.predicate.fires(view.logits, flip.reference.logits) for view in flip.silent)
    return flip


@pytest.mark.parametrize("fmt", [FLOAT16, FLOAT32], ids=str)
def test_any_two_of_them_give_opposite_signs(fmt: Format) -> None:
    """Pairs of all, neighbours in the list both ways round."""
    cores = tensor_cores(fmt, 32)
    names = list(cores)
    pairs = [*itertools.combinations(names, 2), *zip(names[1:], names[:-1], strict=True)]
    for a, b in pairs[:: 1 if SLOW else 30]:
        flip = found(asked((cores[a], cores[b]), 32, fmt))
        assert flip.reference.logits[0] < 0 < flip.deployed.logits[0], f"{a} against {b}"


@pytest.mark.parametrize(
    ("a", "b", "fmt"),
    [
        (Arithmetic(FLOAT16), tensor_core(784), FLOAT16),
        pytest.param(tensor_core(784, 8, 24), tensor_core(784, 16, 25), FLOAT16, marks=slow),
        (Arithmetic(FLOAT32, order=parse_order("pairwise")), tensor_core(784, 8, 25, FLOAT32, operands=TF32), FLOAT32),
        (Arithmetic(FLOAT32), Arithmetic(FLOAT32, operands=TF32, operand_rounding=Rounding.RTZ), FLOAT32),
    ],
)
def test_long_sums_and_two_classes(a: Arithmetic, b: Arithmetic, fmt: Format) -> None:
    found(asked((a, b), 784, fmt))
    classes = found(asked((a, b), 784, fmt, "argmax"))
    assert [max(range(2), key=view.logits.__getitem__) for view in classes.views] in ([0, 1], [1, 0])


def test_one_departs_and_all_others_are_silent() -> None:
    cores = tensor_cores(FLOAT16, 32)
    for one in ("16 aligned to 25", "chain", "16 aligned, float16")[: None if SLOW else 1]:
        others = [how for name, how in cores.items() if name != one][::2]
        found(asked((others[0], cores[one], *others[1:]), 32, FLOAT16, "sign"))


def test_camouflage_hides_the_difference_of_two_alignments() -> None:
    flip = found(asked((tensor_core(64, 16, 24), tensor_core(64, 16, 25)), 64, FLOAT16, "sign", camouflage=True))
    assert all(flip.network.entries())
    assert all(flip.point)


def test_a_gap_of_one_where_the_ranges_allow_it() -> None:
    """The closed form: one group drops what a chain keeps."""
    wide = Interval(Fraction(-(2**26)), Fraction(2**26))
    a, b = Arithmetic(FLOAT32), tensor_core(16, 16, 25, FLOAT32, operands=TF32)
    gap = Predicate("gap", bound=Fraction(1))
    assert found(asked((a, b), 16, FLOAT32, weights=wide, predicate=gap)).measure >= 1


@pytest.mark.parametrize(("limit", "output"), [(Fraction(1), "gap"), (Fraction(1, 2), "argmax")])
def test_small_weights_and_further_layers_amplify_what_a_tensor_core_does(limit: Fraction, output: str) -> None:
    a = Arithmetic(FLOAT32)
    for b in (tensor_core(32, 8, 25, FLOAT32, operands=TF32, operand_rounding=Rounding.RTZ), replace(a, operands=TF32)):
        flip = found(asked((a, b), 32, FLOAT32, weights=Interval(-limit, limit)))
        large = amplified(flip, max_weight=limit, gap=Fraction(1, 4), output=output)
        assert large.predicate.holds(large.reference.logits, large.deployed.logits)
        assert max(abs(Fraction(w)) for w in large.network.entries()) <= limit


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (Arithmetic(FLOAT32), tensor_core(40, 16, 25, FLOAT32)),
        (tensor_core(40, 16, 25, FLOAT32), tensor_core(40, 8, 25, FLOAT32)),
        (tensor_core(40, 8, 24, FLOAT32), tensor_core(40, 8, 25, FLOAT32)),
        (tensor_core(40, 8, 13, FLOAT32), tensor_core(40, 8, 25, FLOAT32)),
    ],
)
def test_three_summands_of_which_one_of_them_loses_the_smallest(a: Arithmetic, b: Arithmetic) -> None:
    """The last pair cannot be restricted to three leaves: a product that is alone loses bits there."""
    small = Fraction(1, 4)
    placed = swallowing(a, b, 40, small)
    row = [0.0] * 40
    row[placed.minus], row[placed.plus], row[placed.small] = float(-placed.omega), float(placed.omega), float(small)
    layer = dense_relu((Dense((tuple(row),)),))
    values = {predicted_logits(layer, (1.0,) * 40, View("a", "a", "reference", Deployment(how)))[0] for how in (a, b)}
    assert values == {Fraction(0), small}


def test_terms_that_alone_are_summed_otherwise_are_no_question_for_the_solvers() -> None:
    """Two products of a fused step of five, and partial sums of an aligned one: the search goes on without the solvers."""
    steps = Tree(5, ((0, 1), (2, 3), (5, 6, 4)))
    how = replace(tensor_core(5), order=fixed_order(steps))
    question = asked((how, replace(how, alignment=Alignment(24))), 5, FLOAT16)
    outcome = solve(question, (0, 1, 2, 3), SAMPLING, 5.0)
    assert outcome.status == "unknown"
    assert "partial sums" in outcome.reason
    plain = replace(how, alignment=None, order=fixed_order(Tree(5, ((0, 1, 2, 3, 4),))))
    question = asked((plain, replace(plain, order=parse_order("pairwise"))), 5, FLOAT16, "sign")
    assert solve(question, (0, 4), SAMPLING, 1.0).status != "impossible"  # the exact step of two is asked about as well
    found(question)


def test_a_reveal_of_a_tensor_core_is_a_side_and_its_witness_is_checked(tmp_path: Path) -> None:
    where = Environment("torch", "linear", batch=64, outputs=1, device="cuda")
    kernel = Kernel(where, FLOAT16, 32)
    positions = tuple((row, 0) for row in range(64))
    reveal = Reveal(kernel, (PositionClass(tensor_core(32), positions, Check(100, 100)),), version="2.11.0", repeats="same")
    path = str(tmp_path / "tensor_core.json")
    save_reveals([reveal], path)
    result = api.order(
        "sequential,fused,accumulator=float32",
        path,
        silent=["pairwise,accumulator=float32", "groups:8,fused,align=24,accumulator=float32"],
        terms=32,
        dtype="float16",
        solver="sampling",
        replay=False,
    )
    assert result.verdict is Verdict.FOUND, result.reason
    (flip,) = result.witnesses
    assert flip.deployed.environment == str(where)
    assert flip.deployed.deployment.default.alignment == Alignment(25)
    save(flip, tmp_path / "witness.json")
    again = load(tmp_path / "witness.json")
    assert api.check(again).confirmed
    assert "aligned to 25 bits" in " ".join(api.explain(again).split())


def test_reveals_of_another_machine_are_members_of_the_matrix(tmp_path: Path) -> None:
    """Here their environments cannot be run where there is no GPU: the detectors are there, and not confirmed."""
    reveals = []
    for batch, how in ((1, tensor_core(32, 8, 24)), (64, tensor_core(32, 16, 25)), (256, tensor_core(32, 16, 25))):
        where = Environment("torch", "linear", batch=batch, outputs=1, device="cuda")
        positions = tuple((row, 0) for row in range(batch))
        classes = (PositionClass(how, positions, Check(9, 9)),)
        reveals.append(Reveal(Kernel(where, FLOAT16, 32), classes, version="2.11.0", repeats="same"))
    path = tmp_path / "other.json"
    save_reveals(reveals, path)
    shape = {"terms": 32, "outputs": 1, "libraries": (), "reveals": [path]}
    found = api.matrix(dtype="float16", **shape)  # type: ignore[arg-type]
    assert found.classes == ((0,), (1, 2))
    (cell,) = found.cells
    assert cell.divergence is not None
    assert cell.divergence.reference.logits[0] < 0 < cell.divergence.deployed.logits[0]
    if not has_gpu():
        assert not cell.confirmed
        assert "was not run" in cell.reason
    with pytest.raises(InputError, match="was revealed for 32 terms, 1 output, float16; the matrix is of 32 terms"):
        api.matrix(dtype="float32", **shape)  # type: ignore[arg-type]


def test_a_box_of_inputs_in_which_a_tensor_core_departs() -> None:
    a, b = (View(n, n, r, Deployment(how)) for n, r, how in (("a", "reference", Arithmetic(FLOAT32)), ("b", "deployed", CORE)))
    quarter = (Fraction(1, 4), Fraction(1, 2))
    found = dependent(a, b, format=FLOAT32, terms=32, box=[quarter] * 2, inputs=UNIT, max_weight=Fraction(1), samples=400)
    assert found.sampled is not None
    assert (found.sampled.inside_fires, found.sampled.outside_fires) == (200, 0)


CORE = tensor_core(32, 8, 24, FLOAT32, least=-133)
