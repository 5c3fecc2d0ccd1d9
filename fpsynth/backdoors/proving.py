"""Why there can be no backdoor: the target and an environment that must be silent take the same sums in every layer.

What is revealed of a library is of shapes, whatever the weights; so what is proved is of networks of the shapes that were
tried.  An image that lies in the rows that are looked at gets the same class in both, and one of them is not as asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fpsynth.aliases import Floats
from fpsynth.errors import InputError
from fpsynth.evaluators.rounded import rounded_network, rounded_points
from fpsynth.formats import format_named
from fpsynth.libraries.kernels import Environment
from fpsynth.networks.network import Network
from fpsynth.synthesis.given.alike import alike, compared, doubts_of
from fpsynth.synthesis.given.views import Given, given_view
from fpsynth.synthesis.grounds import ENOUGH, REVEALED
from fpsynth.wording import counted, listed
from fpsynth.workers.deadlines import OutOfTimeError


def none_between(
    target: Environment, silent: Environment, networks: Mapping[int, Network], images: Floats, given: Given
) -> tuple[bool, str]:
    """Whether no network of these shapes tells the two apart, and what shows it, or why that is open.

    ``target``, ``silent``: each with the row that is looked at.  ``networks``: one of each shape, by the number of terms of
    its detectors.  ``images``: (images, inputs), on which both are run, too.  ``given``: how libraries are asked.
    """
    if target.dtype != silent.dtype:
        return False, f"{target} and {silent} compute in different formats"
    fmt = format_named(target.dtype) if target.dtype else given.format
    layers = points = 0
    try:
        for network in networks.values():
            asked = replace(given, network=rounded_network(network, fmt)[0], format=fmt, vectors=ENOUGH)
            sides = ((target, "target"), (silent, "silent"))
            views = [given_view(asked, str(replace(one, dtype="")), role, role) for one, role in sides]
            if alike(views, fmt) is None:
                return False, f"{REVEALED} {target} and {silent} do not take the same sums"
            seen = compared(views, asked, rounded_points(images, fmt))
            doubts = (*doubts_of(views, asked), *seen.departing)
            if doubts or seen.apart:
                return False, "; ".join(doubts) or f"{target} and {silent} put images into other classes"
            layers, points = len(views[0].network.sums), seen.points
    except InputError as error:
        return False, str(error)
    except OutOfTimeError:
        return False, f"the time was over before {target} and {silent} were revealed"
    return True, (
        f"{REVEALED} {target} and {silent} evaluate the same expressions in all {counted(layers, 'layer')} of sums, so that no"
        f" network of the shapes that were tried ({listed(list(map(str, networks)))} terms at the detectors) tells them apart;"
        f" each layer was checked on {ENOUGH} vectors, and both were run directly on {counted(points, 'input')} for each shape"
    )
