"""The explanation computes every step: exact and rounded values, bits, errors, the shared interval, and the radius."""

import re
import sys
import time
from fractions import Fraction

import pytest
from rendered import explain
from reports import known, optimal, random_witness
from ties import changed, claim

from fpsynth.evaluators.exact import evaluate
from fpsynth.expressions import constant
from fpsynth.formats import FLOAT16, FLOAT32
from fpsynth.networks.lowering import lower
from fpsynth.networks.network import Dense, dense_relu, with_numbers
from fpsynth.orders import Order
from fpsynth.report.computed import exact_logits, logits, operations, steps
from fpsynth.rounding import Rounding, round_fraction, round_value
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment


def _flat(text):
    return " ".join(text.split())


def test_the_published_tie_step_by_step():
    text = explain(known())
    for piece in (
        "y0 = w0 × a   multiply, round to float32",
        "exact     0.1562478632140482659451663494110107421875",
        "1.00111111111111101110000|10011010010011 × 2^-3",
        "rounded   0.15624786913394927978515625 = 0x1.3ffee2p-3",
        "0 | 01111100 | 00111111111111101110001",
        "+0.3973 ulp, rounded up",
        "−0.2346 ulp, rounded down",
    ):
        assert piece in text


def test_the_shared_interval_and_its_ends():
    text = _flat(explain(known()))
    assert "the significand is odd, so halfway cases round away from it" in text
    assert "from 0.156247861683368682861328125 not included to 0.156247876584529876708984375 not included" in text
    assert "It is 1 ulp wide, the two exact values lie 0.6319 ulp apart" in text


def test_the_certificate_is_computed_again():
    text = explain(known())
    assert "1.490116119e-8 = 2^-26" in text
    assert "5.96046448e-8" in text
    assert "It accepts all radii below 0.2499999998." in _flat(text)


def test_a_claim_that_does_not_come_out_is_named():
    wrong = changed(known(), claim=claim("lipschitz-exact", True, Fraction(1, 10), Fraction(1, 2)))
    assert "The witness says 0.5" in explain(wrong)
    assert "The witness says" not in explain(known())


def test_an_unknown_certifier_is_said_to_be_unknown():
    text = explain(changed(known(), claim=claim("guess", True, Fraction(1, 10), Fraction(1, 2))))
    assert "Its bounds are not computed here: unknown certifier 'guess'" in _flat(text)


def test_one_input_has_a_rational_radius():
    pytest.importorskip("sympy")
    text = explain(known())
    assert "r = 2^-26 / |2^-24|" in text
    assert "r = 1/4" in text


def test_several_inputs_have_a_radius_with_a_root():
    pytest.importorskip("sympy")
    witness = random_witness(2, 2, seed=5)
    text = explain(witness)
    assert "√" in text.split("In algebra")[1]
    shown = re.search(r"≈ ([0-9.]+)\n", text.split("In algebra")[1])
    values = logits(witness, witness.certified)
    margin = abs(Fraction(values.floats[0]) - Fraction(values.floats[1]))
    rows = witness.network.dense_layers[0].weight.tolist()
    square = sum((Fraction(u) - Fraction(v)) ** 2 for u, v in zip(*rows, strict=True))
    assert abs(Fraction(shown[1]) ** 2 * square - margin**2) < Fraction(1, 10**15)


def test_a_narrow_hidden_layer_has_an_exact_spectral_norm():
    pytest.importorskip("sympy")
    import numpy as np

    witness = next(
        w for w in (random_witness(2, 3, 2, seed=seed) for seed in range(20)) if logits(w, w.certified).floats != (0.0, 0.0)
    )
    text = explain(witness).split("In algebra")[1]
    shown = float(re.search(r"≈ ([0-9.]+)\n", text)[1])
    values = logits(witness, witness.certified).floats
    last = np.array(witness.network.dense_layers[1].weight)
    hidden = np.linalg.norm(np.array(witness.network.dense_layers[0].weight), 2)
    assert shown == pytest.approx(abs(values[0] - values[1]) / (np.linalg.norm(last[0] - last[1]) * hidden), rel=1e-9)


def test_a_wide_hidden_layer_keeps_its_norm_as_a_symbol():
    pytest.importorskip("sympy")
    witness = next(
        w for w in (random_witness(3, 3, 2, seed=s) for s in range(20)) if len(set(logits(w, w.certified).floats)) == 2
    )
    assert "s0 the spectral norm of layer 0" in _flat(explain(witness))


