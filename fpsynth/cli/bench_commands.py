"""bench and shrink: verifiers over a corpus, and the smallest instance on which one is wrong."""

from __future__ import annotations

from argparse import Namespace

from fpsynth.cli.bench_arguments import FORMS
from fpsynth.cli.codes import DONE
from fpsynth.cli.console import Console, Verbatim
from fpsynth.cli.outcomes import Outcome
from fpsynth.errors import InputError, unknown_name
from fpsynth.files import shown


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
