"""Witnesses and results for the tests of the reports."""

import random
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from ties import changed, claim
from witnesses import published

from fpsynth.formats import FLOAT32
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.rounding import from_float, round_fraction
from fpsynth.synthesis.result import Result
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.witness import Observation


def replayed(library, version, variant, batches=(1, 4, 64), **changes):
    outcome = {"reference_class": 1, "class_index": 0, "accepted": True, "departs": True, **changes}
    logits = {"logits": (0.0, 0.0), "reference_logits": (0.0, 1.0)}
    return [Observation(library, version, variant, "cpu", batch, tuple(range(batch)), **logits, **outcome) for batch in batches]


REPLAYS = (
    *replayed("numpy", "2.4.0", "matmul"),
    *replayed("numpy", "2.4.0", "dot"),
    *replayed("torch", "2.13.0+cpu", "linear"),
    *replayed("tensorflow", "2.21.0", "keras"),
    *replayed("onnxruntime", "1.31.0", "gemm"),
    *replayed("jax", "0.10.0", "jit", class_index=1, departs=False),
    Observation("mxnet", not_run="not installed"),
)


def known():
    """The published witness, replayed."""
    return replace(published(), observations=REPLAYS, optimum="")


def optimal():
    """Neighbouring weights and inputs with ratio 2**24, found by drawing at random."""
    rng = random.Random(0)

    def f32(number):
        return float(round_fraction(Fraction(number), FLOAT32))

    step = 2.0**-24
    while True:
        w, a = f32(rng.uniform(0.9, 0.99)), f32(rng.uniform(0.9, 0.99))
        b = a - step
        if f32(Fraction(w) * Fraction(a)) == f32(Fraction(w + step) * Fraction(a)):
            low, high = f32(Fraction(w) * Fraction(b)), f32(Fraction(w + step) * Fraction(b))
            if high - low == step:
                break
    radius = Fraction("0.000000059604644776")
    return changed(
        known(),
        network=dense_relu((Dense(((w,), (w + step,))),)),
        certified=(b,),
        counterexample=(a,),
        claim=claim("lipschitz-exact", True, radius, Fraction(step) / Fraction("0.0000000596046448")),
        others=(),
        control=claim("lipschitz-sound", False, radius, Fraction(0)),
        distance=step,
        ratio=2.0**24,
    )


def random_witness(*shape, seed=0, bias=False):
    """Weights and points at random: no witness of anything, but of any shape."""
    rng = random.Random(seed)

    def number():
        return float(round_fraction(Fraction(rng.uniform(-1, 1)), FLOAT32))

    layers = tuple(
        Dense(
            tuple(tuple(number() for _ in range(inputs)) for _ in range(outputs)),
            tuple(number() for _ in range(outputs)) if bias else None,
        )
        for inputs, outputs in pairwise(shape)
    )
    points = [tuple(abs(number()) for _ in range(shape[0])) for _ in range(2)]
    assert all(from_float(x).is_finite for point in points for x in point)
    return changed(known(), network=dense_relu(layers), certified=points[0], counterexample=points[1])


def found(*witnesses, **changes):
    result = Result("tie", Verdict.FOUND, witnesses, "", None, (), 0.53, 4.2, {"dtype": "float32", "shape": (1, 2)})
    return replace(result, **changes)
