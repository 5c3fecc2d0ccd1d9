"""A small corpus with labels that are proved here, and verifiers that stand in for good and bad ones."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from fpsynth.corpus.families.base import BELOW, box_of, stack
from fpsynth.corpus.instances.data import RUNTIME, Corpus, Instance
from fpsynth.corpus.instances.storing import write_corpus
from fpsynth.corpus.labels.environments import Environments
from fpsynth.corpus.labels.labelling import asked_of, orders_of, replayed, truth
from fpsynth.networks.network import Network
from fpsynth.verifiers.properties import Inequality, Property

WIDTH = 2.0**-17
"""Narrower than 1e-5."""
FUNCTIONS = Path(__file__).with_name("standing_in.py")


def at_least(number: float) -> Property:
    """Unsafe where Y_0 is at least that."""
    return Property(((Inequality(((0, Fraction(-1)),), -Fraction(number)),),))


def instance(
    environments: Environments,
    name: str,
    network: Network,
    ends: Sequence[tuple[float, float]],
    unsafe: Property = BELOW,
    *,
    category: str = "tie",
    witness: tuple[float, ...] = (),
    control_of: str = "",
) -> Instance:
    """An instance, labelled."""
    box = box_of(ends)
    asked = asked_of(network, box, unsafe, [witness] if witness else [])
    orders = orders_of(asked, environments)
    told = replayed(asked, truth(asked, orders), orders, environments)
    labels = (told.labels, told.least, told.attained, told.densities)
    about, seed = "made for tests", "0"
    return Instance(name, category, "tests", about, seed, {}, network, box, unsafe, *labels, control_of=control_of)


def corpus() -> Corpus:
    """A tie of rounding and its control; two that are broken over the reals, one in a box narrower than 1e-5; a robust one."""
    tie, apart = (stack(([[1.0], [1.0]], [0.0, 2.0**-k])) for k in (30, 10))
    behind = stack(([[1.0, 1.0], [0.0, 1.0]], [0.0, 0.0]), ([[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]), ([[1.0, 0.0]], [-0.5]))
    broken = stack(([[1.0], [0.0]], [0.0, 0.75]))
    ends = [(0.5, 0.5 + 2.0**-12)]
    half = 0.125
    with Environments((RUNTIME,)) as where:
        made = (
            instance(where, "tie_0", tie, ends),
            instance(where, "tie_0_control1", apart, ends, control_of="tie_0"),
            instance(where, "broken_0", broken, [(0.5, 0.5 + 2.0**-8)], at_least(0.501), category="plain"),
            instance(
                where, "robust_0", broken, [(0.25, 0.25 + 2.0**-8)], at_least(0.5), category="plain", control_of="broken_0"
            ),
            instance(
                where,
                "narrow_0",
                behind,
                [(half, half + WIDTH), (half, half + WIDTH)],
                at_least(2 * half + WIDTH - 0.5),
                category="tolerance",
                witness=(half + WIDTH, half + WIDTH),
            ),
        )
        versions = dict(where.versions)
    return Corpus(made, 0, versions, "tests")


def written(folder: Path) -> Path:
    """The corpus as a folder."""
    write_corpus(corpus(), folder)
    return folder


def standing_in(name: str, label: str = "") -> str:
    """A function of ``standing_in.py`` as the command line names it."""
    return f"{label}={FUNCTIONS}:{name}" if label else f"{FUNCTIONS}:{name}"


def script(folder: Path, body: str, name: str = "tool") -> str:
    """A command that runs a script of Python."""
    path = folder / f"{name}.py"
    path.write_text(f"import os, sys, time\n{body}\n")
    return f"{name}={sys.executable} {path} {{onnx}} {{vnnlib}} {{timeout}} {{seed}}"
