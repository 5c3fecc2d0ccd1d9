"""The explanation of a witness on a network of any layers: where its two views part ways, layer by layer."""

from __future__ import annotations

from fpsynth.errors import InputError
from fpsynth.networks.cancellation import cancellation_words
from fpsynth.networks.network import stacked
from fpsynth.report.computed import logits
from fpsynth.report.layers_apart import Apart, LayerApart, apart, computed_by
from fpsynth.report.numerals import significant
from fpsynth.report.stories.divergence_words import called, place, wrong
from fpsynth.report.stories.divergences import ROLES, library_parts, outcome_parts, require_told, wrong_box
from fpsynth.report.stories.explained_divergences import side_section
from fpsynth.report.stories.other_arithmetics import other_arithmetics
from fpsynth.report.stories.setting import points_section
from fpsynth.report.stories.teller import Teller
from fpsynth.report.stories.verdicts import cause, certificate_section, library_section, refuted, sentence
from fpsynth.report.story import Frame, Paragraph, Part, Space, Story, Table, Title, section, told
from fpsynth.report.text import STRONG, Span, clean
from fpsynth.synthesis.result import Result
from fpsynth.witness.calls import view_call
from fpsynth.witness.data import View, Witness
from fpsynth.wording import counted

MAX_NODES = 60
"""Nodes that are listed."""
MAX_STEPS = 12
"""Partial sums of a view that are listed."""


def on_a_graph(witness: Witness) -> bool:
    """Whether a witness is told layer by layer: its network is no stack of dense layers, or a view has one of its own."""
    return not stacked(witness.network) or any(view.network is not None for view in witness.views)


def graph_explained(witness: Witness) -> Story:
    """Tell where the two views part ways: the layers, the sum that shows it first, the logits and the classes.

    Raises InputError where a view has no logits.
    """
    require_told(witness)
    return Story(
        (
            Title(clean(f"{heading(witness)}, explained")),
            section("1  The network", _network_parts(witness)),
            section("2  The ways to evaluate it", _view_parts(witness)),
            section("3  Where they part ways", _apart_parts(witness, sums=True)),
            section("4  What comes out", _outcome_parts(witness)),
            section("5  What is wrong", told(*_wrong(witness))),
        )
    )


class GraphTeller(Teller):
    """Two views of a network of any layers."""

    @property
    def heading(self) -> str:
        """The question, the predicate, the format and the size."""
        return heading(self.witness)

    def sections(self) -> list[Part]:
        """Network, views, what they compute, where they part ways, certificate and libraries."""
        witness = self.witness
        require_told(witness)
        libraries = library_section(witness) if witness.two_points else library_parts(witness)
        return [
            section("Network", _network_parts(witness)),
            section("Ways to evaluate it", _view_parts(witness)),
            section("What they compute", _outcome_parts(witness)),
            section("Where they part ways", _apart_parts(witness, sums=False)),
            *([section("Certificate", certificate_section(witness))] if witness.claims else []),
            section("Libraries", libraries),
        ]

    def search(self, result: Result) -> list[Part]:
        """What found it, and how long that took."""
        rows = [["time", f"{result.seconds_solve:.2f} s searching, {result.seconds_total:.2f} s in all"]]
        origin = self.witness.provenance
        if origin is not None:
            rows.insert(0, ["found by", f"{clean(origin.engine)}: {clean(origin.encoding)}, seed {origin.seed}"])
        return [section("Search", [Table((), rows)])]

    def box(self) -> Frame:
        """What is wrong, and why."""
        return wrong_box(_wrong(self.witness))


def _wrong(witness: Witness) -> list[str]:
    """What is wrong, in sentences."""
    if not witness.two_points:
        return wrong(witness)
    at_b, at_a = (logits(witness, witness.at(view)) for view in (witness.reference, witness.deployed))
    told = [sentence(witness, at_b, at_a)]
    return [*told, cause(witness, at_b, at_a)] if refuted(witness, at_b, at_a) else told


def _outcome_parts(witness: Witness) -> list[Part]:
    """The logits that tell the views apart; of a tie also how near the two points are to each other, and what is certified."""
    if not witness.two_points:
        return outcome_parts(witness)
    at_b, at_a = (logits(witness, witness.at(view)) for view in (witness.reference, witness.deployed))
    return [*outcome_parts(witness), Space(), *points_section(witness, at_b, at_a)]


def heading(witness: Witness) -> str:
    """What a witness is about, in a few words."""
    graph = witness.network
    size = f"{counted(len(graph.nodes), 'layer')}, {counted(graph.parameter_count, 'parameter')}"
    return f"{witness.question} · {witness.predicate.kind} · {witness.format} · {size}"


