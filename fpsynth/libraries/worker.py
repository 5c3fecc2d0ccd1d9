"""The process in which one library runs: imports it when told to, then answers requests to run networks.

Requests: {"load": name, "device": device, "threads": n or null, "switches": {name: value}}; {"run": {...}} as ``run_request``
makes it, answered by a message for each call; {"probe": true}.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from fpsynth.formats import FORMATS, Format
from fpsynth.libraries.base import CannotRun, Library, Outputs, Runner, one_line
from fpsynth.libraries.kernels import Pairs
from fpsynth.libraries.machine import cpu, kernel_variables
from fpsynth.libraries.registry import library_named
from fpsynth.workers.messages import Message

if TYPE_CHECKING:
    from fpsynth.networks.network import Network


def load_request(name: str, device: str, threads: int | None, switches: Pairs) -> Message:
    """A request to import a library."""
    return {"load": name, "device": device, "threads": threads, "switches": dict(switches)}


def started(request: Message) -> Library:
    """Import the library of a ``load_request``.  Raises CannotRun, and whatever a broken installation raises."""
    library = library_named(request["load"])
    gc.disable()  # importing makes many objects and no garbage: a fifth of the time of TensorFlow's import
    try:
        library.start(request["device"], request["threads"], request["switches"])
    finally:
        gc.enable()
    return library


def run_request(
    network: Network, dtype: Format, points: Sequence[Sequence[float]], calls: Sequence[tuple[str, Sequence[int], str]]
) -> Message:
    """A request to run ``network``; weights, biases and points are arrays of float64.

    Each call names a variant, for each row of its batch which of the points fills it, and a layout (empty: the variant's own).
    """

    import numpy as np

    from fpsynth.libraries.sending import network_message

    return {
        "run": {
            "dtype": dtype.name,
            "network": network_message(network),
            "points": np.array(points, np.float64),
            "calls": [{"variant": variant, "rows": list(rows), "layout": layout} for variant, rows, layout in calls],
        }
    }


def outputs_from_message(message: Message) -> Outputs:
    """Read the answer to one call that was run: distinct rows of logits, and which of them each row of the batch got."""
    logits = [tuple(row) for row in message["logits"].tolist()]
    rows, classes = message["rows"], message["classes"]
    return Outputs(tuple(logits[k] for k in rows), tuple(classes[k] for k in rows))


class _Server:
    """Answers requests with one library, chosen by the first of them."""

    def __init__(self) -> None:
        self.library: Library | None = None
        self.device = "cpu"
        self._facts: dict[str, str] = {}

    def __call__(self, request: Message) -> Iterator[Message] | Message:
        if "load" in request:
            return self._load(request)
        assert self.library is not None, "load a library first"
        if "probe" in request:
            return {"abilities": self.library.abilities(self.device)}
        return self._run(self.library, request["run"])

    def _load(self, request: Message) -> Message:
        began = time.monotonic()
        self.device = request["device"]
        try:
            if self.library is None:  # else this process is a kept one, and the request the same as before
                library = started(request)
                self._facts = {**cpu(), **library.describe(self.device), **kernel_variables()}
                self.library = library
        except CannotRun as reason:
            return {"failed": str(reason)}
        except Exception as error:  # a broken installation may raise anything
            return {"failed": f"cannot be imported: {one_line(error)}"}
        seconds = time.monotonic() - began
        return {"ready": True, "version": self.library.version(), "describe": self._facts, "seconds": seconds}

    def _run(self, library: Library, request: Message) -> Iterator[Message]:
        """One message per call, as soon as it is known: should the library crash, what was computed before is not lost."""

        from fpsynth.libraries.sending import network_from_message

        network, dtype = network_from_message(request["network"]), FORMATS[request["dtype"]]
        points = request["points"].tolist()
        ready: dict[tuple[str, str], Runner | CannotRun] = {}
        for index, call in enumerate(request["calls"]):
            way = call["variant"], call["layout"]
            try:
                if way not in ready:
                    ready[way] = _prepared(library, network, dtype, way, self.device)
                runner = ready[way]
                if isinstance(runner, CannotRun):
                    raise runner
                yield {"call": index, **_message(runner([points[k] for k in call["rows"]]))}
            except CannotRun as reason:
                yield {"call": index, "not_run": str(reason)}
            except Exception as error:  # what a library raises is its reason for not running
                yield {"call": index, "not_run": one_line(error), "raised": True}


def _prepared(library: Library, network: Network, dtype: Format, way: tuple[str, str], device: str) -> Runner | CannotRun:
    variant, layout = way
    try:
        return library.runner(network, dtype, variant, device, layout)
    except CannotRun as reason:
        return reason


def _message(outputs: Outputs) -> Message:
    """Rows of the same bits are sent once: all rows of a batch usually are equal."""
    import numpy as np

    logits = np.array(outputs.logits, np.float64)
    keys = [(row.tobytes(), cls) for row, cls in zip(logits, outputs.classes, strict=True)]
    places = {key: place for place, key in enumerate(keys)}
    numbers = {key: number for number, key in enumerate(places)}
    classes = [cls for _, cls in places]
    return {"logits": logits[list(places.values())], "classes": classes, "rows": [numbers[key] for key in keys]}


handler = _Server
"""What the process answers with (see ``workers.serving``)."""
