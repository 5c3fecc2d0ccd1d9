"""The subcommands about whole networks: each turns its arguments into a call of the library, and the answer into a report."""

from __future__ import annotations

from argparse import Namespace

from fpsynth import api
from fpsynth.cli.asking import keywords
from fpsynth.cli.codes import CHANGES, DONE, UNCONFIRMED, UNKNOWN
from fpsynth.cli.console import Console
from fpsynth.cli.outcomes import Outcome
from fpsynth.synthesis.requests.libraries import CompareRequest
from fpsynth.synthesis.requests.reading import integers


def compare(arguments: Namespace, console: Console) -> Outcome:
    """The verdict, environments and pairs."""
    found = api.compare(**keywords(arguments, CompareRequest), progress=console.progress)
    code = {"same classes": DONE, "classes change": CHANGES}.get(found.verdict, UNKNOWN)
    if arguments.json:
        from fpsynth.report.networks import comparison_json

        return code, comparison_json(found)
    from fpsynth.report.networks import comparison_text

    return code, comparison_text(found, console.style()).rstrip("\n")


def reveal_network(arguments: Namespace, console: Console) -> Outcome:
    """Each layer of a network; for ``reveal --network``."""
    found = api.reveal_network(
        arguments.network,
        arguments.environment,
        batch=1 if arguments.batch is None else integers("the batch sizes")(arguments.batch),
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
    from fpsynth.report.networks import network_reveals_text

    return code, network_reveals_text(found, console.style()).rstrip("\n")
