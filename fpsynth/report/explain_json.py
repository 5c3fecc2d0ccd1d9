"""The explanation of a witness as data: every operation with its exact and its rounded result."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from fpsynth.aliases import Json
from fpsynth.errors import InputError
from fpsynth.report.computed import Logits, Operation, logits, steps
from fpsynth.report.layers_apart import apart
from fpsynth.report.numerals import bit_fields
from fpsynth.report.partial_sums import AlignedStep, Neuron, number, summed
from fpsynth.report.stories.divergences import parting_neurons, require_told
from fpsynth.report.stories.graphs import apart_json, on_a_graph
from fpsynth.rounding import Value
from fpsynth.witness import Witness
from fpsynth.witness.data import View
from fpsynth.witness.numerals import hex_text, rational_text


def explain_json(witness: Witness) -> Json:
    """What ``explain`` tells, as data: of a tie the operations at both points, of a divergence the sums that part ways.

    Numbers are hexadecimal floats, or p/q where float64 does not hold them; "inf", "-inf" or "nan"; null where they have too
    many digits to be written.  Errors are in ulps of the exact result, null where there is none.
    """
    if on_a_graph(witness):
        return _graph(witness)
    if not witness.two_points:
        return _divergence(witness)
    at_b, at_a = logits(witness, witness.certified), logits(witness, witness.point)
    return {
        "question": witness.question,
        "dtype": witness.format.name,
        "shape": list(witness.network.widths),
        "arithmetic": str(witness.deployment),
        "points": [
            _point(witness, "b", "certified", witness.certified, at_b),
            _point(witness, "a", "counterexample", witness.point, at_a),
        ],
    }


def _point(witness: Witness, name: str, role: str, point: Sequence[float], values: Logits) -> Json:
    return {
        "name": name,
        "role": role,
        "inputs": [hex_text(entry) for entry in point],
        "steps": [_step(step) for step in steps(witness, point, name)],
        "logits": [
            {"exact": _rational(exact), "rounded": _number(rounded)}
            for exact, rounded in zip(values.exact, values.rounded, strict=True)
        ],
        "class_over_the_reals": values.exact_class,
        "class": values.rounded_class,
    }


def _divergence(divergence: Witness) -> Json:
    require_told(divergence)
    return {
        "question": divergence.question,
        "dtype": divergence.format.name,
        "shape": list(divergence.network.widths),
        "inputs": [hex_text(entry) for entry in divergence.point],
        "views": [_view(view, neuron) for view, neuron in parting_neurons(divergence)],
        "logits": {view.name: [_rational(number) for number in view.logits] for view in divergence.views},
    }


def _graph(witness: Witness) -> Json:
    """Of a network of any layers: layer by layer how far the two views are apart, and the sum that shows it first."""
    require_told(witness)
    found = apart(witness)
    return {
        "question": witness.question,
        "dtype": witness.format.name,
        "inputs": [hex_text(entry) for entry in witness.point],
        **apart_json(found),
        "views": [_view(view, neuron) for view, neuron in found.neurons],
        "logits": {view.name: [_rational(number) for number in view.logits] for view in witness.views},
    }


def _view(view: View, neuron: Neuron) -> Json:
    """The sum of one neuron under one view."""
    told: Json = {
        "view": view.name,
        "label": view.label,
        "role": view.role,
        "layer": neuron.layer,
        "output": neuron.output,
        "arithmetic": str(neuron.how),
    }
    if neuron.how.format is None:  # exact: nothing is rounded
        exact = [number(x) for x in neuron.inputs]
        products = [Fraction(w) * x for w, x in zip(neuron.weights, exact, strict=True) if x is not None]
        return {**told, "steps": [], "aligned": [], "result": _rational(sum(products, Fraction(neuron.bias or 0)))}
    found = summed(neuron)
    return {
        **told,
        "sum": found.expression,
        "steps": [_step(step) for step in found.steps],
        "aligned": [_aligned(step) for step in found.aligned],
        "result": _number(found.result),
    }


def _step(step: Operation) -> Json:
    return {
        "layer": step.layer,
        "output": step.output,
        "name": step.name,
        "operation": step.op.name.lower(),
        "operands": list(step.arguments),
        "format": step.format.name,
        "rounding": step.rounding.value,
        "exact": _number(step.exact),
        "result": _number(step.result),
        "bits": bit_fields(step.result, step.format).replace(" | ", ""),
        "error_ulp": None if step.error is None else _rational(step.error),
    }


def _aligned(step: AlignedStep) -> Json:
    addends = [{"name": a.name, "exact": _number(a.exact), "kept": _number(a.kept)} for a in step.addends]
    return {"name": step.name, "largest_exponent": step.largest, "last_exponent": step.last, "addends": addends}


def _number(value: Value) -> str | None:
    if value.is_nan:
        return "nan"
    if not value.is_finite:
        return "-inf" if value.negative else "inf"
    return "-0x0p+0" if value.is_zero and value.negative else _rational(value.fraction())


def _rational(number: Fraction) -> str | None:
    try:
        return rational_text(number)
    except InputError:
        return None
