"""bench and shrink: verifiers over a corpus, and the smallest instance on which one is wrong."""

from __future__ import annotations

import os
from argparse import Namespace
from typing import TYPE_CHECKING

from fpsynth.cli.bench_arguments import FORMS
from fpsynth.cli.codes import DONE, UNCONFIRMED
from fpsynth.cli.console import Console, Verbatim
from fpsynth.cli.outcomes import Outcome
from fpsynth.errors import InputError, unknown_name
from fpsynth.files import shown

if TYPE_CHECKING:
    from fpsynth.bench.shrinking.instances import ShrinkRequest


def bench(arguments: Namespace, console: Console) -> Outcome:
    """The scoreboard."""
    if arguments.form not in FORMS:
        raise unknown_name("form", arguments.form, FORMS)
    if not arguments.verifier:
        raise InputError("name at least one verifier: --verifier NAME (fpsynth verifiers lists them)")
    from fpsynth.bench.forms import FORMS as WRITERS
    from fpsynth.bench.running import BenchRequest
    from fpsynth.bench.running import bench as ask
    from fpsynth.bench.telling import scoreboard_story
    from fpsynth.report.telling import rendered

    console.progress("reading the corpus")
    board = ask(
        BenchRequest(
            arguments.corpus,
            tuple(arguments.verifier),
            arithmetics=tuple(arguments.arithmetic or ("real",)),
            out=arguments.out,
            categories=tuple(arguments.category or ()),
            seeds=arguments.seeds,
            timeout=arguments.timeout,
            memory=arguments.memory,
            jobs=arguments.jobs,
            dask=arguments.dask,
            progress=console.progress,
        )
    )
    if arguments.out is not None:
        from fpsynth.bench.forms import write_forms

        write_forms(board, arguments.out)
    if arguments.json:
        return DONE, {**board.to_json(), "out": arguments.out}
    if arguments.form != "text":
        return DONE, Verbatim(WRITERS[arguments.form](board))
    text = rendered(scoreboard_story(board), "text", console.style()).rstrip("\n")
    return DONE, text if arguments.out is None else f"{text}\n\nwritten: {shown(arguments.out)}"


def shrink(arguments: Namespace, console: Console) -> Outcome:
    """The smallest instance, or the simplest witness."""
    from fpsynth.bench.job import Limits
    from fpsynth.bench.shrinking.instances import ShrinkRequest

    limits = Limits(arguments.each, int(arguments.memory * (1 << 30)))
    request = ShrinkRequest(
        arguments.instance,
        arguments.out,
        seed=arguments.seed,
        restarts=arguments.restarts,
        budget=arguments.timeout,
        limits=limits,
        progress=console.progress,
    )
    if os.path.isfile(arguments.instance):
        return _witness(arguments, request, console)
    if arguments.verifier is None:
        raise InputError("name the verifier that is wrong on the instance: --verifier NAME (only witness files need none)")
    return _instance(arguments, request, console)


def _instance(arguments: Namespace, request: ShrinkRequest, console: Console) -> Outcome:
    from fpsynth.bench.asking import asked_for
    from fpsynth.bench.shrinking.instances import RESULT, shrink_instance
    from fpsynth.bench.shrinking.telling import instance_story
    from fpsynth.report.telling import rendered

    verifiers = asked_for([arguments.verifier], tuple(arguments.arithmetic or ("real",)))
    if len(verifiers) != 1:
        raise InputError("shrink takes one verifier in one arithmetic")
    found = shrink_instance(request, verifiers[0])
    code = DONE if found.still_wrong else UNCONFIRMED
    place = os.path.join(arguments.out, RESULT)
    if arguments.json:
        return code, {**found.to_json(), "out": place}
    return code, f"{rendered(instance_story(found), 'text', console.style()).rstrip()}\n\nwritten: {shown(place)}"


def _witness(arguments: Namespace, request: ShrinkRequest, console: Console) -> Outcome:
    from fpsynth.bench.shrinking.telling import witness_story
    from fpsynth.bench.shrinking.witnesses import RESULT, shrink_witness
    from fpsynth.report.telling import rendered

    if arguments.verifier is not None:
        raise InputError("a witness file says itself what is wrong: leave --verifier out")
    found = shrink_witness(request, arguments.instance)
    place = os.path.join(arguments.out, RESULT)
    if arguments.json:
        return DONE, {**found.to_json(), "out": place}
    return DONE, f"{rendered(witness_story(found), 'text', console.style()).rstrip()}\n\nwritten: {shown(place)}"
