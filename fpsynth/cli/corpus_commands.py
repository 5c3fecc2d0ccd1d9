"""corpus: make instances, list them, check them, replay them, write them in other forms."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import asdict

from fpsynth.cli.codes import DONE, UNCONFIRMED
from fpsynth.cli.console import Console
from fpsynth.cli.interrupting import kept_in
from fpsynth.cli.outcomes import Outcome
from fpsynth.cli.places import require_place
from fpsynth.files import require_free, shown
from fpsynth.wording import counted

_SHOWN = 6
"""Forms that an instance has not, so many of which are listed."""


def corpus(arguments: Namespace, console: Console) -> Outcome:
    """Do what the action says."""
    return _ACTIONS[arguments.action](arguments, console)


def _make(arguments: Namespace, console: Console) -> Outcome:
    from fpsynth.corpus.making.kept import HEADER, place_of
    from fpsynth.corpus.making.writing import made_in
    from fpsynth.corpus.offered import wanted

    require_place(arguments.out)
    asked = wanted(arguments.count, arguments.seed, arguments.category, arguments.environments, arguments.max_weight)
    with kept_in(place_of(arguments.out), HEADER):
        made = made_in(arguments.out, asked, _teller(console, "making instances"))
    if arguments.json:
        from fpsynth.corpus.listing import summary

        return DONE, {"out": arguments.out, **summary(made)}
    from fpsynth.corpus.listing import counts_story
    from fpsynth.report.telling import rendered

    return DONE, f"{rendered(counts_story(made), 'text', console.style())}\nwritten: {shown(arguments.out)}"


def _list(arguments: Namespace, console: Console) -> Outcome:
    from fpsynth.corpus import offered
    from fpsynth.corpus.listing import listing_story, rows, summary
    from fpsynth.report.telling import rendered

    console.progress("reading the corpus")
    corpus_read = offered.list(arguments.folder, category=arguments.category)
    if arguments.json:
        return DONE, {"folder": arguments.folder, **summary(corpus_read), "listed": rows(corpus_read)}
    return DONE, rendered(listing_story(corpus_read), "text", console.style())


def _check(arguments: Namespace, console: Console) -> Outcome:
    from fpsynth.corpus.checking import check_corpus, faults_of

    result = check_corpus(arguments.folder, _teller(console, "checking"))
    faults = faults_of(result.checked)
    left_out = list(dict.fromkeys(line for one in result.checked for line in one.left_out))
    code = DONE if result.holds else UNCONFIRMED
    if arguments.json:
        told = {"instances": len(result.checked), "holds": result.holds, "faults": faults, "left_out": left_out}
        told["cancelling"] = {one.name: [each.to_json() for each in one.cancelling] for one in result.checked if one.cancelling}
        return code, {"folder": arguments.folder, **told}
    verdict = "all of it is true" if result.holds else f"{counted(len(faults), 'fault')}"
    lines = [f"{counted(len(result.checked), 'instance')} checked: {verdict}", *(f"  {line}" for line in faults)]
    count = sum(bool(one.cancelling) for one in result.checked)
    if count:
        lines.append(f"weights cancel exactly within a neuron of {counted(count, 'instance')}: --json names them")
    return code, "\n".join([*lines, *(f"left out: {line}" for line in left_out)])


def _replay(arguments: Namespace, console: Console) -> Outcome:
    from fpsynth.corpus.replaying import AS_LABELLED, NOT_RUN, OTHERWISE, replay_corpus
    from fpsynth.corpus.semantics import names_in

    names = () if arguments.environments is None else names_in(arguments.environments)
    result = replay_corpus(arguments.folder, names, _teller(console, "replaying"))
    counts = {outcome: result.count(outcome) for outcome in (AS_LABELLED, OTHERWISE, NOT_RUN)}
    code = DONE if result.holds else UNCONFIRMED
    others = [run for run in result.runs if run.outcome != AS_LABELLED]
    if arguments.json:
        return code, {
            "folder": arguments.folder,
            "holds": result.holds,
            "counts": {outcome.replace(" ", "_"): number for outcome, number in counts.items()},
            "others": [asdict(run) for run in others],
        }
    lines = [f"{counted(len(result.runs), 'run')} of witnesses"]
    lines += [f"  {outcome:<12} {number:>6}" for outcome, number in counts.items()]
    lines += [f"{run.instance} in {run.environment}: {run.outcome}: {run.detail}" for run in others]
    return code, "\n".join(lines)


def _export(arguments: Namespace, console: Console) -> Outcome:
    from fpsynth.corpus.exporting.export import export_corpus
    from fpsynth.corpus.instances.reading import read_corpus

    require_place(arguments.out)
    require_free(arguments.out)
    corpus_read = read_corpus(arguments.folder)
    counts, left_out = export_corpus(corpus_read, arguments.out, arguments.form or (), _teller(console, "exporting"))
    if arguments.json:
        return DONE, {"folder": arguments.folder, "out": arguments.out, "written": counts, "left_out": list(left_out)}
    lines = [f"  {form:<12} {number:>6}" for form, number in counts.items()]
    lines += [f"left out: {line}" for line in left_out[:_SHOWN]]
    more = len(left_out) - _SHOWN
    lines += [f"and {more} more left out: --json lists them"] if more > 0 else []
    return DONE, "\n".join([*lines, "", f"written: {shown(arguments.out)}"])


def _teller(console: Console, what: str) -> Callable[[str, int, int], None]:
    """What says how far something is."""
    return lambda name, done, total: console.count(f"{what}, now {name}", done, total)


_ACTIONS: Mapping[str, Callable[[Namespace, Console], Outcome]] = {
    "make": _make,
    "list": _list,
    "check": _check,
    "replay": _replay,
    "export": _export,
}
