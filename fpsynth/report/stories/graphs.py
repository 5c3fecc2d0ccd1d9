"""The explanation of a witness on a network of any layers: where its two views part ways, layer by layer."""

from __future__ import annotations

from fpsynth.errors import InputError
from fpsynth.networks.network import stacked
from fpsynth.report.computed import logits
from fpsynth.report.layers_apart import Apart, LayerApart, apart
from fpsynth.report.numerals import significant
from fpsynth.report.renderers.style import Style, clean
from fpsynth.report.renderers.tables import table
from fpsynth.report.stories.divergence_words import called, place, wrong
from fpsynth.report.stories.divergences import library_lines, outcome_lines, require_told
from fpsynth.report.stories.explained_divergences import side_lines
from fpsynth.report.stories.setting import points_section
from fpsynth.report.stories.ties import title
from fpsynth.report.stories.verdicts import cause, certificate_section, library_section, refuted, sentence
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


def explain_graph(witness: Witness, style: Style) -> str:
    """Tell where the two views part ways: the layers, the sum that shows it first, the logits and the classes.

    Raises InputError where a view has no logits.
    """
    require_told(witness)
    lines = title(f"{heading(witness)}, explained", "", style)
    lines += style.heading("1  The network") + _network_lines(witness, style)
    lines += style.heading("2  The ways to evaluate it") + _view_lines(witness, style)
    lines += style.heading("3  Where they part ways") + _apart_lines(witness, style, sums=True)
    lines += style.heading("4  What comes out") + _outcome_lines(witness, style)
    lines += style.heading("5  What is wrong")
    for told in _wrong(witness):
        lines += style.wrap(told)
    return style.finish(lines)


def graph_lines(subject: Result | Witness, style: Style) -> list[str]:
    """The lines of the report on a witness of such a network, or on a result with one."""
    witness = subject if isinstance(subject, Witness) else subject.witnesses[0]
    require_told(witness)
    lines = title(heading(witness), "witness" if subject is witness else "found", style)
    lines += style.heading("Network") + _network_lines(witness, style)
    lines += style.heading("Ways to evaluate it") + _view_lines(witness, style)
    lines += style.heading("What they compute") + _outcome_lines(witness, style)
    lines += style.heading("Where they part ways") + _apart_lines(witness, style, sums=False)
    if witness.claims:
        lines += style.heading("Certificate") + certificate_section(witness, style)
    libraries = library_section(witness.observations, style) if witness.two_points else library_lines(witness, style)
    lines += style.heading("Libraries") + libraries
    if isinstance(subject, Result):
        lines += style.heading("Search") + _search_lines(subject, witness, style)
    inner = style.width - 4
    first, *others = _wrong(witness)
    told = [style.paint("What is wrong", "red"), *(style.paint(line, "bold") for line in style.wrap(first, 0, width=inner))]
    told += [line for text in others for line in style.wrap(text, 0, width=inner)]
    return [*lines, "", *style.box(told, "red")]


def _wrong(witness: Witness) -> list[str]:
    """What is wrong, in sentences."""
    if not witness.two_points:
        return wrong(witness)
    at_b, at_a = (logits(witness, witness.at(view)) for view in (witness.reference, witness.deployed))
    told = [sentence(witness, at_b, at_a)]
    return [*told, cause(witness, at_b, at_a)] if refuted(witness, at_b, at_a) else told


def _outcome_lines(witness: Witness, style: Style) -> list[str]:
    """The logits that tell the views apart; of a tie also how near the two points are to each other, and what is certified."""
    if not witness.two_points:
        return outcome_lines(witness, style)
    at_b, at_a = (logits(witness, witness.at(view)) for view in (witness.reference, witness.deployed))
    return [*outcome_lines(witness, style), "", *points_section(witness, at_b, at_a, style)]


