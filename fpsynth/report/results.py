"""Results as JSON data: what ``--json`` prints, one object per command."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fpsynth.report.proofs import proof_json
from fpsynth.witness import Divergence, Witness, to_json

if TYPE_CHECKING:
    from fpsynth.libraries.environments import Installation
    from fpsynth.synthesis.checking.check import CheckResult
    from fpsynth.synthesis.result import TieResult

_EMPTY: dict[str, Any] = dict.fromkeys(
    (
        "network",
        "inputs",
        "arithmetic",
        "certificate",
        "other_certificates",
        "sound_certifier",
        "distance",
        "ratio",
        "certified_ratio",
        "engine",
        "encoding",
        "provenance",
    )
)
"""The members of a witness, where there is none."""


def tie_json(result: TieResult) -> dict[str, Any]:
    """One object: the first witness's members (null where none was found) and what the search adds to them."""
    if result.witnesses:
        first = result.witnesses[0]
        body = {**to_json(first), "certified_ratio": float(first.certificate.radius) / first.distance}
    else:
        body = {
            **_EMPTY,
            "question": "tie",
            "dtype": result.settings.get("dtype"),
            "seed": result.settings.get("seed"),
            "replays": [],
        }
    return {
        **body,
        "verdict": result.verdict.value,
        "reason": result.reason,
        "proof": proof_json(result.proof),
        "versions": result.versions,
        "upper_bound": None if result.upper_bound is None else float(result.upper_bound),
        "seconds": {"solve": result.seconds_solve, "total": result.seconds_total},
        "settings": result.settings,
        "attempts": [asdict(attempt) for attempt in result.attempts],
        "witnesses": [to_json(witness) for witness in result.witnesses[1:]],
    }


def check_json(witness: Witness | Divergence, result: CheckResult) -> dict[str, Any]:
    """The findings of a re-check."""
    found = {
        "confirmed": result.confirmed,
        "findings": [asdict(finding) for finding in result.findings],
        "not_checked": [asdict(entry) for entry in result.not_checked],
        "measured": list(result.measured),
    }
    if isinstance(witness, Divergence):
        return found
    ratios = {"radius_ratio": _finite(result.radius_ratio), "ratio": _finite(result.supremum_ratio)}
    return {**found, "distance": None if "distance" in witness.unsaid else witness.distance, **ratios}


def environments_json(found: Installation) -> dict[str, Any]:
    """What is installed, and what it can run."""
    return {
        "machine": found.machine,
        "packages": found.packages,
        "libraries": [{**asdict(library), "dtypes": list(library.dtypes)} for library in found.libraries],
    }


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
