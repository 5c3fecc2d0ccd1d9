"""C programs in the form of SV-COMP: the network as straight-line C with hexadecimal floats, the property as an assertion.

A program computes in one order, that of its text: products from left to right, each rounded, the bias last.  Whether its error
can be reached is proved for that order, and not taken from what libraries do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fpsynth.corpus.instances.data import UNSAT, Instance
from fpsynth.corpus.labels.environments import Computed
from fpsynth.corpus.labels.labelling import asked_of
from fpsynth.corpus.labels.margins import comparison
from fpsynth.corpus.labels.ordered import OrderedTruth, in_order
from fpsynth.corpus.labels.points import grid_of
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32
from fpsynth.networks.layers.structure import PADDING, Rearrangement, Selection, Sums, moved
from fpsynth.networks.network import Network, Node
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.verifiers.properties import ExactBox, Inequality, Property
from fpsynth.verifiers.relaxation_verifier import prepared_for
from fpsynth.verifiers.relaxations.ends import interval_ends
from fpsynth.verifiers.relaxations.reasoning import sound
from fpsynth.verifiers.relaxations.region import inputs_of
from fpsynth.verifiers.vnnlib import outward
from fpsynth.witness.numerals import hex_text

MAX_PRODUCTS = 20_000
"""Of a network that is written as a program."""
PROPERTY_FILE = "unreach-call.prp"
PROPERTY = "CHECK( init(main()), LTL(G ! call(reach_error())) )\n"

_HEAD = """\
// {name}: {about}
// Compile with -ffp-contract=off: a fused multiply-add is another computation.
// Expected: reach_error {expected}; {proof}.
"""
_FRAME = """\
#pragma STDC FP_CONTRACT OFF
extern void abort(void);
extern void __assert_fail(const char *, const char *, unsigned int, const char *) __attribute__((__nothrow__, __leaf__))
    __attribute__((__noreturn__));
void reach_error(void) {{ __assert_fail("0", "{name}.c", 0, "reach_error"); }}
extern float __VERIFIER_nondet_float(void);
void assume_abort_if_not(int cond) {{ if (!cond) {{ abort(); }} }}

int main(void) {{
{body}  return 0;
}}
"""
_TASK = """\
format_version: '2.0'
input_files: '{name}.c'
properties:
  - property_file: {property_file}
    expected_verdict: {expected}
options:
  language: C
  data_model: LP64
