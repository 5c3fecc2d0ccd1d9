"""why.txt: the computation at a witness, layer by layer, exactly and as an environment computes it, where the two part."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from fpsynth.corpus.instances.data import REAL, Instance, Label
from fpsynth.corpus.labels.environments import Computed, computed_from
from fpsynth.corpus.labels.margins import in_words, margin
from fpsynth.evaluators.deployed import node_outputs
from fpsynth.evaluators.real import node_values
from fpsynth.networks.network import INPUT
from fpsynth.witness.numerals import hex_text

SHOWN = 12
"""Numbers of a layer that are shown."""
_WHOLE = 10**30
"""Numbers of inputs from here on are told by their magnitude."""


def why(instance: Instance) -> str:
    """The telling, in lines of ASCII; of instances without a witness only what is known of them."""
    return "\n".join([*_head(instance), *_body(instance)]) + "\n"


def _head(instance: Instance) -> Iterator[str]:
    yield f"{instance.name} ({instance.category})"
    yield instance.about
    if instance.control_of:
        yield f"A control of {instance.control_of}: {instance.controls}."
    yield ""
    yield f"Unsafe outputs: {in_words(instance.unsafe)}.  sat: an input of the box has them; unsat: none has."
    if instance.witness:
        yield "A margin is how far outputs are from that: at most 0 where they are unsafe."
    yield ""
    for label in instance.labels:
        there = "" if label.margin is None else f", margin at the witness {float(label.margin):.9g}"
        yield f"{label.semantics}: {label.verdict} ({label.basis}: {label.proof}){there}"
    for density in instance.densities:
        if density.bad is not None:
            yield f"{density.semantics}: {density.bad} of {density.total} inputs of float32 are unsafe"
        else:
            hits = f"{density.hits} of {density.samples} sampled inputs"
            yield f"{density.semantics}: {hits} are unsafe, of {_many(density.total)}"


def _many(count: int) -> str:
    """A number of inputs; of a large one only how large."""
    return str(count) if count < _WHOLE else f"about 10^{math.log10(count):.0f}"


def _body(instance: Instance) -> Iterator[str]:
    label = _told(instance)
    if label is None or not instance.witness:
        return
    assert label.computed is not None
    computed = computed_from(label.computed, instance.network, label.semantics)
    yield ""
    yield f"At the witness, in {label.semantics}: {label.order}"
    yield from _steps(instance, computed)


def _told(instance: Instance) -> Label | None:
    """The first environment that says otherwise than the reals, else the first one."""
    labels = [label for label in instance.labels if label.computed is not None]
    real = instance.verdict(REAL)
    return next((label for label in labels if label.verdict != real), labels[0] if labels else None)


def _steps(instance: Instance, computed: Computed) -> Iterator[str]:
    network = computed.network.logits
    names = [node.name for node in network.nodes]
    given = np.array(instance.witness)
    there = node_outputs(network, given, computed.deployment)
    exact = node_values(network, instance.witness, names)
    yield f"{INPUT}:"
    yield from _numbers(there[INPUT].tolist(), list(map(Fraction, instance.witness)), ())
    parted = False
    for name in names:
        numbers, values = there[name].tolist(), exact[name]
        differ = [k for k, (a, b) in enumerate(zip(numbers, values, strict=True)) if Fraction(a) != b]
        mark = " <- the first that is rounded" if differ and not parted else ""
        parted = parted or bool(differ)
        yield f"{name} ({network[name].layer.kind}): {len(differ)} of {len(numbers)} numbers differ from exact ones{mark}"
        yield from _numbers(numbers, values, differ)
    computed_margin = margin(instance.unsafe, there[network.output].tolist())
    exact_margin = margin(instance.unsafe, exact[network.output])
    yield f"These outputs are {_safety(computed_margin)}; without any rounding they are {_safety(exact_margin)}."


def _safety(number: Fraction) -> str:
    return "unsafe" if number <= 0 else "safe"


def _numbers(numbers: Sequence[float], values: Sequence[Fraction], differ: Sequence[int]) -> Iterator[str]:
    shown = sorted(differ[:SHOWN]) if differ else range(min(len(numbers), SHOWN))
    for k in shown:
        exact = f", exactly {float(values[k]):.17g}" if k in differ else ""
        yield f"  {k}: {numbers[k]:.9g} = {hex_text(numbers[k])}{exact}"
    if len(numbers) > len(shown):
        yield f"  and {len(numbers) - len(shown)} more"
