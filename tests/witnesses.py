"""Witnesses for the tests: the published one, and any that a file may hold."""

import itertools
import math
from fractions import Fraction

from hypothesis import strategies as st
from ties import claim, tie_witness

from fpsynth.formats import FLOAT32, FORMATS
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import Order
from fpsynth.rounding import Rounding, from_bits
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.witness import Observation, Provenance, Witness

# Murray, "Breaking a Verified Certifier": certified up to the radius, 6.3 times the distance
W1, W2 = 0.9890594482421875, 0.989059507846832275390625
XA, XB = 0.157976210117340087890625, 0.19721232354640960693359375
RADIUS = Fraction("0.2471875")
# the logits differ by 2**-26 and the certifier rounds the Lipschitz bound 2**-24 up to 16 decimals
SUPREMUM = Fraction(1, 2**26) / Fraction("0.0000000596046448")


def published() -> Witness:
    return tie_witness(
        dense_relu((Dense(((W1,), (W2,))),)),
        (XB,),
        (XA,),
        Deployment(Arithmetic(FLOAT32)),
        [claim("lipschitz-exact", True, RADIUS, SUPREMUM), claim("lipschitz", True, RADIUS, Fraction(1, 4))],
        control=claim("lipschitz-sound", False, RADIUS, Fraction(0)),
        distance=XB - XA,
        ratio=float(RADIUS / Fraction(XB - XA)),
        optimum="no radius above 1/3 is accepted",
        observations=(
            Observation(
                library="numpy",
                version="2.4.0",
                device="cpu",
                batch=4,
                rows=(0, 1, 2, 3),
                reference_logits=(0.5, 0.75),
                logits=(0.25, math.inf),
                reference_class=1,
                class_index=0,
                accepted=True,
                departs=True,
                environment={"threads": "2"},
            ),
            Observation(library="tensorflow", not_run="not installed"),
        ),
        provenance=Provenance(
            engine="bitwuzla",
            encoding="QF_FP",
            seed=7,
            created="2026-01-31T12:00:00Z",
            versions={"fpsynth": "0.1.0", "python": "3.11.9"},
            seconds_solve=0.25,
            seconds_total=1.5,
            notes=("binades fixed at random",),
        ),
    )


def _numbers(fmt):
    """Any finite number of a format, the zeros and subnormals among them."""
    magnitudes = st.integers(0, fmt.max_finite_bits)
    return st.builds(lambda bits, negative: float(from_bits(bits | negative << (fmt.bits - 1), fmt)), magnitudes, st.booleans())


_TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20)
_RADII = st.fractions(min_value=Fraction(1, 10**30), max_value=10**30)
_CLAIMS = st.builds(claim, _TEXTS, st.booleans(), _RADII, st.just(Fraction(0)) | _RADII)
_ORDERS = st.sampled_from([Order(), Order("reverse"), Order("pairwise"), Order("strided", 2), Order("strided", 128)])
_FLOATS = st.floats(min_value=0, allow_nan=False, allow_infinity=False)


def _arithmetics(fmt):
    return st.builds(
        Arithmetic,
        st.just(fmt),
        st.none() | st.sampled_from(list(FORMATS.values())),
        st.sampled_from(Rounding),
        st.booleans(),
        st.booleans(),
        _ORDERS,
        st.booleans(),
    )


def _replays(outputs):
    logits = st.just(()) | st.tuples(*[st.floats(allow_nan=False)] * outputs)
    classes = st.none() | st.integers(0, outputs - 1)
    return st.builds(
        Observation,
        library=_TEXTS,
        version=_TEXTS,
        variant=_TEXTS,
        device=_TEXTS,
        batch=st.integers(0, 64),
        rows=st.lists(st.integers(0, 63), max_size=3).map(tuple),
        logits=logits,
        reference_logits=logits,
        class_index=classes,
        reference_class=classes,
        accepted=st.none() | st.booleans(),
        departs=st.booleans(),
        not_run=_TEXTS,
        environment=st.dictionaries(_TEXTS, _TEXTS, max_size=2),
    )


_PROVENANCES = st.builds(
    Provenance,
    _TEXTS,
    _TEXTS,
    st.integers(-(2**64) + 1, 2**64 - 1),
    st.sampled_from(["", "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.123456+00:00"]),
    st.dictionaries(_TEXTS, _TEXTS, max_size=2),
    _FLOATS,
    _FLOATS,
    st.lists(_TEXTS, max_size=2).map(tuple),
)


@st.composite
def any_witness(draw):
    """A witness as the data model allows it; no claim in it need be true."""
    fmt = draw(st.sampled_from(list(FORMATS.values())))
    shape = [*draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)), draw(st.integers(2, 3))]
    numbers = _numbers(fmt)
    layers = []
    for inputs, outputs in itertools.pairwise(shape):
        row = st.tuples(*[numbers] * inputs)
        layers.append(Dense(draw(st.tuples(*[row] * outputs)), draw(st.none() | st.tuples(*[numbers] * outputs))))
    positions = [(k, j) for k, layer in enumerate(layers) for j in range(layer.outputs)]
    exceptions = draw(st.lists(st.tuples(st.sampled_from(positions), _arithmetics(fmt)), max_size=2, unique_by=lambda e: e[0]))
    return tie_witness(
        question=draw(st.sampled_from(["tie", "order", "twin-2"])),
        format=fmt,
        network=dense_relu(tuple(layers)),
        certified=draw(st.tuples(*[numbers] * shape[0])),
        counterexample=draw(st.tuples(*[numbers] * shape[0])),
        deployment=Deployment(draw(_arithmetics(fmt)), tuple(exceptions)),
        claims=draw(st.lists(_CLAIMS, min_size=1, max_size=3)),
        control=draw(st.none() | _CLAIMS),
        distance=draw(_FLOATS),
        ratio=draw(_FLOATS),
        objective=draw(_TEXTS),
        optimum=draw(_TEXTS),
        observations=tuple(draw(st.lists(_replays(shape[-1]), max_size=2))),
        provenance=draw(st.none() | _PROVENANCES),
    )
