"""Reading: a witness from JSON data of any version, with every claim that the data makes twice compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Protocol

from fpsynth.aliases import Json, PathLike
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT64, Format, format_named
from fpsynth.libraries.naming import parse_placed, run_call
from fpsynth.networks.network import Network
from fpsynth.predicates import RELATIONS, Predicate
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.sums.arithmetic_json import arithmetic_from_json
from fpsynth.verifiers.claims import Ball, Claim
from fpsynth.witness.calls import named_environment, named_variant, require_call, view_call
from fpsynth.witness.data import POINT, Observation, Point, Sampled, View, Witness
from fpsynth.witness.deployments import MAX_EXCEPTIONS, Fitted, read_deployment
from fpsynth.witness.fields import (
    at,
    read_class,
    read_exact,
    read_logits,
    read_number,
    read_point,
    read_provenance,
    read_rational,
)
from fpsynth.witness.kinds import require_one_kind
from fpsynth.witness.networks import read_network
from fpsynth.witness.numerals import parse_hex_in, quoted
from fpsynth.witness.prediction import arithmetics, contains, inputs_of, judged, outputs_of
from fpsynth.witness.schema import require_valid, version_of
from fpsynth.witness.version1 import read_version1


class Asked(Protocol):
    """What a question says of its witnesses."""

    @property
    def predicates(self) -> tuple[str, ...]:
        """The predicates that it can be asked with."""
        ...

    @property
    def dense(self) -> bool:
        """Whether it is about neurons of a last dense layer."""
        ...

    @property
    def since(self) -> int:
        """The version of files that was the first to hold it."""
        ...


Questions = Mapping[str, Asked]
"""Questions by their names."""


def witness_from_json(data: object, folder: PathLike | None = None, questions: Questions | None = None) -> Witness:
    """Return the witness that JSON data of any version describes; ``folder``: where a network's own file lies.

    ``questions``: those that there are, whose witnesses must be as they say; None: a witness may be one of any question.
    Raises InputError with one line that names the field for data that does not obey the shipped schema of its version, for
    shapes and orders that do not fit, numbers that the dtype does not represent, and claims that contradict each other.
    """
    require_valid(data)
    assert isinstance(data, dict)
    version = version_of(data)
    if version == 1:
        return read_version1(data)
    fmt = format_named(data["dtype"])
    network = read_network(data["network"], fmt, folder=folder)
    points = _points(data, fmt, network) if version > 2 else _only_point(data, fmt, network)
    outputs = outputs_of(network)
    predicate = _predicate(data["predicate"], outputs)
    if len(points) == 1:  # old files of two points have questions of other names, of which the check says so
        _require_known(data["question"], predicate, version, questions)
    if questions is not None and data["question"] in questions and questions[data["question"]].dense:
        with at("network"):
            _ = network.dense_layers
    views = _views(data, fmt, network, points, folder)
    if predicate.relation.needs_interval and not views[0].interval:
        raise InputError("views[0].interval: is missing, although the predicate is about intervals")
    witness = Witness(
        question=data["question"],
        format=fmt,
        network=network,
        points=points,
        predicate=predicate,
        views=views,
        claims=tuple(_claim(entry, f"claims[{k}]", points) for k, entry in enumerate(data.get("claims", ()))),
        control=None if data.get("control") is None else _claim(data["control"], "control", points),
        real=_numbers(data, "", "real", outputs),
        measure=read_rational(data.get("measure", "0/1"), "measure"),
        distance=read_number(data, "distance"),
        ratio=read_number(data, "ratio"),
        objective=data.get("objective", ""),
        box=_box(data.get("box", ()), inputs_of(network)),
        sampled=_sampled(data.get("sampled")),
        construction=data.get("construction", ""),
        optimum=data.get("optimum", ""),
        observations=tuple(
            _observation(entry, f"observations[{k}]", outputs, predicate, views)
            for k, entry in enumerate(data.get("observations", ()))
        ),
        provenance=read_provenance(data),
        max_weight=None if data.get("max_weight") is None else read_rational(data["max_weight"], "max_weight"),
    )
    return require_one_kind(witness)


def _only_point(data: Json, fmt: Format, network: Network) -> tuple[Point, ...]:
    """That of version 2."""
    return (Point(POINT, read_point(data["inputs"], "point", fmt, inputs_of(network), "inputs")),)


def _points(data: Json, fmt: Format, network: Network) -> tuple[Point, ...]:
    points = [
        Point(entry["name"], read_point(entry, "numbers", fmt, inputs_of(network), f"points[{k}]"))
        for k, entry in enumerate(data["points"])
    ]
    for k, point in enumerate(points):
        if any(point.name == other.name for other in points[:k]):
            raise InputError(f"points[{k}].name: {point.name} is the name of another point")
        if not any(point.name == view["point"] for view in data["views"][:2]):
            raise InputError(f"points[{k}].name: neither of the first two views is evaluated at {point.name}")
    return tuple(points)


def _claim(data: Json, where: str, points: Sequence[Point]) -> Claim:
    region = data["region"]
    centre = [point.numbers for point in points if point.name == region["centre"]]
    if not centre:
        raise InputError(f"{where}.region.centre: there is no point {region['centre']}")
    if ("supremum" in data) != ("supremum_exact" in data):
        raise InputError(f"{where}.supremum: must stand beside supremum_exact")
    supremum = read_exact(data, where, "supremum") if "supremum" in data else None
    ball = Ball(centre[0], read_exact(region, f"{where}.region", "radius"))
    return Claim(data["verifier"], ball, data["verdict"], supremum)


def _numbers(data: Json, where: str, name: str, outputs: int) -> tuple[Fraction, ...]:
    """Exact numbers, one per output, or none."""
    texts, field = data.get(name, ()), f"{where}.{name}" if where else name
    _require_each(texts, field, outputs)
    return tuple(read_rational(text, f"{field}[{k}]") for k, text in enumerate(texts))


def _require_each(values: Sequence[object], field: str, outputs: int) -> None:
    if values and len(values) != outputs:
        raise InputError(f"{field}: has {len(values)} entries, the network has {outputs} outputs")


def _predicate(data: Json, outputs: int) -> Predicate:
    kind, output, other = data["kind"], int(data.get("output", 0)), int(data.get("other", 1))
    relation = RELATIONS[kind]
    for name, number in (("output", output), *((("other", other),) if relation.of_pair else ())):
        if number >= outputs:
            raise InputError(f"predicate.{name}: {number} is no output of a network with {outputs} outputs")
    bound = read_rational(data.get("bound", "0/1"), "predicate.bound")
    if not (bound > 0 if relation.bounded else bound == 0):
        sign = "above" if relation.bounded else "equal to"
        raise InputError(f"predicate.bound: must be {sign} 0 where the kind is {kind}")
    return Predicate(kind, output, other, bound)


def _views(data: Json, fmt: Format, network: Network, points: Sequence[Point], folder: PathLike | None) -> tuple[View, ...]:
    table: list[Arithmetic] = []
    for k, entry in enumerate(data["arithmetics"]):
        with at(f"arithmetics[{k}]"):
            table.append(arithmetic_from_json(entry))
    fitted: Fitted = {}
    views, exceptions = [], 0
    for k, entry in enumerate(data["views"]):
        views.append(_view(entry, f"views[{k}]", fmt, network, table, fitted, folder))
        exceptions += len(views[-1].deployment.exceptions)
        if exceptions > MAX_EXCEPTIONS:
            raise InputError(f"views[{k}].deployment: more than {MAX_EXCEPTIONS} outputs of all views have exceptions")
    for k, view in enumerate(views):
        role = ("reference", "deployed", "silent")[min(k, 2)]
        if view.role != role:
            raise InputError(f"views[{k}].role: is {view.role}, but the view in this place is the {role} one")
        if any(view.name == other.name for other in views[:k]):
            raise InputError(f"views[{k}].name: {view.name} is the name of another view")
        if not any(view.point == point.name for point in points):
            raise InputError(f"views[{k}].point: there is no point {view.point}")
    return tuple(views)


def _require_known(question: str, predicate: Predicate, version: int, questions: Questions | None) -> None:
    if questions is None:
        return
    known = [name for name, asked in questions.items() if version >= asked.since]
    if question not in known:
        raise InputError(f"question: is none of {', '.join(known)}")
    if predicate.kind not in questions[question].predicates:
        raise InputError(f"predicate.kind: is {predicate.kind}, which is no matter of the question {question}")


def _require_own_label(label: str, environment: str, where: str) -> None:
    """A label that names an environment stands for what computed the numbers: it must be the view's own."""
    try:
        named = parse_placed(label)
    except InputError:
        return
    if not environment or parse_placed(environment).process != named.process:
        raise InputError(f"{where}.label: names the environment {named}, which is not the view's own")


