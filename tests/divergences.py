"""Divergences for the tests: built by hand from a triple of leaves on which two orders differ, and any that a file may hold."""

import itertools
from dataclasses import replace
from fractions import Fraction

from hypothesis import strategies as st
from witnesses import _PROVENANCES, _TEXTS, _numbers

from fpsynth.formats import FLOAT32, FLOAT64, FORMATS
from fpsynth.libraries.naming import parse_environment
from fpsynth.networks.network import Dense, dense_relu
from fpsynth.orders import Order, Tree, fixed_order, parse_order
from fpsynth.predicates import Predicate
from fpsynth.rounding import Rounding
from fpsynth.sums.arithmetic import REAL, Arithmetic, Deployment
from fpsynth.synthesis.table import WITNESSED
from fpsynth.witness import Observation, Sampled, View, Witness
from fpsynth.witness.data import only_point
from fpsynth.witness.prediction import judged, predicted_logits, with_prediction

SEQUENTIAL = Arithmetic(FLOAT32)
PAIRWISE = Arithmetic(FLOAT32, order=parse_order("pairwise"))


def divergence(network, point, views, predicate, *, question="order", fmt=FLOAT32, **changes):
    """A divergence in which everything that can be computed is computed."""
    filled = tuple(view if view.interval else with_prediction(network, point, view) for view in views)
    a, b = filled[:2]
    real = predicted_logits(network, point, View("r", "real", "silent", Deployment(REAL)))
    measure = predicate.measure(a.logits, b.logits, a.interval)
    return Witness(question, fmt, network, only_point(point), predicate, filled, real=real, measure=measure, **changes)


def views(*hows):
    """Views a, b, silent1, ... of pairs (label, arithmetic or deployment)."""
    names = itertools.chain([("a", "reference"), ("b", "deployed")], ((f"silent{k}", "silent") for k in itertools.count(1)))
    return tuple(
        View(name, label, role, how if isinstance(how, Deployment) else Deployment(how))
        for (label, how), (name, role) in zip(hows, names, strict=False)
    )


def row_of(terms, values):
    """A weight row of so many terms, zero but for some."""
    return tuple(float(values.get(k, 0.0)) for k in range(terms))


