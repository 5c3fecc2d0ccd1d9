"""Writing: a witness as a JSON object."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fpsynth.libraries.naming import run_call
from fpsynth.networks.network import Network
from fpsynth.predicates import Predicate
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.sums.arithmetic_json import arithmetic_to_json
from fpsynth.verifiers.claims import Ball, Claim
from fpsynth.witness.calls import view_call
from fpsynth.witness.data import Observation, Provenance, Sampled, View, Witness
from fpsynth.witness.networks import network_to_json
from fpsynth.witness.numerals import decimals_of, exact_text, hex_text, hexes_of, rational_text
from fpsynth.witness.prediction import arithmetics
from fpsynth.witness.schema import SCHEMA_NAME, SCHEMA_VERSION

Table = dict[Arithmetic, int]
"""The arithmetics of a file and their places in its table."""
Place = Callable[[Network], dict[str, Any]]
"""What stands for a network in a file."""
MAX_TEXT = 10_000
"""The longest text that the schema allows."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def witness_to_json(witness: Witness, place: Place = network_to_json) -> dict[str, Any]:
    """Return the witness as JSON data that obeys the shipped schema.

    Numbers of the format are hexadecimal floats with their exact decimal expansions beside them, rational numbers are exact
    (see ``rational_text``).  Each arithmetic is written once, in a table to which deployments refer by index.  ``place``
    says what stands for a network, which may be in a file of its own.  ``witness_from_json`` gives the same witness, but for
    texts: a witness is not lost because of what a library says of itself, so control characters become blanks and texts are cut
    at ``MAX_TEXT`` characters.
    """
    table: Table = {}
    for view in witness.views:
        for how in arithmetics(view):
            table.setdefault(how, len(table))
    return {
        "schema": SCHEMA_NAME,
        "schema_version": SCHEMA_VERSION,
        "verdict": "found",
        "question": witness.question,
        "dtype": witness.format.name,
        "network": place(witness.network),
        "points": [
            {"name": point.name, "numbers": hexes_of(point.numbers), "numbers_decimal": decimals_of(point.numbers)}
            for point in witness.points
        ],
        "predicate": _predicate(witness.predicate),
        "arithmetics": [arithmetic_to_json(how) for how in table],
        "views": [_view(view, table, witness, place) for view in witness.views],
        "claims": [_claim(claim, witness) for claim in witness.claims],
        "control": None if witness.control is None else _claim(witness.control, witness),
        "real": [rational_text(number) for number in witness.real],
        "measure": rational_text(witness.measure),
        **_number("distance", witness.distance),
        **_number("ratio", witness.ratio),
        "objective": plain_text(witness.objective),
        "max_weight": None if witness.max_weight is None else rational_text(witness.max_weight),
        "box": [hexes_of(ends) for ends in witness.box],
        "sampled": None if witness.sampled is None else _sampled(witness.sampled),
        "construction": plain_text(witness.construction),
        "optimum": plain_text(witness.optimum),
        "observations": [_observation(o) for o in witness.observations],
        **provenance_json(witness.provenance),
    }


def _number(name: str, number: float | None) -> dict[str, Any]:
    """A number and its hexadecimal text; nothing where it is not known."""
    return {} if number is None else {name: number, f"{name}_hex": hex_text(number)}


def plain_text(text: str) -> str:
    """The text as a file may hold it: control characters become blanks, the rest is cut at ``MAX_TEXT`` characters."""
    return _CONTROL.sub(" ", text)[:MAX_TEXT]


def plain_texts(texts: Mapping[str, str]) -> dict[str, str]:
    """Names and texts as ``plain_text`` leaves them."""
    return {plain_text(name): plain_text(text) for name, text in texts.items()}


def _claim(claim: Claim, witness: Witness) -> dict[str, Any]:
    assert isinstance(claim.region, Ball)
    centre = next(point.name for point in witness.points if point.numbers == claim.region.centre)
    radius, supremum = claim.region.radius, claim.supremum
    return {
        "verifier": plain_text(claim.verifier),
        "region": {"centre": centre, "radius": float(radius), "radius_exact": exact_text(radius)},
        "verdict": claim.verdict,
        **({} if supremum is None else {"supremum": float(supremum), "supremum_exact": exact_text(supremum)}),
    }


def _predicate(predicate: Predicate) -> dict[str, Any]:
    return {
        "kind": predicate.kind,
        "output": predicate.output,
        "other": predicate.other,
        "bound": rational_text(predicate.bound),
    }


def _view(view: View, table: Table, witness: Witness, place: Place) -> dict[str, Any]:
    return {
        "name": view.name,
        "label": plain_text(view.label),
        "role": view.role,
        **({} if view.network is None else {"network": place(view.network)}),
        "deployment": _deployment(view.deployment, table),
        "environment": plain_text(view.environment),
        "call": view_call(plain_text(view.environment), witness.format, witness.network),
        "point": view.point,
        "row": view.row,
        "permutation": list(view.permutation),
        "logits": [rational_text(number) for number in view.logits],
        "interval": [[rational_text(lower), rational_text(upper)] for lower, upper in view.interval],
        "widening": view.widening,
        "measured": view.measured,
    }


def _deployment(deployment: Deployment, table: Table) -> dict[str, Any]:
    alike: dict[tuple[int, int], list[int]] = {}
    for (layer, output), how in deployment.exceptions:
        alike.setdefault((layer, table[how]), []).append(output)
    return {
        "default": table[deployment.default],
        "layers": [{"layer": layer, "arithmetic": table[how]} for layer, how in deployment.layers],
        "exceptions": [
            {"layer": layer, "outputs": neighbours(outputs), "arithmetic": arithmetic}
            for (layer, arithmetic), outputs in alike.items()
        ],
    }


def neighbours(numbers: Iterable[int]) -> list[list[int]]:
    """The first and the last of each run of neighbouring numbers, in ascending order."""
    runs = itertools.groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0])
    found = [[number for _, number in run] for _, run in runs]
    return [[run[0], run[-1]] for run in found]


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
        "reference_logits": hexes_of(seen.reference_logits),
        "class": seen.class_index,
        "reference_class": seen.reference_class,
        "accepted": seen.accepted,
        "departs": seen.departs,
        "agrees_with": list(seen.agrees_with),
        "not_run": plain_text(seen.not_run),
        "environment": plain_texts(seen.environment),
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
