"""The subcommands about whole networks: each turns its arguments into a call of the library, and the answer into a report."""

from __future__ import annotations

from argparse import Namespace

from fpsynth import api
from fpsynth.cli.asking import keywords
from fpsynth.cli.codes import CHANGES, DONE, UNCONFIRMED, UNKNOWN
from fpsynth.cli.console import Console
from fpsynth.cli.outcomes import Outcome
from fpsynth.cli.places import require_writable
from fpsynth.errors import InputError
from fpsynth.files import shown
from fpsynth.synthesis.requests.libraries import CompareRequest
from fpsynth.synthesis.requests.reading import integers
from fpsynth.wording import counted


def compare(arguments: Namespace, console: Console) -> Outcome:
    """The verdict, environments and pairs."""
    if arguments.out is not None:
        if arguments.out.endswith(".json"):
            raise InputError("--out names a new folder, in which a witness of each changed class is written")
        require_writable(arguments.out)
    found = api.compare(**keywords(arguments, CompareRequest), progress=console.progress)
    code = {"same classes": DONE, "classes change": CHANGES}.get(found.verdict, UNKNOWN)
    written = [] if arguments.out is None else api.write_witnesses(found, arguments.out)
    if arguments.json:
        from fpsynth.report.stories.networks import comparison_json

        return code, {**comparison_json(found), "out": arguments.out if written else None, "witnesses": written}
    text = console.told(found)
    if arguments.out is None:
        return code, text
    more = found.changes - len(written)
    told = f"written: {counted(len(written), 'witness', 'witnesses')} in {shown(arguments.out)}" if written else "no witness"
    return code, f"{text}\n\n{told}" + (f" ({more} more changes are left out)" if more else "")


def reveal_network(arguments: Namespace, console: Console) -> Outcome:
    """Each layer of a network; for ``reveal --network``."""
    one_layer = {"out": arguments.out, "outputs": arguments.outputs, "bias": arguments.bias or None}
    for name, value in one_layer.items():
        if value is not None:
            raise InputError(f"--{name} is of one layer: leave it out with --network (--json prints all that was revealed)")
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
    return code, console.told(found)
