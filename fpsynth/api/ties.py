"""tie and certify, in Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

from fpsynth.api.keywords import OLDER, Batches, Libraries, batches_of, formerly, libraries_of, objective
from fpsynth.errors import InputError
from fpsynth.formats import format_named
from fpsynth.orders import parse_order
from fpsynth.rounding import rounding_named
from fpsynth.synthesis.options import Number, Progress, check_batches, check_limits, exact_number

if TYPE_CHECKING:
    from fpsynth.synthesis.result import Result
    from fpsynth.verifiers.dataset import DatasetCertification

MAX_COUNT = 10_000
"""Witnesses of one corpus."""


@formerly(**OLDER)
def tie(
    dtype: str = "float32",
    *,
    shape: Sequence[int] | None = None,
    order: str = "sequential",
    rounding: str = "RNE",
    weights: str | None = None,
    inputs: str | None = None,
    maximise: str | bool | None = None,
    min_ratio: Number = 1,
    prove: bool = False,
    certifier: str = "lipschitz-exact",
    solver: str = "auto",
    seed: int = 0,
    timeout: float = 60.0,
    jobs: int | None = None,
    count: int = 1,
    replay: bool = True,
    library: Libraries = None,
    batch: Batches = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Result:
    """Find weights and inputs that the certifier accepts although the class changes within the certified radius.

    ``dtype``: name of a format.  ``shape``: (inputs, hidden widths..., outputs), (1, 2) by default.  ``weights`` and
    ``inputs``: ranges LO:HI, both ends included (default 0.1:1, weights scaled up for float64).  ``maximise``: ratio, radius,
    distance or margin; if it is given, a quarter of the time limit is spent on it.  ``min_ratio``: least ratio of certified
    radius and distance.  ``prove``: use the rest of the time to prove that there is nothing better.  ``timeout``: seconds for
    the search.  ``count``: so many different witnesses; from the second on they vary in shape, signs and classes as far as
    ``shape``, ``weights`` and ``inputs`` do not fix them (see ``fpsynth.synthesis.ties.variants``).  ``replay``: run them in
    each ``library`` at each ``batch`` size on ``device``.

    Raises InputError for arguments that cannot be used.
    """
    from fpsynth.libraries.pool import LibraryPool
    from fpsynth.solvers.engines import engines_named
    from fpsynth.synthesis.domain import DEFAULT_INPUTS, default_weights, parse_interval
    from fpsynth.synthesis.settings import Settings
    from fpsynth.synthesis.ties.certification import require_refutable
    from fpsynth.synthesis.ties.question import OBJECTIVES, TieQuestion
    from fpsynth.synthesis.ties.run import run_tie
    from fpsynth.synthesis.ties.variants import deployments, variants

    fmt, tree, mode = format_named(dtype), parse_order(order), rounding_named(rounding)
    if tree.bias:
        raise InputError(f"order {order} places a bias, and networks of ties have none: the verified certifier knows no biases")
    check_limits(timeout, seed, jobs)
    if not 1 <= count <= MAX_COUNT:
        raise InputError(f"the number of witnesses must be from 1 to {MAX_COUNT}")
    free = {name for name, given in (("shape", shape), ("weights", weights), ("inputs", inputs)) if given is None}
    shape = (1, 2) if shape is None else shape
    if not all(isinstance(size, int) for size in shape):
        raise InputError("a shape holds whole numbers, for example (1, 2)")
    if prove and count > 1:
        raise InputError("a proof is about the largest witness: ask for it without count, or for the corpus without prove")
    require_refutable(certifier)
    sought = objective(maximise, OBJECTIVES)
    question = TieQuestion(
        format=fmt,
        shape=tuple(shape),
        deployments=deployments(fmt, tree, mode, shape) if len(shape) > 1 else (),
        weights=parse_interval(weights, "the weights' range") if weights is not None else default_weights(fmt),
        inputs=parse_interval(inputs, "the inputs' range") if inputs is not None else DEFAULT_INPUTS,
        objective=sought or "ratio",
        min_ratio=exact_number(min_ratio, "the ratio"),
    )
    improvement = (0.25 * timeout if sought else 3.0) / count  # each witness of a corpus gets its share
    settings = Settings(engines_named(solver), seed, timeout, improvement, **({} if jobs is None else {"jobs": jobs}))
    described = {
        "dtype": fmt.name,
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
        **({"varied": [*sorted(free), "classes"]} if count > 1 else {}),
    }
    batches = batches_of(batch, device)
    if replay:
        check_batches(batches)
    with LibraryPool(libraries_of(library), device) if replay else nullcontext() as pool:
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
            plan=variants(question, tree, mode, free, seed) if count > 1 else None,
        )


def certify(
    network: str | os.PathLike[str],
    images: str | os.PathLike[str],
    eps: Number,
    *,
    certifier: str = "lipschitz",
    gram: int = 11,
    dtype: str = "float32",
    limit: int | None = None,
    timeout: float | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> DatasetCertification:
    """Count the images of an .npz file that a certifier certifies for a network of an .npz file, at L2 radius ``eps``.

    ``network`` holds W0, W1, ... as (inputs, outputs) and, where there are any, b0, b1, ... as (outputs,); ``images`` holds
    images (count, ...) and labels (count,).  ``timeout``: seconds for all of it (default: no limit).

    Raises InputError for files and arguments that cannot be used, and fpsynth.workers.deadlines.OutOfTimeError where the time
    is over.
    """
    from fpsynth.verifiers.dataset import certify_dataset

    radius = exact_number(eps, "the radius")
    if radius <= 0:
        raise InputError("the radius must be above 0")
    if timeout is not None:
        check_limits(timeout, 0, None)
    return certify_dataset(network, images, radius, certifier, gram, format_named(dtype), limit, progress, timeout)
