"""How much of a labelled data set a certifier certifies: what ``fpsynth certify`` computes."""

from __future__ import annotations

import itertools
import math
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from fpsynth.aliases import PathLike
from fpsynth.errors import InputError, unknown_name
from fpsynth.evaluators.float64 import numpy_outputs
from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64, Format
from fpsynth.networks.layouts import transposed
from fpsynth.networks.network import Network, Node
from fpsynth.networks.npz import Images, load_images
from fpsynth.networks.points import fitted, require_classes
from fpsynth.networks.reading import read_network
from fpsynth.verifiers import base as verifiers
from fpsynth.verifiers.asked import is_stack
from fpsynth.verifiers.bounds import float_up
from fpsynth.verifiers.estimates import Estimating
from fpsynth.verifiers.margins import Progress, no_progress
from fpsynth.workers.deadlines import require_time, within

_BATCH = 500
_BATCH_NUMBERS = 1 << 22
"""Pixels that are judged at a time: fewer images of many pixels."""


@dataclass(frozen=True)
class DatasetCertification:
    """What a certifier said of every image."""

    certifier: str
    eps: Fraction
    """The radius asked about (L2)."""
    gram: int
    dtype: str
    """The format in which the logits were computed."""
    certified: int
    """Images certified at ``eps``, whether their class is the true one or not."""
    correct: int
    """Images whose class is the true one."""
    certified_and_correct: int
    total: int
    lipschitz: list[list[float]]
    """The matrix of Lipschitz bounds of the logit differences, each rounded up to a float64."""
    seconds_lipschitz: float
    """Wall time for everything that depends on the network alone."""
    seconds: float
    """Wall time for all."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data; ``eps`` becomes a float."""
        return {**vars(self), "eps": float(self.eps)}


def certify_dataset(
    network_path: PathLike,
    images_path: PathLike,
    eps: Fraction,
    certifier: str = "lipschitz",
    gram: int = 11,
    dtype: Format = FLOAT32,
    limit: int | None = None,
    progress: Progress | None = None,
    timeout: float | None = None,
) -> DatasetCertification:
    """Certify every image (or the first ``limit``) of an .npz file for a network of a file at the radius ``eps``.

    The network is in any format that ``networks.reading`` reads, a softmax or argmax at its end left out.  The logits are
    computed by numpy in ``dtype`` (uint8 pixels divided by 255 in it) from weights rounded into it; the class is argmax.
    ``lipschitz`` takes all layers; ``lipschitz`` and ``lipschitz-exact`` bound the network as the file has it,
    ``lipschitz-sound`` the rounded one, which is the one that runs.  Raises InputError for files that cannot be used, a
    negative ``eps``, an unknown certifier, a network that the certifier does not take, a format that numpy does not have, and
    a limit below 1; OutOfTimeError where ``timeout``, seconds, is over before all images are judged.
    """
    with within(timeout) if timeout is not None else nullcontext():
        return _certified(network_path, images_path, eps, certifier, gram, dtype, limit, _watched(progress or no_progress))


def _watched(report: Progress) -> Progress:
    """The same progress report, which ends where the time is over."""

    def watched(stage: str, done: int, total: int) -> None:
        report(stage, done, total)
        require_time()

    return watched


def _certified(
    network_path: PathLike,
    images_path: PathLike,
    eps: Fraction,
    certifier: str,
    gram: int,
    dtype: Format,
    limit: int | None,
    report: Progress,
) -> DatasetCertification:
    start = time.perf_counter()
    if certifier not in verifiers.NAMES:
        raise unknown_name("certifier", certifier, verifiers.NAMES)
    if eps < 0:
        raise InputError(f"the radius must not be negative, as {eps} is")
    if dtype not in (FLOAT16, FLOAT32, FLOAT64):
        raise InputError(f"numpy computes logits in float16, float32 or float64, not {dtype}")
    if limit is not None and limit < 1:
        raise InputError("the number of images must be at least 1")
    network, images = read_network(network_path).network.logits, load_images(images_path)
    if math.prod(network.input_shape) != images.pixels.shape[1]:
        raise InputError(_misfit(network, images.pixels.shape[1]))
    images = _turned(images, network.input_shape)
    require_classes(images.labels, math.prod(network.output_shape))
    deployed = _rounded(network, dtype)
    runs = deployed if certifier == "lipschitz-sound" else network
    estimating = Estimating(report, _costs(network, certifier))
    judge = verifiers.certifier(certifier, runs, gram=gram, format=dtype, progress=estimating)
    prepared = time.perf_counter()
    accepted, classes = _judged(judge, deployed, images, eps, dtype, limit, report)
    correct = classes == images.labels[: len(classes)]
    return DatasetCertification(
        certifier=certifier,
        eps=eps,
        gram=gram,
        dtype=dtype.name,
        certified=int(accepted.sum()),
        correct=int(correct.sum()),
        certified_and_correct=int((accepted & correct).sum()),
        total=len(classes),
        lipschitz=[[float_up(bound) for bound in row] for row in judge.bounds],
        seconds_lipschitz=prepared - start,
        seconds=time.perf_counter() - start,
    )


