"""Table 3: what models of verifiers, real verifiers and practically sound ones say of the published backdoors, box by box.

The order backdoors are made for the format that a verifier computes in, as published; of the Precision backdoors there is the
one that misbehaves in the other format, which was published, and the one that does so in its own.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from benchmarks.given_networks import NETWORKS, Points, images
from benchmarks.published_figures import published_verdict
from fpsynth.backdoors.published import LEAST, PublishedBackdoor, published
from fpsynth.errors import InputError
from fpsynth.evaluators.float64 import numpy_outputs
from fpsynth.formats import FLOAT32, FLOAT64, Format
from fpsynth.networks.layers import Dense
from fpsynth.networks.network import Network, dense_relu
from fpsynth.orders import parse_order
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.synthesis.verifying.asked import around_image
from fpsynth.synthesis.verifying.reasoning import reasoned
from fpsynth.synthesis.verifying.run import made as verifier_made
from fpsynth.verifiers import external
from fpsynth.verifiers.claims import Box, Region
from fpsynth.verifiers.interval_verifier import IntervalVerifier
from fpsynth.verifiers.properties import Case, one_class

RADIUS = Fraction(1, 10)
BOUNDED = {"intervals": "", "intervals-elina-sums": "elina-sums"}
"""Intervals that detectors are bounded by: rounded outward, and as ELINA widens sums; with the names of their widenings."""
_CLOSED = 0.75
"""What the neuron of a switch that silences its copy of the logits must be at least: they are far below 500 in size."""
HOST = "host"
_VECTORS = 200
"""Hostile vectors that check a reveal, where a deployment is asked for."""


@dataclass(frozen=True)
class Verifier:
    """A row of the table."""

    format: Format
    """For which the order backdoors are made: that in which the tool computes."""
    name: str
    """One of fpsynth's, or a real verifier."""
    arithmetic: str
    """As ``fpsynth verify`` names it; of BOUNDED: the detector's bounds by those intervals, from left to right, and others
    over the reals; ``own``: a real verifier's."""
    tools: tuple[str, ...] = ()
    """The published verifiers that it is a model of."""
    differs: str = ""
    """How it differs from those."""
    computes: Format | None = None
    """In which format it computes, where that is not that of the order backdoors."""


_ORDERS = "its sums are numpy's, not the tool's own"
_HELD = "the rest of the network over the reals, the detector held at its silent value where its interval leaves no other"
_LEFT = f"the detector's sum from left to right, each end rounded outward, where the tools round to nearest; {_HELD}"
_ELINA = f"the detector's non-zero summands from left to right in float64, sums widened as in ELINA, products not; {_HELD}"

REAL_TOOLS = {
    **dict.fromkeys(("maraboupy", "pynever", "abstractnn"), FLOAT64),
    **dict.fromkeys(("neuralsat", "vibecheck-nn", "bound-propagation"), FLOAT32),
}
"""Real verifiers and in which format they compute: as they say, or by which of the Precision backdoors fools them."""

VERIFIERS: dict[str, Verifier] = {
    "milp-float64": Verifier(
        FLOAT64, "milp", "float64", ("MIPVerify",), f"HiGHS for Gurobi, bounds by our CROWN for its LPs, and {_ORDERS}"
    ),
    "bab-float64": Verifier(
        *(FLOAT64, "bab", "float64", ("MN-BaB", "beta-CROWN float64")),
        f"slopes are not optimised in the branches, no multi-neuron constraints, no GPU; {_ORDERS}",
    ),
    "bab-float32": Verifier(
        *(FLOAT32, "bab", "float32", ("beta-CROWN float32", "GCP-CROWN")),
        f"slopes are not optimised in the branches, no cutting planes, no GPU; {_ORDERS}",
    ),
    "crown-float64": Verifier(FLOAT64, "crown", "float64", (), "the bounds of beta-CROWN without branching"),
    "crown-float32": Verifier(FLOAT32, "crown", "float32", (), "the bounds of beta-CROWN without branching"),
    "bab-intervals-float64": Verifier(FLOAT64, "bab", "intervals", ("MIPVerify", "MN-BaB", "beta-CROWN float64"), _LEFT),
    "bab-intervals-float32": Verifier(FLOAT32, "bab", "intervals", ("beta-CROWN float32", "GCP-CROWN"), _LEFT),
    "deeppoly-elina": Verifier(FLOAT64, "deeppoly", "intervals-elina-sums", ("DeepPoly",), _ELINA),
    "zonotope-elina": Verifier(FLOAT64, "zonotope", "intervals-elina-sums", ("DeepZ",), _ELINA),
    "bab-elina": Verifier(
        *(FLOAT64, "bab", "intervals-elina-sums", ("RefinePoly", "RefineZono")),
        f"branch and bound for their LPs and MILPs; {_ELINA}",
    ),
    "sound-any-float32": Verifier(FLOAT32, "crown", "sound:any", (), "practically sound: any order"),
    "sound-any-float64": Verifier(FLOAT64, "crown", "sound:any", (), "practically sound: any order"),
    "sound-torch": Verifier(
        FLOAT32, "crown", "sound:torch:batch=1,threads=1", (), "practically sound for torch at batch 1, revealed on the spot"
    ),
    "sound-onnxruntime": Verifier(
        FLOAT32, "crown", "sound:onnxruntime:batch=1,threads=1", (), "practically sound for ONNX Runtime at batch 1, revealed"
    ),
    **{
        name: Verifier(FLOAT32, name, "own", (), f"the tool itself, by ONNX in float32; it computes in {computes}", computes)
        for name, computes in REAL_TOOLS.items()
    },
}
"""By the names that --verifier takes."""


