"""Proofs by engines, and the versions of what an answer comes from: one form for every question."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from functools import cache

from fpsynth.packages import package_version
from fpsynth.solvers.engines import ENGINES
from fpsynth.solvers.race import Attempt, Race
from fpsynth.synthesis.verdicts import Proof, Refutation
from fpsynth.version import __version__


def refutations(outcome: Race) -> tuple[Refutation, ...]:
    """What each engine said that refuted a race's question, with what it takes to ask it again."""
    return tuple(
        Refutation(run.engine, engine_version(run.engine), run.encoding, run.seed, round(run.seconds, 3))
        for run in outcome.refutations
    )


def refuted(statement: str, outcome: Race, method: str = "refutation") -> Proof:
    """The proof of a statement whose negation the engines of a race refuted."""
    return Proof(statement, method, {}, refutations(outcome))


def engine_version(name: str) -> str:
    """The installed version of an engine's package; empty for what is fpsynth's own, whose version that is."""
    engine = ENGINES.get(name)
    return "" if engine is None or not engine.package else engine.available() or ""


def versions_used(engines: Iterable[str] = (), attempts: Iterable[Attempt] = (), proof: Proof | None = None) -> dict[str, str]:
    """Versions of fpsynth, Python, numpy and of every solver among ``engines``, ``attempts`` and those of ``proof``."""
    versions = {"fpsynth": __version__, "python": platform.python_version()}
    names = [*engines, *(attempt.engine for attempt in attempts)]
    names += [refutation.engine for refutation in proof.engines] if proof is not None else []
    packages = dict.fromkeys(ENGINES[name].package for name in names if name in ENGINES)
    found = {package: _installed(package) for package in ("numpy", *packages) if package}
    return {**versions, **{package: version for package, version in found.items() if version}}


@cache
def _installed(package: str) -> str | None:
    """The version of a package, looked up once: a search asks whenever it finds something better."""
    return package_version(package)
