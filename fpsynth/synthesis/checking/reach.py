"""Whether a check may evaluate what a file asks for: all of its evaluations are estimated before the first one begins."""

from __future__ import annotations

from collections.abc import Iterator

from fpsynth.evaluators.work import NOTHING, Effort, exact_work, followed_work, logits_work, require_affordable, total
from fpsynth.synthesis.checking.predictions import concerns_reals, has_interval, named
from fpsynth.witness.data import View, Witness
from fpsynth.wording import counted


def require_checkable(witness: Witness) -> None:
    """Raise BeyondReachError where a check would take far more time or memory than there is, naming what takes longest."""
    parts = list(_parts(witness))
    longest, _ = max(parts, key=lambda part: part[1].seconds)
    what = f"what the file is about ({counted(len(parts), 'evaluation')}, the longest that of {longest})"
    require_affordable(what, total(work for _, work in parts))


def view_work(witness: Witness, view: View) -> Effort:
    """That of a view's logits."""
    return logits_work(view.network or witness.network, witness.at(view), view.deployment)


def _parts(witness: Witness) -> Iterator[tuple[str, Effort]]:
    """What a check evaluates, apart from the box, and what that is estimated at."""
    reals = exact_work(witness.network, witness.point) if concerns_reals(witness) else NOTHING
    if reals is not NOTHING:
        yield "the network in exact arithmetic", reals
    for view in witness.views:
        yield named(view), view_work(witness, view)
        if has_interval(witness, view):
            yield f"the interval of {named(view)}", followed_work(witness.network)
        if view.permutation and not witness.two_points:
            yield f"{named(view)} in exact arithmetic", reals
