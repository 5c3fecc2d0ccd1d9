"""Arithmetics that are one sum program are told as they compute: every step, what differs, tables of reveals, and orders."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from divergences import divergence, views
from given_programs import (
    BY_HAND,
    arithmetic,
    parts,
    rounded_before_bias,
    rounded_twice,
    tail,
    tail_in_sequence,
    with_addends,
)
from rendered import explain, rendered, report
from reports import random_witness
from ties import changed

from fpsynth.alignment import Alignment
from fpsynth.errors import InputError
from fpsynth.evaluators.networks import network_logits
from fpsynth.evaluators.sums import sum_of_products
from fpsynth.expressions import Op
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32
from fpsynth.libraries.kernels import Environment, Kernel
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import fixed_order, parse_order
from fpsynth.predicates import Predicate
from fpsynth.report.computed import logits, steps
from fpsynth.report.explain_json import explain_json
from fpsynth.report.orders import read_tree
from fpsynth.report.partial_sums import Neuron, Sum, summed
from fpsynth.report.renderers.style import Style
from fpsynth.report.renderers.terminal import lines
from fpsynth.report.stories.differences import differences, program_differences
from fpsynth.report.stories.reveals import fused_text, reveal_table, reveals_story
from fpsynth.report.stories.ties import picture
from fpsynth.revealing.file import save_reveals
from fpsynth.revealing.result import Check, PositionClass, Reveal, aligned_groups, pairs_reversed, steps_in_words
from fpsynth.rounding import from_float, from_fraction, round_fraction
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.sums.arithmetic_json import arithmetic_to_json
from fpsynth.sums.building import program_of
from fpsynth.sums.program import Program


def neuron(program: Program, weights: tuple[float, ...], inputs: tuple[float, ...], bias: float | None = None) -> Neuron:
    return Neuron(0, 0, weights, bias, tuple(map(from_float, inputs)), arithmetic(program))


def drawn(program: Program, seed: int) -> tuple[tuple[float, ...], tuple[float, ...], float | None]:
    """Weights, inputs and a bias of the program's format, seven bits each, so that nothing is exact for long."""
    rng = random.Random(seed)

    def numbers(count: int) -> tuple[float, ...]:
        return tuple(rng.choice([-1, 1]) * rng.randint(65, 127) * 2.0 ** rng.randint(-11, -5) for _ in range(count))

    return numbers(program.terms), numbers(program.terms), numbers(1)[0] if program.bias is not None else None


def followed(
    told: Sum, program: Program, weights: tuple[float, ...], inputs: tuple[float, ...], bias: float | None
) -> Fraction:
    """The result by the steps that are told alone: each is the sum of what it names, rounded once."""
    worth = {f"p{k}": Fraction(w) * Fraction(x) for k, (w, x) in enumerate(zip(weights, inputs, strict=True))}
    worth |= {} if bias is None else {"bias": Fraction(bias)}
    last = Fraction(0)
    for step in told.steps:
        names = [name for argument in step.arguments for name in argument.split(" + ")]
        exact = sum((worth[name] for name in names), Fraction(0))
        assert step.exact.fraction() == exact
        worth[step.name] = last = step.result.fraction()
        assert round_fraction(exact, step.format, step.rounding).fraction() == last
    return last


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", BY_HAND)
def test_the_steps_that_are_told_lead_to_what_arrays_compute(name: str, seed: int) -> None:
    program = BY_HAND[name]
    weights, inputs, bias = drawn(program, seed)
    told = summed(neuron(program, weights, inputs, bias))
    computed = sum_of_products(
        arithmetic(program), np.array(weights), np.array(inputs), None if bias is None else np.array(bias)
    )
    assert float(told.result) == float(computed)
    assert followed(told, program, weights, inputs, bias) == told.result.fraction()


