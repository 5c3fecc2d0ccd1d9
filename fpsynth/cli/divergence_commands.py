"""The subcommands about arithmetics: each turns its arguments into a call of the library, and the answer into a report."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from fpsynth import api
from fpsynth.cli.arguments import batches, integers, libraries
from fpsynth.cli.codes import DONE, UNCONFIRMED, UNKNOWN
from fpsynth.cli.console import Console
from fpsynth.errors import InputError
from fpsynth.files import shown

if TYPE_CHECKING:
    from fpsynth.synthesis.options import OptionFields
    from fpsynth.synthesis.result import DivergenceResult

Outcome = tuple[int, str | dict[str, Any]]
"""Exit code, and a report or a JSON object."""


MATRIX_FILES = (".json", ".txt", ".svg")
"""Endings of what ``matrix --out`` writes."""


def order(arguments: Namespace, console: Console) -> Outcome:
    """Two orders or environments."""
    a = "sequential" if arguments.a is None else arguments.a
    b, silent = "pairwise" if arguments.b is None else arguments.b, list(arguments.silent or ())
    if arguments.only_in is not None:
        silent += [arguments.b] if arguments.b is not None else []
        b = arguments.only_in
    return _answered(
        arguments,
        console,
        lambda options: api.order(
            a,
            b,
            terms=arguments.terms,
            outputs=arguments.outputs,
            predicate=arguments.predicate,
            gap=arguments.gap,
            maximise=arguments.maximise,
            camouflage=arguments.camouflage,
            silent=silent,
            max_weight=arguments.max_weight,
            box=arguments.box,
            threshold=arguments.threshold,
            **options,
        ),
    )


def precision(arguments: Namespace, console: Console) -> Outcome:
    """Two formats."""
    return _answered(
        arguments,
        console,
        lambda options: api.precision(
            arguments.a,
            arguments.b,
            order=arguments.order,
            terms=arguments.terms,
            predicate=arguments.predicate,
            gap=arguments.gap,
            maximise=arguments.maximise,
            camouflage=arguments.camouflage,
            max_weight=arguments.max_weight,
            **options,
        ),
    )


def relu(arguments: Namespace, console: Console) -> Outcome:
    """Below zero here, above zero there."""
    return _answered(arguments, console, lambda options: api.relu(arguments.a, arguments.b, terms=arguments.terms, **options))


def interval(arguments: Namespace, console: Console) -> Outcome:
    """Interval arithmetic."""
    return _answered(
        arguments,
        console,
        lambda options: api.interval(
            arguments.a,
            arguments.b,
            terms=arguments.terms,
            widening=arguments.widening,
            radius=arguments.radius,
            maximise=arguments.maximise,
            **options,
        ),
    )


def twin(arguments: Namespace, console: Console) -> Outcome:
    """Identical neurons."""
    return _answered(arguments, console, lambda options: api.twin(arguments.environment, terms=arguments.terms, **options))


def position(arguments: Namespace, console: Console) -> Outcome:
    """Permuted neurons, rows of a batch."""
    return _answered(
        arguments,
        console,
        lambda options: api.position(arguments.environment, kind=arguments.kind, terms=arguments.terms, **options),
    )


def _answered(arguments: Namespace, console: Console, ask: Callable[[OptionFields], DivergenceResult]) -> Outcome:
    """Ask, write what --out names, report."""
    from fpsynth.cli.places import require_writable

    if arguments.out is not None:
        require_writable(arguments.out)
    result = ask(_options(arguments, console))
    written, left_out = _write(result, arguments.out)
    code = _code(result, replayed=not arguments.no_replay)
    if arguments.json:
        from fpsynth.report.divergence_json import divergence_json

        return code, {**divergence_json(result), "out": written, "left_out": list(left_out)}
    from fpsynth.report.divergence import divergence_report

    report = divergence_report(result, unicode=console.unicode(), colour=console.colour(), width=console.width())
    if written is None:
        return code, report
    return code, "\n".join([report.rstrip("\n"), "", f"written: {shown(written)}", *(f"left out: {line}" for line in left_out)])


def _options(arguments: Namespace, console: Console) -> OptionFields:
    options: OptionFields = {
        "weights": arguments.weights,
        "inputs": arguments.inputs,
        "seed": arguments.seed,
        "timeout": arguments.timeout,
        "jobs": arguments.jobs,
        "solver": arguments.solver,
        "replay": not arguments.no_replay,
        "libraries": libraries(arguments),
        "batches": batches(arguments),
        "device": arguments.device,
        "vectors": arguments.vectors,
        "progress": console.progress,
    }
    if hasattr(arguments, "dtype"):
        options["dtype"] = arguments.dtype
    return options


def _code(result: DivergenceResult, replayed: bool) -> int:
    if result.verdict.value == "unknown":
        return UNKNOWN
    return UNCONFIRMED if result.divergences and replayed and not result.confirmed else DONE


def _write(result: DivergenceResult, out: str | None) -> tuple[str | None, tuple[str, ...]]:
    """Write what --out asks for; return where, and what was left out, a line each."""
    if out is None or not result.divergences:
        return None, ()
    if out.endswith(".json"):
        from fpsynth.witness import save

        save(result.divergences[0], out)
        return out, ()
    from fpsynth.corpus.divergence import write_divergence_folder

    return out, write_divergence_folder(result.divergences[0], out)


def reveal(arguments: Namespace, console: Console) -> Outcome:
    """Reveal an arithmetic."""
    from fpsynth.cli.places import require_new_json

    if arguments.out is not None:
        require_new_json(arguments.out)
    environment = arguments.environment
    if arguments.batch is not None and "batch=" in environment:
        raise InputError("say the batch size once: as batch=N of the environment, or with --batch")
    if arguments.threads is not None:
        if "threads=" in environment:
            raise InputError("say the number of threads once: as threads=N of the environment, or with --threads")
        environment += ("," if environment.count(":") > 1 else ":") + f"threads={arguments.threads}"
    found = api.reveal(
        environment,
        terms=arguments.terms,
        batches=None if arguments.batch is None else integers(arguments.batch, "the batch sizes"),
        outputs=arguments.outputs,
        dtype=arguments.dtype,
        bias=arguments.bias,
        vectors=arguments.vectors,
        seed=arguments.seed,
        progress=console.progress,
    )
    if arguments.out is not None:
        from fpsynth.revealing.file import save_reveals

        save_reveals(found, arguments.out)
    code = DONE if all(one.explained for one in found) else UNCONFIRMED
    if arguments.json:
        from fpsynth.revealing.file import reveal_to_json

        return code, {"reveals": [reveal_to_json(one) for one in found], "out": arguments.out}
    from fpsynth.report.reveals import reveals_text
    from fpsynth.report.style import Style

    text = reveals_text(found, Style(console.unicode(), console.colour(), console.width()))
    return code, text.rstrip("\n") + (f"\n\nwritten: {shown(arguments.out)}" if arguments.out else "")


def matrix(arguments: Namespace, console: Console) -> Outcome:
    """All environments against each other."""
    from fpsynth.files import write_atomically
    from fpsynth.report.matrix import matrix_json, matrix_svg, matrix_text
    from fpsynth.report.style import Style

    if arguments.out is not None:
        from fpsynth.cli.places import require_free_file

        for ending in MATRIX_FILES:
            require_free_file(arguments.out, ending)
    found = api.matrix(
        terms=arguments.terms,
        outputs=arguments.outputs,
        dtype=arguments.dtype,
        batches=batches(arguments),
        libraries=libraries(arguments),
        settings=not arguments.no_settings,
        vectors=arguments.vectors,
        seed=arguments.seed,
        timeout=arguments.timeout,
        device=arguments.device,
        reveals=arguments.reveals or (),
        progress=console.progress,
    )
    if arguments.out is not None:
        texts = (
            json.dumps(matrix_json(found), indent=1, allow_nan=False) + "\n",
            matrix_text(found, Style(True, False, 96)),
            matrix_svg(found),
        )
        for ending, text in zip(MATRIX_FILES, texts, strict=True):
            write_atomically(arguments.out + ending, text)
    code = DONE if found.confirmed == len(found.cells) else UNCONFIRMED
    if arguments.json:
        return code, matrix_json(found)
    return code, matrix_text(found, Style(console.unicode(), console.colour(), console.width()))


def tree(arguments: Namespace, console: Console) -> Outcome:
    """Print or compare orders."""
    from fpsynth.cli.places import require_free_file
    from fpsynth.files import write_atomically
    from fpsynth.report.orders import comparison_text, order_text

    if arguments.out is not None:
        require_free_file(arguments.out)
    if arguments.compare is not None:
        text = comparison_text(arguments.order, arguments.compare, arguments.terms)
    else:
        text = order_text(arguments.order, arguments.terms, arguments.form, unicode=console.unicode(), width=console.width())
    if arguments.out is not None:
        write_atomically(arguments.out, text if text.endswith("\n") else text + "\n")
    if arguments.json:
        return DONE, {"order": arguments.order, "compared_with": arguments.compare, "text": text, "out": arguments.out}
    return DONE, text if arguments.out is None else f"written: {arguments.out}"


COMMANDS: Mapping[str, Callable[[Namespace, Console], Outcome]] = {
    "order": order,
    "precision": precision,
    "relu": relu,
    "interval": interval,
    "twin": twin,
    "position": position,
    "reveal": reveal,
    "matrix": matrix,
    "tree": tree,
}
