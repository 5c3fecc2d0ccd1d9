"""What weights alone say of a network: neurons whose weights cancel, and what simple heuristics see beside a host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fpsynth.backdoors.heuristics import ComparedLayer, LayerLook
from fpsynth.networks.cancellation import Cancellation, cancellation_words
from fpsynth.report.story import Part, Table, quiet, told
from fpsynth.report.text import Text
from fpsynth.wording import counted

_NEURONS = 4
"""That are named."""


def weights_parts(cancelling: Sequence[Cancellation], compared: Sequence[ComparedLayer]) -> tuple[Part, ...]:
    """The lint, and the table where there is a host."""
    return (*told(*_cancelling(cancelling)), *_heuristics(compared))


def _cancelling(found: Sequence[Cancellation]) -> Iterator[str]:
    if not found:
        yield "No neuron's summands cancel."
    yield from (f"Summands cancel: {cancellation_words(one)}." for one in found[:_NEURONS])
    if len(found) > _NEURONS:
        yield f"{counted(len(found) - _NEURONS, 'more neuron')} likewise."


def _heuristics(compared: Sequence[ComparedLayer]) -> Iterator[Part]:
    if compared:
        yield heuristics_table(compared)
        yield quiet(
            "host → network, layer by layer: largest weight or bias, weights that are 0, excess kurtosis; KS: distance of the"
            " weights' distributions, of those other than 0; empty: outputs of zero weights; cancel: outputs whose weights do"
        )


def heuristics_table(rows: Sequence[ComparedLayer]) -> Table:
    """A row per layer."""
    header = ("layer", "largest", "zeros", "kurtosis", "KS", "KS of others", "empty", "cancel")
    return Table(header, [_look(one) for one in rows])


def _look(one: ComparedLayer) -> tuple[Text, ...]:
    def both(name: str, form: str) -> str:
        own = form.format(getattr(one.own, name))
        return own if one.host is None else f"{form.format(getattr(one.host, name))} → {own}"

    look: LayerLook = one.own
    distances = (one.distance, one.nonzero_distance)
    return (
        look.layer if one.host is not None else f"{look.layer} (new)",
        both("largest", "{:.3g}"),
        both("zeros", "{:.1%}"),
        both("kurtosis", "{:.3g}"),
        *("-" if distance is None else f"{distance:.3f}" for distance in distances),
        both("empty", "{}"),
        both("cancelling", "{}"),
    )