def test_formulas_show_every_rounding():
    pytest.importorskip("sympy")
    text = explain(random_witness(2, 2, seed=1), unicode=False)
    assert "y0 = fl(fl(w[0,0]*x0) + fl(w[0,1]*x1))" in text
    fused = changed(random_witness(2, 2, seed=1), deployment=Deployment(Arithmetic(FLOAT32, fused=True)))
    assert "y0 = fl(w[0,1]*x1 + fl(w[0,0]*x0))" in explain(fused, unicode=False)


def test_without_sympy_the_formulas_are_left_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "sympy", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    text = explain(known())
    assert "Formulas are left out: they need sympy" in text
    assert "6  The contradiction" in text


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("order", [Order(), Order("reverse"), Order("strided", 2)])
@pytest.mark.parametrize("changes", [{}, {"fused": True}, {"accumulator": FLOAT32}, {"flush": True}, {"bias_first": True}])
def test_each_step_is_its_exact_value_rounded_once(rounding, order, changes):
    how = Arithmetic(FLOAT16, rounding=rounding, order=order, **changes)
    witness = changed(_float16(random_witness(3, 4, 2, seed=7, bias=True)), deployment=Deployment(how))
    found = steps(witness, witness.certified, "b")
    for step in found:
        flush = changes.get("flush", False)
        assert step.result == round_value(step.exact, step.format, rounding, flush)
        assert step.error is None or abs(step.error) <= 1
    named = {step.name: step.result for step in found}
    assert tuple(named[f"y{k}"] for k in range(2)) == logits(witness, witness.certified).rounded
    assert [(s.layer, s.output) for s in found] == sorted((s.layer, s.output) for s in found)


def _float16(witness):
    def short(number):
        return float(round_fraction(Fraction(number), FLOAT16))

    points = [tuple(map(short, point)) for point in (witness.certified, witness.point)]
    return changed(
        witness,
        format=FLOAT16,
        network=with_numbers(witness.network.map(float), short),
        certified=points[0],
        counterexample=points[1],
    )


@pytest.mark.parametrize("shape", [(1, 2), (3, 2), (2, 3, 2), (3, 4, 4, 3)])
@pytest.mark.parametrize("bias", [False, True])
def test_exact_logits_are_those_of_the_interpreter_over_the_reals(shape, bias):
    witness = random_witness(*shape, seed=11, bias=bias)
    network = witness.network.map(lambda weight: constant(weight, None))
    point = [constant(x, None) for x in witness.certified]
    assert list(exact_logits(witness.network, witness.certified)) == evaluate(lower(network, point, Deployment(REAL)), {})


def test_rounding_is_to_nearest_within_half_an_ulp():
    witness = random_witness(3, 4, 2, seed=7)
    assert all(abs(step.error) <= Fraction(1, 2) for step in steps(witness, witness.certified, "b"))


def test_operations_counts_the_steps():
    for shape in ((1, 2), (2, 3, 2), (3, 2), (4, 1, 3)):
        for bias in (False, True):
            witness = random_witness(*shape, bias=bias)
            assert operations(witness.network) == len(steps(witness, witness.certified, "b"))


def test_every_neuron_of_a_small_network_is_shown():
    text = explain(random_witness(2, 3, 2))
    for name in ("z0 =", "h2 = max(z2, 0)", "y1 ="):
        assert name in text


def test_a_large_network_is_summarised_quickly_and_its_last_layer_shown():
    witness = random_witness(40, 30, 10, 3)
    start = time.monotonic()
    text = explain(witness)
    assert time.monotonic() - start < 20
    assert "layer 0: 30 neurons, 2400 operations" in text
    assert "layer 1: 10 neurons" in text
    assert "y2 = " in text
    assert len(text.splitlines()) < 300


def test_ascii_and_the_optimal_witness():
    text = explain(optimal(), unicode=False)
    assert text.isascii()
    assert "2^24" in text


def test_overflow_is_named():
    witness = changed(
        known(),
        format=FLOAT16,
        deployment=Deployment(Arithmetic(FLOAT16)),
        network=dense_relu((Dense(((4.0,), (2.0,))),)),
        certified=(65504.0,),
        counterexample=(1.0,),
    )
    text = explain(witness)
    assert "overflow" in text
    assert "not a finite number: no margin, no certificate" in text
