"""Results about divergences as JSON data: what ``--json`` prints."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fpsynth.libraries.naming import kernel_call
from fpsynth.report.grounds import comparison_json, ground_json
from fpsynth.report.numerals import significant
from fpsynth.report.proofs import proof_json
from fpsynth.synthesis.result import DivergenceResult
from fpsynth.witness import to_json

_EMPTY: dict[str, Any] = dict.fromkeys(
    ("network", "inputs", "predicate", "arithmetics", "views", "measure", "engine", "encoding", "provenance")
)
"""The members of a divergence, where there is none."""


def divergence_json(result: DivergenceResult) -> dict[str, Any]:
    """One object: the first divergence's members (null where none was found) and what the search adds to them."""
    if result.divergences:
        first = result.divergences[0]
        body = {
            **to_json(first),
            "measure_decimal": significant(first.measure, 17),
            "confirmed_by": list(first.confirmed_by),
            "reproduced": {
                view.name: first.reproduced(view) for view in first.views if view.environment and first.observations
            },
        }
    else:
        settings = {name: result.settings.get(name) for name in ("dtype", "seed")}
        body = {**_EMPTY, "question": result.question, **settings, "observations": [], "confirmed_by": []}
    return {
        **body,
        "verdict": result.verdict.value,
        "reason": result.reason,
        "proof": proof_json(result.proof),
        "versions": result.versions,
        "seconds": {"solve": result.seconds_solve, "total": result.seconds_total},
        "settings": result.settings,
        "attempts": [asdict(attempt) for attempt in result.attempts],
        "reveals": [
            {
                "environment": str(found.kernel.environment),
                "call": kernel_call(found.kernel),
                "version": found.version,
                "classes": len(found.classes),
                "checks": [str(cls.check) for cls in found.classes],
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
        "divergences": [to_json(divergence) for divergence in result.divergences[1:]],
    }
