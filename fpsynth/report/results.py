"""Results as JSON data: what ``--json`` prints, one object per command."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fpsynth.libraries.naming import kernel_call
from fpsynth.report.numerals import significant
from fpsynth.report.stories.grounds import comparison_json, ground_json
from fpsynth.report.stories.proofs import proof_json
from fpsynth.witness import Witness, to_json

if TYPE_CHECKING:
    from fpsynth.libraries.environments import Installation
    from fpsynth.synthesis.checking.check import CheckResult
    from fpsynth.synthesis.result import Result

_EMPTY: dict[str, Any] = {
    **dict.fromkeys(("network", "points", "predicate", "arithmetics", "views", "claims", "control", "measure")),
    **dict.fromkeys(("engine", "encoding", "provenance")),
}
"""The members of a witness, where there is none."""


def result_json(result: Result) -> dict[str, Any]:
    """One object: the first witness's members (null where none was found) and what the search adds to them."""
    return {
        **(_first(result.witnesses[0]) if result.witnesses else _nothing(result)),
        "verdict": result.verdict.value,
        "reason": result.reason,
        "proof": proof_json(result.proof),
        "versions": result.versions,
        "upper_bound": None if result.upper_bound is None else float(result.upper_bound),
        "seconds": {"solve": result.seconds_solve, "total": result.seconds_total},
        "settings": result.settings,
        **({"notes_given": list(result.notes)} if result.notes else {}),
        "attempts": [asdict(attempt) for attempt in result.attempts],
        "reveals": [
            {
                "environment": str(found.kernel.environment),
                "call": kernel_call(found.kernel),
                "version": found.version,
                "classes": len(found.classes),
                "checks": [str(cls.check) if cls.check.total else "not looked at" for cls in found.classes],
                "repeats": found.repeats,
                "calls": found.calls,
                "seconds": found.seconds,
                "revealed": found.revealed,
                "cached": found.cached,
            }
            for found in result.reveals
        ],
        "rests_on": [ground_json(ground) for ground in result.grounds],
        "comparison": comparison_json(result.comparison),
        "witnesses": [to_json(witness) for witness in result.witnesses[1:]],
    }


def _first(witness: Witness) -> dict[str, Any]:
    """The members of a witness, and what follows from them."""
    certified = {"certified_ratio": float(witness.claim.radius) / witness.distance} if witness.distance else {}
    return {
        **to_json(witness),
        **certified,
        "measure_decimal": significant(witness.measure, 17),
        "confirmed_by": list(witness.confirmed_by),
        "reproduced": {
            view.name: witness.reproduced(view) for view in witness.views if view.environment and witness.observations
        },
    }


def _nothing(result: Result) -> dict[str, Any]:
    settings = {name: result.settings.get(name) for name in ("dtype", "seed")}
    if result.question == "tie":
        settings |= dict.fromkeys(("distance", "ratio", "certified_ratio"))
    return {**_EMPTY, "question": result.question, **settings, "observations": [], "confirmed_by": []}


def check_json(witness: Witness, result: CheckResult) -> dict[str, Any]:
    """The findings of a re-check."""
    found = {
        "confirmed": result.confirmed,
        "findings": [asdict(finding) for finding in result.findings],
        "not_checked": [asdict(entry) for entry in result.not_checked],
        "measured": list(result.measured),
    }
    if not witness.two_points:
        return found
    ratios = {"radius_ratio": _finite(result.radius_ratio), "ratio": _finite(result.supremum_ratio)}
    return {**found, "distance": witness.distance, **ratios}


def environments_json(found: Installation) -> dict[str, Any]:
    """What is installed, and what it can run."""
    return {
        "machine": found.machine,
        "packages": found.packages,
        "libraries": [{**asdict(library), "dtypes": list(library.dtypes)} for library in found.libraries],
    }


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
