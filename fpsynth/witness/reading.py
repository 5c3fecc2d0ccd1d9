"""Reading: a tie from JSON data, with every claim that the data makes twice compared."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from fpsynth.errors import InputError
from fpsynth.formats import Format, format_named
from fpsynth.libraries.naming import run_call
from fpsynth.networks.network import Dense, Network, dense_relu
from fpsynth.orders import parse_order
from fpsynth.rounding import Flush, rounding_named
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.witness.calls import named_variant, require_call
from fpsynth.witness.data import Certificate, Provenance, Replay, Witness
from fpsynth.witness.numerals import hex_text, parse_exact, parse_hex_in, quoted
from fpsynth.witness.schema import require_valid

Json = dict[str, Any]


def tie_from_json(data: object) -> Witness:
    """Return the tie that JSON data describes.

    Raises InputError with one line that names the field for data that does not obey the shipped schema, for shapes that do not
    fit, numbers that the dtype does not represent, and decimals that disagree with their hexadecimal floats.
    """
    require_valid(data)
    assert isinstance(data, dict)
    fmt = format_named(data["dtype"])
    network = read_network(data["network"]["layers"], fmt)
    return Witness(
        question=data["question"],
        format=fmt,
        network=network,
        certified=read_point(data["inputs"], "certified", fmt, network.widths[0]),
        counterexample=read_point(data["inputs"], "counterexample", fmt, network.widths[0]),
        deployment=_deployment(data["arithmetic"], fmt, network),
        certificate=_certificate(data["certificate"], "certificate"),
        other_certificates=tuple(
            _certificate(entry, f"other_certificates[{k}]") for k, entry in enumerate(data.get("other_certificates", ()))
        ),
        sound_certificate=_certificate(data["sound_certifier"], "sound_certifier") if data.get("sound_certifier") else None,
        distance=_number(data, "distance"),
        ratio=_number(data, "ratio"),
        objective=data.get("objective", "ratio"),
        optimum=read_optimum(data),
        replays=tuple(_replay(entry, f"replays[{k}]", network.widths[-1]) for k, entry in enumerate(data.get("replays", ()))),
        provenance=read_provenance(data),
        description=data["arithmetic"].get("description", ""),
        unsaid=tuple(name for name in ("distance", "ratio") if name not in data),
    )


def read_vector(hexes: Sequence[str], decimals: Sequence[str] | None, fmt: Format, where: str, field: str) -> tuple[float, ...]:
    """The numbers of one list, each compared with its decimal expansion if there is one."""
    numbers = []
    for k, text in enumerate(hexes):
        try:
            numbers.append(parse_hex_in(text, fmt))
        except InputError as error:
            raise InputError(f"{where.format(field)}[{k}]: {error}") from None
    if decimals is not None:
        if len(decimals) != len(numbers):
            raise InputError(f"{where.format(field + '_decimal')}: has {len(decimals)} numbers, {field} has {len(numbers)}")
        for k, (number, decimal) in enumerate(zip(numbers, decimals, strict=True)):
            # the sign of a zero counts as well
            if parse_exact(decimal) != Fraction(number) or decimal.startswith("-") != hex_text(number).startswith("-"):
                raise InputError(f"{where.format(field + '_decimal')}[{k}]: {quoted(decimal)} is not {hex_text(number)}")
    return tuple(numbers)


def read_network(layers: Sequence[Json], fmt: Format, least_outputs: int = 2) -> Network:
    """A network of numbers of ``fmt``.  Raises InputError where shapes do not fit, or it has fewer outputs."""
    result: list[Dense] = []
    for k, layer in enumerate(layers):
        where = f"network.layers[{k}]"
        width = len(layer["weight"][0])
        if result and width != result[-1].outputs:
            raise InputError(f"{where}.weight: has {width} columns, the layer before it has {result[-1].outputs} outputs")
        result.append(Dense(_weight(layer, fmt, where, width), _bias(layer, fmt, where)))
    if result[-1].outputs < least_outputs:
        raise InputError(f"network.layers[{len(result) - 1}].weight: a classifier needs at least 2 outputs, not 1")
    return dense_relu(tuple(result))


def _weight(layer: Json, fmt: Format, where: str, width: int) -> tuple[tuple[float, ...], ...]:
    rows, decimals = layer["weight"], layer.get("weight_decimal")
    if decimals is not None and len(decimals) != len(rows):
        raise InputError(f"{where}.weight_decimal: has {len(decimals)} rows, weight has {len(rows)}")
    for j, row in enumerate(rows):
        if len(row) != width:
            raise InputError(f"{where}.weight[{j}]: has {len(row)} numbers, the first row has {width}")
    return tuple(
        read_vector(row, None if decimals is None else decimals[j], fmt, f"{where}.{{}}[{j}]", "weight")
        for j, row in enumerate(rows)
    )


def _bias(layer: Json, fmt: Format, where: str) -> tuple[float, ...] | None:
    bias, decimals, outputs = layer["bias"], layer.get("bias_decimal"), len(layer["weight"])
    if bias is None:
        if decimals is not None:
            raise InputError(f"{where}.bias_decimal: stands beside a bias that is null")
        return None
    if len(bias) != outputs:
        raise InputError(f"{where}.bias: has {len(bias)} numbers, the layer has {outputs} outputs")
    return read_vector(bias, decimals, fmt, f"{where}.{{}}", "bias")


def read_point(inputs: Json, name: str, fmt: Format, expected: int) -> tuple[float, ...]:
    """One of the points of ``inputs``.  Raises InputError where it has not ``expected`` numbers."""
    if len(inputs[name]) != expected:
        raise InputError(f"inputs.{name}: has {len(inputs[name])} numbers, the network has {expected} inputs")
    return read_vector(inputs[name], inputs.get(f"{name}_decimal"), fmt, "inputs.{}", name)


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


def _certificate(data: Json, where: str) -> Certificate:
    return Certificate(data["certifier"], data["accepted"], _exact(data, where, "radius"), _exact(data, where, "supremum"))


def _exact(data: Json, where: str, name: str) -> Fraction:
    """An exact number, compared with the float64 beside it."""
    exact = parse_exact(data[f"{name}_exact"])
    try:
        nearest = float(exact)
    except OverflowError:
        raise InputError(f"{where}.{name}_exact: is too large") from None
    if nearest != data[name]:
        raise InputError(f"{where}.{name}: {quoted(data[name])} is not the float64 nearest to {name}_exact")
    return exact


def _float(number: float, where: str) -> float:
    try:
        return float(number)
    except OverflowError:
        raise InputError(f"{where}: {quoted(number)} is too large") from None


def _number(data: Json, name: str) -> float:
    """A float64, compared with its hexadecimal text if there is one."""
    number = _float(data.get(name, 0.0), name)
    text = data.get(f"{name}_hex")
    if text is not None:
        try:
            same = parse_hex_in(text, format_named("float64")) == number
        except InputError as error:
            raise InputError(f"{name}_hex: {error}") from None
        if not same:
            raise InputError(f"{name}_hex: {quoted(text)} is not {number!r}")
    return number


def read_optimum(data: Json) -> str:
    """What is proved.  Raises InputError where the two places that say so differ."""
    optimum: str = data.get("optimum", "")
    proof = data.get("proof")
    if "proof" in data and (proof["text"] if proof else "") != optimum:
        raise InputError("proof.text: does not say what optimum says")
    return optimum


def read_logits(data: Json, where: str, name: str, outputs: int) -> tuple[float, ...]:
    """What a library computed, infinities and NaN among it; empty if the file does not say."""
    texts = data.get(name, ())
    if texts and len(texts) != outputs:
        raise InputError(f"{where}.{name}: has {len(texts)} numbers, the network has {outputs} outputs")
    numbers = []
    for k, text in enumerate(texts):
        try:
            numbers.append(float(text) if text in ("nan", "inf", "-inf") else parse_hex_in(text, format_named("float64")))
        except InputError as error:
            raise InputError(f"{where}.{name}[{k}]: {error}") from None
    return tuple(numbers)


def _class(data: Json, where: str, name: str, outputs: int) -> int | None:
    number = data.get(name)
    if number is not None and number >= outputs:
        raise InputError(f"{where}.{name}: {int(number)} is no class of a network with {outputs} outputs")
    return None if number is None else int(number)


def _replay(data: Json, where: str, outputs: int) -> Replay:
    seen = Replay(
        library=data["library"],
        version=data.get("version", ""),
        variant=named_variant(data),
        device=data.get("device", ""),
        batch=int(data.get("batch", 0)),
        rows=tuple(int(row) for row in data.get("rows", ())),
        logits_certified=read_logits(data, where, "logits_certified", outputs),
        logits_counterexample=read_logits(data, where, "logits_counterexample", outputs),
        class_certified=_class(data, where, "class_certified", outputs),
        class_counterexample=_class(data, where, "class_counterexample", outputs),
        certificate_accepted=data.get("certificate_accepted"),
        confirmed=data.get("confirmed", False),
        not_run=data.get("not_run", ""),
        environment=dict(data.get("environment", {})),
    )
    require_call(data, run_call(seen.library, seen.variant), where)
    return seen


def read_provenance(data: Json) -> Provenance | None:
    """How a witness came to be, if the file says so.  Raises InputError where it says only half of it."""
    names = ("engine", "encoding", "seed", "seconds", "provenance")
    absent = [name for name in names if data.get(name) is None]
    if len(absent) == len(names):
        return None
    if absent:
        raise InputError(f"{absent[0]}: is missing, although {next(n for n in names if n not in absent)} is there")
    return Provenance(
        engine=data["engine"],
        encoding=data["encoding"],
        seed=int(data["seed"]),
        created=data["provenance"]["created"],
        versions=dict(data["provenance"]["versions"]),
        seconds_solve=_float(data["seconds"]["solve"], "seconds.solve"),
        seconds_total=_float(data["seconds"]["total"], "seconds.total"),
        notes=tuple(data["provenance"]["notes"]),
    )
