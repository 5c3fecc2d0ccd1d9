"""A process that does jobs, one after the other; the libraries that it starts stay for the next."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fpsynth.corpus.families.base import NothingDrawnError
from fpsynth.corpus.families.table import FAMILIES
from fpsynth.corpus.instances.records import instance_to_json
from fpsynth.corpus.instances.storing import model_of
from fpsynth.corpus.labels.environments import Environments
from fpsynth.corpus.making.job import done
from fpsynth.corpus.making.wanted import Job, wanted_from
from fpsynth.errors import ContradictionError, InputError
from fpsynth.workers.messages import Message


def handler() -> Callable[[Message], Message]:
    """Return what answers {family, number, wanted} with {instances: [{meta, model}], versions, reason}.

    ``reason``: why there are no instances.  Or with {wrong} or {contradiction}: a line.
    """
    started: dict[tuple[str, ...], Environments] = {}

    def handle(request: Message) -> Message:
        wanted = wanted_from(request["wanted"])
        if wanted.environments not in started:
            started[wanted.environments] = Environments(wanted.environments)
        environments = started[wanted.environments]
        try:
            made = done(Job(FAMILIES[request["family"]], request["number"]), wanted, environments)
        except NothingDrawnError as error:
            return {"instances": [], "versions": environments.versions, "reason": str(error)}
        except ContradictionError as error:
            return {"contradiction": str(error)}
        except InputError as error:
            return {"wrong": str(error)}
        instances = [{"meta": instance_to_json(one), "model": np.frombuffer(model_of(one), np.uint8)} for one in made]
        return {"instances": instances, "versions": environments.versions, "reason": ""}

    return handle
