"""The fields of a request: how an option is told of, given, checked and recorded, each written down once, at its field."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from fpsynth.errors import InputError, unknown_name

if TYPE_CHECKING:
    from fpsynth.synthesis.checking.findings import Finding
    from fpsynth.witness.data import View, Witness

T = TypeVar("T")
_KEY = "option"


@dataclass(frozen=True)
class Option:
    """What a field of a request is to whoever asks, beside its name, its type and its default."""

    help: str
    """In the words of the command line; ``%(default)s`` stands for the default."""
    metavar: str | None = None
    number: type[int] | type[float] | None = None
    """What a text of the command line is read as at once; None: it is a text, or a switch where the default is a bool."""
    reads: Callable[[str], object] | None = None
    """How a text of the command line becomes the value of the keyword; None: as it is."""
    positional: bool = False
    """Whether the command line takes it without a name."""
    several: bool = False
    """Whether it may be repeated."""
    bare: bool = False
    """Whether its name may stand alone, which means True."""
    environment: bool = False
    """Whether it may name environments of libraries."""
    check: Callable[[Any], None] | None = None
    """Raises InputError for a value other than None that cannot be used."""
    record: Callable[[Any], object] | bool = True
    """What a record says of it, a function of the request; True: the value itself, False: nothing."""
    given: bool | None = None
    """Whether it means something where the network is given; a question that is asked of such networks too leaves none open."""


def asked(default: T, option: Option) -> T:
    """A field of a request that may be left out."""
    made: T = field(default=default, metadata=needed(option))
    return made


def needed(option: Option) -> Mapping[str, Any]:
    """The metadata of a field that has an option: ``field(metadata=needed(...))`` is one that may not be left out."""
    return {_KEY: option}


def between(least: int, most: int, what: str, *, told: bool = False) -> Callable[[Any], None]:
    """The check of a number from ``least`` to ``most``; ``told``: the message repeats the wrong one."""

    def check(number: Any) -> None:
        if not least <= number <= most:
            raise InputError(f"{what} must be from {least} to {most}{f', not {number}' if told else ''}")

    return check


def among(names: Sequence[str], what: str) -> Callable[[Any], None]:
    """The check of a name that is one of ``names``."""

    def check(name: Any) -> None:
        if name not in names:
            raise unknown_name(what, name, names)

    return check


@dataclass(frozen=True)
class Request:
    """A question with all that is asked of it, as it was asked; what that comes to is said by properties.

    A class that inherits from another asks a narrower question: ``field(default=..., init=False)`` settles what the other
    leaves open.  Raises InputError for what cannot be used.
    """

    question: ClassVar[str]
    """Name of the question, of its subcommand and of its function."""
    about: ClassVar[str]
    """What the question is, in the words of the command line."""
    predicates: ClassVar[tuple[str, ...]] = ()
    """What its witnesses may be about, by the names in the table of predicates; none: it has no witnesses."""
    since: ClassVar[int] = 2
    """The version of witness files that was the first to hold it."""
    dense: ClassVar[bool] = False
    """Whether its witnesses are about neurons of a last dense layer."""
    exact: ClassVar[bool] = False
    """Whether what it promises is about the logits in exact arithmetic, even where a file does not give them."""
    given: ClassVar[bool] = False
    """Whether it is asked of networks that are made up and, where one is named, of one that is given: its options then say
    each whether they mean something there, see ``applying``."""

    def __post_init__(self) -> None:
        for name, (_, option) in open_options(type(self)).items():
            value = getattr(self, name)
            if option.check is not None and value is not None:
                option.check(value)

    @classmethod
    def why(cls, a: View, b: View) -> str:
        """Why the reference and the deployed view part, in a report's words; empty: what can be said of any two views."""
        return ""

    @classmethod
    def promised(cls, witness: Witness, real: Sequence[Fraction]) -> Iterable[Finding]:
        """What the question promises of a witness beside its predicate, computed again from the exact logits."""
        return ()

    @property
    def of_given(self) -> bool:
        """Whether it is asked of a network that is given instead of one that is made up."""
        return self.given and getattr(self, "network", None) is not None

    def described(self) -> dict[str, Any]:
        """The request as a result records it: of a network that is given only what means something there."""
        options = options_of(type(self)).items()
        return {
            name: _recorded(self, name, option)
            for name, option in options
            if option.record and not (self.of_given and option.given is False)
        }


def _recorded(request: Request, name: str, option: Option) -> object:
    return option.record(request) if callable(option.record) else getattr(request, name)


def told_order(request: type[Request]) -> list[Field[Any]]:
    """The fields of a request in the order in which they are told of: those of a narrower question first."""
    by_name = {one.name: one for one in fields(request)}
    names = (name for owner in request.__mro__ for name in inspect.get_annotations(owner))
    return [by_name[name] for name in dict.fromkeys(names) if name in by_name]


def options_of(request: type[Request]) -> dict[str, Option]:
    """The options of a request by the names of their fields, those included that are settled."""
    found = {one.name: _option(request, one.name) for one in told_order(request)}
    return {name: option for name, option in found.items() if option is not None}


def open_options(request: type[Request]) -> dict[str, tuple[Field[Any], Option]]:
    """The options of a request that whoever asks may choose; keywords of Python alone, such as ``progress``, have none."""
    return {one.name: (one, one.metadata[_KEY]) for one in told_order(request) if one.init and _KEY in one.metadata}


def _option(request: type[Request], name: str) -> Option | None:
    """The option of a field; of one that a narrower question has settled, that which the wider question has."""
    for owner in request.__mro__:
        own = vars(owner).get("__dataclass_fields__", {}).get(name)
        if own is not None and _KEY in own.metadata:
            option: Option = own.metadata[_KEY]
            return option
    return None


def signature_of(request: type[Request], answer: object) -> inspect.Signature:
    """The signature of a function that takes what a request takes and returns ``answer``, keywords in the order of telling."""
    made = inspect.signature(request).parameters
    keywords = [
        made[one.name] for one in told_order(request) if one.init and made[one.name].kind is inspect.Parameter.KEYWORD_ONLY
    ]
    positional = [one for one in made.values() if one.kind is not inspect.Parameter.KEYWORD_ONLY]
    return inspect.Signature([*positional, *keywords], return_annotation=answer)


def default_text(one: Field[Any]) -> Any:
    """The default of a field as the command line would write it; None where there is none."""
    if one.default is MISSING or one.default == ():
        return None
    if isinstance(one.default, tuple):
        return ",".join(str(part) for part in one.default)
    return one.default


def keyword_words(request: type[Request]) -> list[str]:
    """A line for each keyword of a request that is an option: its name, and what the command line says of it."""
    chosen = open_options(request).values()
    return [f"{_keyword(one)}: {option.help % {'default': default_text(one)}}" for one, option in chosen]


def _keyword(one: Field[Any]) -> str:
    """The keyword as the words speak of it: those of a switch that is on by itself say what comes of turning it off."""
    return f"{one.name}=False" if one.default is True else one.name
