"""Reading: a divergence from JSON data, with every claim that the data makes twice compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT64, Format, format_named
from fpsynth.libraries.naming import parse_environment, run_call
from fpsynth.networks.network import Network
from fpsynth.predicates import Predicate
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.sums.arithmetic_json import arithmetic_from_json
from fpsynth.sums.building import program_of
from fpsynth.witness.calls import named_environment, named_variant, require_call, view_call
from fpsynth.witness.divergence import Divergence, Observation, Sampled, View
from fpsynth.witness.numerals import parse_hex_in, parse_rational, quoted
from fpsynth.witness.prediction import arithmetics, contains, judged
from fpsynth.witness.reading import Json, read_logits, read_network, read_point, read_provenance
from fpsynth.witness.schema import require_valid


def divergence_from_json(data: object) -> Divergence:
    """Return the divergence that JSON data of version 2 describes.

    Raises InputError with one line that names the field for data that does not obey the shipped schema, for shapes and orders
    that do not fit, numbers that the dtype does not represent, and claims that contradict each other.
    """
    require_valid(data)
    assert isinstance(data, dict)
    fmt = format_named(data["dtype"])
    network = read_network(data["network"]["layers"], fmt, least_outputs=1)
    predicate = _predicate(data["predicate"], network.widths[-1])
    _require_known(data["question"], predicate)
    views = _views(data, fmt, network)
    if predicate.kind == "outside" and not views[0].interval:
        raise InputError("views[0].interval: is missing, although the predicate is about intervals")
    return Divergence(
        question=data["question"],
        format=fmt,
        network=network,
        point=read_point(data["inputs"], "point", fmt, network.widths[0]),
        predicate=predicate,
        views=views,
        real=_numbers(data, "", "real", network.widths[-1]),
        measure=_rational(data.get("measure", "0/1"), "measure"),
        box=_box(data.get("box", ()), network.widths[0]),
        sampled=_sampled(data.get("sampled")),
        construction=data.get("construction", ""),
        optimum=data.get("optimum", ""),
        observations=tuple(
            _observation(entry, f"observations[{k}]", network.widths[-1], predicate, views)
            for k, entry in enumerate(data.get("observations", ()))
        ),
        provenance=read_provenance(data),
        max_weight=None if data.get("max_weight") is None else _rational(data["max_weight"], "max_weight"),
    )


@contextmanager
def _at(where: str) -> Iterator[None]:
    """Say of an InputError where in the file its cause is."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _rational(text: str, where: str) -> Fraction:
    with _at(where):
        return parse_rational(text)


def _numbers(data: Json, where: str, name: str, outputs: int) -> tuple[Fraction, ...]:
    """Exact numbers, one per output, or none."""
    texts, field = data.get(name, ()), f"{where}.{name}" if where else name
    _require_each(texts, field, outputs)
    return tuple(_rational(text, f"{field}[{k}]") for k, text in enumerate(texts))


def _require_each(values: Sequence[object], field: str, outputs: int) -> None:
    if values and len(values) != outputs:
        raise InputError(f"{field}: has {len(values)} entries, the network has {outputs} outputs")


def _predicate(data: Json, outputs: int) -> Predicate:
    kind, output, other = data["kind"], int(data.get("output", 0)), int(data.get("other", 1))
    for name, number in (("output", output), *((("other", other),) if kind == "equal" else ())):
        if number >= outputs:
            raise InputError(f"predicate.{name}: {number} is no output of a network with {outputs} outputs")
    bound = _rational(data.get("bound", "0/1"), "predicate.bound")
    if not (bound > 0 if kind == "gap" else bound == 0):
        raise InputError(f"predicate.bound: must be {'above' if kind == 'gap' else 'equal to'} 0 where the kind is {kind}")
    return Predicate(kind, output, other, bound)


def _views(data: Json, fmt: Format, network: Network) -> tuple[View, ...]:
    table: list[Arithmetic] = []
    for k, entry in enumerate(data["arithmetics"]):
        with _at(f"arithmetics[{k}]"):
            table.append(arithmetic_from_json(entry))
    views = [_view(entry, f"views[{k}]", fmt, network, table) for k, entry in enumerate(data["views"])]
    for k, view in enumerate(views):
        role = ("reference", "deployed", "silent")[min(k, 2)]
        if view.role != role:
            raise InputError(f"views[{k}].role: is {view.role}, but the view in this place is the {role} one")
        if any(view.name == other.name for other in views[:k]):
            raise InputError(f"views[{k}].name: {view.name} is the name of another view")
    return tuple(views)


