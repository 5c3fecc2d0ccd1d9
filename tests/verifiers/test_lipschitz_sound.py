"""Claims of lipschitz_sound.py: what it accepts cannot be broken by any order, fused or not, and it does accept things."""

import itertools
import math
import random
from fractions import Fraction

import numpy as np
import pytest
from profiles import SLOW, every_second
from random_networks import hostile_point, nearest, random_network
from witnesses import W1, W2, XB

from fpsynth.errors import InputError
from fpsynth.evaluators.networks import network_logits
from fpsynth.formats import BFLOAT16, FLOAT16, FLOAT32, FLOAT64, Format
from fpsynth.networks.network import Dense, Network, dense_relu
from fpsynth.orders import parse_order
from fpsynth.rounding import Flush
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.verifiers.linear_bounds import LinearBound
from fpsynth.verifiers.lipschitz_ball import ball_certifier
from fpsynth.verifiers.lipschitz_sound import sound_certifier
from fpsynth.verifiers.margins import top_class

FORMATS = [FLOAT16, BFLOAT16, FLOAT32]
SHAPES = [(1, 2), (3, 2), (8, 3), (2, 3, 2), (3, 4, 3), (2, 3, 3, 2)]


def random_deployment(rng: random.Random, fmt: Format) -> Deployment:
    """Any order, fused or not, bias first or last, accumulated in the format or a wider one, flushed where hardware may."""
    return Deployment(
        Arithmetic(
            fmt,
            accumulator=rng.choice([None, None, FLOAT64 if fmt == FLOAT32 else FLOAT32]),
            fused=rng.random() < 0.5,
            flush=Flush.NEVER if fmt == FLOAT16 or rng.random() < 0.7 else rng.choice([Flush.ROUNDED, Flush.UNBOUNDED]),
            order=parse_order(rng.choice(["sequential", "reverse", "pairwise", "strided:2", "strided:3"])),
            bias_first=rng.random() < 0.5,
        )
    )


def permuted(rng: random.Random, network: Network, point: list[float]) -> tuple[Network, list[float]]:
    """The same function with its inputs renumbered: a way to any order of the first layer's sums."""
    order = rng.sample(range(len(point)), len(point))
    first = Dense(tuple(tuple(row[j] for j in order) for row in network.dense_layers[0].weight), network.dense_layers[0].bias)
    return dense_relu((first, *network.dense_layers[1:])), [point[j] for j in order]


def attack(rng: random.Random, fmt: Format, shape: tuple[int, ...], judge_of, scale: float = 1.0, tries: int = 12):
    """Certify a random point, then look for another class just inside the radius: (supremum, whether one was found)."""
    network = random_network(rng, shape, fmt, bias=rng.random() < 0.5, scale=scale)
    point = [nearest(rng.uniform(-1, 1), fmt) for _ in range(shape[0])]
    logits = network_logits(network, point, fmt, random_deployment(rng, fmt))
    supremum = judge_of(network, fmt).supremum(point, logits)
    if not supremum:
        return supremum, False
    top = top_class(logits)
    for _ in range(tries):
        candidate = hostile_point(rng, network, point, supremum * (1 - Fraction(1, 2**60)), top, fmt)
        if candidate is not None:
            found = top_class(network_logits(*permuted(rng, network, candidate), fmt, random_deployment(rng, fmt)))
            if found != top:
                return supremum, True
    return supremum, False


def sound(network, fmt):
    return sound_certifier(network, fmt)


def real(network, fmt):
    return ball_certifier(network)


def needs_flint(shape: tuple[int, ...]) -> None:
    if len(shape) > 2:
        pytest.importorskip("flint", reason="python-flint is not installed")


@pytest.mark.parametrize(("fmt", "shape"), every_second(itertools.product(FORMATS, SHAPES)), ids=str)
def test_no_accepted_radius_contains_another_class(fmt, shape):
    needs_flint(shape)
    rng = random.Random(f"{fmt}{shape}")
    suprema = []
    for _ in range(12 if SLOW else 6):
        supremum, broken = attack(rng, fmt, shape, sound)
        assert not broken
        suprema.append(supremum)
    assert sum(s > 0 for s in suprema) >= len(suprema) // (6 if fmt == BFLOAT16 else 2), (
        "a certifier that accepts nothing proves nothing"
    )


@pytest.mark.parametrize("fmt", [FLOAT16, BFLOAT16], ids=str)
def test_the_same_attack_breaks_the_certifier_of_real_numbers(fmt):
    """Else the test above would show nothing."""
    rng = random.Random(5)
    assert any(attack(rng, fmt, (8, 3), real)[1] for _ in range(30))


