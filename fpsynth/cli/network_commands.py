"""The subcommands about whole networks: each turns its arguments into a call of the library, and the answer into a report."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fpsynth import api
from fpsynth.cli.asking import keywords
from fpsynth.cli.codes import CHANGES, DONE, UNCONFIRMED, UNKNOWN
from fpsynth.cli.console import Console
from fpsynth.cli.outcomes import Outcome
from fpsynth.cli.places import require_writable
from fpsynth.cli.written import partner_lines
from fpsynth.errors import InputError
from fpsynth.files import shown
from fpsynth.synthesis.requests.applying import refuse_made_up
from fpsynth.synthesis.requests.libraries import CompareRequest, RevealRequest
from fpsynth.synthesis.requests.reading import integers
from fpsynth.synthesis.requests.verifying import VerifyRequest
from fpsynth.wording import counted

if TYPE_CHECKING:
    from fpsynth.synthesis.comparing.comparison import NetworkComparison


def compare(arguments: Namespace, console: Console) -> Outcome:
    """The verdict, environments and pairs."""
    if arguments.out is not None:
        if arguments.out.endswith(".json"):
            raise InputError("--out names a new folder, in which a witness of each changed class is written")
        require_writable(arguments.out)
    found = api.compare(**keywords(arguments, CompareRequest), progress=console.progress)
    code = {"same classes": DONE, "classes change": CHANGES}.get(found.verdict, UNKNOWN)
    written = [] if arguments.out is None else api.write_witnesses(found, arguments.out)
    networks = [] if arguments.out is None else _network_files(arguments.out, written)
    if arguments.json:
        from fpsynth.corpus.index import INDEX
        from fpsynth.report.stories.networks import comparison_json

        told = {"out": arguments.out if written else None, "index": INDEX if written else None, "witnesses": written}
        return code, {**comparison_json(found), **told, **({"beside": networks} if networks else {})}
    text = console.told(found)
    if arguments.out is None:
        return code, text
    return code, "\n".join([text, "", *_written(found, arguments.out, written, networks)])


def _network_files(out: str, written: Sequence[str]) -> list[str]:
    """The files with networks that belong to the witness files of a folder, each once."""
    from fpsynth.witness.file import files_beside

    return list(dict.fromkeys(name for file in written for name in files_beside(os.path.join(out, file))))


def _written(found: NetworkComparison, out: str, written: Sequence[str], networks: Sequence[str]) -> list[str]:
    """What was written where, and what was not."""
    from fpsynth.corpus.index import INDEX

    if not written:
        return ["no witness: no class changes, and nothing is written"]
    more = found.changes - len(written)
    left_out = f" ({counted(more, 'more change is', 'more changes are')} left out)" if more else ""
    return [
        f"written: {counted(len(written), 'witness', 'witnesses')} in {shown(out)}{left_out}",
        f"    and  {INDEX}, which says of each its input, environments and classes",
        *partner_lines(tuple(networks), "a witness file"),
    ]


def verify(arguments: Namespace, console: Console) -> Outcome:
    """What a verifier says."""
    found = api.verify(**keywords(arguments, VerifyRequest), progress=console.progress)
    code = UNKNOWN if found.verdict == "unknown" else DONE
    if arguments.json:
        from fpsynth.report.stories.verifying import verification_json

        return code, verification_json(found)
    return code, console.told(found)


def reveal_network(arguments: Namespace, console: Console) -> Outcome:
    """Each layer of a network; for ``reveal --network``."""
    refuse_made_up(RevealRequest, keywords(arguments, RevealRequest))
    if arguments.out is not None:
        raise InputError("--out is of one layer: leave it out with --network (--json prints all that was revealed)")
    found = api.reveal_network(
        arguments.network,
        arguments.environment,
        batch=None if arguments.batch is None else integers("the batch sizes")(arguments.batch),
        threads=arguments.threads,
        dtype=arguments.dtype,
        vectors=arguments.vectors,
        seed=arguments.seed,
        progress=console.progress,
    )
    whole = all(one["network"]["explained"] == one["network"]["of"] for one in found)
    each = all(layer["explained"] == layer["of"] for one in found for layer in one["layers"])
    code = DONE if whole and each else UNCONFIRMED
    if arguments.json:
        data = {"reveals": list(found)} if len(found) > 1 else found[0]
        return code, {"schema": "fpsynth-network-reveal", "schema_version": 1, **data}
    return code, console.told(found)
