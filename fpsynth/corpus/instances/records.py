"""Instances as JSON, all but the network, which is in an ONNX file; read as strictly as files of strangers are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from fpsynth.aliases import Json
from fpsynth.corpus.instances.data import BASES, SAT, UNSAT, Attacked, Density, Instance, Label
from fpsynth.corpus.instances.layout import ALL, META_SCHEMA, META_VERSION
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32
from fpsynth.networks.network import Network
from fpsynth.verifiers.properties import ExactBox, Inequality, Property
from fpsynth.witness.numerals import exact_text, hexes_of, parse_exact, parse_hex_in, quoted

NAME = re.compile(r"[a-z][a-z0-9_]{0,79}")
"""Of instances and categories."""
MAX_NUMBERS = 1 << 20
"""Of inputs, and of labels, terms and whatever else is a list."""


def require_category(name: str) -> None:
    """Raise InputError for the word that stands for all categories."""
    if name == ALL:
        raise InputError(f"no category may be called {ALL}, as the total of a scoreboard is called that")


def instance_to_json(instance: Instance) -> Json:
    """Everything but the network, of which the digest is written down."""
    return {
        "schema": META_SCHEMA,
        "schema_version": META_VERSION,
        "name": instance.name,
        "category": instance.category,
        "family": instance.family,
        "about": instance.about,
        "seed": instance.seed,
        "parameters": instance.parameters,
        "control_of": instance.control_of,
        "controls": instance.controls,
        "timeout": instance.timeout,
        "network": instance.network.digest.hex(),
        "box": {"lower": _exact(instance.box.lower), "upper": _exact(instance.box.upper)},
        "unsafe": [[_inequality(one) for one in conjunction] for conjunction in instance.unsafe.unsafe],
        "least_margin_real": None if instance.least is None else exact_text(instance.least),
        "least_margin_attained": instance.attained,
        "labels": [_label(label) for label in instance.labels],
        "density": [_density(density) for density in instance.densities],
        "attacks": [vars(attacked) for attacked in instance.attacks],
    }


def _exact(numbers: Sequence[Fraction]) -> list[str]:
    return [exact_text(number) for number in numbers]


def _inequality(one: Inequality) -> Json:
    terms = [[k, exact_text(factor)] for k, factor in one.coefficients]
    return {"coefficients": terms, "bound": exact_text(one.bound)}


def _label(label: Label) -> Json:
    exact = None if label.margin is None else exact_text(label.margin)
    return {**vars(label), "witness": hexes_of(label.witness), "margin": exact}


def _density(density: Density) -> Json:
    """Numbers of inputs may be beyond what other programs read as integers: they are texts."""
    counts = {"total": str(density.total), "bad": None if density.bad is None else str(density.bad)}
    return {**vars(density), **counts, "at_most": None if density.at_most is None else exact_text(density.at_most)}


def instance_from_json(data: object, network: Network) -> Instance:
    """Read what ``instance_to_json`` wrote, of a network that was read.  Raises InputError, one line, for anything else."""
    fields = Fields(data, "the instance")
    fields.schema(META_SCHEMA, META_VERSION)
    if fields.text("network") != network.digest.hex():
        raise InputError("network: its digest is that of another network")
    box = _box(fields.member("box"))
    if len(box.lower) != _inputs(network):
        raise InputError(f"box: has {len(box.lower)} inputs, the network {_inputs(network)}")
    labels = tuple(_label_from(one, box) for one in fields.members("labels"))
    densities = tuple(_density_from(one) for one in fields.members("density"))
    for each, what in ((labels, "labels"), (densities, "density")):
        if len({one.semantics for one in each}) != len(each):
            raise InputError(f"{what}: a semantics has two of them")
    unsafe = Property(tuple(tuple(_inequality_from(one) for one in _list(rows)) for rows in fields.each("unsafe")))
    unsafe.require(_outputs(network))
    instance = Instance(
        name=fields.name("name"),
        category=fields.category("category"),
        family=fields.name("family"),
        about=fields.text("about"),
        seed=fields.text("seed"),
        parameters=_parameters(fields.value("parameters", dict)),
        network=network,
        box=box,
        unsafe=unsafe,
        labels=labels,
        least=fields.exact_or_none("least_margin_real"),
        attained=fields.value("least_margin_attained", bool),
        densities=densities,
        attacks=tuple(_attacked_from(one) for one in fields.members("attacks")),
        control_of=fields.text("control_of"),
        controls=fields.text("controls"),
        timeout=fields.whole("timeout"),
    )
    fields.require_no_more()
    return instance


def _inputs(network: Network) -> int:
    size = 1
    for length in network.input_shape:
        size *= length
    return size


def _outputs(network: Network) -> int:
    size = 1
    for length in network.logits.output_shape:
        size *= length
    return size


def _list(data: object) -> list[Any]:
    if not isinstance(data, list) or len(data) > MAX_NUMBERS:
        raise InputError("a list is needed")
    return data


def _parameters(data: Mapping[Any, Any]) -> dict[str, int | str]:
    for name, value in data.items():
        if not isinstance(name, str) or type(value) not in (int, str):
            raise InputError("parameters: must be whole numbers and texts by name")
    return dict(data)


def _box(fields: Fields) -> ExactBox:
    lower, upper = fields.exacts("lower"), fields.exacts("upper")
    if len(lower) != len(upper) or any(a > b for a, b in zip(lower, upper, strict=True)):
        raise InputError("box: needs a lower and an upper end for each input, in this order")
    fields.require_no_more()
    return ExactBox(lower, upper)


def _inequality_from(data: object) -> Inequality:
    fields = Fields(data, "unsafe")
    terms = []
    for pair in fields.each("coefficients"):
        if not isinstance(pair, list) or len(pair) != 2 or type(pair[0]) is not int or pair[0] < 0:
            raise InputError("unsafe: a coefficient is an output and a number")
        terms.append((pair[0], _number(pair[1], "unsafe")))
    if len({k for k, _ in terms}) != len(terms) or not terms:
        raise InputError("unsafe: needs coefficients of outputs, each output once")
    bound = fields.exact("bound")
    fields.require_no_more()
    return Inequality(tuple(terms), bound)


def _number(text: object, where: str) -> Fraction:
    if not isinstance(text, str):
        raise InputError(f"{where}: a number must be a text")
    return parse_exact(text)


def _label_from(fields: Fields, box: ExactBox) -> Label:
    witness = tuple(parse_hex_in(text, FLOAT32) for text in fields.texts("witness"))
    verdict, basis, computed = fields.text("verdict"), fields.text("basis"), fields.any("computed")
    if verdict not in (SAT, UNSAT) or basis not in BASES:
        raise InputError(f"labels: {quoted(verdict)} with the basis {quoted(basis)} is no label")
    if witness and (len(witness) != len(box.lower) or not box.contains(witness) or verdict != SAT):
        raise InputError("labels: a witness must be an input of the box of a label that says sat")
    if verdict == SAT and not witness:
        raise InputError("labels: sat needs a witness")
    if computed is not None and not isinstance(computed, dict):
        raise InputError("labels: computed must be an object or null")
    label = Label(
        semantics=fields.text("semantics"),
        verdict=verdict,
        basis=basis,
        proof=fields.text("proof"),
        order=fields.text("order"),
        computed=computed,
        witness=witness,
        margin=fields.exact_or_none("margin"),
        replayed=fields.text("replayed"),
    )
    fields.require_no_more()
    return label


def _density_from(fields: Fields) -> Density:
    bad = fields.any("bad")
    density = Density(
        semantics=fields.text("semantics"),
        total=_count(fields.text("total")),
        bad=None if bad is None else _count(bad),
        method=fields.text("method"),
        samples=fields.whole("samples"),
        hits=fields.whole("hits"),
        at_most=fields.exact_or_none("at_most"),
    )
    if density.bad is not None and density.bad > density.total:
        raise InputError("density: more inputs are bad than there are")
    fields.require_no_more()
    return density


def _count(text: object) -> int:
    if not isinstance(text, str) or not text.isascii() or not text.isdigit() or len(text) > 4000:
        raise InputError("density: a number of inputs must be a text of digits")
    return int(text)


def _attacked_from(fields: Fields) -> Attacked:
    attacked = Attacked(
        attack=fields.text("attack"),
        found=fields.value("found", bool),
        evaluations=fields.whole("evaluations"),
        limit=fields.whole("limit"),
        semantics=fields.text("semantics"),
    )
    fields.require_no_more()
    return attacked


class Fields:
    """The members of an object, each asked for once, by name and type; InputError says which is wrong."""

    def __init__(self, data: object, where: str) -> None:
        if not isinstance(data, dict):
            raise InputError(f"{where}: must be an object")
        self.data, self.where, self.left = data, where, set(data)

    def any(self, name: str) -> Any:
        """Whatever stands there."""
        if name not in self.data:
            raise InputError(f"{self.where}: {name} is missing")
        self.left.discard(name)
        return self.data[name]

    def value(self, name: str, kind: type) -> Any:
        """A value of exactly that type."""
        value = self.any(name)
        if type(value) is not kind:
            raise InputError(f"{self.where}: {name} must be {_KINDS[kind]}, not {quoted(value)}")
        return value

    def text(self, name: str) -> str:
        """A line that any terminal may print, and that any file that is written from it may hold."""
        value: str = self.value(name, str)
        if not (value.isascii() and value.isprintable()):
            raise InputError(f"{self.where}: {name} holds characters that are not printable ASCII")
        return value

    def name(self, name: str) -> str:
        """A text that names a file, or part of one."""
        value = self.text(name)
        if not NAME.fullmatch(value):
            raise InputError(f"{self.where}: {name} must be small letters, digits and underscores, not {quoted(value)}")
        return value

    def category(self, name: str) -> str:
        """The name of a category."""
        value = self.name(name)
        require_category(value)
        return value

    def whole(self, name: str) -> int:
        """A whole number that is not negative."""
        value: int = self.value(name, int)
        if value < 0:
            raise InputError(f"{self.where}: {name} must not be negative")
        return value

    def each(self, name: str) -> list[Any]:
        """A list."""
        return _list(self.any(name))

    def member(self, name: str) -> Fields:
        """An object."""
        return Fields(self.any(name), name)

    def members(self, name: str) -> list[Fields]:
        """A list of objects."""
        return [Fields(one, name) for one in self.each(name)]

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        value = self.each(name)
        if not all(isinstance(one, str) for one in value):
            raise InputError(f"{self.where}: {name} must be a list of texts")
        return tuple(value)

    def exact(self, name: str) -> Fraction:
        """An exact number."""
        return _number(self.any(name), f"{self.where}: {name}")

    def exact_or_none(self, name: str) -> Fraction | None:
        """An exact number or null."""
        return None if self.any(name) is None else self.exact(name)

    def exacts(self, name: str) -> tuple[Fraction, ...]:
        """A list of exact numbers."""
        return tuple(_number(one, f"{self.where}: {name}") for one in self.each(name))

    def schema(self, name: str, version: int) -> None:
        """Refuse another schema."""
        if self.any("schema") != name:
            raise InputError(f"{self.where}: schema is not {name}")
        if self.any("schema_version") != version:
            raise InputError(
                f"{self.where}: version {quoted(self.data['schema_version'])} of {name} is not read, only {version}"
            )

    def require_no_more(self) -> None:
        """Refuse members that nobody asked for."""
        if self.left:
            raise InputError(f"{self.where}: {quoted(min(self.left, key=str))} is not a member that is read")


_KINDS = {str: "a text", int: "a whole number", bool: "true or false", dict: "an object"}