def test_every_float16_in_the_ball_keeps_its_class_in_every_order():
    """One input, three hidden neurons, two classes: all points of the ball, all trees over three products and the bias."""
    pytest.importorskip("flint", reason="python-flint is not installed")
    rng = random.Random(9)
    everything = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    everything = everything[np.isfinite(everything)]
    covered = 0
    for _ in range(25 if SLOW else 8):
        network = random_network(rng, (1, 3, 2), FLOAT16, bias=True, scale=rng.choice([1.0, 2.0**-6, 16.0]))
        point = nearest(rng.uniform(-1, 1), FLOAT16)
        logits = network_logits(network, [point], FLOAT16, random_deployment(rng, FLOAT16))
        radius = float(sound(network, FLOAT16).supremum([point], logits)) * (1 - 1e-12)
        ball = everything[np.abs(everything.astype(float) - point) < radius]
        first, last = (
            tuple(np.array(part, np.float16) for part in (layer.weight, layer.bias)) for layer in network.dense_layers
        )
        hidden = np.maximum(ball[:, None] * first[0][:, 0] + first[1], np.float16(0))
        a, b, c = (hidden[:, None, j] * last[0][:, j] for j in range(3))
        d = np.broadcast_to(last[1], a.shape)
        for p, q, r, s in itertools.permutations((a, b, c, d)):
            for outputs in (((p + q) + r) + s, (p + q) + (r + s)):
                assert (outputs.argmax(axis=1) == top_class(logits)).all()
        covered += len(ball)
    assert covered > (100_000 if SLOW else 30_000)


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
@pytest.mark.parametrize("shape", [(3, 2), (2, 3, 2)], ids=str)
def test_underflow_and_flushing_do_not_break_it(fmt, shape):
    needs_flint(shape)
    rng = random.Random(11)
    # logits a few thousand smallest normal numbers large: subnormal products everywhere
    layers = len(shape) - 1
    scale = (float(fmt.min_normal) * 4096) ** (1 / layers)
    outcomes = [attack(rng, fmt, shape, sound, scale) for _ in range(15 if SLOW else 6)]
    assert not any(broken for _, broken in outcomes)
    if layers == 1:
        assert any(supremum > 0 for supremum, _ in outcomes)


def test_the_published_witness_and_ties_are_rejected():
    network = dense_relu((Dense(((W1,), (W2,))),))
    judge = sound_certifier(network, FLOAT32)
    logits = [float(np.float32(w) * np.float32(XB)) for w in (W1, W2)]
    assert logits[0] < logits[1]
    assert judge.supremum([XB], logits) == 0
    assert not judge.accepts([XB], logits, Fraction(0))


@pytest.mark.parametrize("fmt", [*FORMATS, FLOAT64], ids=str)
def test_neighbouring_weights_are_rejected_in_every_format(fmt):
    low = 0.5
    high = float(Fraction(1, 2) + fmt.unit_roundoff)
    judge = sound_certifier(dense_relu((Dense(((low,), (high,))),)), fmt)
    for numerator in range(64, 128):
        x = numerator / 128
        logits = network_logits(judge.network, [x], fmt, Deployment(Arithmetic(fmt)))
        assert judge.supremum([x], logits) == 0


def test_it_nearly_reaches_the_radius_of_real_numbers_where_rounding_is_small():
    network = dense_relu((Dense(((1.0, 0.5), (-1.0, 0.25)), (0.0, 0.125)),))
    logits = network_logits(network, [0.75, 0.5], FLOAT32, Deployment(Arithmetic(FLOAT32)))
    exact = ball_certifier(network).supremum([0.75, 0.5], logits)
    for fmt, share in [(FLOAT16, 0.98), (BFLOAT16, 0.85), (FLOAT32, 0.999999), (FLOAT64, 1 - 1e-14)]:
        assert share * float(exact) < float(sound_certifier(network, fmt).supremum([0.75, 0.5], logits)) < float(exact)


def test_a_compensating_bias_is_seen_through():
    """Real arithmetic sees no difference between B and -B W; rounding does."""
    pytest.importorskip("flint", reason="python-flint is not installed")
    hidden, last = ((1.0, 0.5), (0.5, -1.0)), ((1.0, 0.5), (-0.5, 1.0))

    def biased(big: float) -> Network:
        back = tuple(-big * sum(row) for row in last)
        return dense_relu((Dense(hidden, (big, big)), Dense(last, back)))

    suprema = []
    for big in (2.0, 2.0**10, 2.0**20):
        logits = network_logits(biased(big), [0.5, -0.75], FLOAT32, Deployment(Arithmetic(FLOAT32)))
        suprema.append(float(sound_certifier(biased(big), FLOAT32).supremum([0.5, -0.75], logits)))
        assert ball_certifier(biased(big)).supremum([0.5, -0.75], logits) == ball_certifier(biased(2.0)).supremum(
            [0.5, -0.75], logits
        )
    assert suprema[0] > suprema[1] > suprema[2]
    assert suprema[0] > 0.1


def test_what_may_overflow_is_rejected():
    network = dense_relu((Dense(((300.0, 300.0), (-300.0, -300.0))),))
    judge = sound_certifier(network, FLOAT16)
    assert judge.supremum([1.0, 1.0], [600.0, -600.0]) > 0
    # the sum is 65475, below the largest float16, 65504; but three roundings of 2**-11 may carry it beyond
    assert judge.supremum([109.125, 109.125], [65472.0, -65472.0]) == 0
    # from far below, the ball ends where overflow begins: 600 * (10 + radius / sqrt 2) < 65504
    supremum = float(judge.supremum([10.0, 10.0], [6000.0, -6000.0]))
    assert supremum < (65504 / 600 - 10) * math.sqrt(2)