def _turned(images: Images, shape: tuple[int, ...]) -> Images:
    """The images with their channels where the network has them."""
    pixels = fitted(images.pixels.reshape(len(images.pixels), *images.shape), shape, "images")
    return replace(images, pixels=pixels, shape=shape)


def _costs(network: Network, certifier: str) -> list[float]:
    """What each stage of the bounds costs, in multiplications of one Gram iteration."""
    if not is_stack(network):
        return [1.0]
    layers = list(itertools.pairwise(network.widths[:-1]))
    if certifier == "lipschitz-exact":  # M^T M has a row per input, whatever the outputs
        return [float(inputs) ** 3 for inputs, _ in layers]
    return [float(sum(min(layer) ** 3 for layer in layers))] * (2 if certifier == "lipschitz-sound" else 1)


def _misfit(network: Network, features: int) -> str:
    wrong = f"the network has {math.prod(network.input_shape)} inputs but the images have {features} features"
    if not is_stack(network):
        return wrong
    shapes = [(layer.inputs, layer.outputs) for layer in network.dense_layers]
    biases = [None if layer.bias is None else layer.outputs for layer in network.dense_layers]
    return wrong + transposed(shapes, biases, features)


def _rounded(network: Network, dtype: Format) -> Network:
    """The network with every entry rounded to the format."""

    def cast(array: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        with np.errstate(over="ignore"):
            result = array.astype(dtype.name).astype(np.float64)
        if not np.isfinite(result).all():
            raise InputError(f"the network has an entry beyond the range of {dtype}")
        return result

    def rounded(node: Node) -> Node:
        arrays = {name: cast(array) for name in node.layer.parameters if (array := getattr(node.layer, name)) is not None}
        return replace(node, layer=replace(node.layer, **arrays))

    return replace(network, nodes=tuple(map(rounded, network.nodes)))


def _judged(
    judge: verifiers.Certifier,
    deployed: Network,
    images: Images,
    eps: Fraction,
    dtype: Format,
    limit: int | None,
    report: Progress,
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Whether each image is certified, and its class."""
    total = min(len(images.pixels), limit or len(images.pixels))
    accepted: list[bool] = []
    classes: list[int] = []
    batch = max(1, min(_BATCH, _BATCH_NUMBERS // images.pixels.shape[1]))
    for start in range(0, total, batch):
        report("images", start, total)
        inputs = _inputs(images.pixels[start : min(start + batch, total)], dtype)
        outputs = logits(deployed, inputs)
        classes += outputs.argmax(axis=1).tolist()
        accepted += judge.accepts_all(inputs.tolist(), outputs.tolist(), eps)
    report("images", total, total)
    return np.array(accepted), np.array(classes)


def _inputs(pixels: npt.NDArray[Any], dtype: Format) -> npt.NDArray[Any]:
    """Network inputs in the format: uint8 pixels over 255, floats as they are (rounded to the format)."""
    with np.errstate(over="ignore"):
        inputs: npt.NDArray[Any] = pixels.astype(dtype.name)
    if pixels.dtype == np.uint8:
        inputs = inputs / np.array(255, dtype=dtype.name)
    if not np.isfinite(inputs).all():
        raise InputError(f"the images have a number beyond the range of {dtype}")
    return inputs


def logits(network: Network, inputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the logits (images, outputs) that numpy computes, in the type of ``inputs`` (images, features)."""
    if not is_stack(network):
        with np.errstate(over="ignore", invalid="ignore"):
            outputs: npt.NDArray[Any] = numpy_outputs(network, inputs.reshape(-1, *network.input_shape))
        return outputs.reshape(len(inputs), -1)
    values: npt.NDArray[Any] = inputs
    for number, layer in enumerate(network.dense_layers):
        if number:
            values = np.maximum(values, 0)
        with np.errstate(over="ignore", invalid="ignore"):
            values = values @ layer.weight.T.astype(inputs.dtype)
            if layer.bias is not None:
                values = values + layer.bias.astype(inputs.dtype)
    return values
