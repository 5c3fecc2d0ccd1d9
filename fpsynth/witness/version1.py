"""Files of version 1: ties, one arithmetic for all, with every claim that the data makes twice compared."""

from __future__ import annotations

from fpsynth.aliases import Json
from fpsynth.errors import InputError
from fpsynth.formats import Format, format_named
from fpsynth.libraries.naming import run_call
from fpsynth.networks.network import Network
from fpsynth.orders import parse_order
from fpsynth.predicates import Predicate
from fpsynth.rounding import Flush, rounding_named
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.verifiers.claims import Ball, Claim
from fpsynth.witness.calls import named_variant, require_call
from fpsynth.witness.data import CERTIFIED, COUNTEREXAMPLE, Observation, Point, Witness, tie_views
from fpsynth.witness.fields import read_class, read_exact, read_logits, read_number, read_optimum, read_point, read_provenance
from fpsynth.witness.networks import read_layers
from fpsynth.witness.numerals import quoted


def read_version1(data: Json) -> Witness:
    """Return the tie that JSON data which obeys the schema of version 1 describes.

    Raises InputError with one line that names the field for shapes that do not fit, numbers that the dtype does not represent,
    and decimals that disagree with their hexadecimal floats.
    """
    fmt = format_named(data["dtype"])
    network = read_layers(data["network"]["layers"], fmt, least_outputs=2)
    points = tuple(
        Point(name, read_point(data["inputs"], name, fmt, network.widths[0], "inputs")) for name in (CERTIFIED, COUNTEREXAMPLE)
    )
    centre = points[0].numbers
    deployment = _deployment(data["arithmetic"], fmt, network)
    others = data.get("other_certificates", ())
    return Witness(
        question=data["question"],
        format=fmt,
        network=network,
        points=points,
        predicate=Predicate("argmax"),
        views=tie_views(deployment, data["arithmetic"].get("description", "")),
        claims=(
            _claim(data["certificate"], "certificate", centre),
            *(_claim(entry, f"other_certificates[{k}]", centre) for k, entry in enumerate(others)),
        ),
        control=_claim(data["sound_certifier"], "sound_certifier", centre) if data.get("sound_certifier") else None,
        distance=read_number(data, "distance"),
        ratio=read_number(data, "ratio"),
        objective=data.get("objective", "ratio"),
        optimum=read_optimum(data),
        observations=tuple(_run(entry, f"replays[{k}]", network.widths[-1]) for k, entry in enumerate(data.get("replays", ()))),
        provenance=read_provenance(data),
    )


def _deployment(data: Json, fmt: Format, network: Network) -> Deployment:
    exceptions: dict[tuple[int, int], Arithmetic] = {}
    for k, entry in enumerate(data.get("exceptions", ())):
        where = f"arithmetic.exceptions[{k}]"
        layer, output = int(entry["layer"]), int(entry["output"])
        if layer >= len(network.dense_layers) or output >= network.dense_layers[layer].outputs:
            raise InputError(f"{where}: the network has no output {output} in a layer {layer}")
        if (layer, output) in exceptions:
            raise InputError(f"{where}: output {output} of layer {layer} is named twice")
        exceptions[layer, output] = _arithmetic(entry["arithmetic"], fmt, f"{where}.arithmetic")
    return Deployment(_arithmetic(data["default"], fmt, "arithmetic.default"), tuple(exceptions.items()))


def _arithmetic(data: Json, fmt: Format, where: str) -> Arithmetic:
    if data["format"] != fmt.name:
        raise InputError(f"{where}.format: is {data['format']}, but the network is {fmt.name}")
    try:
        order = parse_order(data.get("order", "sequential"))
    except InputError:
        raise InputError(f"{where}.order: unknown order {quoted(data['order'])}") from None
    accumulator = data.get("accumulator")
    return Arithmetic(
        format=fmt,
        accumulator=None if accumulator is None else format_named(accumulator),
        rounding=rounding_named(data.get("rounding", "RNE")),
        fused=data.get("fused", False),
        flush=Flush(data.get("flush", False)),
        order=order,
        bias_first=data.get("bias_first", False),
    )


def _claim(data: Json, where: str, centre: tuple[float, ...]) -> Claim:
    return Claim(
        verifier=data["certifier"],
        region=Ball(centre, read_exact(data, where, "radius")),
        verdict="unsat" if data["accepted"] else "unknown",
        supremum=read_exact(data, where, "supremum"),
    )


def _run(data: Json, where: str, outputs: int) -> Observation:
    seen = Observation(
        library=data["library"],
        version=data.get("version", ""),
        variant=named_variant(data),
        device=data.get("device", ""),
        batch=int(data.get("batch", 0)),
        rows=tuple(int(row) for row in data.get("rows", ())),
        logits=read_logits(data, where, "logits_counterexample", outputs),
        reference_logits=read_logits(data, where, "logits_certified", outputs),
        class_index=read_class(data, where, "class_counterexample", outputs),
        reference_class=read_class(data, where, "class_certified", outputs),
        accepted=data.get("certificate_accepted"),
        departs=data.get("confirmed", False),
        not_run=data.get("not_run", ""),
        environment=dict(data.get("environment", {})),
    )
    require_call(data, run_call(seen.library, seen.variant), where)
    return seen