def test_a_sum_that_is_rounded_before_the_bias_is_followed_step_by_step() -> None:
    told = summed(neuron(rounded_before_bias(2), (1.0, 2.0**-9), (1.0, 1.0), 2.0**-8))
    assert told.expression == "(p0 + p1) + bias"
    assert [(step.name, step.arguments, step.format, float(step.result)) for step in told.steps] == [
        ("s1", ("p0", "p1"), FLOAT32, 1 + 2.0**-9),
        ("s2", ("s1",), BFLOAT16, 1.0),
        ("s3", ("s2", "bias"), BFLOAT16, 1.0),
    ]


def test_two_roundings_in_a_row_are_two_steps() -> None:
    """1 + 2**-8 + 2**-24 is a tie in bfloat16 once float32 has lost the last term, and above one before."""
    told = summed(neuron(rounded_twice(2), (1.0, 1 + 2.0**-7), (1.0, 2.0**-8), None))
    sums = [(step.arguments, step.format, float(step.result)) for step in told.steps]
    assert sums == [
        (("p0", "p1"), FLOAT32, 1 + 2.0**-8 + 2.0**-15),
        (("s1",), BFLOAT16, 1 + 2.0**-7),
    ]
    (product,) = summed(neuron(rounded_twice(2), (1 + 2.0**-7, 0.0), (1 + 2.0**-7, 0.0))).steps
    assert (product.arguments, product.format, float(product.result)) == (("p0",), BFLOAT16, 1 + 2.0**-6)


def test_a_bias_that_is_rounded_when_it_is_read_is_told() -> None:
    told = summed(neuron(BY_HAND["bias between"], (1.0,) * 6, (1.0,) * 6, 1 + 2.0**-9))
    assert [(step.arguments, step.format) for step in told.steps if len(step.arguments) == 1] == [(("bias",), BFLOAT16)]


def of(a: Arithmetic, program: Program, seed: int = 1):
    """Random numbers in a rule and in a program."""
    weights, inputs, bias = drawn(program, seed)
    network = dense_relu((Dense((weights,), None if bias is None else (bias,)),))
    return divergence(network, inputs, views(("rule", a), ("program", arithmetic(program))), Predicate("sign"), fmt=a.format)


@pytest.mark.parametrize("name", BY_HAND)
def test_reports_and_explanations_of_any_of_them_fit_and_name_it(name: str) -> None:
    program = BY_HAND[name]
    assert program.format is not None
    found = of(Arithmetic(program.format), program)
    for told in (explain(found), report(found)):
        assert max(map(len, told.splitlines())) <= 96
        assert str(arithmetic(program))[:70] in " ".join(told.split())
    (_, told) = explain_json(found)["views"]
    assert told["arithmetic"] == str(arithmetic(program))
    assert json.dumps(told)


def test_additions_in_another_format_than_most_say_so() -> None:
    text = explain(of(Arithmetic(FLOAT32), tail()), width=160)
    assert text.count(", in float64") == 3
    assert ", in float" not in explain(of(Arithmetic(FLOAT16, FLOAT32, fused=True), parts()))


FUSED = Arithmetic(BFLOAT16, FLOAT32, fused=True)


@pytest.mark.parametrize(
    ("a", "b", "told"),
    [
        (
            FUSED,
            rounded_before_bias(wide=True),
            ["which partial sums are rounded before they are added (none; 1 rounded to bfloat16)"],
        ),
        (
            Arithmetic(FLOAT32),
            tail_in_sequence(),
            ["the format of partial sums (float32; float32 and float64)"],
        ),
        (
            Arithmetic(FLOAT16, FLOAT32, fused=True, order=parse_order("blocked:4"), rounded=(4, 8, 12)),
            parts(),
            ["which partial sums are rounded before they are added (none; 4 rounded to float16)"],
        ),
        (
            Arithmetic(BFLOAT16, FLOAT32),
            rounded_twice(),
            [
                "which partial sums are rounded before they are added (none; 3 rounded to bfloat16)",
                "the format that products are rounded into",
            ],
        ),
        (
            Arithmetic(FLOAT32),
            BY_HAND["bias between"],
            ["when the bias is added", "what the bias is rounded to first"],
        ),
    ],
)
def test_only_what_differs_from_a_rule_is_named(a: Arithmetic, b: Program, told: list[str]) -> None:
    assert differences(of(a, b)) == told


