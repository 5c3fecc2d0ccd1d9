"""From a request that names a network's file to its answer: files read, libraries revealed, boundaries searched."""

from __future__ import annotations

from collections.abc import Callable

from fpsynth.aliases import Floats, PathLike
from fpsynth.errors import InputError
from fpsynth.evaluators.rounded import rounded_network, rounded_points, rounded_points_words, rounded_words
from fpsynth.formats import Format
from fpsynth.networks.endings import ending_words
from fpsynth.networks.points import load_points
from fpsynth.networks.reading import read_network
from fpsynth.revealing.revealer import Revealer
from fpsynth.synthesis.given.order import GivenOrder, Running, order_of_network
from fpsynth.synthesis.given.tie import GivenTie, tie_of_network
from fpsynth.synthesis.given.views import Given
from fpsynth.synthesis.requests.order import LAYER_VECTORS, OrderRequest
from fpsynth.synthesis.requests.ties import TieRequest
from fpsynth.synthesis.result import Result


def order_request(request: OrderRequest) -> Result:
    """Answer a request for an order-dependent class of a network that is given.  Raises InputError for what cannot be used."""
    running = Running(request.libraries, request.batches, request.device) if request.replay else None

    def answer(given: Given, points: Floats) -> Result:
        asked = GivenOrder(given.network, given.format, request.sides, points)
        return order_of_network(asked, given, request.timeout, request.described(), running)

    return _answered(request, request.format, request.vectors_used, answer)


def tie_request(request: TieRequest) -> Result:
    """Answer a request for a tie of a network that is given.  Raises InputError for what cannot be used."""
    running = Running(request.libraries, request.batches, request.device) if request.replay else None

    def answer(given: Given, points: Floats) -> Result:
        asked = GivenTie(request.order, points, request.certifier_used, request.least)
        return tie_of_network(asked, given, request.timeout, request.described(), running)

    return _answered(request, request.format, LAYER_VECTORS, answer)


def _answered(
    request: OrderRequest | TieRequest, fmt: Format, vectors: int, answer: Callable[[Given, Floats], Result]
) -> Result:
    progress = request.progress or (lambda text: None)
    read = read_network(_named(request.network)).network
    network, changed = rounded_network(read, fmt)
    points, _ = load_points(_named(request.images), network.input_shape)
    told = (
        ending_words(read),
        rounded_words(changed, read, fmt) if changed else "",
        rounded_points_words(points, rounded_points(points, fmt), fmt),
    )
    notes = tuple(filter(None, told))
    for note in notes:
        progress(note)
    with Revealer() as revealer:
        return answer(Given(network, fmt, revealer, vectors, request.seed, progress, notes), points)


def _named(path: PathLike | None) -> PathLike:
    if path is None:
        raise InputError("a network that is given needs its file and a file of images")
    return path