def triple(terms=4, silent=True):
    """Left to right (-2^24 + 2^24) + 1 = 1; pairwise (-2^24 + 0) + (2^24 + 1) = 0, since 2^24 + 1 is no float32."""
    weights = row_of(terms, {0: -(2.0**24), terms // 2: 2.0**24, terms // 2 + 1: 1.0})
    hows = [("sequential", SEQUENTIAL), ("pairwise", PAIRWISE), *([("real", REAL)] if silent else [])]
    return divergence(dense_relu((Dense((weights,)),)), (1.0,) * terms, views(*hows), Predicate("sign"))


def classes():
    """The same with two outputs: the class is 0 in sequence and 1 in pairs."""
    weights = row_of(4, {0: -(2.0**24), 2: 2.0**24, 3: 1.0})
    network = dense_relu((Dense((weights, row_of(4, {0: 0.5}))),))
    return divergence(network, (1.0,) * 4, views(("sequential", SEQUENTIAL), ("pairwise", PAIRWISE)), Predicate("argmax"))


def twin():
    """Outputs 0 and 9 have the same weights; the kernel sums the last of ten outputs in pairs."""
    weights = row_of(4, {0: -(2.0**24), 2: 2.0**24, 3: 1.0})
    rows = tuple(weights if j in (0, 9) else row_of(4, {}) for j in range(10))
    deployed = Deployment(SEQUENTIAL, (((0, 9), PAIRWISE),))
    return divergence(
        dense_relu((Dense(rows),)),
        (1.0,) * 4,
        views(("real", REAL), ("tail", deployed)),
        Predicate("equal", 0, 9),
        question="twin",
    )


def position():
    """Neurons 0 and 1 change places: the one with the large weights is summed in pairs only at output 1."""
    weights = row_of(4, {0: -(2.0**24), 2: 2.0**24, 3: 1.0})
    network = dense_relu((Dense((row_of(4, {0: 0.5}), weights)),))
    how = Deployment(SEQUENTIAL, (((0, 1), PAIRWISE),))
    a, b = views(("as it is", how), ("neurons swapped", how))
    return divergence(network, (1.0,) * 4, (a, replace(b, permutation=(1, 0))), Predicate("argmax"), question="position")


def precision():
    """2^24 + 1 is 2^24 in float32, in any order, and itself in float64."""
    network = dense_relu((Dense((row_of(2, {0: 2.0**24, 1: 1.0}),)),))
    hows = views(("float32", SEQUENTIAL), ("float64", Arithmetic(FLOAT64)))
    return divergence(network, (1.0,) * 2, hows, Predicate("gap", 0, bound=Fraction(1)), question="precision")


def relu():
    """The pre-activation is -1 in the reals; in pairs the 2^24 - 1 - 1 ... stays above zero."""
    weights = row_of(4, {0: -(2.0**25), 1: -1.0, 2: 2.0**25 - 4.0, 3: 3.0})
    network = dense_relu((Dense((weights,), (1.5,)),))
    hows = views(("real", REAL), ("pairwise", PAIRWISE))
    return divergence(network, (1.0,) * 4, hows, Predicate("relu"), question="relu")


def outside():
    """An interval of width 0 around the sequential value, which the value in pairs leaves."""
    plain = triple(silent=False)
    boxed = replace(plain.reference, label="interval in sequence", logits=(), interval=((Fraction(1), Fraction(1)),))
    return divergence(
        plain.network, plain.point, (boxed, plain.deployed), Predicate("outside"), question="interval", optimum="x"
    )


BY_HAND = {
    "order": triple,
    "argmax": classes,
    "twin": twin,
    "position": position,
    "precision": precision,
    "relu": relu,
    "interval": outside,
}


def observed(found, logits, library="numpy", **changes):
    """What a library's run would be recorded as."""
    departs, agrees = judged(found.predicate, found.views, logits)
    batch = changes.get("batch", 1)
    seen = Observation(library, "2.4.0", "matmul", "cpu", batch, tuple(range(batch)), logits=logits)
    return replace(seen, departs=departs, agrees_with=agrees, **changes)


_RATIONALS = st.fractions(max_denominator=10**6) | st.builds(Fraction, st.floats(allow_nan=False, allow_infinity=False))
_NAMED = st.sampled_from([Order(), Order("reverse"), Order("pairwise"), Order("strided", 3)])


@st.composite
def _trees(draw, leaves):
    """Any tree, n-ary steps included."""
    left, steps = list(range(leaves)), []
    while len(left) > 1:
        step = draw(st.permutations(left))[: draw(st.integers(2, len(left)))]
        left = [node for node in left if node not in step] + [leaves + len(steps)]
        steps.append(tuple(step))
    return fixed_order(Tree(leaves, tuple(steps)))


@st.composite
def _arithmetics(draw, fmt, layer, anywhere):
    """An arithmetic of one format that can evaluate a layer; its order a family where it must evaluate others as well."""
    bias_leaf = draw(st.booleans())
    leaves = layer.inputs + (bias_leaf and layer.bias is not None)
    return Arithmetic(
        fmt,
        draw(st.none() | st.sampled_from(list(FORMATS.values()))),
        draw(st.sampled_from(Rounding)),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(_NAMED if anywhere else _NAMED | _trees(leaves)),
        draw(st.booleans()),
        () if anywhere else tuple(draw(st.lists(st.integers(0, leaves - 1), max_size=2, unique=True))),
        operands=draw(st.none() | st.sampled_from(list(FORMATS.values()))),
        products=draw(st.none() | st.sampled_from(list(FORMATS.values()))),
        bias_leaf=bias_leaf,
    )


@st.composite
def _views(draw, name, role, fmt, network):
    layers, outputs = network.dense_layers, network.widths[-1]
    format_of = draw(st.sampled_from([None, fmt, FLOAT64]))
    places = [(k, j) for k, layer in enumerate(layers) for j in range(layer.outputs)]
    chosen = draw(st.lists(st.sampled_from(places), max_size=2, unique=True))
    exceptions = tuple((place, draw(_arithmetics(format_of, layers[place[0]], False))) for place in chosen)
    environment, row = draw(
        st.sampled_from([("", 7), ("torch:linear:batch=4", 3), ("numpy:dot:batch=4,row=2,layout=NN,NPROC=1", 2)])
    )
    ends = st.tuples(_RATIONALS, _RATIONALS).map(lambda e: (min(e), max(e)))
    interval, widening = draw(
        st.just(((), "")) | st.tuples(st.tuples(*[ends] * outputs), st.sampled_from(["", "elina"])),
    )
    return View(
        name,
        draw(_TEXTS),
        role,
        Deployment(draw(_arithmetics(format_of, layers[0], True)), exceptions),
        environment,
        row=row,
        permutation=tuple(draw(st.just([]) | st.permutations(range(outputs)))),
        logits=draw(st.just(()) | st.tuples(*[_RATIONALS] * outputs)),
        interval=interval,
        widening=widening,
    )


@st.composite
def any_divergence(draw):
    """A divergence as the data model allows it; no claim in it need be true, but none contradicts another."""
    fmt = draw(st.sampled_from(list(FORMATS.values())))
    shape = draw(st.lists(st.integers(1, 3), min_size=2, max_size=4))
    numbers, layers, outputs = _numbers(fmt), [], shape[-1]
    for inputs, width in itertools.pairwise(shape):
        row = st.tuples(*[numbers] * inputs)
        layers.append(Dense(draw(st.tuples(*[row] * width)), draw(st.none() | st.tuples(*[numbers] * width))))
    network = dense_relu(tuple(layers))
    named = [("a", "reference"), ("b", "deployed"), ("silent1", "silent"), ("silent2", "silent")]
    kinds = ["sign", "argmax", "gap", "relu", *(["equal"] if outputs > 1 else [])]
    shown = tuple(draw(_views(name, role, fmt, network)) for name, role in named[: draw(st.integers(2, 4))])
    shown = tuple(replace(view, measured=bool(view.environment and view.logits) and draw(st.booleans())) for view in shown)
    kind = draw(st.sampled_from([*kinds, *(["outside"] if shown[0].interval else [])]))
    bound = draw(st.fractions(min_value=Fraction(1, 100), max_value=10)) if kind == "gap" else Fraction(0)
    predicate = Predicate(kind, draw(st.integers(0, outputs - 1)), outputs - 1, bound)
    made = Witness(
        question=draw(
            st.sampled_from([name for name, asked in WITNESSED.items() if kind in asked.predicates and name != "tie"])
        ),
        format=fmt,
        network=network,
        points=only_point(draw(st.tuples(*[numbers] * shape[0]))),
        predicate=predicate,
        views=shown,
        real=draw(st.just(()) | st.tuples(*[_RATIONALS] * outputs)),
        measure=draw(_RATIONALS),
        box=draw(st.just(()) | st.tuples(*[st.tuples(numbers, numbers).map(lambda e: (min(e), max(e)))] * shape[0])),
        sampled=draw(
            st.none()
            | st.builds(Sampled, st.just(9), st.integers(0, 9), st.just(5), st.integers(0, 5), st.integers(0, 99), _TEXTS)
        ),
        construction=draw(_TEXTS),
        optimum=draw(_TEXTS),
        provenance=draw(st.none() | _PROVENANCES),
        max_weight=draw(st.none() | st.fractions(min_value=1, max_value=9)),
    )
    rows = draw(st.lists(st.tuples(*[st.floats(allow_nan=False)] * outputs), max_size=2))
    extra = {
        "library": draw(_TEXTS),
        "threads": draw(st.none() | st.integers(1, 64)),
        "settings": draw(st.dictionaries(_TEXTS, _TEXTS, max_size=2).map(lambda d: tuple(d.items()))),
        "permutation": tuple(draw(st.just([]) | st.permutations(range(outputs)))),
        "batch": draw(st.integers(1, 4)),
    }
    if shown[0].environment and draw(st.booleans()):
        own = parse_environment(shown[0].environment)
        extra |= {"view": "a", "library": own.library, "variant": own.operation, "batch": own.batch, "threads": own.threads}
        extra |= {"settings": own.settings, "permutation": shown[0].permutation, "layout": own.layout}
    seen = [observed(made, logits, **extra) for logits in rows]
    return replace(made, observations=(*seen, Observation(draw(_TEXTS), not_run=draw(_TEXTS), environment={"dtype": "x"})))
