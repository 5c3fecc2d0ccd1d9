"""Writing: a tie as a JSON object."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fpsynth.errors import InputError
from fpsynth.libraries.naming import run_call
from fpsynth.networks.network import Dense
from fpsynth.orders import SEQUENTIAL
from fpsynth.rounding import Flush
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.witness.data import Certificate, Provenance, Replay, Witness
from fpsynth.witness.numerals import decimal_text, exact_text, hex_text
from fpsynth.witness.schema import SCHEMA_NAME, SCHEMA_VERSION

MAX_TEXT = 10_000
"""The longest text that the schema allows."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def tie_to_json(witness: Witness) -> dict[str, Any]:
    """Return the tie as JSON data that obeys the shipped schema.

    Weights, biases and points are hexadecimal floats with their exact decimal expansions beside them; a radius is the nearest
    float64 with the exact number beside it.  ``tie_from_json`` gives the same witness, but for texts: a witness is not lost
    because of what a library says of itself, so control characters become blanks and texts are cut at ``MAX_TEXT`` characters.
    Raises InputError for an arithmetic that files of this version cannot describe.
    """
    return {
        "schema": SCHEMA_NAME,
        "schema_version": SCHEMA_VERSION,
        "verdict": "found",
        "question": witness.question,
        "dtype": witness.format.name,
        "network": {"layers": [layer_json(layer) for layer in witness.network.dense_layers]},
        "inputs": {
            "certified": hexes_of(witness.certified),
            "certified_decimal": decimals_of(witness.certified),
            "counterexample": hexes_of(witness.counterexample),
            "counterexample_decimal": decimals_of(witness.counterexample),
        },
        "arithmetic": _deployment(witness.deployment),
        "certificate": _certificate(witness.certificate),
        "other_certificates": [_certificate(c) for c in witness.other_certificates],
        "sound_certifier": None if witness.sound_certificate is None else _certificate(witness.sound_certificate),
        **_number("distance", witness.distance, witness.unsaid),
        **_number("ratio", witness.ratio, witness.unsaid),
        "objective": plain_text(witness.objective),
        "optimum": plain_text(witness.optimum),
        "proof": {"text": plain_text(witness.optimum)} if witness.optimum else None,
        "replays": [_replay(r) for r in witness.replays],
        **provenance_json(witness.provenance),
    }


def _number(name: str, number: float, unsaid: Sequence[str]) -> dict[str, Any]:
    """A number and its hexadecimal text; nothing where the file that it comes from did not say it."""
    return {} if name in unsaid else {name: number, f"{name}_hex": hex_text(number)}


def hexes_of(numbers: Iterable[float]) -> list[str]:
    """Each number as ``hex_text`` writes it."""
    return [hex_text(number) for number in numbers]


def decimals_of(numbers: Iterable[float]) -> list[str]:
    """Each number as ``decimal_text`` writes it."""
    return [decimal_text(number) for number in numbers]


def plain_text(text: str) -> str:
    """The text as a file may hold it: control characters become blanks, the rest is cut at ``MAX_TEXT`` characters."""
    return _CONTROL.sub(" ", text)[:MAX_TEXT]


def plain_texts(texts: Mapping[str, str]) -> dict[str, str]:
    """Names and texts as ``plain_text`` leaves them."""
    return {plain_text(name): plain_text(text) for name, text in texts.items()}


def layer_json(layer: Dense) -> dict[str, Any]:
    """A layer: hexadecimal floats with their decimal expansions beside them."""
    return {
        "weight": [hexes_of(row) for row in layer.weight.tolist()],
        "weight_decimal": [decimals_of(row) for row in layer.weight.tolist()],
        "bias": None if layer.bias is None else hexes_of(layer.bias.tolist()),
        "bias_decimal": None if layer.bias is None else decimals_of(layer.bias.tolist()),
    }


def _deployment(deployment: Deployment) -> dict[str, Any]:
    return {
        "description": plain_text(str(deployment)),
        "default": _arithmetic(deployment.default),
        "exceptions": [
            {"layer": layer, "output": output, "arithmetic": _arithmetic(arithmetic)}
            for (layer, output), arithmetic in deployment.exceptions
        ],
    }


def _arithmetic(arithmetic: Arithmetic) -> dict[str, Any]:
    if arithmetic.flush == Flush.UNBOUNDED:
        raise InputError(
            f"arithmetic: the file of a tie (version {SCHEMA_VERSION}) knows results that are flushed after rounding only"
        )
    if arithmetic != _sayable(arithmetic):
        raise InputError(
            f"arithmetic: the file of a tie (version {SCHEMA_VERSION}) knows families of orders only, fused or not"
        )
    return {
        "format": None if arithmetic.format is None else arithmetic.format.name,
        "accumulator": None if arithmetic.accumulator is None else arithmetic.accumulator.name,
        "rounding": arithmetic.rounding.value,
        "fused": arithmetic.fused,
        "flush": bool(arithmetic.flush),
        "order": str(arithmetic.order),
        "bias_first": arithmetic.bias_first,
    }


def _sayable(arithmetic: Arithmetic) -> Arithmetic:
    """What a file of this version says of an arithmetic; it can say it if that is the arithmetic itself."""
    return Arithmetic(
        format=arithmetic.format,
        accumulator=arithmetic.accumulator,
        rounding=arithmetic.rounding,
        fused=arithmetic.fused,
        flush=arithmetic.flush,
        order=SEQUENTIAL if arithmetic.order.fixed else arithmetic.order,
        bias_first=arithmetic.bias_first,
    )


def _certificate(certificate: Certificate) -> dict[str, Any]:
    return {
        "certifier": plain_text(certificate.certifier),
        "accepted": certificate.accepted,
        "radius": float(certificate.radius),
        "radius_exact": exact_text(certificate.radius),
        "supremum": float(certificate.supremum),
        "supremum_exact": exact_text(certificate.supremum),
    }


def _replay(replay: Replay) -> dict[str, Any]:
    return {
        "library": plain_text(replay.library),
        "version": plain_text(replay.version),
        "variant": plain_text(replay.variant),
        "call": run_call(plain_text(replay.library), plain_text(replay.variant)),
        "device": plain_text(replay.device),
        "batch": replay.batch,
        "rows": list(replay.rows),
        "logits_certified": hexes_of(replay.logits_certified),
        "logits_counterexample": hexes_of(replay.logits_counterexample),
        "class_certified": replay.class_certified,
        "class_counterexample": replay.class_counterexample,
        "certificate_accepted": replay.certificate_accepted,
        "confirmed": replay.confirmed,
        "not_run": plain_text(replay.not_run),
        "environment": plain_texts(replay.environment),
    }


def provenance_json(provenance: Provenance | None) -> dict[str, Any]:
    """The members of a file that say how it came to be; all null where that is not known."""
    if provenance is None:
        return dict.fromkeys(("engine", "encoding", "seed", "seconds", "provenance"))
    return {
        "engine": plain_text(provenance.engine),
        "encoding": plain_text(provenance.encoding),
        "seed": provenance.seed,
        "seconds": {"solve": provenance.seconds_solve, "total": provenance.seconds_total},
        "provenance": {
            "created": provenance.created,
            "versions": plain_texts(provenance.versions),
            "notes": [plain_text(note) for note in provenance.notes],
        },
    }
