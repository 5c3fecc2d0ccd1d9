"""Results about divergences as JSON data: what ``--json`` prints."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fpsynth.libraries.naming import kernel_call
from fpsynth.report.numerals import significant
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
    proof = None
    if result.proof is not None:
        proof = {"statement": result.proof.statement, "method": result.proof.method, **result.proof.details}
    return {
        **body,
        "verdict": result.verdict.value,
        "reason": result.reason,
        "proof": proof,
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
                "calls": found.calls,
                "seconds": found.seconds,
            }
            for found in result.reveals
        ],
        "divergences": [to_json(divergence) for divergence in result.divergences[1:]],
    }
