"""Writing: a divergence as a JSON object."""

from __future__ import annotations

from typing import Any

from fpsynth.libraries.naming import run_call
from fpsynth.predicates import Predicate
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.sums.arithmetic_json import arithmetic_to_json
from fpsynth.witness.calls import view_call
from fpsynth.witness.divergence import Divergence, Observation, Sampled, View
from fpsynth.witness.numerals import rational_text
from fpsynth.witness.prediction import arithmetics
from fpsynth.witness.schema import DIVERGENCE_VERSION, SCHEMA_NAME
from fpsynth.witness.writing import decimals_of, hexes_of, layer_json, plain_text, plain_texts, provenance_json

Table = dict[Arithmetic, int]
"""The arithmetics of a file and their places in its table."""


def divergence_to_json(divergence: Divergence) -> dict[str, Any]:
    """Return the divergence as JSON data that obeys the shipped schema of version 2.

    Numbers of the format are hexadecimal floats with their exact decimal expansions beside them, rational numbers are exact
    (see ``rational_text``).  Each arithmetic is written once, in a table to which deployments refer by index.
    ``divergence_from_json`` gives the same divergence, but for texts that hold control characters or are very long.
    """
    table: Table = {}
    for view in divergence.views:
        for how in arithmetics(view):
            table.setdefault(how, len(table))
    return {
        "schema": SCHEMA_NAME,
        "schema_version": DIVERGENCE_VERSION,
        "verdict": "found",
        "question": divergence.question,
        "dtype": divergence.format.name,
        "network": {"layers": [layer_json(layer) for layer in divergence.network.dense_layers]},
        "inputs": {"point": hexes_of(divergence.point), "point_decimal": decimals_of(divergence.point)},
        "predicate": _predicate(divergence.predicate),
        "arithmetics": [arithmetic_to_json(how) for how in table],
        "views": [_view(view, table, divergence) for view in divergence.views],
        "real": [rational_text(number) for number in divergence.real],
        "measure": rational_text(divergence.measure),
        "max_weight": None if divergence.max_weight is None else rational_text(divergence.max_weight),
        "box": [hexes_of(ends) for ends in divergence.box],
        "sampled": None if divergence.sampled is None else _sampled(divergence.sampled),
        "construction": plain_text(divergence.construction),
        "optimum": plain_text(divergence.optimum),
        "observations": [_observation(o) for o in divergence.observations],
        **provenance_json(divergence.provenance),
    }


def _predicate(predicate: Predicate) -> dict[str, Any]:
    return {
        "kind": predicate.kind,
        "output": predicate.output,
        "other": predicate.other,
        "bound": rational_text(predicate.bound),
    }


def _view(view: View, table: Table, divergence: Divergence) -> dict[str, Any]:
    return {
        "name": view.name,
        "label": plain_text(view.label),
        "role": view.role,
        "deployment": _deployment(view.deployment, table),
        "environment": plain_text(view.environment),
        "call": view_call(plain_text(view.environment), divergence.format, divergence.network),
        "row": view.row,
        "permutation": list(view.permutation),
        "logits": [rational_text(number) for number in view.logits],
        "interval": [[rational_text(lower), rational_text(upper)] for lower, upper in view.interval],
        "widening": view.widening,
        "measured": view.measured,
    }


def _deployment(deployment: Deployment, table: Table) -> dict[str, Any]:
    return {
        "default": table[deployment.default],
        "exceptions": [
            {"layer": layer, "output": output, "arithmetic": table[how]} for (layer, output), how in deployment.exceptions
        ],
    }


def _sampled(sampled: Sampled) -> dict[str, Any]:
    return {
        "inside": sampled.inside,
        "inside_fires": sampled.inside_fires,
        "outside": sampled.outside,
        "outside_fires": sampled.outside_fires,
        "seed": sampled.seed,
        "how": plain_text(sampled.how),
    }


def _observation(seen: Observation) -> dict[str, Any]:
    return {
        "library": plain_text(seen.library),
        "version": plain_text(seen.version),
        "variant": plain_text(seen.variant),
        "device": plain_text(seen.device),
        "batch": seen.batch,
        "rows": list(seen.rows),
        "threads": seen.threads,
        "settings": plain_texts(dict(seen.settings)),
        "switches": plain_texts(dict(seen.switches)),
        "layout": plain_text(seen.layout),
        "call": run_call(plain_text(seen.library), plain_text(seen.variant), plain_text(seen.layout)),
        "permutation": list(seen.permutation),
        "view": seen.view,
        "logits": hexes_of(seen.logits),
        "departs": seen.departs,
        "agrees_with": list(seen.agrees_with),
        "not_run": plain_text(seen.not_run),
        "environment": plain_texts(seen.environment),
    }