ASKED_WITH: dict[str, tuple[str, ...]] = {
    "order": ("sign", "argmax", "gap", "relu", "outside", "equal"),
    "precision": ("sign", "argmax", "gap", "relu"),
    "relu": ("relu",),
    "interval": ("outside",),
    "twin": ("equal",),
    "position": ("argmax",),
}
"""The questions, and the predicates that each can be asked with."""


def _require_known(question: str, predicate: Predicate) -> None:
    if question not in ASKED_WITH:
        raise InputError(f"question: is none of {', '.join(ASKED_WITH)}")
    if predicate.kind not in ASKED_WITH[question]:
        raise InputError(f"predicate.kind: is {predicate.kind}, which is no matter of the question {question}")


def _require_own_label(label: str, environment: str, where: str) -> None:
    """A label that names an environment stands for what computed the numbers: it must be the view's own."""
    try:
        named = parse_environment(label)
    except InputError:
        return
    if not environment or parse_environment(environment).process != named.process:
        raise InputError(f"{where}.label: names the environment {named}, which is not the view's own")


def _require_placed(seen: Observation, view: View, where: str) -> None:
    """A run that stands for a view's environment was made there."""
    own = parse_environment(view.environment) if view.environment else None
    run = (seen.library, seen.variant, seen.device or "cpu", seen.batch, seen.threads)
    said = (*run, seen.settings, seen.switches, seen.layout)
    if own is None:
        raise InputError(f"{where}.view: {view.name} has no environment that a run could be of")
    if said != (own.library, own.operation, own.device, own.batch, own.threads, own.settings, own.switches, own.layout):
        raise InputError(f"{where}.view: the run is not one of {view.name}'s environment {own}")
    if seen.permutation != view.permutation:
        raise InputError(f"{where}.permutation: is not that of view {view.name}")


def _view(data: Json, where: str, fmt: Format, network: Network, table: Sequence[Arithmetic]) -> View:
    outputs = network.widths[-1]
    with _at(f"{where}.deployment"):
        deployment = _deployment(data["deployment"], network, table)
    permutation = _permutation(data, where, outputs)
    intervals = data.get("interval", ())
    _require_each(intervals, f"{where}.interval", outputs)
    view = View(
        name=data["name"],
        label=named_environment(data, "label"),
        role=data["role"],
        deployment=deployment,
        environment=named_environment(data, "environment"),
        row=int(data.get("row", 0)),
        permutation=permutation,
        logits=_numbers(data, where, "logits", outputs),
        interval=tuple(_ends(ends, f"{where}.interval[{k}]") for k, ends in enumerate(intervals)),
        widening=data.get("widening", ""),
        measured=data.get("measured", False),
    )
    formats = {how.format for how in arithmetics(view)}
    if len(formats) > 1:
        raise InputError(f"{where}.deployment: its arithmetics have more than one format")
    for how in formats:
        if how is not None and not contains(how, fmt):
            raise InputError(f"{where}.deployment: {how} does not hold every {fmt}, of which the network is")
    if view.widening and not view.interval:
        raise InputError(f"{where}.widening: is said of a view that is no interval")
    if view.measured and not (view.environment and view.logits):
        raise InputError(f"{where}.measured: is said of a view without an environment, or without logits")
    _require_environment(view, where)
    _require_own_label(view.label, view.environment, where)
    if data.get("call") and not view.environment:
        raise InputError(f"{where}.call: is said of a view without an environment")
    require_call(data, view_call(view.environment, fmt, network), where)
    return view


def _permutation(data: Json, where: str, outputs: int) -> tuple[int, ...]:
    permutation = tuple(int(k) for k in data.get("permutation", ()))
    if permutation and sorted(permutation) != list(range(outputs)):
        raise InputError(f"{where}.permutation: does not name each of the {outputs} neurons of the last layer once")
    return permutation


def _require_environment(view: View, where: str) -> None:
    """The row of a view is one of its environment's batch, and the one that the environment names if it names any."""
    if not view.environment:
        return
    with _at(f"{where}.environment"):
        environment = parse_environment(view.environment)
    if view.row >= environment.batch or environment.row not in (0, view.row):
        raise InputError(f"{where}.row: {view.row} is not the row of {quoted(view.environment)}")


def _ends(data: Sequence[str], where: str) -> tuple[Fraction, Fraction]:
    lower, upper = (_rational(text, f"{where}[{k}]") for k, text in enumerate(data))
    if lower > upper:
        raise InputError(f"{where}: its lower end is above its upper end")
    return lower, upper


