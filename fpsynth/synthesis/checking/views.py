"""What a divergence's file says of its views in words: labels that name an arithmetic, and the construction."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fpsynth.errors import InputError
from fpsynth.libraries.naming import parse_placed
from fpsynth.libraries.registry import NAMES as LIBRARIES
from fpsynth.networks.layers import Sums
from fpsynth.networks.network import Network
from fpsynth.sums.arithmetic import Arithmetic
from fpsynth.synthesis.checking.findings import Finding, Findings, NotChecked
from fpsynth.synthesis.detecting.detectors import NAMES, detector
from fpsynth.synthesis.detecting.stacking import any_width
from fpsynth.synthesis.flips.arithmetics import same_neuron
from fpsynth.synthesis.sides import Shape, Sides
from fpsynth.witness.data import View, Witness
from fpsynth.witness.numerals import quoted
from fpsynth.wording import counted


def label_findings(divergence: Witness, view: View) -> Findings:
    """A label that names an arithmetic or an environment is that of the view; other words are not checked."""
    claim = f"{view.name} is evaluated as its label says"
    if _names_library(view.label):
        holds = bool(view.environment) and _same_process(view.label, view.environment)
        yield Finding(claim, holds, f"{quoted(view.label)}; its environment is {view.environment or 'none'}")
    else:
        how = _named(view.label, divergence)
        if how is None:
            yield NotChecked(f"the label of view {view.name}", f"{quoted(view.label)} is the name of no arithmetic")
        else:
            yield Finding(claim, _evaluates(divergence, view, how), f"{quoted(view.label)}, {view.deployment}")
    yield from _environment(view)


def network_findings(witness: Witness) -> Findings:
    """What a view computes in place of the witness's network: nothing that the file says makes the two the same."""
    for view in witness.views:
        if view.network is None or view.network == witness.network:
            continue
        claim = f"{view.name} computes the network that the witness is about"
        if witness.two_points:
            yield Finding(claim, False, "it has a network of its own, of which the verifier claims nothing")
        elif not view.environment:
            yield Finding(claim, False, "it has a network of its own, and no environment that would compute that instead")
        else:
            reason = f"that {view.environment} computes the network by these layers, only a reveal or a replay can check"
            yield NotChecked(f"the network of view {view.name}", reason)


def tie_findings(tie: Witness) -> Findings:
    """What the views of a tie have to share, which is the arithmetic, and the environments that they name."""
    a, b = tie.reference, tie.deployed
    if (a.deployment, a.permutation) != (b.deployment, b.permutation):
        detail = f"{a.name} is evaluated in {a.deployment}, {b.name} in {b.deployment}, or with other neurons first"
        yield Finding("both points are evaluated in the same arithmetic", False, detail)
    if b.deployment.default.format is None:
        yield Finding("the arithmetic of the tie rounds", False, "over the reals no class changes in a ball that is certified")
    for view in tie.views:
        yield from _environment(view)


def _environment(view: View) -> Iterator[NotChecked]:
    if view.environment:
        reason = f"that {view.environment} computes in this arithmetic, only a reveal or a replay can check"
        yield NotChecked(f"the environment of view {view.name}", reason)


def _names_library(label: str) -> bool:
    return label.partition(":")[0].strip() in LIBRARIES


def _same_process(label: str, environment: str) -> bool:
    """Whether a label that begins with a library's name fits the environment; reading has compared those that parse."""
    try:
        return parse_placed(label).process == parse_placed(environment).process
    except InputError:  # only the library, or a way of naming it that this version does not know
        return label.partition(":")[0].strip() == environment.partition(":")[0]


def _named(label: str, divergence: Witness) -> Arithmetic | None:
    """The arithmetic that a label names, for the layer of the network that it fits; None where it names none."""
    for _, layer in reversed(_sums(divergence.network)):
        for terms in dict.fromkeys((layer.terms, layer.terms + (layer.bias is not None))):
            try:
                return Sides(divergence.format, Shape(terms, layer.outputs, 0)).arithmetic(label)
            except InputError:
                continue
    return None


def _evaluates(divergence: Witness, view: View, how: Arithmetic) -> bool:
    """Whether every neuron of the network is evaluated in ``how``, or, where that is a tree, from left to right beside it."""
    named = (how, any_width(how))
    found = False
    for index, layer in _sums(view.network or divergence.network):
        for own in dict.fromkeys(view.deployment.at(index, j) for j in range(layer.outputs)):
            fits = [same_neuron(own, other, layer.terms, layer.bias is not None, divergence.format) for other in named]
            if not any(fits):
                return False
            found = found or fits[0]
    return found


def _sums(network: Network) -> list[tuple[int, Sums]]:
    """The layers that add, with the numbers that a deployment counts them by."""
    graph = network.logits
    structures = enumerate(map(graph.structure, graph.sums))
    return [(index, structure) for index, structure in structures if isinstance(structure, Sums)]


def construction_findings(divergence: Witness) -> Findings:
    """What the file says of how its network was built, as far as the network shows it."""
    name = divergence.construction
    if not name:
        return
    claim = f"the network is the detector that the file names: {quoted(name)}"
    try:
        _ = divergence.network.dense_layers
    except InputError as error:
        yield Finding(claim, False, str(error))
        return
    published = next((known for known in NAMES if re.search(rf"\b{known}\b", name, re.IGNORECASE)), None)
    if published is not None:
        yield Finding(claim, _is_published(divergence, published), "its weights are compared with those of the publication")
    elif name == "bounded":
        holds = divergence.network.widths[0] == 1 and divergence.point == (1.0,) and len(divergence.network.dense_layers) > 1
        detail = f"{counted(divergence.network.widths[0], 'input')}, {counted(len(divergence.network.dense_layers), 'layer')}"
        yield Finding(f"{claim}, of one input that is 1 and hidden layers", holds, detail)
        yield NotChecked("construction", "that it was built by this construction is told, not computed")
    elif name == "trigger":
        hidden = len(divergence.network.dense_layers) - 1
        yield Finding(f"{claim}, of hidden layers that read the input", hidden > 0, f"{hidden} hidden layers")
        if not divergence.box:
            yield NotChecked("construction", "the file does not say in which box of inputs it departs")
    else:
        yield NotChecked("construction", f"this fpsynth knows no detector of the name {quoted(name)}")


def _is_published(divergence: Witness, name: str) -> bool:
    """Whether the weights of the neuron that is read, in some order and with the bias among them, are those of a detector."""
    layer, output = divergence.network.dense_layers[-1], divergence.predicate.output
    if len(divergence.network.dense_layers) > 1:
        return False
    own = [*layer.weight[output].tolist(), *((float(layer.bias[output]),) if layer.bias is not None else ())]
    try:
        summands = detector(name, divergence.format, bias=layer.bias is not None).summands
    except InputError:
        return False
    return sorted(filter(None, own)) == sorted(filter(None, summands))
