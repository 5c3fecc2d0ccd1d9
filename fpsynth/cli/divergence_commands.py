"""The subcommands about arithmetics: each turns its arguments into a call of the library, and the answer into a report."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from fpsynth import api
from fpsynth.cli.asking import keywords
from fpsynth.cli.codes import DONE, UNCONFIRMED, UNKNOWN
from fpsynth.cli.console import Console, Verbatim
from fpsynth.cli.outcomes import Outcome, unconfirmed
from fpsynth.cli.written import partners, written_lines
from fpsynth.files import shown
from fpsynth.synthesis.requests.libraries import MatrixRequest, RevealRequest
from fpsynth.synthesis.requests.looking import TreeRequest
from fpsynth.synthesis.table import DIVERGENCES, QUESTIONS

if TYPE_CHECKING:
    from fpsynth.synthesis.result import Result

MATRIX_FILES = (".json", ".txt", ".svg")
"""Endings of what ``matrix --out`` writes."""


def divergence(arguments: Namespace, console: Console) -> Outcome:
    """One of the questions about two ways to evaluate a network: ask, write what --out names, report."""
    from fpsynth.cli.places import require_writable

    if arguments.out is not None:
        require_writable(arguments.out)
    console.progress(f"searching, at most {arguments.timeout:g} s")
    ask: Callable[..., Result] = getattr(api, arguments.subcommand)
    result = ask(**keywords(arguments, QUESTIONS[arguments.subcommand]), progress=console.progress)
    written, left_out = _write(result, arguments.out)
    code = _code(result, replayed=not arguments.no_replay)
    if arguments.json:
        from fpsynth.report.results import result_json

        return code, {**result_json(result), "out": written, "left_out": list(left_out), **partners(written)}
    report = console.told(result)
    if written is None:
        return code, report
    return code, "\n".join([report, "", *written_lines(written), *(f"left out: {line}" for line in left_out)])


def _code(result: Result, replayed: bool) -> int:
    if result.verdict.value == "unknown":
        return UNKNOWN
    if not result.witnesses or not replayed or result.confirmed:
        return DONE
    return unconfirmed(seen.not_run for found in result.witnesses for seen in getattr(found, "observations", ()))


def _write(result: Result, out: str | None) -> tuple[str | None, tuple[str, ...]]:
    """Write what --out asks for; return where, and what was left out, a line each."""
    if out is None or not result.witnesses:
        return None, ()
    if out.endswith(".json"):
        from fpsynth.witness import save

        save(result.witnesses[0], out, new=True)
        return out, ()
    from fpsynth.corpus.divergence import write_divergence_folder

    return out, write_divergence_folder(result.witnesses[0], out)


def reveal(arguments: Namespace, console: Console) -> Outcome:
    """Reveal an arithmetic."""
    from fpsynth.cli.places import require_new_json

    if arguments.network is not None:
        from fpsynth.cli.network_commands import reveal_network

        return reveal_network(arguments, console)
    if arguments.out is not None:
        require_new_json(arguments.out)
    found = api.reveal(**keywords(arguments, RevealRequest), progress=console.progress)
    if arguments.out is not None:
        from fpsynth.revealing.file import save_reveals

        save_reveals(found, arguments.out, new=True)
    code = DONE if all(one.explained for one in found) else UNCONFIRMED
    if arguments.json:
        from fpsynth.revealing.file import reveals_to_json

        return code, {**reveals_to_json(found), "out": arguments.out}
    return code, console.told(found) + (f"\n\nwritten: {shown(arguments.out)}" if arguments.out else "")


def matrix(arguments: Namespace, console: Console) -> Outcome:
    """All environments against each other."""
    from fpsynth.files import write_new_files
    from fpsynth.report.stories.matrix import matrix_json, matrix_svg

    if arguments.out is not None:
        from fpsynth.cli.places import require_free_file

        for ending in MATRIX_FILES:
            require_free_file(arguments.out, ending)
    found = api.matrix(**keywords(arguments, MatrixRequest), progress=console.progress)
    if arguments.out is not None:
        texts = (
            json.dumps(matrix_json(found), indent=1, allow_nan=False) + "\n",
            api.render(found),
            matrix_svg(found),
        )
        write_new_files({arguments.out + ending: text for ending, text in zip(MATRIX_FILES, texts, strict=True)})
    code = DONE if found.confirmed == len(found.cells) else UNCONFIRMED
    if arguments.json:
        return code, {**matrix_json(found), "out": arguments.out}
    report = console.told(found)
    if arguments.out is None:
        return code, report
    written = ", ".join(shown(arguments.out + ending) for ending in MATRIX_FILES)
    return code, "\n".join([report, "", f"written: {written}"])


def tree(arguments: Namespace, console: Console) -> Outcome:
    """Print or compare orders."""
    from fpsynth.cli.places import require_free_file
    from fpsynth.files import write_atomically
    from fpsynth.report.orders import require_drawn

    form = "unicode" if arguments.form is None else arguments.form
    require_drawn(form)
    if arguments.out is not None:
        require_free_file(arguments.out)
    found = api.tree(**keywords(arguments, TreeRequest))
    drawn = found.drawn(form, unicode=console.unicode(), width=console.width()) if found.other is None else found.compared()
    if arguments.out is not None:
        write_atomically(arguments.out, drawn if drawn.endswith("\n") else drawn + "\n", new=True)
    if arguments.json:
        return DONE, {**found.to_json(), "out": arguments.out}
    if arguments.out is not None:
        return DONE, f"written: {shown(arguments.out)}"
    return DONE, drawn if form == "unicode" or arguments.compare is not None else Verbatim(drawn)


COMMANDS: Mapping[str, Callable[[Namespace, Console], Outcome]] = {
    **{request.question: divergence for request in DIVERGENCES},
    "reveal": reveal,
    "matrix": matrix,
    "tree": tree,
}
