"""The regions and properties that a request names, as cases for a verifier."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fpsynth.errors import InputError
from fpsynth.evaluators.float_arrays import round_array
from fpsynth.formats import FLOAT64, Format
from fpsynth.networks.network import Network
from fpsynth.networks.points import load_points
from fpsynth.rounding import Rounding, round_fraction
from fpsynth.synthesis.requests.reading import exact_number
from fpsynth.synthesis.requests.verifying import VerifyRequest
from fpsynth.synthesis.verifying.verification import GIVEN, IMAGE, NETWORK, KeptClass
from fpsynth.verifiers.claims import Ball, Box
from fpsynth.verifiers.properties import Case, ExactBall, ExactBox, one_class
from fpsynth.verifiers.vnnlib import load_vnnlib, outward


@dataclass(frozen=True)
class AskedCases:
    """What a request asks of a network."""

    cases: tuple[Case, ...]
    kept: KeptClass | None = None
    """None where a property file says what is unsafe."""


def asked_of(request: VerifyRequest, network: Network, deployed: Format | None) -> AskedCases:
    """What is asked of a network, case by case, and which class is to be kept.

    ``deployed``: the format of the inputs, where claims are of networks that run: regions then have the points of the format
    that lie in those that were named, and no others; else boxes of float64 around them.  A case without a property asks whether
    the class is the same throughout.  Raises InputError for what cannot be read or does not fit the network.
    """
    inputs, outputs = math.prod(network.input_shape), math.prod(network.logits.output_shape)
    if request.property is not None:
        query = load_vnnlib(request.property)
        query.cases(inputs, outputs)  # refuses what does not fit
        boxes = ((region(exact, deployed), unsafe, exact) for exact, unsafe in query.boxes)
        return AskedCases(tuple(Case(box, unsafe, exact) for box, unsafe, exact in boxes if box is not None))
    if request.image is not None:
        return _around_image(request, network, deployed)
    unsafe = None if request.label is None else one_class(request.label, outputs)
    kept = KeptClass(request.label, NETWORK if request.label is None else GIVEN)
    if request.ball is not None:
        asked = _ball(request.ball, inputs)
        ball = asked.around(_held(asked, deployed or FLOAT64))
        return AskedCases((Case(ball, unsafe, None if ball.radius == asked.radius else asked),), kept)
    assert request.box is not None
    exact = _box(request.box, inputs)
    box = region(exact, deployed)
    return AskedCases(() if box is None else (Case(box, unsafe, exact),), kept)


def region(exact: ExactBox, deployed: Format | None) -> Box | None:
    """The box of what can be read: all points of a format within, or a box of float64 around; None where there is none."""
    if deployed is None:
        return outward(exact)
    lower = [float(round_fraction(end, deployed, Rounding.RTP)) for end in exact.lower]
    upper = [float(round_fraction(end, deployed, Rounding.RTN)) for end in exact.upper]
    if any(low > high or math.isinf(low) or math.isinf(high) for low, high in zip(lower, upper, strict=True)):
        return None
    return Box(tuple(lower), tuple(upper))


def _box(text: str, inputs: int) -> ExactBox:
    ranges = [part.split(":") for part in text.split(",")]
    if any(len(one) != 2 for one in ranges):
        raise InputError(f"a box is a range LO:HI per input, with commas between them, not {text[:40]!r}")
    if len(ranges) != inputs:
        raise InputError(f"the box has {len(ranges)} ranges, but the network {inputs} inputs")
    lower, upper = ([exact_number(one[end], "an end of the box") for one in ranges] for end in (0, 1))
    if any(low > high for low, high in zip(lower, upper, strict=True)):
        raise InputError("an end of the box is below the other: ranges are LO:HI")
    return ExactBox(tuple(lower), tuple(upper))


def _ball(text: str, inputs: int) -> ExactBall:
    centre, _, radius = text.rpartition(":")
    numbers = [exact_number(one, "a number of the centre") for one in centre.split(",")] if centre else []
    if not numbers:
        raise InputError(f"a ball is its centre and its radius, X,...:R, not {text[:40]!r}")
    if len(numbers) != inputs:
        raise InputError(f"the centre of the ball has {len(numbers)} numbers, but the network {inputs} inputs")
    size = exact_number(radius, "the radius")
    if size < 0:
        raise InputError("the radius must not be negative")
    return ExactBall(tuple(numbers), size)


def _held(ball: ExactBall, fmt: Format) -> tuple[float, ...]:
    """The centre, rounded to nearest.  Raises InputError for a number beyond the format."""
    numbers = [round_fraction(x, fmt, Rounding.RNE) for x in ball.centre]
    if not all(number.is_finite for number in numbers):
        raise InputError(f"the centre of the ball has a number beyond the range of {fmt}")
    return tuple(map(float, numbers))


def _around_image(request: VerifyRequest, network: Network, deployed: Format | None) -> AskedCases:
    assert request.images is not None
    assert request.image is not None
    points, labels = load_points(request.images, network.input_shape)
    if request.image >= len(points):
        raise InputError(f"there is no image {request.image}: the file has {len(points)}, counted from 0")
    outputs = math.prod(network.logits.output_shape)
    kept = KeptClass(request.label, NETWORK if request.label is None else GIVEN)
    if request.label is None and labels is not None:
        kept = KeptClass(int(labels[request.image]), IMAGE)
    unsafe = None if kept.number is None else one_class(kept.number, outputs)
    where, exact = around_image(points[request.image], request.radius, request.norm, deployed)
    return AskedCases((Case(where, unsafe, exact),), kept)


def around_image(
    image: Sequence[float], radius: Fraction, norm: str, deployed: Format | None
) -> tuple[Box | Ball, ExactBox | None]:
    """The region around an image in a norm, linf or l2; of a box the exact one, too."""
    numbers = _image(image, deployed)
    if norm == "l2":
        return Ball(numbers, radius), None
    exact = around(numbers, radius)
    box = region(exact, deployed)
    assert box is not None  # the image itself is in it
    return box, exact


def _image(image: Sequence[float], deployed: Format | None) -> tuple[float, ...]:
    """Its numbers, rounded into the format of what runs."""
    numbers = np.asarray(image, np.float64)
    return tuple((numbers if deployed is None else round_array(numbers, deployed)).tolist())


def around(image: Sequence[float], radius: Fraction) -> ExactBox:
    """A box around an image, cut off at 0 and 1 where the image lies between them."""
    if not all(map(math.isfinite, image)):
        raise InputError("the image has a number that is not finite, or is not in the format of what runs")
    exact = [Fraction(x) for x in image]
    unit = all(0 <= x <= 1 for x in exact)
    lower = [max(x - radius, Fraction(0)) if unit else x - radius for x in exact]
    upper = [min(x + radius, Fraction(1)) if unit else x + radius for x in exact]
    return ExactBox(tuple(lower), tuple(upper))