"""


def sequential(network: Network) -> Computed:
    """A network as a program computes it.  Raises InputError for layers that are more than sums, ReLUs and rearrangements."""
    for node in network.nodes:
        structure = network.structure(node.name)
        if isinstance(structure, Sums) and (structure.normalisation is not None or structure.divisor is not None):
            raise InputError(f"{node.name}: a {node.layer.kind} layer has no form as a program")
        if isinstance(structure, Selection) and node.layer.kind != "relu":
            raise InputError(f"{node.name}: a {node.layer.kind} layer has no form as a program")
    return Computed("sequential C", network, Deployment(Arithmetic(FLOAT32)))


def verdict_of(instance: Instance) -> OrderedTruth:
    """What is true of the program.  Raises InputError where that is not known, or it would be too large."""
    network = instance.network.logits
    if network.work > MAX_PRODUCTS:
        raise InputError(f"a program of {network.work} operations is too large")
    _require_no_overflow(network, instance.box)
    witnesses = [label.witness for label in instance.labels if label.witness]
    truth = in_order(asked_of(network, instance.box, instance.unsafe, witnesses), sequential(network), None)
    if truth.label is None:
        raise InputError("whether the program reaches its error is not known")
    return truth


def _require_no_overflow(network: Network, box: ExactBox) -> None:
    """Raise InputError where a number may overflow in the box: infinities and NaN are unsafe in C and not in a label."""
    around = outward(box)
    known = prepared_for(network, sound(FLOAT32))
    found = interval_ends(known, inputs_of(around, known.reasoning).box)
    if not all(np.isfinite(end).all() for ends in found.values() for end in (ends.lower, ends.upper)):
        raise InputError("a number of the program may overflow, where C and the labels of instances part")


def program_files(instance: Instance) -> tuple[dict[str, str], OrderedTruth]:
    """The program and its task, name to text, and what is true of it.  Raises InputError as ``verdict_of`` does."""
    truth = verdict_of(instance)
    assert truth.label is not None
    safe = truth.label.verdict == UNSAT
    expected = "cannot be reached" if safe else "can be reached"
    head = _HEAD.format(name=instance.name, about=instance.about, expected=expected, proof=truth.label.proof)
    program = head + plain_program(instance.network, instance.box, instance.unsafe, instance.name)
    task = _TASK.format(name=instance.name, property_file=PROPERTY_FILE, expected=str(safe).lower())
    return {f"{instance.name}.c": program, f"{instance.name}.yml": task}, truth


def plain_program(network: Network, box: ExactBox, unsafe: Property, name: str = "program") -> str:
    """A program alone, which reaches its error for an input of the box whose outputs are unsafe.

    Raises InputError for a network that has no form as a program, or would be too large.
    """
    graph = network.logits
    sequential(graph)
    if graph.work > MAX_PRODUCTS:
        raise InputError(f"a program of {graph.work} operations is too large")
    return _FRAME.format(name=name, body="".join(f"  {line}\n" for line in _body(graph, box, unsafe)))


def _body(network: Network, box: ExactBox, unsafe: Property) -> Iterator[str]:
    names = [f"x{k}" for k in range(len(box.lower))]
    for name, (low, high) in zip(names, grid_of(box).ends(), strict=True):
        yield f"float {name} = __VERIFIER_nondet_float();"
        yield f"assume_abort_if_not({name} >= {_number(low)} && {name} <= {_number(high)});"
    worth = {"input": names}
    for number, node in enumerate(network.nodes):
        values = [value for source in node.inputs for value in worth[source]]
        worth[node.name] = []
        for line, name in _node(network, node, number, values):
            worth[node.name].append(name)
            if line:
                yield line
    yield f"if ({_condition(unsafe, worth[network.output])}) {{ reach_error(); }}"


def _node(network: Network, node: Node, number: int, values: Sequence[str]) -> Iterator[tuple[str, str]]:
    """For each output of a node a statement, or none, and what its value is called."""
    structure = network.structure(node.name)
    if isinstance(structure, Rearrangement):
        read = range(len(values)) if structure.read is None else structure.read.tolist()
        yield from (("", _number(structure.fill) if place == PADDING else values[place]) for place in read)
        return
    outputs = range(structure.outputs)
    made = _sums(structure, values) if isinstance(structure, Sums) else _relus(structure, values)
    for k, expression in zip(outputs, made, strict=True):
        yield f"float n{number}_{k} = {expression};", f"n{number}_{k}"


def _sums(sums: Sums, values: Sequence[str]) -> Iterator[str]:
    """Each sum from left to right.  A product with a weight of zero is a zero, which changes no sum but another zero's sign."""
    for output in range(sums.outputs):
        addends = sums.addends(output)
        weights = [1.0] * len(addends.read) if addends.weights is None else addends.weights.tolist()
        products = [
            f"{_number(weight)} * {values[place]}"
            for weight, place in zip(weights, addends.read.tolist(), strict=True)
            if place != PADDING and weight
        ]
        bias = 0.0 if addends.bias is None else float(addends.bias)
        yield " + ".join([*products, *([_number(bias)] if bias or not products else [])])


def _relus(selection: Selection, values: Sequence[str]) -> Iterator[str]:
    first = selection.taps.at(slice(None))
    for group in range(selection.groups):
        for (place,) in moved(first, group * selection.group_stride).tolist():
            yield f"{values[place]} > 0.0f ? {values[place]} : 0.0f"


def _number(number: float) -> str:
    return f"{hex_text(number)}f"


def _condition(unsafe: Property, outputs: Sequence[str]) -> str:
    conjunctions = (" && ".join(_compared(one, outputs) for one in conjunction) for conjunction in unsafe.unsafe)
    return " || ".join(f"({conjunction})" for conjunction in conjunctions)


def _limit(number: float) -> str:
    """What an output is compared with: a float, or where that does not hold it a double, to which C then widens the output."""
    return _number(number) if np.float32(number) == np.float64(number) else hex_text(number)


def _compared(one: Inequality, outputs: Sequence[str]) -> str:
    compared = comparison(one)
    sides = (outputs[side] if isinstance(side, int) else _limit(side) for side in (compared.left, compared.right))
    return " <= ".join(sides)
