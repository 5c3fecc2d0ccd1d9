"""How much of a labelled data set any verifier verifies: image by image, kept in a file that a later run goes on from."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from fpsynth.aliases import Floats, Json, PathLike
from fpsynth.errors import InputError
from fpsynth.evaluators.float64 import numpy_outputs
from fpsynth.files import opened, read_limited, shown
from fpsynth.networks.network import Network
from fpsynth.networks.points import load_points, require_classes
from fpsynth.networks.reading import read_network
from fpsynth.synthesis.requests.ties import CertifyRequest
from fpsynth.synthesis.verifying.asked import around_image
from fpsynth.synthesis.verifying.reasoning import Reasoned, reasoned
from fpsynth.synthesis.verifying.run import made, require_region
from fpsynth.verifiers.base import Verifier, entry
from fpsynth.verifiers.claims import Claim
from fpsynth.verifiers.properties import one_class
from fpsynth.workers.deadlines import require_time, within

SCHEMA, VERSION = "fpsynth-images", 1
MAX_BYTES = 1 << 28
"""Of a file of images that were judged."""


@dataclass(frozen=True)
class ImageVerdict:
    """What was said of one image."""

    image: int
    """Its number in the file, from 0."""
    label: int
    predicted: int
    """The class at the image itself: it is this one that is to be kept."""
    verdict: str
    """unsat: it is kept in the whole region; sat: it is not; unknown."""
    seconds: float
    reason: str = ""
    bounds: tuple[tuple[float, float], ...] = ()
    """Of the logits, rounded outward; empty where there are none."""


@dataclass(frozen=True)
class RobustAccuracy:
    """What a verifier said of every image."""

    verifier: str
    arithmetic: str
    norm: str
    eps: Fraction
    images: tuple[ImageVerdict, ...]
    seconds: float
    environment: str = ""
    explained: tuple[int, int] | None = None
    notes: tuple[str, ...] = field(default=())

    def count(self, verdict: str, *, correct: bool = False) -> int:
        """Images with a verdict; ``correct``: whose predicted class is their label."""
        return sum(one.verdict == verdict and (not correct or one.predicted == one.label) for one in self.images)

    @property
    def correct(self) -> int:
        """Images whose predicted class is their label."""
        return sum(one.predicted == one.label for one in self.images)

    def to_json(self) -> Json:
        """As data."""
        return {
            "certifier": self.verifier,
            "arithmetic": self.arithmetic,
            "norm": self.norm,
            "eps": float(self.eps),
            "total": len(self.images),
            "certified": self.count("unsat"),
            "correct": self.correct,
            "certified_and_correct": self.count("unsat", correct=True),
            "refuted": self.count("sat"),
            "unknown": self.count("unknown"),
            "seconds": self.seconds,
            "environment": self.environment,
            "explained": self.explained,
            "notes": list(self.notes),
            "images": [asdict(one) for one in self.images],
        }


def certify_images(request: CertifyRequest) -> RobustAccuracy:
    """Judge the images of a request one after the other.

    Raises InputError for files and arguments that cannot be used, and OutOfTimeError where the time is over; what was judged
    until then stands in the request's ``out``.
    """
    started = time.monotonic()
    if request.timeout is None:
        return _certified(request, started)
    with within(request.timeout):
        return _certified(request, started)


def _certified(request: CertifyRequest, started: float) -> RobustAccuracy:
    entry(request.certifier)  # refuses unknown names before anything is read
    network = read_network(request.network).network
    points, labels = load_points(request.images, network.input_shape)
    if labels is None:
        raise InputError(f"{shown(request.images)} has no labels, which certify needs: the class of each image")
    require_classes(labels, math.prod(network.logits.output_shape))
    what = reasoned(request.arithmetic, network, request.format, 1000, 0)
    judge = made(request.certifier, what)
    chosen = _chosen(labels.tolist(), request)
    kept = Kept.of(request, chosen)
    done = {one.image: one for one in kept.images}
    for place, number in enumerate(chosen):
        if request.progress:
            request.progress("images", place, len(chosen))
        if number not in done:
            require_time()
            done[number] = _judged(request, what, judge, points[number], number, int(labels[number]))
            kept.add(done[number])
    if request.progress:
        request.progress("images", len(chosen), len(chosen))
    return RobustAccuracy(
        request.certifier,
        request.arithmetic,
        request.norm,
        request.radius,
        tuple(done[number] for number in chosen),
        time.monotonic() - started,
        what.environment,
        what.explained,
        what.notes,
    )


def _chosen(labels: Sequence[int], request: CertifyRequest) -> list[int]:
    """The numbers of the images that are judged."""
    wanted = range(len(labels)) if request.limit is None else range(min(request.limit, len(labels)))
    classes = request.only_classes
    chosen = [number for number in wanted if classes is None or int(labels[number]) in classes]
    if not chosen:
        raise InputError("no image is of these classes")
    return chosen


def _judged(request: CertifyRequest, what: Reasoned, judge: Verifier, point: Floats, number: int, label: int) -> ImageVerdict:
    started = time.monotonic()
    region, _ = around_image(point.tolist(), request.radius, request.norm, what.reasoning.deployed)
    require_region(request.certifier, region)
    predicted = _class(what.network, point, what)
    outputs = math.prod(what.network.output_shape)
    claim = judge.verify(what.network, region, one_class(predicted, outputs), budget=request.image_timeout)
    verdict, reason = claim.verdict, claim.reason
    verdict, doubt = what.borne(verdict)
    reason = doubt or reason
    return ImageVerdict(number, label, predicted, verdict, time.monotonic() - started, reason, _bounds(claim))


def _class(network: Network, point: Floats, what: Reasoned) -> int:
    """The class at a point, as numpy computes it in float64 or in the format that runs."""
    dtype = np.float64 if what.reasoning.deployed is None else np.dtype(what.reasoning.deployed.name)
    with np.errstate(over="ignore", invalid="ignore"):
        logits = numpy_outputs(network, np.asarray(point).astype(dtype).reshape(1, *network.input_shape))
    return int(np.argmax(logits.reshape(-1)))


def _bounds(claim: Claim) -> tuple[tuple[float, float], ...]:
    return tuple((_outward(low, -1), _outward(high, 1)) for low, high in claim.bounds)


def _outward(number: Fraction, side: int) -> float:
    nearest = float(number)
    inside = Fraction(nearest) > number if side < 0 else Fraction(nearest) < number
    return math.nextafter(nearest, side * math.inf) if inside else nearest


@dataclass(eq=False)
class Kept:
    """A file with a line for what is asked, and one for each image that was judged; nothing where none is named."""

    path: str | None
    images: list[ImageVerdict] = field(default_factory=list)

    @classmethod
    def of(cls, request: CertifyRequest, chosen: Sequence[int]) -> Kept:
        """What the file holds of the same question; it is begun where there is none.

        Raises InputError where it is of another question, or no such file.
        """
        if request.out is None:
            return cls(None)
        path = os.fspath(request.out)
        header = _header(request)
        if not os.path.exists(path):
            kept = cls(path)
            kept._append(header)
            return kept
        lines = read_limited(path, MAX_BYTES).split("\n")
        whole = lines[:-1]  # a line that a killed run has not ended is judged again
        if not whole or _data(whole[0]) != json.loads(json.dumps(header)):
            raise InputError(f"{shown(path)} is not of these images, network and settings: name another file")
        kept = cls(path, list(_images(whole[1:], path, set(chosen))))
        if lines[-1]:
            _cut(path, len(("\n".join(whole) + "\n").encode()))
        return kept

    def add(self, image: ImageVerdict) -> None:
        """Write down an image."""
        self.images.append(image)
        self._append(asdict(image))

    def _append(self, data: Json) -> None:
        if self.path is None:
            return
        try:
            with open(self.path, "a", encoding="utf-8") as stream:
                stream.write(json.dumps(data, allow_nan=False) + "\n")
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise InputError(f"cannot write {shown(self.path)}: {error.strerror}") from None


def _cut(path: str, size: int) -> None:
    try:
        os.truncate(path, size)
    except OSError as error:
        raise InputError(f"cannot write {shown(path)}: {error.strerror}") from None


def _header(request: CertifyRequest) -> Json:
    """What every line of a file is of."""
    asked = {name: value for name, value in request.described().items() if name not in ("timeout", "limit", "out", "classes")}
    files = {name: _digest(getattr(request, name)) for name in ("network", "images")}
    return {"schema": SCHEMA, "schema_version": VERSION, **asked, **files}


def _digest(path: PathLike) -> str:
    content = hashlib.sha256()
    with opened(path, 1 << 40) as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            content.update(block)
    return content.hexdigest()


def _data(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _images(lines: Sequence[str], path: str, chosen: set[int]) -> Iterator[ImageVerdict]:
    for number, line in enumerate(lines, 2):
        data = _data(line)
        try:
            made_of: Callable[..., ImageVerdict] = ImageVerdict
            one = made_of(**{**data, "bounds": tuple((float(a), float(b)) for a, b in data["bounds"])})
            if one.verdict not in ("unsat", "sat", "unknown") or not isinstance(one.image, int):
                raise TypeError
        except (TypeError, KeyError, ValueError):
            raise InputError(f"{shown(path)}: line {number} is not of an image that was judged") from None
        if one.image in chosen:
            yield one
