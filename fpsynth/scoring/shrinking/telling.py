"""What was shrunk, as a story: before and after, and what is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction

from fpsynth.aliases import Json
from fpsynth.corpus.labels.margins import in_words
from fpsynth.networks.network import Network
from fpsynth.report.story import Drawing, Part, Section, Space, Story, Table, Title, told
from fpsynth.report.text import Text
from fpsynth.scoring.shrinking.instances import ShrunkInstance
from fpsynth.scoring.shrinking.witnesses import ShrunkWitness
from fpsynth.witness.numerals import exact_text

_NAMES = {
    "layers": "layers",
    "neurons": "neurons",
    "inputs": "inputs",
    "weights": "weights that are not zero",
    "bits": "bits of the weights",
    "bits_of_points": "bits of the points",
    "box_inputs": "float32 inputs in the box",
}
_SHOWN = 40
"""Lines of a network."""


def instance_story(found: ShrunkInstance) -> Story:
    """Sizes, the verifier's answer, the instance itself."""
    sizes = found.to_json()
    wrong = found.column.replace("_", " ")
    said = f"{found.verifier.name} says {found.says.verdict}, {wrong}: {found.says.reason}."
    if not found.still_wrong:
        said = f"{found.verifier.name}, asked once more, is not wrong: {found.says.reason}. It was when it was asked before."
    parts: list[Part] = [Title(f"shrink · {found.before.name} · {found.verifier.name}"), Space(), _sizes(sizes), Space()]
    parts += told(said, _ended(found.complete, found.considered))
    ends = zip(found.after.box.lower, found.after.box.upper, strict=True)
    lines = [f"X_{k} from {exact_text(low)} to {exact_text(high)}" for k, (low, high) in enumerate(ends)]
    lines += _layers(found.after.network)
    lines += [f"unsafe: {in_words(found.after.unsafe)}"]
    if found.after.witness:
        lines += [f"witness: {', '.join(f'X_{k} = {exact_text(Fraction(x))}' for k, x in enumerate(found.after.witness))}"]
    parts.append(Section("The instance", (Drawing([f"  {line}" for line in lines[:_SHOWN]]),)))
    return Story(tuple(parts))


def witness_story(found: ShrunkWitness) -> Story:
    """Sizes, the numbers."""
    parts: list[Part] = [Title(f"shrink · {found.before.question}"), Space(), _sizes(found.to_json()), Space()]
    parts += told(_ended(found.complete, found.considered))
    lines = [f"{point.name}: {', '.join(f'{x!r}' for x in point.numbers)}" for point in found.after.points]
    parts.append(Section("The witness", (Drawing([f"  {line}" for line in (*_layers(found.after.network), *lines)[:_SHOWN]]),)))
    return Story(tuple(parts))


def _sizes(sizes: Mapping[str, Json]) -> Table:
    before, after = sizes["before"], sizes["after"]
    rows: list[tuple[Text, ...]] = [(_NAMES[name], str(before[name]), str(after[name])) for name in before]
    return Table(("", "before", "after"), rows)


def _ended(complete: bool, considered: int) -> str:
    if complete:
        return f"Nothing simpler was found in {considered} tries."
    return f"The time was over after {considered} tries: the same command goes on from there."


def _layers(network: Network) -> Iterator[str]:
    for node in network.nodes:
        for array in node.layer.arrays():
            yield f"{node.name} {array.tolist()}"