def environment(row: Verifier) -> str:
    """The environment that a row is sound for; empty where it names none."""
    return row.arithmetic.partition("sound:")[2].removeprefix("any")


def columns(row: Verifier) -> tuple[tuple[str, str, Format], ...]:
    """For each column of a row: how it is called, which backdoor that is, and its detector's format."""
    fmt, wide = row.format, (row.computes or row.format) == FLOAT64
    other, own = ("Precision-same", "Precision-wider") if wide else ("Precision-wider", "Precision-same")
    orders = tuple((name, name, fmt) for name in ("Order1", "Order2", "Order3"))
    return (
        (HOST, HOST, fmt),
        ("Precision, the other format", other, FLOAT32),
        ("Precision, its own format", own, FLOAT32),
        *orders,
        ("ICLR2021", "ICLR2021", fmt),
    )


def verdicts(options: argparse.Namespace, results: dict[str, Any]) -> Iterator[None]:
    """Add the cells of verdicts that are missing, one at each step."""
    host = NETWORKS["wk17a_mnist"](options.data).logits
    points, _ = images(options.data, options.boxes)
    for name in options.verifier:
        row = VERIFIERS[name]
        if row.arithmetic == "own" and not external.installed(name):
            print(f"{name}: not installed", file=sys.stderr)
            continue
        for column, backdoor, fmt in columns(row):
            if backdoor not in (HOST, *options.backdoor):
                continue
            key = {"verifier": name, "column": column, "boxes": len(points), "limit": options.limit}
            if any(all(cell.get(k) == v for k, v in key.items()) for cell in results["verdicts"]):
                continue
            print(f"{name}: {column}", file=sys.stderr, flush=True)
            asked = None if backdoor == HOST else published(backdoor, host, fmt)
            try:
                found = judged(row, host, asked, points, options.limit)
            except InputError as error:
                found = {"not_run": str(error)[:160]}
            results["verdicts"] = [c for c in results["verdicts"] if (c["verifier"], c["column"]) != (name, column)]
            told = {tool: published_verdict(tool, backdoor) for tool in row.tools if _was_published(backdoor, column)}
            about = {"backdoor": backdoor, "format": fmt.name, "published": told, "fires_in": fires_in(asked)}
            results["verdicts"].append({**key, **about, **found})
            yield


def _was_published(backdoor: str, column: str) -> bool:
    return backdoor != HOST and "its own" not in column


def judged(row: Verifier, host: Network, asked: PublishedBackdoor | None, points: Points, limit: float) -> dict[str, Any]:
    """The verdicts on boxes around the points, whether the class that the host has there is kept."""
    network, bounds = (host if asked is None else asked.network), None
    if row.arithmetic in ("float32", "float64") and asked is not None and asked.detector is not None:
        bounds = (numpy_value(asked, row.format),) * 2
    if row.arithmetic in BOUNDED and asked is not None:
        bounds = detector_bounds(asked, row.arithmetic, row.format)
        value = silent_value(asked, bounds)
        if value is None:
            return {"verdicts": ["unknown"] * len(points), "seconds": 0.0, "detector": bounds, "reason": "the switch is open"}
        network = held(asked, value)
    started, found, reasons = time.monotonic(), list[str](), list[str]()
    for point in points:
        label = int(numpy_outputs(host, point.reshape(1, *host.input_shape)).reshape(-1).argmax())
        verdict, reason = _asked(row, network, point, label, limit, asked)
        found.append(verdict)
        reasons.append(reason)
    told = next((reason for verdict, reason in zip(found, reasons, strict=True) if verdict == "unknown"), "")
    seconds = round(time.monotonic() - started, 2)
    return {"verdicts": found, "seconds": seconds, "detector": bounds, "reason": told[:200]}


