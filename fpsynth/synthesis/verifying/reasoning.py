"""What a verifier is to reason in, by its name; a deployment is revealed on the spot."""

from __future__ import annotations

from dataclasses import dataclass

from fpsynth.aliases import Progress
from fpsynth.errors import InputError
from fpsynth.evaluators.rounded import rounded_network, rounded_words
from fpsynth.formats import Format
from fpsynth.networks.endings import ending_words
from fpsynth.networks.network import Network
from fpsynth.revealing.network_json import network_from_kept
from fpsynth.revealing.revealer import Revealer
from fpsynth.sums.arithmetic import REAL as REAL_NUMBERS
from fpsynth.sums.arithmetic import Arithmetic, Deployment
from fpsynth.verifiers.relaxations.reasoning import NEAREST32, NEAREST64, REAL, Reasoning, sound

PLAIN = {"real": REAL, "float32": NEAREST32, "float64": NEAREST64}


@dataclass(frozen=True)
class Reasoned:
    """What bounds are to be of."""

    reasoning: Reasoning
    network: Network
    """The network that this is about: as it was given, rounded into a format, or as an environment really computes it."""
    environment: str = ""
    """Of ``sound:ENVIRONMENT``."""
    explained: tuple[int, int] | None = None
    """Results that the revealed arithmetics of its layers give, and of how many, beside the whole network's."""
    notes: tuple[str, ...] = ()
    rows_differ: bool = False
    """Whether rows of a batch have different arithmetics, so that what is said of one is not said of all."""

    @property
    def deployment(self) -> Deployment | None:
        """The deployment that the reasoning is of; None: all in a format."""
        if self.reasoning.deployed is not None:
            return self.reasoning.deployment
        return Deployment(REAL_NUMBERS if self.reasoning is REAL else Arithmetic(self.reasoning.format))

    @property
    def all_explained(self) -> bool:
        """Whether every result that was tried is explained; it is where nothing was revealed."""
        return self.explained is None or self.explained[0] == self.explained[1] > 0

    @property
    def open_question(self) -> str:
        """What the reveal leaves open, so that bounds are not of all that the library computes; empty where that is nothing."""
        if not self.all_explained:
            assert self.explained is not None
            return f"{self.environment} is explained in {self.explained[0]} of {self.explained[1]} results only"
        return f"in {self.environment} rows of a batch have different arithmetics" if self.rows_differ else ""

    def borne(self, verdict: str) -> tuple[str, str]:
        """A verdict about the revealed arithmetics as one about the library: unknown where they leave that open, and why.

        What is unsafe in the arithmetic of one row is unsafe, if that arithmetic is the library's.
        """
        if verdict not in ("sat", "unsat") or not self.open_question or (verdict == "sat" and self.all_explained):
            return verdict, ""
        return "unknown", f"{verdict} in the revealed arithmetics, but {self.open_question}"


def reasoned(
    arithmetic: str, network: Network, dtype: Format, vectors: int, seed: int, progress: Progress | None = None
) -> Reasoned:
    """The reasoning called ``real``, ``float32``, ``float64``, ``sound:any`` or ``sound:ENVIRONMENT``.

    Raises InputError for another name, and for an environment that cannot be revealed.
    """
    left_out = tuple(filter(None, [ending_words(network)]))
    if arithmetic in PLAIN:
        return Reasoned(PLAIN[arithmetic], network.logits, notes=left_out)
    kind, _, name = arithmetic.partition(":")
    if kind != "sound" or not name:
        known = f"{', '.join(PLAIN)}, sound:any or sound:ENVIRONMENT such as sound:onnxruntime:batch=1"
        raise InputError(f"unknown arithmetic {arithmetic[:40]!r}: choose {known}")
    rounded, changed = rounded_network(network.logits, dtype)
    notes = (*left_out, *((rounded_words(changed, rounded, dtype),) if changed else ()))
    if name == "any":
        return Reasoned(sound(dtype), rounded, notes=notes)
    return _revealed(name, rounded, dtype, vectors, seed, progress, notes)


def _revealed(
    name: str,
    network: Network,
    dtype: Format,
    vectors: int,
    seed: int,
    progress: Progress | None,
    notes: tuple[str, ...],
) -> Reasoned:
    from fpsynth.libraries.naming import parse_network_environment

    where = parse_network_environment(name)
    if progress:
        progress(f"revealing the layers of the network in {where}")
    with Revealer() as revealer:
        answer = revealer.network(network, dtype, where, vectors=vectors, seed=seed)
    found = network_from_kept(answer["kept"], network.logits, where, dtype)
    layers = answer["reveal"]["layers"]
    whole = answer["reveal"]["network"]
    explained = sum(layer["explained"] for layer in layers) + whole["explained"]
    total = sum(layer["of"] for layer in layers) + whole["of"]
    reasoning = sound(dtype, found.deployment, str(where))
    return Reasoned(reasoning, found.network.logits, str(where), (explained, total), notes, bool(found.rows))
