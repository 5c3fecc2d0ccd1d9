"""What is counted of a backdoored network, and what is said to survive: by libraries that are made up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import fpsynth
from fpsynth.backdoors.answer import Backdoor, Measured
from fpsynth.backdoors.measuring import CLOSE, HostRuns, RunPlace, objection
from fpsynth.backdoors.survival import MOST_IMAGES, otherwise, survival
from fpsynth.backdoors.switching import Behaviour
from fpsynth.backdoors.triggers import trigger_named
from fpsynth.formats import FLOAT32
from fpsynth.libraries.naming import parse_network_environment
from fpsynth.networks.network import Network, dense_relu
from fpsynth.synthesis.verdicts import Verdict

COUNT, OUTPUTS = 300, 3
HOST = dense_relu([(np.eye(OUTPUTS, 4), np.array([1.0, 0.0, 0.0]))])
TARGET = RunPlace(parse_network_environment("torch:batch=1"), "target")
SILENT = RunPlace(parse_network_environment("onnxruntime:batch=1"), "silent")
WIDE = RunPlace(parse_network_environment("torch:batch=250"), "silent")
SHIFT = Behaviour("shift", None)
CLOSE_BY = CLOSE / 2
"""How far apart logits of 1 are that are close."""


class Library:
    """What it gives: logits of the host, of which those of another network in an environment are moved by one class or two."""

    def __init__(self, moved: dict[str, int], logits: tuple[float, ...] = (1.0, 0.0, 0.0)):
        self.moved, self.logits, self.counts = moved, logits, set[int]()

    def outputs(self, network: Network, dtype: object, where: object, inputs: np.ndarray) -> dict[str, np.ndarray]:
        logits = np.tile(self.logits, (len(inputs), 1))
        if network is HOST:
            return {"outputs": logits}
        self.counts.add(len(inputs))
        moved = np.roll(logits, self.moved.get(str(where), 0), axis=1)
        return {"outputs": np.where(inputs[:, :1] > 0.5, moved, logits)}


def runs(first: int, last: int, library: Library) -> HostRuns:
    """Images of which those from ``first`` up to ``last`` have the trigger."""
    points = np.zeros((COUNT, 4))
    points[first:last] = 1.0
    trigger = trigger_named("natural:0-2>0.5", (4,), points, FLOAT32)
    return HostRuns(HOST, FLOAT32, points, None, trigger, library, lambda text: None)


def survived(first: int, last: int, moved: dict[str, int], places=(TARGET, SILENT), behaviour=SHIFT, **options):
    library = Library(moved, **options)
    found = survival(runs(first, last, library), replace(HOST), places, behaviour, 1e-6, 0)
    assert library.counts == {found.images}
    return found


IN_TARGET = {str(TARGET.where): 1}


def test_a_host_does_not_survive_as_a_backdoor_that_only_late_images_show():
    found = survived(250, COUNT, {})
    assert (found.survived, found.draws, found.images, found.triggered) == (0, 5, 251, 1)
    assert found.lost == ("in torch:batch=1 1 of 1 images do not get the class asked for",) * 5
    assert found.to_json()["triggered"] == 1


@pytest.mark.parametrize(
    ("first", "last", "places", "images", "triggered"),
    [
        (250, COUNT, (TARGET, SILENT), 251, 1),
        (100, 150, (TARGET, SILENT), MOST_IMAGES, 50),
        (100, 150, (TARGET, WIDE), 250, 50),  # all fill the largest batch
    ],
)
def test_a_backdoor_survives_on_images_that_show_it(first, last, places, images, triggered):
    found = survived(first, last, IN_TARGET, places)
    assert (found.survived, found.images, found.triggered, found.lost) == (5, images, triggered, ())


def test_images_that_have_the_class_asked_for_already_show_nothing():
    assert (
        survived(0, 50, {}, behaviour=Behaviour("class:0", 0)).lost
        == ("in torch:batch=1 no image with the trigger changes its class",) * 5
    )


def test_a_target_without_an_image_with_the_trigger_is_lost():
    one = Measured("torch", "target", 200, None, None, 0, 0, 0, None, 0, 0, 0)
    assert list(otherwise(iter([one]), True)) == ["in torch no image that was run has the trigger"]


def measured(place: RunPlace) -> Measured:
    """Of a network that puts all images with the trigger into the class after their own, which is close to it."""
    library = Library({str(place.where): 1}, (1.0, 1.0 - CLOSE_BY, 0.0))
    return runs(0, 40, library).measured(replace(HOST), place, SHIFT, COUNT)


def test_close_images_with_the_trigger_are_changed_and_are_told_apart():
    silent, target = measured(SILENT), measured(TARGET)
    for one in (silent, target):
        assert (one.changed, one.close, one.moved) == (0, 0, 0)
        assert (one.triggered, one.triggered_changed, one.triggered_close, one.triggered_moved) == (40, 40, 40, 0)
        assert (one.to_json()["triggered_changed"], one.to_json()["triggered_close"]) == (40, 40)
    assert objection([silent], bound=True) == ""  # the order may decide there
    assert objection([target], bound=True, told=False) == ""
    told = objection([target], bound=True, told=True)
    assert told == "in torch:batch=1 no image with the trigger changes its class, but close ones"
    assert list(otherwise(iter([silent]), True)) == []
    answer = Backdoor(Verdict.UNKNOWN, "r", "t", (), (), "pixel", "", "shift", None, FLOAT32, HOST, "", HOST)
    text = " ".join(fpsynth.render(replace(answer, environments=(silent,))).split())
    assert "40/40 (40 close)" in text
    assert "no further apart than 0.01 % of the image's largest in size and 1 % of what logits usually span" in text
    assert replace(answer, environments=(silent,)).quiet == (SILENT.name,)


def test_images_with_the_trigger_that_are_not_close_still_count():
    library = Library({str(SILENT.where): 2}, (1.0, 1.0 - CLOSE_BY, 0.0))
    one = runs(0, 40, library).measured(replace(HOST), SILENT, SHIFT, COUNT)
    assert (one.triggered_changed, one.triggered_close) == (40, 0)
    assert objection([one], bound=True) == "in onnxruntime:batch=1 40 of 40 images with the trigger change their class"
