"""Writing: a Witness as a JSON object."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from fpsynth.arithmetic import Arithmetic, Deployment
from fpsynth.networks.network import Dense
from fpsynth.witness.data import Certificate, Provenance, Replay, Witness
from fpsynth.witness.numerals import decimal_text, exact_text, hex_text
from fpsynth.witness.schema import SCHEMA_NAME, SCHEMA_VERSION

MAX_TEXT = 10_000
"""The longest text that the schema allows."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def to_json(witness: Witness) -> dict[str, Any]:
    """Return the witness as JSON data that obeys the shipped schema.

    Weights, biases and points are hexadecimal floats with their exact decimal expansions beside them; a radius is the nearest
    float64 with the exact number beside it.  ``from_json`` gives the same witness, but for texts: a witness is not lost because
    of what a library says of itself, so control characters become blanks and texts are cut at ``MAX_TEXT`` characters.
    """
    return {
        "schema": SCHEMA_NAME,
        "schema_version": SCHEMA_VERSION,
        "verdict": "found",
        "question": witness.question,
        "dtype": witness.format.name,
        "network": {"layers": [_layer(layer) for layer in witness.network.layers]},
        "inputs": {
            "certified": _hexes(witness.certified),
            "certified_decimal": _decimals(witness.certified),
            "counterexample": _hexes(witness.counterexample),
            "counterexample_decimal": _decimals(witness.counterexample),
        },
        "arithmetic": _deployment(witness.deployment),
        "certificate": _certificate(witness.certificate),
        "other_certificates": [_certificate(c) for c in witness.other_certificates],
        "sound_certifier": None if witness.sound_certificate is None else _certificate(witness.sound_certificate),
        "distance": witness.distance,
        "distance_hex": hex_text(witness.distance),
        "ratio": witness.ratio,
        "ratio_hex": hex_text(witness.ratio),
        "objective": _text(witness.objective),
        "optimum": _text(witness.optimum),
        "proof": {"text": _text(witness.optimum)} if witness.optimum else None,
        "replays": [_replay(r) for r in witness.replays],
        **_provenance(witness.provenance),
    }


def _hexes(numbers: Iterable[float]) -> list[str]:
    return [hex_text(number) for number in numbers]


def _decimals(numbers: Iterable[float]) -> list[str]:
    return [decimal_text(number) for number in numbers]


def _text(text: str) -> str:
    return _CONTROL.sub(" ", text)[:MAX_TEXT]


def _texts(texts: Mapping[str, str]) -> dict[str, str]:
    return {_text(name): _text(text) for name, text in texts.items()}


def _layer(layer: Dense[float]) -> dict[str, Any]:
    return {
        "weight": [_hexes(row) for row in layer.weight],
        "weight_decimal": [_decimals(row) for row in layer.weight],
        "bias": None if layer.bias is None else _hexes(layer.bias),
        "bias_decimal": None if layer.bias is None else _decimals(layer.bias),
    }


def _deployment(deployment: Deployment) -> dict[str, Any]:
    return {
        "description": _text(str(deployment)),
        "default": _arithmetic(deployment.default),
        "exceptions": [
            {"layer": layer, "output": output, "arithmetic": _arithmetic(arithmetic)}
            for (layer, output), arithmetic in deployment.exceptions
        ],
    }


def _arithmetic(arithmetic: Arithmetic) -> dict[str, Any]:
    return {
        "format": None if arithmetic.format is None else arithmetic.format.name,
        "accumulator": None if arithmetic.accumulator is None else arithmetic.accumulator.name,
        "rounding": arithmetic.rounding.value,
        "fused": arithmetic.fused,
        "flush": arithmetic.flush,
        "order": str(arithmetic.order),
        "bias_first": arithmetic.bias_first,
    }


def _certificate(certificate: Certificate) -> dict[str, Any]:
    return {
        "certifier": _text(certificate.certifier),
        "accepted": certificate.accepted,
        "radius": float(certificate.radius),
        "radius_exact": exact_text(certificate.radius),
        "supremum": float(certificate.supremum),
        "supremum_exact": exact_text(certificate.supremum),
    }


def _replay(replay: Replay) -> dict[str, Any]:
    return {
        "library": _text(replay.library),
        "version": _text(replay.version),
        "variant": _text(replay.variant),
        "device": _text(replay.device),
        "batch": replay.batch,
        "rows": list(replay.rows),
        "logits_certified": _hexes(replay.logits_certified),
        "logits_counterexample": _hexes(replay.logits_counterexample),
        "class_certified": replay.class_certified,
        "class_counterexample": replay.class_counterexample,
        "certificate_accepted": replay.certificate_accepted,
        "confirmed": replay.confirmed,
        "not_run": _text(replay.not_run),
        "environment": _texts(replay.environment),
    }


def _provenance(provenance: Provenance | None) -> dict[str, Any]:
    if provenance is None:
        return dict.fromkeys(("engine", "encoding", "seed", "seconds", "provenance"))
    return {
        "engine": _text(provenance.engine),
        "encoding": _text(provenance.encoding),
        "seed": provenance.seed,
        "seconds": {"solve": provenance.seconds_solve, "total": provenance.seconds_total},
        "provenance": {
            "created": provenance.created,
            "versions": _texts(provenance.versions),
            "notes": [_text(note) for note in provenance.notes],
        },
    }