def _search_lines(result: Result, witness: Witness, style: Style) -> list[str]:
    rows = []
    origin = witness.provenance
    if origin is not None:
        rows.append(["found by", f"{clean(origin.engine)}: {clean(origin.encoding)}, seed {origin.seed}"])
    rows.append(["time", f"{result.seconds_solve:.2f} s searching, {result.seconds_total:.2f} s in all"])
    return table([], rows, style)


def heading(witness: Witness) -> str:
    """What a witness is about, in a few words."""
    graph = witness.network
    size = f"{counted(len(graph.nodes), 'layer')}, {counted(graph.parameter_count, 'parameter')}"
    return f"{witness.question} · {witness.predicate.kind} · {witness.format} · {size}"


def _network_lines(witness: Witness, style: Style) -> list[str]:
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
    lines = style.wrap(f"input {_shape(graph.input_shape)}; {counted(graph.operations, 'product')}")
    lines += table(["layer", "kind", "reads", "gives"], rows, style, gap=2)
    if len(graph.nodes) > MAX_NODES:
        lines.append(f"    and {len(graph.nodes) - MAX_NODES} more")
    return lines


def _shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _view_lines(witness: Witness, style: Style) -> list[str]:
    lines: list[str] = []
    for view in witness.views:
        lines += style.wrap(f"{style.paint(view.name, 'bold')}  {called(view)}", 2, 4)
        facts = [] if str(view.deployment) == view.label else [clean(str(view.deployment), 200)]
        if view.environment:
            facts.append(f"revealed from {clean(view.environment)}, row {view.row}")
            facts.append(view_call(view.environment, witness.format, witness.network))
        if view.network is not None:
            facts.append(
                f"it replaces layers of the network by others: {', '.join(_replaced(witness, view)) or 'their numbers'}"
            )
        if view.measured:
            facts.append("its numbers were measured: what was revealed does not give them")
        for fact in filter(None, facts):
            lines += style.wrap(fact, 6, 8)
    return lines


def _replaced(witness: Witness, view: View) -> list[str]:
    """The nodes of the network that a view computes by another layer, or by none of that name."""
    assert view.network is not None
    own = {node.name: node for node in view.network.nodes}
    changed = [node.name for node in witness.network.logits.nodes if own.get(node.name) != node]
    return [clean(name, 30) for name in changed[:8]] + ["..."] * (len(changed) > 8)


def _apart_lines(witness: Witness, style: Style, *, sums: bool) -> list[str]:
    """Layer by layer how far the views are apart; with ``sums`` also the sum that shows it first, under each of them."""
    try:
        found = apart(witness)
    except InputError as error:
        return style.wrap(f"Not evaluated layer by layer: {error}")
    names = [view.name for view in (witness.reference, witness.deployed)]
    rows = [_row(layer) for layer in found.layers[:MAX_NODES] if layer.adds]
    heads = ["layer", "terms", "differ", "by at most", f"error of {names[0]}", f"error of {names[1]}"]
    lines = table(heads, rows, style, gap=2)
    if not found.first:
        return [*lines, *style.wrap("Their revealed arithmetics differ in no layer that both have.")]
    if not sums:
        return lines
    _, neuron = found.neurons[0]
    words = f"They agree before {found.first} and differ there; output {neuron.output} differs most."
    lines += ["", *style.wrap(words)]
    for view, sum_of in found.neurons:
        who = ", ".join(filter(None, (called(view), place(witness, view))))
        lines += [
            "",
            *side_lines(f"{view.name}, {who}", f"{clean(found.first, 30)}[{sum_of.output}]", sum_of, style, MAX_STEPS),
        ]
    return lines


def _row(layer: LayerApart) -> list[str]:
    errors = ["", ""] if layer.errors is None else [significant(error, 3) for error in layer.errors]
    total = 1
    for size in layer.shape:
        total *= size
    differ = f"{layer.differ} of {total}"
    return [clean(layer.name, 30), str(layer.terms), differ, significant(layer.largest, 3) if layer.differ else "", *errors]


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
    }
