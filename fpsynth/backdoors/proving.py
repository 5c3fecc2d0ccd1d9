"""Why there can be no backdoor: the target and an environment that must be silent take the same sums in every layer.

What is revealed of a library is of shapes, whatever the weights; so what is proved is of networks of the shapes that were
tried, and not of other numbers of terms, rows or detectors.  An image that lies in the rows that are looked at gets the same
class in both, and one of them is not as asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
from fpsynth.wording import counted, listed, noun
from fpsynth.workers.deadlines import OutOfTimeError

Shape = tuple[int, int, int]
"""Of a widened host: the terms and the rows of the detector layer, and the detectors.  What a search widens is the same
everywhere else, and the layers behind the detectors follow from their number."""


def none_between(
    target: Environment, silent: Environment, networks: Mapping[Shape, Network], images: Floats, given: Given
) -> tuple[bool, str]:
    """Whether no network of these shapes tells the two apart, and what shows it, or why that is open.

    ``target``, ``silent``: each with the row that is looked at.  ``networks``: one of each shape, which are revealed one after
    the other.  ``images``: (images, inputs), on which both are run, too.  ``given``: how libraries are asked.
    """
    if target.dtype != silent.dtype:
        return False, f"{target} and {silent} compute in different formats"
    fmt = format_named(target.dtype) if target.dtype else given.format
    layers, points, shape = set[int](), 0, (0, 0, 0)
    try:
        for shape, network in networks.items():
            given.progress(f"revealing networks of {in_words([shape])}")
            asked = replace(given, network=rounded_network(network, fmt)[0], format=fmt, vectors=ENOUGH)
            sides = ((target, "target"), (silent, "silent"))
            views = [given_view(asked, str(replace(one, dtype="")), role, role) for one, role in sides]
            if alike(views, fmt) is None:
                return False, f"{REVEALED} {target} and {silent} do not take the same sums at {in_words([shape])}"
            seen = compared(views, asked, rounded_points(images, fmt))
            doubts = (*doubts_of(views, asked), *seen.departing)
            if doubts or seen.apart:
                return False, "; ".join(doubts) or f"{target} and {silent} put images into other classes"
            layers.add(len(views[0].network.sums))
            points = seen.points
    except InputError as error:
        return False, str(error)
    except OutOfTimeError:
        return False, f"the time was over before {target} and {silent} were revealed at {in_words([shape])}"
    several = " or ".join(map(str, sorted(layers)))
    return True, (
        f"{REVEALED} {target} and {silent} evaluate the same expressions in all {several} {noun(max(layers), 'layer')} of sums,"
        f" so that no network of the shapes that were tried (detectors in layers of {in_words(networks)}) tells them apart;"
        f" each layer was checked on {ENOUGH} vectors, and both were run directly on {counted(points, 'input')} for each shape"
    )


def in_words(shapes: Iterable[Shape]) -> str:
    """What the detector layers are, each named once."""
    rows: dict[int, set[int]] = {}
    for terms, count, _ in shapes:
        rows.setdefault(terms, set()).add(count)
    return listed([f"{terms} terms by {listed(list(map(str, sorted(of))))} rows" for terms, of in sorted(rows.items())])