def _deployment(data: Json, network: Network, table: Sequence[Arithmetic]) -> Deployment:
    exceptions: dict[tuple[int, int], Arithmetic] = {}
    for k, entry in enumerate(data.get("exceptions", ())):
        layer, output = int(entry["layer"]), int(entry["output"])
        if layer >= len(network.dense_layers) or output >= network.dense_layers[layer].outputs:
            raise InputError(f"exceptions[{k}]: the network has no output {output} in a layer {layer}")
        if (layer, output) in exceptions:
            raise InputError(f"exceptions[{k}]: output {output} of layer {layer} is named twice")
        exceptions[layer, output] = _entry(table, entry["arithmetic"], f"exceptions[{k}].arithmetic")
    deployment = Deployment(_entry(table, data["default"], "default"), tuple(exceptions.items()))
    for index, layer_of in enumerate(network.dense_layers):
        for how in dict.fromkeys(deployment.at(index, j) for j in range(layer_of.outputs)):
            _require_fit(how, layer_of.inputs, layer_of.bias is not None)
    return deployment


def _entry(table: Sequence[Arithmetic], index: float, where: str) -> Arithmetic:
    if index >= len(table):
        raise InputError(f"{where}: the table has no arithmetic {int(index)}")
    return table[int(index)]


def _require_fit(how: Arithmetic, inputs: int, bias: bool) -> None:
    """Whether an arithmetic can evaluate a layer of so many inputs."""
    program_of(how, inputs, bias)
    if any(leaf >= inputs + (how.bias_leaf and bias) for leaf in how.rounded):
        raise InputError(f"the order has no leaf {max(how.rounded)} that could be rounded")


def _box(data: Sequence[Sequence[str]], inputs: int) -> tuple[tuple[float, float], ...]:
    if data and len(data) != inputs:
        raise InputError(f"box: has {len(data)} ranges, the network has {inputs} inputs")
    ranges = []
    for k, ends in enumerate(data):
        with _at(f"box[{k}]"):
            lower, upper = (parse_hex_in(text, FLOAT64) for text in ends)
            if lower > upper:
                raise InputError("its lower end is above its upper end")
            ranges.append((lower, upper))
    return tuple(ranges)


def _sampled(data: Json | None) -> Sampled | None:
    if data is None:
        return None
    numbers = {name: int(data[name]) for name in ("inside", "inside_fires", "outside", "outside_fires", "seed")}
    for name in ("inside", "outside"):
        if numbers[f"{name}_fires"] > numbers[name]:
            raise InputError(f"sampled.{name}_fires: is more than {name}")
    return Sampled(**numbers, how=data["how"])


def _observation(data: Json, where: str, outputs: int, predicate: Predicate, views: Sequence[View]) -> Observation:
    logits = read_logits(data, where, "logits", outputs)
    seen = Observation(
        library=data["library"],
        version=data.get("version", ""),
        variant=named_variant(data),
        device=data.get("device", ""),
        batch=int(data.get("batch", 0)),
        rows=tuple(int(row) for row in data.get("rows", ())),
        threads=None if data.get("threads") is None else int(data["threads"]),
        settings=tuple(data.get("settings", {}).items()),
        switches=tuple(data.get("switches", {}).items()),
        layout=data.get("layout", ""),
        permutation=_permutation(data, where, outputs),
        view=data.get("view", ""),
        logits=logits,
        departs=data.get("departs", False),
        agrees_with=tuple(data.get("agrees_with", ())),
        not_run=data.get("not_run", ""),
        environment=dict(data.get("environment", {})),
    )
    if any(row >= seen.batch for row in seen.rows):
        raise InputError(f"{where}.rows: holds a row that is not in a batch of {seen.batch}")
    if seen.view:
        own = [view for view in views if view.name == seen.view]
        if not own:
            raise InputError(f"{where}.view: there is no view {seen.view}")
        _require_placed(seen, own[0], where)
    departs, agrees = judged(predicate, views, logits) if logits else (False, ())
    if seen.departs != departs:
        raise InputError(f"{where}.departs: is {str(seen.departs).lower()}, but the logits beside it say the opposite")
    if seen.agrees_with != agrees:
        raise InputError(f"{where}.agrees_with: does not name the views whose logits these are ({', '.join(agrees) or 'none'})")
    require_call(data, run_call(seen.library, seen.variant, seen.layout), where)
    return seen
