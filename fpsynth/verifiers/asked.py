"""What a verifier is asked about, checked and timed: regions that fit the network, numbers that the format holds, a budget."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import numpy.typing as npt

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT16, FLOAT32, FLOAT64, Format
from fpsynth.networks.graph import Graph
from fpsynth.networks.layers import Dense, ReLU
from fpsynth.networks.network import Network
from fpsynth.rounding import from_float, representable
from fpsynth.verifiers.claims import Ball, Box, Claim, Region
from fpsynth.wording import counted
from fpsynth.workers.deadlines import OutOfTimeError, within


def ball_in(network: Network, region: Region, verifier: str) -> Ball:
    """The region itself.  Raises InputError where it is no ball, does not fit the network, or has a negative radius."""
    if not isinstance(region, Ball):
        raise InputError(f"{verifier} takes balls, not boxes; a verifier of boxes is intervals")
    _require_numbers(network, region.centre, "centre")
    if region.radius < 0:
        raise InputError(f"the radius of a ball must not be negative, as {region.radius} is")
    return region


def box_in(network: Network, region: Region, verifier: str) -> Box:
    """The region itself.  Raises InputError where it is no box, does not fit the network, or has its ends the wrong way."""
    if not isinstance(region, Box):
        raise InputError(f"{verifier} takes boxes, not balls; a verifier of balls is lipschitz")
    for end, name in ((region.lower, "lower end"), (region.upper, "upper end")):
        _require_numbers(network, end, name)
    for number, (low, high) in enumerate(zip(region.lower, region.upper, strict=True)):
        if low > high:
            raise InputError(f"the lower end {low!r} of input {number} is above the upper end {high!r}")
    return region


def _require_numbers(network: Network, numbers: tuple[float, ...], what: str) -> None:
    inputs = math.prod(network.input_shape)
    if len(numbers) != inputs:
        raise InputError(f"the {what} of the region has {counted(len(numbers), 'number')}, but the network {inputs} inputs")
    if not all(map(math.isfinite, numbers)):
        raise InputError(f"the {what} of the region has a number that is not finite")


def is_stack(network: Graph) -> bool:
    """Whether it is dense layers with a ReLU between them, and nothing else."""
    try:
        return bool(network.dense_layers)
    except InputError:
        return False


def require_stack(network: Graph, verifier: str) -> None:
    """Raise InputError, which names a node, for anything but dense layers with a ReLU between them."""
    other = next((node for node in network.nodes if not isinstance(node.layer, (Dense, ReLU))), None)
    if other is not None:
        raise InputError(f"{verifier} takes dense ReLU networks, but {other.name} is {other.layer.kind}: use lipschitz")
    _ = network.dense_layers  # which raises where they are no stack


def require_held(network: Network, region: Region, fmt: Format) -> None:
    """Raise InputError unless every number of the network and of the region is one of the format."""
    for array in network.arrays():
        if not holds_all(fmt, array):
            raise InputError(f"the network has a weight or a bias that is not a {fmt}; round the network first")
    require_region_held(region, fmt)


def require_region_held(region: Region, fmt: Format) -> None:
    """Raise InputError unless every number of the region is one of the format."""
    ends = (region.centre,) if isinstance(region, Ball) else (region.lower, region.upper)
    if not all(holds_all(fmt, np.array(end)) for end in ends):
        raise InputError(f"the region has a number that is not a {fmt}; round it into the format first")


def holds_all(fmt: Format, values: npt.NDArray[np.floating]) -> bool:
    """Whether every number is a finite one of the format."""
    if fmt in (FLOAT16, FLOAT32, FLOAT64):
        with np.errstate(over="ignore"):
            return bool(np.isfinite(values).all() and (values.astype(fmt.name) == values).all())
    return all(v.is_finite and representable(v, fmt) for v in map(from_float, values.reshape(-1).tolist()))


def in_time(verifier: str, region: Region, budget: float | None, judge: Callable[[], Claim]) -> Claim:
    """What ``judge`` claims, or ``unknown`` where ``budget`` seconds (None: as many as there are) are not enough."""
    try:
        with within(budget) if budget is not None else nullcontext():
            return judge()
    except OutOfTimeError as error:
        return Claim(verifier, region, "unknown", reason=str(error))