def _require_placed(seen: Observation, view: View, where: str) -> None:
    """A run that stands for a view's environment was made there."""
    own = parse_placed(view.environment) if view.environment else None
    run = (seen.library, seen.variant, seen.device or "cpu", seen.batch, seen.threads)
    said = (*run, seen.settings, seen.switches, seen.layout)
    if own is None:
        raise InputError(f"{where}.view: {view.name} has no environment that a run could be of")
    if said != (own.library, own.operation, own.device, own.batch, own.threads, own.settings, own.switches, own.layout):
        raise InputError(f"{where}.view: the run is not one of {view.name}'s environment {own}")
    if seen.permutation != view.permutation:
        raise InputError(f"{where}.permutation: is not that of view {view.name}")


def _view(
    data: Json,
    where: str,
    fmt: Format,
    network: Network,
    table: Sequence[Arithmetic],
    fitted: Fitted,
    folder: PathLike | None,
) -> View:
    outputs = outputs_of(network)
    computed = _computed(data, where, fmt, network, folder)
    with at(f"{where}.deployment"):
        deployment = read_deployment(data["deployment"], computed or network, table, fitted)
    permutation = _permutation(data, where, outputs)
    intervals = data.get("interval", ())
    _require_each(intervals, f"{where}.interval", outputs)
    view = View(
        name=data["name"],
        label=named_environment(data, "label"),
        role=data["role"],
        deployment=deployment,
        environment=named_environment(data, "environment"),
        point=data.get("point", POINT),
        network=computed,
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


def _computed(data: Json, where: str, fmt: Format, network: Network, folder: PathLike | None) -> Network | None:
    """A view's own network."""
    if "network" not in data:
        return None
    with at(where):
        computed = read_network(data["network"], fmt, folder=folder)
    if (inputs_of(computed), outputs_of(computed)) != (inputs_of(network), outputs_of(network)):
        raise InputError(f"{where}.network: has other inputs or outputs than the witness's network")
    return computed


def _permutation(data: Json, where: str, outputs: int) -> tuple[int, ...]:
    permutation = tuple(int(k) for k in data.get("permutation", ()))
    if permutation and sorted(permutation) != list(range(outputs)):
        raise InputError(f"{where}.permutation: does not name each of the {outputs} neurons of the last layer once")
    return permutation


def _require_environment(view: View, where: str) -> None:
    """The row of a view is one of its environment's batch, and the one that the environment names if it names any."""
    if not view.environment:
        return
    with at(f"{where}.environment"):
        environment = parse_placed(view.environment)
    if view.row >= environment.batch or environment.row not in (0, view.row):
        raise InputError(f"{where}.row: {view.row} is not the row of {quoted(view.environment)}")


def _ends(data: Sequence[str], where: str) -> tuple[Fraction, Fraction]:
    lower, upper = (read_rational(text, f"{where}[{k}]") for k, text in enumerate(data))
    if lower > upper:
        raise InputError(f"{where}: its lower end is above its upper end")
    return lower, upper


def _box(data: Sequence[Sequence[str]], inputs: int) -> tuple[tuple[float, float], ...]:
    if data and len(data) != inputs:
        raise InputError(f"box: has {len(data)} ranges, the network has {inputs} inputs")
    ranges = []
    for k, ends in enumerate(data):
        with at(f"box[{k}]"):
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
    logits, at_reference = (read_logits(data, where, name, outputs) for name in ("logits", "reference_logits"))
    two_points = views[0].point != views[1].point
    if at_reference and not two_points:
        raise InputError(f"{where}.reference_logits: do not go with one point")
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
        reference_logits=at_reference,
        class_index=read_class(data, where, "class", outputs),
        reference_class=read_class(data, where, "reference_class", outputs),
        accepted=data.get("accepted"),
        departs=data.get("departs", False),
        agrees_with=tuple(data.get("agrees_with", ())),
        not_run=data.get("not_run", ""),
        environment=dict(data.get("environment", {})),
    )
    if any(row >= seen.batch for row in seen.rows) and not two_points:  # of ties the check says so
        raise InputError(f"{where}.rows: holds a row that is not in a batch of {seen.batch}")
    if seen.view:
        own = [view for view in views if view.name == seen.view]
        if not own:
            raise InputError(f"{where}.view: there is no view {seen.view}")
        _require_placed(seen, own[0], where)
    departs, agrees = judged(predicate, views, logits, at_reference) if logits else (False, ())
    if seen.departs != departs and not two_points:
        raise InputError(f"{where}.departs: is {str(seen.departs).lower()}, but the logits beside it say the opposite")
    if seen.agrees_with != agrees:
        raise InputError(f"{where}.agrees_with: does not name the views whose logits these are ({', '.join(agrees) or 'none'})")
    require_call(data, run_call(seen.library, seen.variant, seen.layout), where)
    return seen