def test_a_partial_sum_may_overflow_where_the_result_is_small():
    network = dense_relu((Dense(((30000.0, 30000.0, 30000.0, -30000.0, -30000.0, -28992.0), (0.0,) * 6)),))
    point = [1.0] * 6
    assert network_logits(network, point, FLOAT16, Deployment(Arithmetic(FLOAT16)))[0] == math.inf
    assert sound_certifier(network, FLOAT16).supremum(point, [1000.0, 0.0]) == 0


@pytest.mark.parametrize(
    ("fmt", "accepted", "rejected"), [(BFLOAT16, 64, 255), (FLOAT16, 512, 2047)], ids=["bfloat16", "float16"]
)
def test_layers_too_wide_for_the_format_are_rejected(fmt, accepted, rejected):
    def supremum(width: int) -> Fraction:
        network = dense_relu((Dense(((1.0,) * width, (-1.0,) * width)),))
        return sound_certifier(network, fmt).supremum([1.0] * width, [float(width), -float(width)])

    assert supremum(accepted) > 0
    assert supremum(rejected) == 0


def test_networks_and_points_outside_the_format_are_refused():
    with pytest.raises(InputError, match="not a float16; round"):
        sound_certifier(dense_relu((Dense(((0.1,), (1.0,))),)), FLOAT16)
    with pytest.raises(InputError, match="not a bfloat16; round"):
        sound_certifier(dense_relu((Dense(((1.0,), (1.0,)), (1.001, 0.0)),)), BFLOAT16)
    judge = sound_certifier(dense_relu((Dense(((0.5,), (1.0,))),)), FLOAT32)
    for bad in (0.1, math.nan, math.inf, 1e300):
        with pytest.raises(InputError, match="coordinate"):
            judge.supremum([bad], [0.0, 1.0])


def test_float64_networks_whose_activations_overflow_are_rejected():
    pytest.importorskip("flint", reason="python-flint is not installed")
    network = dense_relu((Dense(((1e200,), (-1e200,))), Dense(((1.0, 0.0), (0.0, 1.0)))))
    assert sound_certifier(network, FLOAT64).supremum([1e200], [1.0, 0.0]) == 0


def test_many_points_at_once_are_judged_as_one_by_one():
    pytest.importorskip("flint", reason="python-flint is not installed")
    rng = random.Random(3)
    network = random_network(rng, (3, 4, 3), FLOAT32, bias=True)
    points = [[nearest(rng.uniform(-1, 1), FLOAT32) for _ in range(3)] for _ in range(20)]
    logits = [network_logits(network, point, FLOAT32, Deployment(Arithmetic(FLOAT32))) for point in points]
    judge = sound_certifier(network, FLOAT32)
    singly = [judge.supremum(p, v) for p, v in zip(points, logits, strict=True)]
    assert judge.suprema(points, logits) == singly
    radius = sorted(singly)[10]
    assert judge.accepts_all(points, logits, radius) == [radius < s for s in singly]


def test_wide_layers_in_numpys_own_order_keep_their_class():
    """Numpy's kernels, fused and with lanes, in float32 on a network too large for the exact interpreter."""
    pytest.importorskip("flint", reason="python-flint is not installed")
    rng = np.random.default_rng(2)
    arrays = [rng.normal(0, n**-0.5, (m, n)).astype(np.float32) for n, m in [(200, 40), (40, 30), (30, 5)]]
    network = dense_relu(tuple(Dense(tuple(map(tuple, a.astype(float).tolist()))) for a in arrays))
    judge = sound_certifier(network, FLOAT32)

    def logits(x):
        for k, a in enumerate(arrays):
            x = a @ (np.maximum(x, 0) if k else x)
        return x

    accepted = 0
    for _ in range(40 if SLOW else 12):
        x = rng.normal(0, 1, 200).astype(np.float32)
        top = int(logits(x).argmax())
        radius = judge.supremum(x.tolist(), logits(x).tolist())
        accepted += radius > 0
        for _ in range(20 if radius else 0):
            step = rng.normal(0, 1, 200)
            moved = (x + 0.999 * float(radius) * step / np.linalg.norm(step)).astype(np.float32)
            assert sum((Fraction(a) - Fraction(b)) ** 2 for a, b in zip(moved.tolist(), x.tolist(), strict=True)) < radius**2
            assert int(logits(moved).argmax()) == top
    assert accepted > (20 if SLOW else 6)


def test_a_linear_bound_is_reached_where_it_says():
    bound = LinearBound((Fraction(2), Fraction(3)), Fraction(5), Fraction(7))
    unit = 1 << 1200
    left, slope = bound.limit(100 * unit, [unit, 2 * unit])
    assert Fraction(left, slope) == Fraction(100 - 7 - 2 - 6, 5)