def test_a_rule_and_its_own_program_do_not_differ() -> None:
    for rule in (FUSED, Arithmetic(FLOAT16, FLOAT32, fused=True, order=parse_order("groups:4"), alignment=Alignment(25))):
        assert differences(of(rule, program_of(rule, 9, True))) == []


def test_tails_of_unlike_lengths_differ_in_what_is_added_where() -> None:
    told = list(program_differences(tail_in_sequence(8, 3), tail_in_sequence(8, 2)))
    assert told == ["which partial sums are added in which format"]
    bfloat = list(program_differences(rounded_before_bias(), rounded_before_bias(wide=True)))
    assert bfloat == ["the format of partial sums (float32 and bfloat16; float32)"]
    assert list(program_differences(with_addends(), with_addends())) == []


# ties


def tie(how: Arithmetic):
    return changed(random_witness(4, 2, seed=7), deployment=Deployment(how))


@pytest.mark.parametrize(
    "how",
    [
        Arithmetic(FLOAT32, order=parse_order("groups:4"), fused=True),
        Arithmetic(FLOAT32, order=parse_order("groups:2"), fused=True, flush=True),
        arithmetic(tail(4, 2)),
        arithmetic(tail_in_sequence(4, 1)),
    ],
    ids=str,
)
def test_the_operations_of_a_tie_lead_to_its_logits(how: Arithmetic) -> None:
    """Steps that add more than two nodes are sums of reals, rounded once."""
    witness = tie(how)
    for letter, point in (("b", witness.certified), ("a", witness.point)):
        worth = {f"{letter}{k}": Fraction(x) for k, x in enumerate(point)}
        worth |= {
            f"w[{j},{k}]": Fraction(w)
            for j, row in enumerate(witness.network.dense_layers[0].weight)
            for k, w in enumerate(row)
        }
        for step in steps(witness, point, letter):
            addends = [worth[a] if a in worth else product_of(a, worth) for a in step.arguments]
            exact = addends[0] * addends[1] if step.op is Op.MUL else sum(addends, Fraction(0))
            exact = addends[0] * addends[1] + addends[2] if step.op is Op.FMA else exact
            assert step.exact == from_fraction(exact)
            assert round_fraction(exact, step.format, step.rounding).fraction() == step.result.fraction()
            worth[step.name] = step.result.fraction()
        expected = network_logits(witness.network, point, witness.format, witness.deployment)
        assert [worth[f"y{k}"] for k in range(2)] == list(map(Fraction, expected))


def product_of(name: str, worth: dict[str, Fraction]) -> Fraction:
    left, right = name.split(" × ")
    return worth[left] * worth[right]


def test_ties_are_explained_in_programs_and_in_groups() -> None:
    text = " ".join(explain(tie(arithmetic(tail(4, 2)))).split())
    assert "Products and partial sums are kept in float64 and float32, the result is rounded to float32." in text
    assert "y0 = w[0,0] × b0 + w[0,1] × b1 + w[0,2] × b2 + w[0,3] × b3 multiply and add, rounded once" in " ".join(
        explain(tie(Arithmetic(FLOAT32, order=parse_order("groups:4"), fused=True))).split()
    )
    core = Arithmetic(FLOAT32, order=parse_order("groups:4"), fused=True, alignment=Alignment(25))
    assert "rounded once, toward zero;" in " ".join(explain(tie(core)).split())


def test_the_picture_of_a_tie_shows_halfway_points_only_where_the_last_rounding_has_them() -> None:
    close = changed(tie(Arithmetic(FLOAT32)), counterexample=random_witness(4, 2, seed=7).certified)
    row = close.network.dense_layers[0].weight[0]
    close = replace(
        close, network=dense_relu((Dense((row, tuple(np.nextafter(np.float32(w), np.float32(2)).item() for w in row))),))
    )
    for program, shown in ((tail(4, 2), True), (toward_zero(tail(4, 2)), False)):
        witness = changed(close, deployment=Deployment(arithmetic(program)))
        at_b = logits(witness, witness.certified)
        text = "\n".join(lines([picture(witness, at_b, at_b)], Style()))
        assert ("halfway points" in text) is shown


