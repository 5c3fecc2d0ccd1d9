"""Backdoors that survive changes of their weights: forms with more and more constants, until a chain withstands enough."""

from __future__ import annotations

import numpy as np

from fpsynth.aliases import Floats
from fpsynth.backdoors.embedding import Detectors
from fpsynth.backdoors.measuring import objection, row_name
from fpsynth.backdoors.seeking import BackdoorSearch, Made
from fpsynth.backdoors.switching import Behaviour
from fpsynth.backdoors.widening import WidenedForm
from fpsynth.libraries.kernels import Environment
from fpsynth.wording import counted
from fpsynth.workers.deadlines import require_time

_CONFIRMING = 32
"""Images that must show it before all are run."""
_ALIKE_SETS = 4
"""How many sets of detectors must give the same before two environments are called alike."""


def surviving(search: BackdoorSearch, behaviour: Behaviour, relative: float) -> Made | None:
    """A network with a chain that withstands such changes; None where there is none, and ``search`` says why."""
    shop, best = search.workshop, 0.0
    for number, form in enumerate(shop.chain_forms()):
        if not number and not _apart(search, form):
            return None
        shop.progress(f"looking for chains among {form.inputs} terms")
        chains = shop.chain_search(form, search.wanted())
        for chain in chains.chains():
            best = max(best, chains.most)
            if chain.withstands < relative:
                continue
            detectors = Detectors((chain.features,), (chain.column,), chain.sizes, chain.sizes.total, chain.band)
            network = search.embed(form, detectors, behaviour)
            if network is None:
                return None
            search.reason = objection(search.measure(network, behaviour, _CONFIRMING), bound=bool(shop.trigger.units))
            if not search.reason:
                search.probes += chains.tried
                return form, detectors, network
            search.failed += 1
            if search.hopeless:
                return None
        search.probes += chains.tried
    search.reason = search.reason or f"no chain that was found withstands more than {best:.2g}"
    return None


def _apart(search: BackdoorSearch, form: WidenedForm) -> bool:
    """Find out which environments and rows give what the target gives, whatever the detector; False: a reason to give up."""
    goal, table = search.goal, search.workshop.table(form, None)

    def sums(where: Environment) -> Floats:
        require_time()
        return np.concatenate([table.results(number, where) for number in range(_ALIKE_SETS)], axis=1)

    there = sums(goal.target)
    own = there if goal.row is None else there[goal.row : goal.row + 1]
    others = [where for where in search.silent() if any((row == one).all() for row in sums(where) for one in own)]
    rows = [row for row in search.wanted().other_rows if any((there[row] == one).all() for one in own)]
    if not others and not rows:
        return True
    names = [*(row_name(goal.target, row) for row in rows), *map(str, others)]
    if goal.strict or (len(others) == len(search.silent()) and len(rows) == len(search.wanted().other_rows)):
        search.reason = f"all of {counted(_ALIKE_SETS * form.rows, 'detector')} give the same in {', '.join(names)}"
        search.untold = (rows, others)
        return False
    search.rows_alike += rows
    search.alike += others
    return True