def _network_parts(witness: Witness) -> list[Part]:
    graph = witness.network
    rows = [
        [
            clean(node.name, 30),
            node.layer.kind,
            ", ".join(clean(name, 30) for name in node.inputs),
            _shape(graph.shapes[node.name]),
        ]
        for node in graph.nodes[:MAX_NODES]
    ]
    parts = told(f"input {_shape(graph.input_shape)}; {counted(graph.operations, 'product')}")
    parts.append(Table(["layer", "kind", "reads", "gives"], rows, gap=2))
    if len(graph.nodes) > MAX_NODES:
        parts += told(f"and {len(graph.nodes) - MAX_NODES} more", indent=4)
    return parts


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _role(witness: Witness, view: View) -> str:
    """What the letter of a view stands for: of two points which of them, else what the view is to the other one."""
    if witness.two_points:
        return "at the certified point" if view is witness.reference else "at the counterexample"
    return ROLES.get(view.role, view.role)


def _view_parts(witness: Witness) -> list[Part]:
    parts: list[Part] = []
    for view in witness.views:
        parts.append(Paragraph((Span(view.name, STRONG), f"  {called(view)} · {_role(witness, view)}"), 2, 4))
        facts = [] if str(view.deployment) == view.label else [clean(str(view.deployment), 200)]
        facts += other_arithmetics(computed_by(witness, view), view.deployment)
        if view.environment:
            facts.append(f"revealed from {clean(view.environment)}, row {view.row}")
            facts.append(view_call(view.environment, witness.format, witness.network))
        if view.network is not None:
            facts.append(
                f"it replaces layers of the network by others: {', '.join(_replaced(witness, view)) or 'their numbers'}"
            )
        if view.measured:
            facts.append("its numbers were measured: what was revealed does not give them")
        parts += told(*filter(None, facts), indent=6, hanging=8)
    return parts


def _replaced(witness: Witness, view: View) -> list[str]:
    """The nodes of the network that a view computes by another layer, or by none of that name."""
    assert view.network is not None
    own = {node.name: node for node in view.network.nodes}
    changed = [node.name for node in witness.network.logits.nodes if own.get(node.name) != node]
    return [clean(name, 30) for name in changed[:8]] + ["..."] * (len(changed) > 8)


def _apart_parts(witness: Witness, *, sums: bool) -> list[Part]:
    """Layer by layer how far the views are apart; with ``sums`` also the sum that shows it first, under each of them."""
    try:
        layers = apart(witness)
    except InputError as error:
        return told(f"Not evaluated layer by layer: {error}")
    names = [view.name for view in (witness.reference, witness.deployed)]
    rows = [_row(layer) for layer in layers.layers[:MAX_NODES] if layer.adds]
    heads = ["layer", "terms", "differ", "by at most", f"error of {names[0]}", f"error of {names[1]}"]
    parts: list[Part] = [Table(heads, rows, gap=2)]
    if not layers.first:
        return [*parts, Paragraph("Their revealed arithmetics differ in no layer that both have.")]
    if not sums:
        return parts
    _, neuron = layers.neurons[0]
    parts += [Space(), Paragraph(f"They agree before {layers.first} and differ there; output {neuron.output} differs most.")]
    layer, neurons = layers.first, layers.neurons
    if layers.cancelling is not None:
        layer, neurons = layers.cancelling.layer, layers.decided
        parts += [Space(), *told(f"Summands cancel in a neuron that differs: {clean(cancellation_words(layers.cancelling))}.")]
    for view, sum_of in neurons:
        who = ", ".join(filter(None, (view.name, called(view), place(witness, view))))
        parts.append(side_section(who, f"{clean(layer, 30)}[{sum_of.output}]", sum_of, MAX_STEPS))
    return parts


def _row(layer: LayerApart) -> list[str]:
    errors = ["", ""] if layer.errors is None else [significant(error, 3) for error in layer.errors]
    total = 1
    for size in layer.shape:
        total *= size
    differ = f"{layer.differ} of {total}"
    return [clean(layer.name, 30), str(layer.terms), differ, significant(layer.largest, 3), *errors]


def apart_json(found: Apart) -> dict[str, object]:
    """The layers as data."""
    return {
        "layers": [
            {
                "name": layer.name,
                "kind": layer.kind,
                "shape": list(layer.shape),
                "terms": layer.terms,
                "differ": layer.differ,
                "max_difference": layer.largest,
                "errors": None if layer.errors is None else list(layer.errors),
            }
            for layer in found.layers
        ],
        "first": found.first or None,
        "output": found.neurons[0][1].output if found.neurons else None,
        "cancelling": None if found.cancelling is None else found.cancelling.to_json(),
    }
