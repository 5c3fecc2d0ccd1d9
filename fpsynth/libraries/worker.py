"""The process in which one library runs: imports it when told to, then answers requests to run networks.

Requests, one JSON object each: {"load": name, "device": device, "threads": n or null, "switches": {name: value}};
{"run": {...}} as ``run_request`` makes it; {"probe": true}.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from fpsynth.formats import FORMATS, Format
from fpsynth.libraries.base import CannotRun, Library, Outputs, Runner, one_line
from fpsynth.libraries.kernels import Pairs
from fpsynth.libraries.machine import cpu, kernel_variables
from fpsynth.libraries.registry import library_named
from fpsynth.processes import Message, serve

if TYPE_CHECKING:
    from fpsynth.networks.network import Network


def load_request(name: str, device: str, threads: int | None, switches: Pairs) -> Message:
    """A request to import a library."""
    return {"load": name, "device": device, "threads": threads, "switches": dict(switches)}


def run_request(
    network: Network, dtype: Format, points: Sequence[Sequence[float]], calls: Sequence[tuple[str, Sequence[int], str]]
) -> Message:
    """A request to run ``network``.

    Each call names a variant, for each row of its batch which of the points fills it, and a layout (empty: the variant's own).
    """
    layers = [
        {
            "weight": [[w.hex() for w in row] for row in layer.weight.tolist()],
            "bias": None if layer.bias is None else [b.hex() for b in layer.bias.tolist()],
        }
        for layer in network.dense_layers
    ]
    return {
        "run": {
            "dtype": dtype.name,
            "layers": layers,
            "points": [[float(x).hex() for x in point] for point in points],
            "calls": [{"variant": variant, "rows": list(rows), "layout": layout} for variant, rows, layout in calls],
        }
    }


def outputs_from_message(message: Message) -> Outputs:
    """Read the answer to one call that was run: distinct rows of logits, and which of them each row of the batch got."""
    distinct = [(tuple(float.fromhex(v) for v in row), int(cls)) for row, cls in message["distinct"]]
    rows = [distinct[k] for k in message["rows"]]
    return Outputs(tuple(logits for logits, _ in rows), tuple(cls for _, cls in rows))


class _Server:
    """Answers requests with one library, chosen by the first of them."""

    def __init__(self) -> None:
        self.library: Library | None = None
        self.device = "cpu"

    def __call__(self, request: Message) -> Iterator[Message] | Message:
        if "load" in request:
            return self._load(request)
        assert self.library is not None, "load a library first"
        if "probe" in request:
            return {"abilities": self.library.abilities(self.device), "done": True}
        return self._run(self.library, request["run"])

    def _load(self, request: Message) -> Message:
        started = time.monotonic()
        self.library, self.device = library_named(request["load"]), request["device"]
        gc.disable()  # importing makes many objects and no garbage: a fifth of the time of TensorFlow's import
        try:
            self.library.start(self.device, request["threads"], request["switches"])
            facts = {**cpu(), **self.library.describe(self.device), **kernel_variables()}
        except CannotRun as reason:
            return {"failed": str(reason)}
        except Exception as error:  # a broken installation may raise anything
            return {"failed": f"cannot be imported: {one_line(error)}"}
        finally:
            gc.enable()
        return {"ready": True, "version": self.library.version(), "describe": facts, "seconds": time.monotonic() - started}

    def _run(self, library: Library, request: Message) -> Iterator[Message]:
        """One message per call, as soon as it is known: should the library crash, what was computed before is not lost."""
        network, dtype = _network(request["layers"]), FORMATS[request["dtype"]]
        points = [[float.fromhex(x) for x in point] for point in request["points"]]
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
                yield {"call": index, "not_run": one_line(error)}
        yield {"done": True}


def _prepared(library: Library, network: Network, dtype: Format, way: tuple[str, str], device: str) -> Runner | CannotRun:
    variant, layout = way
    try:
        return library.runner(network, dtype, variant, device, layout)
    except CannotRun as reason:
        return reason


def _network(layers: list[dict[str, Any]]) -> Network:
    from fpsynth.networks.network import dense_relu

    return dense_relu([(_floats(layer["weight"]), layer["bias"] and _floats(layer["bias"])) for layer in layers])


def _floats(texts: Any) -> Any:
    return [_floats(text) if isinstance(text, list) else float.fromhex(text) for text in texts]


def _message(outputs: Outputs) -> Message:
    """Equal rows are sent once: all rows of a batch usually are equal."""
    distinct: dict[tuple[tuple[str, ...], int], int] = {}
    keys = [(tuple(v.hex() for v in row), cls) for row, cls in zip(outputs.logits, outputs.classes, strict=True)]
    rows = [distinct.setdefault(key, len(distinct)) for key in keys]
    return {"distinct": list(distinct), "rows": rows}


if __name__ == "__main__":
    serve(_Server())
