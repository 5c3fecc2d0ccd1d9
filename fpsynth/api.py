"""What ``import fpsynth`` offers: one function per subcommand, dataclasses in return."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from fractions import Fraction
from typing import TYPE_CHECKING

from fpsynth.errors import InputError
from fpsynth.formats import format_named
from fpsynth.orders import parse_order
from fpsynth.rounding import rounding_named

if TYPE_CHECKING:
    from fpsynth.certifiers.dataset import DatasetCertification
    from fpsynth.libraries.environments import Installation
    from fpsynth.synthesis.check import CheckResult
    from fpsynth.synthesis.result import TieResult
    from fpsynth.witness import Witness

Progress = Callable[[str], None]
BATCHES = (1, 4, 64)
"""The batch sizes of a replay."""
MAX_SECONDS = 1_000_000
MAX_COUNT = 10_000
MAX_JOBS = 1024
LIBRARIES = ("numpy", "torch", "tensorflow", "onnxruntime", "jax")
"""The libraries of a replay."""


def tie(
    dtype: str = "float32",
    *,
    shape: Sequence[int] = (1, 2),
    order: str = "sequential",
    rounding: str = "RNE",
    weights: str | None = None,
    inputs: str | None = None,
    maximise: str | None = None,
    min_ratio: Fraction | float | int = 1,
    prove: bool = False,
    certifier: str = "lipschitz-exact",
    solver: str = "auto",
    seed: int = 0,
    timeout: float = 60.0,
    jobs: int | None = None,
    count: int = 1,
    replay: bool = True,
    libraries: Sequence[str] = LIBRARIES,
    batches: Sequence[int] = BATCHES,
    device: str = "cpu",
    progress: Progress | None = None,
) -> TieResult:
    """Find weights and inputs that the certifier accepts although the class changes within the certified radius.

    ``dtype``: name of a format.  ``shape``: (inputs, hidden widths..., outputs).  ``weights`` and ``inputs``: ranges LO:HI,
    both ends included (default 0.1:1, weights scaled up for float64).  ``maximise``: ratio, radius, distance or margin; if it
    is given, a quarter of the time limit is spent on it.  ``min_ratio``: least ratio of certified radius and distance.
    ``prove``: use the rest of the time to prove that there is nothing better.  ``timeout``: seconds for the search.
    ``count``: so many different witnesses.  ``replay``: run them in ``libraries`` at the given ``batches`` on ``device``.

    Raises InputError for arguments that cannot be used.
    """
    from fpsynth.libraries.pool import LibraryPool
    from fpsynth.solvers.engines import engines_named
    from fpsynth.synthesis.domain import DEFAULT_INPUTS, default_weights, parse_interval
    from fpsynth.synthesis.run import deployments, run_tie
    from fpsynth.synthesis.search import Settings
    from fpsynth.synthesis.tie import TieQuestion

    fmt, tree, mode = format_named(dtype), parse_order(order), rounding_named(rounding)
    _check_limits(timeout, seed, jobs, count)
    if not all(isinstance(size, int) for size in shape):
        raise InputError("a shape holds whole numbers, for example (1, 2)")
    question = TieQuestion(
        format=fmt,
        shape=tuple(shape),
        deployments=deployments(fmt, tree, mode, shape) if len(shape) > 1 else (),
        weights=parse_interval(weights, "the weights' range") if weights is not None else default_weights(fmt),
        inputs=parse_interval(inputs, "the inputs' range") if inputs is not None else DEFAULT_INPUTS,
        objective=maximise or "ratio",
        min_ratio=_number(min_ratio, "the ratio"),
    )
    improvement = (0.25 * timeout if maximise else 3.0) / count  # each witness of a corpus gets its share
    settings = Settings(engines_named(solver), seed, timeout, improvement, **({} if jobs is None else {"jobs": jobs}))
    described = {
        "dtype": dtype,
        "shape": list(shape),
        "order": order,
        "rounding": rounding,
        "weights": str(question.weights),
        "inputs": str(question.inputs),
        "maximise": question.objective,
        "min_ratio": float(question.min_ratio),
        "prove": prove,
        "certifier": certifier,
        "solver": solver,
        "seed": seed,
        "timeout": timeout,
        "jobs": settings.jobs,
        "count": count,
    }
    if replay:
        _check_batches(batches)
    with LibraryPool(libraries, device) if replay else nullcontext() as pool:
        return run_tie(
            question,
            settings,
            chosen=certifier,
            count=count,
            prove=prove,
            pool=pool,
            batches=batches,
            described=described,
            progress=progress,
        )


def certify(
    network: str | os.PathLike[str],
    images: str | os.PathLike[str],
    eps: Fraction | float | str,
    *,
    certifier: str = "lipschitz",
    gram: int = 11,
    dtype: str = "float32",
    limit: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> DatasetCertification:
    """Count the images of an .npz file that a certifier certifies for a network of an .npz file, at L2 radius ``eps``.

    ``network`` holds W0, W1, ... as (inputs, outputs); ``images`` holds images and labels.  Raises InputError for files and
    arguments that cannot be used.
    """
    from fpsynth.certifiers.dataset import certify_dataset

    radius = _number(eps, "the radius")
    if radius <= 0:
        raise InputError("the radius must be above 0")
    return certify_dataset(os.fspath(network), os.fspath(images), radius, certifier, gram, format_named(dtype), limit, progress)


def environments(libraries: Sequence[str] = LIBRARIES, *, device: str = "cpu") -> Installation:
    """Say for each library whether it is installed here, and what it can run; and which solvers there are."""
    from fpsynth.libraries.environments import installation

    return installation(libraries, device)


def check(witness: Witness | str | os.PathLike[str]) -> CheckResult:
    """Compute every claim of a witness (or of a witness file) again, exactly and without a solver."""
    from fpsynth.synthesis.check import check as recheck

    return recheck(_loaded(witness))


def replay(
    witness: Witness | str | os.PathLike[str],
    *,
    libraries: Sequence[str] = LIBRARIES,
    batches: Sequence[int] = BATCHES,
    device: str = "cpu",
) -> Witness:
    """Run a witness (or a witness file) in every library; return it with the fresh replays."""
    from fpsynth.libraries.pool import LibraryPool
    from fpsynth.synthesis.run import confirmed

    loaded = _loaded(witness)
    _check_batches(batches)
    with LibraryPool(libraries, device) as pool:
        return confirmed(loaded, pool, batches)


def explain(witness: Witness | str | os.PathLike[str], *, unicode: bool = True, colour: bool = False) -> str:
    """Tell the computation of a witness (or of a witness file) step by step, as text; claims that do not hold come first."""
    from fpsynth.report.explain import explain as told
    from fpsynth.synthesis.check import check as recheck

    loaded = _loaded(witness)
    false = [
        f"NOT TRUE of this file: {finding.claim} ({finding.detail})"
        for finding in recheck(loaded).findings
        if not finding.holds
    ]
    return "\n".join([*false, told(loaded, unicode=unicode, colour=colour)])


def _loaded(witness: Witness | str | os.PathLike[str]) -> Witness:
    from fpsynth.synthesis.certification import REAL_CERTIFIERS
    from fpsynth.witness import Witness, load

    loaded = witness if isinstance(witness, Witness) else load(witness)
    if loaded.certificate.radius <= 0:
        raise InputError("certificate.radius must be above 0: a ball of radius 0 claims nothing")
    if loaded.certificate.certifier not in REAL_CERTIFIERS:
        raise InputError(f"certificate.certifier: unknown certifier {loaded.certificate.certifier!r}")
    return loaded


def _number(number: Fraction | float | str, what: str) -> Fraction:
    """A number exactly.  Raises InputError that names ``what`` for NaN, infinities and texts that are no number."""
    from fpsynth.synthesis.domain import parse_number

    if isinstance(number, str):
        return parse_number(number, what)
    try:
        return Fraction(number)
    except (ValueError, OverflowError):
        raise InputError(f"{what} must be a finite number, not {number}") from None


def _check_limits(timeout: float, seed: int, jobs: int | None, count: int) -> None:
    if not 0 < timeout <= MAX_SECONDS:
        raise InputError(f"the time limit must be above 0 and at most {MAX_SECONDS} seconds")
    if not 1 <= count <= MAX_COUNT:
        raise InputError(f"the number of witnesses must be from 1 to {MAX_COUNT}")
    if jobs is not None and not 1 <= jobs <= MAX_JOBS:
        raise InputError(f"the number of jobs must be from 1 to {MAX_JOBS}")
    if not 0 <= seed < 1 << 31:
        raise InputError("the seed must be from 0 to 2147483647")


def _check_batches(batches: Sequence[int]) -> None:
    if not batches or any(batch < 1 or batch > 1 << 20 for batch in batches):
        raise InputError("batch sizes must be from 1 to 1048576")
