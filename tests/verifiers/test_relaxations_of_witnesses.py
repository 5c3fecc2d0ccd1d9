"""Every witness of the repository: logits lie within the bounds that cover its views, and no such verifier says unsat."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from profiles import one_in
from relaxation_cases import bounded, require_within
from witnesses import published

from fpsynth.errors import InputError
from fpsynth.evaluators.networks import argmax, network_logits
from fpsynth.evaluators.real import exact_logits
from fpsynth.sums.arithmetic import Deployment
from fpsynth.sums.building import program_of
from fpsynth.verifiers import Box
from fpsynth.verifiers.covered import covers
from fpsynth.verifiers.properties import one_class
from fpsynth.verifiers.relaxation_verifier import RelaxationVerifier
from fpsynth.verifiers.relaxations.deciding import DECISIONS
from fpsynth.verifiers.relaxations.reasoning import REAL, Reasoning, sound
from fpsynth.witness import Witness, load
from fpsynth.witness.data import View

TESTS = Path(__file__).parents[1]
FILES = [*sorted((TESTS / "goldens/witnesses/files").glob("*.json")), *sorted((TESTS / "witness/files").glob("*.json"))]


def covering(witness: Witness, view: View) -> list[Reasoning]:
    """All that claims to be of a view's logits: exact ones, its own deployment, and any order where that covers it."""
    own = view.deployment
    network = view.network or witness.network
    hows = [own.default, *(how for _, how in (*own.exceptions, *own.layers))]
    if all(how.format is None for how in hows):
        return [REAL]
    if any(how.format != witness.format for how in hows):
        return []
    programs = [
        program_of(own.at(index, output), sums.terms, sums.bias is not None)
        for index, sums in enumerate(network.logits.structure(name) for name in network.logits.sums)
        for output in range(sums.outputs)
    ]
    every = [sound(witness.format)] if all(covers(program, witness.format) for program in programs) else []
    return [sound(witness.format, own), *every]


@pytest.mark.parametrize("file", one_in(4, ["published", *FILES]), ids=lambda file: Path(file).stem)
def test_logits_of_every_view_lie_within_bounds_and_no_departure_is_called_safe(file: str | Path) -> None:
    try:
        witness = published() if file == "published" else load(file)
    except InputError:
        pytest.skip("a file that is refused")
    for view in witness.views:
        if view.interval or view.widening or view.measured:
            continue
        network, point = view.network or witness.network, witness.at(view)
        for reasoning in covering(witness, view):
            logits = exact_logits(network, point) if reasoning is REAL else computed(network, point, witness, view.deployment)
            box = Box(point, point)
            for one in bounded(network, box, reasoning).values():
                require_within(one, logits)
            require_no_safety(network, box, reasoning, [float(y) for y in logits])


def computed(network, point, witness: Witness, deployment: Deployment) -> tuple[float, ...]:
    return network_logits(network, point, witness.format, deployment)


def require_no_safety(network, box: Box, reasoning: Reasoning, logits: list[float]) -> None:
    """No verifier may say that a class which this view does not give is above all others."""
    if len(logits) < 2 or not np.isfinite(logits).all():
        return
    top = argmax(logits)
    tied = sum(y == logits[top] for y in logits) > 1
    wrong = [label for label in range(len(logits)) if label != top or tied]
    for label in {wrong[0], wrong[-1]}:
        for name in DECISIONS:
            assert RelaxationVerifier(name, reasoning).verify(network, box, one_class(label, len(logits))).verdict != "unsat"


def test_there_are_witnesses_that_are_covered() -> None:
    witnesses = [published()]
    for file in FILES:
        try:
            witnesses.append(load(file))
        except InputError:
            continue
    covered = [sum(len(covering(witness, view)) for view in witness.views) for witness in witnesses]
    assert sum(count > 0 for count in covered) > 20
