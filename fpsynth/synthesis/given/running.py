"""Points run in the environment of a view itself, for what its revealed arithmetic cannot answer for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.synthesis.given.views import Given, GivenView
from fpsynth.witness.data import View
from fpsynth.witness.prediction import with_prediction
from fpsynth.wording import listed

RUN = 2048
"""Given points that libraries are run on, at most; of points that each fill a batch, their rows."""


def unexplained(views: Sequence[GivenView]) -> str:
    """The environments whose reveals do not explain everything that was tried, in words; empty where there are none."""
    return listed(list(dict.fromkeys(view.view.environment for view in views if not view.explained)))


def run_words(views: Sequence[GivenView], where: str) -> str:
    """Why what was found was run, where it was; ``where``: on which inputs."""
    names = unexplained(views)
    return f"{names} run directly on {where}, since what was revealed does not explain everything" if names else ""


def outputs_in_row(view: GivenView, given: Given, points: Floats, rows: Sequence[int]) -> Floats:
    """What the environment of a view gives for each of the points (points, inputs) in its row of a batch that it fills.

    Raises InputError where the environment cannot be run, and OutOfTimeError.
    """
    assert view.found is not None
    where = view.found.environment
    full = np.repeat(np.asarray(points, np.float64), where.batch, axis=0)
    outputs = np.asarray(given.revealer.outputs(given.network.logits, given.format, where, full)["outputs"])
    return np.asarray(outputs.reshape(len(points), where.batch, -1)[np.arange(len(points)), list(rows)])


def outputs_of_unexplained(views: Sequence[GivenView], given: Given, point: Floats) -> list[Floats | None]:
    """What environments give at a point (inputs,) in their rows; None for a view whose own arithmetic says that.

    Raises InputError and OutOfTimeError as ``outputs_in_row`` does.
    """
    return [None if view.explained else outputs_in_row(view, given, point[None], [view.view.row])[0] for view in views]


def measured(predicted: View, outputs: Floats | None) -> View:
    """A view with the logits (outputs,) that its environment gave, where these are others than predicted; None: it was not run.

    Raises InputError where they are no finite numbers.
    """
    if outputs is None:
        return predicted
    if not np.isfinite(outputs).all():
        raise InputError(f"{predicted.label} gives a logit that is infinite or NaN")
    logits = tuple(Fraction(x) for x in outputs.tolist())
    return predicted if predicted.logits == logits else replace(predicted, logits=logits, measured=True)


def measured_views(
    views: Sequence[GivenView], given: Given, numbers: tuple[float, ...], outputs: Sequence[Floats | None]
) -> list[View]:
    """The views at a point, where ``outputs`` are what each gave there: predicted, or measured where that differs.

    Raises InputError where a view gave no finite numbers.
    """
    graph = given.network.logits
    return [measured(with_prediction(graph, numbers, view.view), own) for view, own in zip(views, outputs, strict=True)]