def _asked(
    row: Verifier, network: Network, point: Points, label: int, limit: float, asked: PublishedBackdoor | None
) -> tuple[str, str]:
    unsafe = one_class(label, math.prod(network.output_shape))
    if row.arithmetic == "own":
        region, exact = around_image(point.tolist(), RADIUS, "linf", FLOAT32)
        answer = external.verify(network, [Case(region, unsafe, exact)], row.name, timeout=limit, dtype=FLOAT32)
        return answer.verdict, answer.reason
    judge, region, what = _prepared(row, network, row.format if asked is None else misbehaves_in(asked))
    claim = judge.verify(what, region(point), unsafe, budget=limit)
    return claim.verdict, claim.reason


def misbehaves_in(asked: PublishedBackdoor) -> Format:
    """The format in which a backdoor is to fire."""
    return FLOAT64 if asked.name == "Precision-wider" else asked.format


@lru_cache(maxsize=2)
def _prepared(row: Verifier, network: Network, dtype: Format) -> Any:
    """The verifier, what makes its regions, and the network that it is asked about: revealed once where it is to be."""
    arithmetic = "real" if row.arithmetic in BOUNDED else row.arithmetic
    what = reasoned(arithmetic, network, dtype, _VECTORS, 0)

    def region(point: Points) -> Region:
        return around_image(point.tolist(), RADIUS, "linf", what.reasoning.deployed)[0]

    return verifier_made(row.name, what), region, what.network


def detector_bounds(asked: PublishedBackdoor, name: str, fmt: Format) -> tuple[float, float]:
    """The detector's interval, from left to right, the bias last; what it reads of the pixel may be anything from 0 to 1."""
    judge = IntervalVerifier(name, Deployment(Arithmetic(fmt)), BOUNDED[name])
    row = asked.detecting[asked.form.site.detector].layer
    assert isinstance(row, Dense)
    assert row.bias is not None
    (read,) = np.nonzero(row.weight[asked.column])
    neuron = dense_relu([([row.weight[asked.column][read].tolist()], [float(row.bias[asked.column])])])
    varies = [float(asked.trigger.units != () and place in asked.form.inhibitors) for place in read.tolist()]
    assert Fraction(LEAST) <= RADIUS, "a box around a dark pixel holds both"
    ((low, high),) = judge.bounds(neuron, Box(tuple(1.0 - v for v in varies), (1.0,) * len(varies)))
    return math.nextafter(float(low), -math.inf), math.nextafter(float(high), math.inf)


def numpy_value(asked: PublishedBackdoor, fmt: Format) -> float:
    """What numpy makes of the detector in a format: its product with the constants, and the bias; as a model's bounds begin."""
    row = asked.detecting[asked.form.site.detector].layer
    assert isinstance(row, Dense)
    assert row.bias is not None
    dtype = np.float32 if fmt == FLOAT32 else np.float64
    ones = np.ones((row.weight.shape[1], 1), dtype)
    return float((row.weight.astype(dtype) @ ones)[asked.column, 0] + dtype(row.bias[asked.column]))


def silent_value(asked: PublishedBackdoor, bounds: tuple[float, float]) -> float | None:
    """A value within the bounds, where the switch is silent for all of them; None where it is not."""
    ends = [max(end, 0.0) for end in bounds]
    on = max(asked.gate.on[0] * end + asked.gate.on[1] for end in ends)
    off = min(asked.gate.off[0] * end + asked.gate.off[1] for end in ends)
    return ends[0] if on <= 0 and off >= _CLOSED else None


def held(asked: PublishedBackdoor, value: float) -> Network:
    """The network whose detector gives a value, whatever it reads."""
    network, name = asked.network, asked.form.site.detector
    layer = network[name].layer
    assert isinstance(layer, Dense)
    assert layer.bias is not None
    weight, bias = layer.weight.copy(), layer.bias.copy()
    weight[asked.column], bias[asked.column] = 0.0, value
    nodes = tuple(replace(n, layer=Dense(weight, bias)) if n.name == name else n for n in network.nodes)
    return Network(nodes, network.input_shape, network.output)


NAMED = ("sequential", "reverse", "numpy", "lanes:8")
"""Orders of the detector's summands, the bias last, in which the exact interpreter is asked whether it fires."""


def fires_in(asked: PublishedBackdoor | None) -> list[str]:
    """The named orders in which a detector fires, in the formats that it is to run in; of a triggered one they say nothing."""
    if asked is None or asked.detector is None:
        return []
    found = []
    for name in NAMED:
        for fmt in (FLOAT32, FLOAT64) if asked.name.startswith("Precision") else (asked.format,):
            value = asked.detector.value(Deployment(Arithmetic(fmt, order=parse_order(name))))
            if asked.detector.fires(value):
                found.append(f"{fmt} {name}")
    return found
