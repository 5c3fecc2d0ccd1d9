"""bench and shrink: verifiers over a corpus, and the smallest instance on which one is wrong."""

from __future__ import annotations

import os
from argparse import Namespace

from fpsynth.cli.bench_arguments import FORMS
from fpsynth.cli.codes import DONE, UNCONFIRMED
from fpsynth.cli.console import Console, Verbatim
from fpsynth.cli.interrupting import kept_in
from fpsynth.cli.outcomes import Outcome
from fpsynth.errors import InputError, unknown_name
from fpsynth.files import shown


def bench(arguments: Namespace, console: Console) -> Outcome:
    """The scoreboard."""
    if arguments.form not in FORMS:
        raise unknown_name("form", arguments.form, FORMS)
    if not arguments.verifier:
        raise InputError("name at least one verifier: --verifier NAME (fpsynth verifiers lists them)")
    from fpsynth.report.telling import rendered
    from fpsynth.scoring import offered
    from fpsynth.scoring.forms import FORMS as WRITERS
    from fpsynth.scoring.running import TABLE
    from fpsynth.scoring.telling import scoreboard_story

    console.progress("reading the corpus")
    with kept_in(arguments.out, TABLE):
        board = offered.bench(
            arguments.corpus,
            arguments.verifier,
            arithmetic=arguments.arithmetic or "real",
            category=arguments.category or (),
            out=arguments.out,
            seeds=arguments.seeds,
            timeout=arguments.timeout,
            memory=arguments.memory,
            jobs=arguments.jobs,
            dask=arguments.dask,
            progress=console.progress,
        )
    if arguments.json:
        return DONE, {**board.to_json(), "out": arguments.out}
    if arguments.form != "text":
        return DONE, Verbatim(WRITERS[arguments.form](board))
    text = rendered(scoreboard_story(board), "text", console.style()).rstrip("\n")
    return DONE, text if arguments.out is None else f"{text}\n\nwritten: {shown(arguments.out)}"


def shrink(arguments: Namespace, console: Console) -> Outcome:
    """The smallest instance, or the simplest witness."""
    from fpsynth.report.telling import rendered
    from fpsynth.scoring import offered
    from fpsynth.scoring.shrinking import instances, witnesses
    from fpsynth.scoring.shrinking.telling import instance_story, witness_story

    with kept_in(arguments.out, instances.ASKED):
        found = offered.shrink(
            arguments.instance,
            out=arguments.out,
            verifier=arguments.verifier,
            arithmetic=arguments.arithmetic or "real",
            seed=arguments.seed,
            timeout=arguments.timeout,
            each=arguments.each,
            restarts=arguments.restarts,
            memory=arguments.memory,
            progress=console.progress,
        )
    if isinstance(found, instances.ShrunkInstance):
        code, name, story = DONE if found.still_wrong else UNCONFIRMED, instances.RESULT, instance_story(found)
    else:
        code, name, story = DONE, witnesses.RESULT, witness_story(found)
    place = os.path.join(arguments.out, name)
    if arguments.json:
        return code, {**found.to_json(), "out": place}
    return code, f"{rendered(story, 'text', console.style()).rstrip()}\n\nwritten: {shown(place)}"
