"""Count unsafe inputs by sums: where neurons read one input each, up to a layer whose sums are exact in every order.

Of each input all values are tried: they give that layer addends, and how often each comes up is counted.  The addends of two
inputs are independent, so that the sums' frequencies are their convolution; all later layers depend on the sum alone, and each
sum that comes up is tried once.
"""

from __future__ import annotations

from fpsynth.corpus.labels.counting_each import InputCount
from fpsynth.corpus.labels.environments import Computed
from fpsynth.corpus.labels.exact_sums import Mixing, after, mixing_of
from fpsynth.corpus.labels.margins import violated
from fpsynth.corpus.labels.points import Grid
from fpsynth.verifiers.properties import Property

MAX_AXIS = 1 << 15
"""Values of one input that are tried."""


def by_sums(computed: Computed, grid: Grid, unsafe: Property) -> InputCount | None:
    """All inputs of a grid; None where the network is not of that kind, or there are too many values or sums."""
    if max(grid.lengths) > MAX_AXIS or len(grid.lengths) < 2:
        return None
    mixing = mixing_of(computed.network.logits)
    if mixing is None:
        return None
    axes = [grid.axis(k) for k in range(len(grid.lengths))]
    addends = Mixing(computed, axes, *mixing).addends()
    totals = None if addends is None else addends.totals(axes)
    if totals is None:
        return None
    wrong = violated(unsafe, after(computed, mixing[0]).outputs(totals.numbers()))
    bad, worst = totals.marked(wrong)
    example = () if worst is None else totals.example(worst)
    return InputCount(bad, grid.total, "all values of each input, and the frequencies of their exact sums", example)