def toward_zero(program: Program) -> Program:
    from fpsynth.rounding import Rounding

    return replace(program, result=tuple(replace(one, mode=Rounding.RTZ) for one in program.result))


# reveals and orders


def revealed(program: Program) -> Reveal:
    kernel = Kernel(Environment("torch", "linear"), program.format or FLOAT32, program.terms, bias=program.bias is not None)
    return Reveal(kernel, (PositionClass(arithmetic(program), ((0, 0),), Check(100, 100)),), "2.11", repeats="same")


@pytest.mark.parametrize("name", BY_HAND)
def test_reveals_of_programs_fit_and_are_drawn(name: str) -> None:
    found = revealed(BY_HAND[name])
    for width in (60, 100):
        lines = rendered(reveals_story([found]), Style(width=width)).splitlines()
        assert max(map(len, lines)) <= width
        assert max(map(len, reveal_table([found], width).splitlines())) <= width
    text = " ".join(" ".join(line.split()) for line in lines)
    assert f"the sum: {arithmetic(BY_HAND[name])}" in text


def test_the_signs_of_a_drawing_are_explained_below_it() -> None:
    """The same sign means something else in the next one."""
    lines = rendered(reveals_story([revealed(tail()), revealed(parts())]), Style(width=120)).splitlines()
    assert [line for line in lines if line.startswith("    ◆")] == [
        "    ◆ product rounded to float64",
        "    ◆ sum in float32, rounded to float16",
    ]
    assert sum("product fused into the addition" in line for line in lines) == 1


def test_the_table_of_reveals_has_the_order_and_every_format() -> None:
    head, _, *rows = reveal_table([revealed(parts()), revealed(tail())], 200).splitlines()
    order, fused = head.index("order"), head.index("fused")
    text = " ".join(row[order:fused].strip() for row in rows)
    assert "blocked:4, 4 parts of 4 products, each rounded to float16 before they are added in float32" in " ".join(
        text.split()
    )
    whole = " ".join(" ".join(rows).split())
    assert fused_text(arithmetic(parts()), 16) == "FMA"  # of two products that start a part one is rounded in any case
    assert "float32, float64" in whole
    assert fused_text(arithmetic(tail()), 8) == "-"
    assert fused_text(arithmetic(BY_HAND["exact steps"]), 7) == "exact steps 4, 2+1, 1+1"


def test_aligned_and_reversed_steps_of_a_program_are_counted_in_it() -> None:
    core = Arithmetic(FLOAT16, FLOAT32, fused=True, order=parse_order("groups:4"), alignment=Alignment(25))
    given = arithmetic(program_of(core, 18))
    assert aligned_groups(given, 18) == aligned_groups(core, 18) == {4: 4, 2: 1}
    assert steps_in_words(given, 18) == steps_in_words(core, 18)
    assert fused_text(given, 18) == fused_text(core, 18) == "4+1, 2+1, 25 bits, RTZ"
    swapped = Arithmetic(FLOAT32, fused=True, rounded=(1,))
    assert pairs_reversed(arithmetic(program_of(swapped, 4)), 4) == [(0, 1)]
    assert steps_in_words(arithmetic(tail()), 8) == ""


def test_orders_are_read_from_programs(tmp_path: Path) -> None:
    """Not from the order beside them, which says nothing."""
    file, reveals = tmp_path / "arithmetic.json", tmp_path / "reveal.json"
    file.write_text(json.dumps(arithmetic_to_json(arithmetic(tail()))))
    assert read_tree(str(file)).tree == tail().tree
    save_reveals([revealed(rounded_before_bias())], reveals)
    assert read_tree(str(reveals)).tree == rounded_before_bias().tree
    assert read_tree(str(file), compare=str(fixed_order(tail().tree))).same
    broken = json.loads(file.read_text()) | {"fused": True}
    file.write_text(json.dumps(broken))
    with pytest.raises(InputError, match="fused says something beside a sum program"):
        read_tree(str(file))
