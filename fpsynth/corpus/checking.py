"""Check a corpus: every label is proved again, every count counted again, and other people's readers read every file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from fpsynth.aliases import PathLike
from fpsynth.corpus.attacks.table import attacks_on
from fpsynth.corpus.instances import layout
from fpsynth.corpus.instances.data import REAL, RUNTIME, Corpus, Density, Instance, Label
from fpsynth.corpus.instances.reading import MAX_FILE, read_corpus
from fpsynth.corpus.labels.environments import RUN, Computed, computed_from
from fpsynth.corpus.labels.labelling import Truth, asked_of, real_margin, truth
from fpsynth.corpus.labels.margins import finite_margin
from fpsynth.corpus.labels.ordered import LabelQuestion
from fpsynth.corpus.labels.points import grid_of
from fpsynth.errors import InputError, WorkerLostError
from fpsynth.evaluators.networks import graph_logits, network_logits
from fpsynth.evaluators.work import LEAST, interpreted_work
from fpsynth.files import read_bytes_limited
from fpsynth.formats import FLOAT32, Format
from fpsynth.networks.cancellation import Cancellation, cancellations
from fpsynth.networks.network import Network
from fpsynth.networks.onnx import require_checked
from fpsynth.packages import how_to_install, package_version
from fpsynth.sums.arithmetic import Deployment
from fpsynth.verifiers.external.running_onnx import run_onnx, runner
from fpsynth.workers.process import Worker

Logits = Callable[[Network, Sequence[float], Format, Deployment], tuple[float, ...]]
"""What evaluates a network at a point in a deployment."""


@dataclass(frozen=True)
class Checked:
    """One instance."""

    name: str
    faults: tuple[str, ...]
    """What is not true, a line each."""
    left_out: tuple[str, ...] = ()
    """What was not checked, and why."""
    cancelling: tuple[Cancellation, ...] = ()
    """Neurons whose weights cancel exactly, which a verifier may look for: no fault."""


@dataclass(frozen=True)
class CorpusCheck:
    """What came of all of them."""

    corpus: Corpus
    checked: tuple[Checked, ...]

    @property
    def holds(self) -> bool:
        """Whether everything that was checked is true."""
        return not any(one.faults for one in self.checked)


def check_corpus(folder: PathLike, told: Callable[[str, int, int], None] = lambda text, done, total: None) -> CorpusCheck:
    """Check every instance of a folder.

    Raises InputError as ``read_corpus`` does: a folder whose files are not those of its manifest is not looked into further.
    """
    corpus = read_corpus(folder)
    checked = []
    with runner() as worker:
        for number, instance in enumerate(corpus.instances):
            told(instance.name, number, len(corpus.instances))
            checked.append(check_instance(folder, instance, worker))
    return CorpusCheck(corpus, tuple(checked))


def check_instance(folder: PathLike, instance: Instance, worker: Worker | None = None) -> Checked:
    """Prove, count and run everything that is said of one instance, from its files and the orders that it records.

    ``worker``: a process that runs models (``running_onnx.runner``).
    """
    left_out: list[str] = []
    faults = [*_labels(instance), *_witness(instance, left_out), *_model(folder, instance)]
    faults += _runtime(folder, instance, left_out, worker)
    faults += _parsed(folder, instance, left_out)
    return Checked(instance.name, tuple(faults), tuple(left_out), cancellations(instance.network))


def _labels(instance: Instance) -> Iterator[str]:
    """What a new proof in the recorded orders says otherwise."""
    witnesses = [label.witness for label in instance.labels if label.witness]
    try:
        orders = [_order(label, instance) for label in instance.labels if label.computed is not None]
        asked = asked_of(instance.network, instance.box, instance.unsafe, witnesses)
        again = truth(asked, orders, instance.witness)
    except InputError as error:
        yield f"its labels cannot be proved: {error}"
        return
    yield from _differences(instance, again)
    yield from _attacks(instance, {order.environment: order for order in orders}, asked)


def _attacks(instance: Instance, orders: Mapping[str, Computed], asked: LabelQuestion) -> Iterator[str]:
    """What attacks come to, tried again, if that is recorded."""
    if not instance.attacks:
        return
    attacker, judge = orders.get(instance.attacks[0].semantics), orders.get(RUNTIME)
    if attacker is None or judge is None:
        yield "the order in which attacks have computed is not recorded"
    elif attacks_on(attacker, judge, asked.grid, asked.unsafe, instance.seed) != instance.attacks:
        yield "attacks come to something else than what is recorded"


def _order(label: Label, instance: Instance) -> Computed:
    assert label.computed is not None
    return computed_from(label.computed, instance.network, label.semantics)


def _differences(instance: Instance, again: Truth) -> Iterator[str]:
    new = {label.semantics: label for label in again.labels}
    for label in instance.labels:
        other = new.get(label.semantics)
        if other is None:
            yield f"{label.semantics}: {label.verdict} is not proved"
        elif _plain(label) != _plain(other):
            yield f"{label.semantics}: {_words(label)} is recorded, {_words(other)} is proved"
    if (instance.least, instance.attained) != (again.least, again.attained):
        yield "the least margin over the reals is another"
    densities = {density.semantics: density for density in again.densities}
    for density in instance.densities:
        recounted = densities.get(density.semantics)
        if recounted is None:
            yield f"{density.semantics}: {_count(density)} are recorded, and no order in which they could be counted"
        elif recounted != density:
            yield f"{density.semantics}: {_count(density)} are recorded, {_count(recounted)} are counted"


def _plain(label: Label) -> Label:
    """What a new proof has to say as well: not which of several witnesses, nor which library was run."""
    return replace(label, witness=(), replayed="")


def _words(label: Label) -> str:
    return f"{label.verdict} ({label.basis}, margin {label.margin})"


def _count(density: Density) -> str:
    return f"{density.hits} of {density.samples} samples" if density.bad is None else f"{density.bad} of {density.total}"


def _witness(instance: Instance, left_out: list[str]) -> Iterator[str]:
    """Witnesses that are none: each is evaluated by itself, in exact arithmetic or number by number in the recorded order.

    Of networks of which that takes too long the order is evaluated over arrays.
    """
    whole = interpreted_work(instance.network).seconds <= LEAST
    if not whole and any(label.witness and label.computed is not None for label in instance.labels):
        left_out.append(
            "its witnesses number by number, which takes too long: they were evaluated as arrays, which give the same"
        )
    for label in instance.labels:
        if label.witness and label.semantics == REAL:
            value = real_margin(instance.network.logits, instance.unsafe, label.witness)
            if value is None or value > 0:
                yield "real: the witness is not unsafe in exact arithmetic"
        elif label.witness and label.computed is not None:
            try:
                value = _margin_in_order(instance, label, network_logits if not whole else graph_logits)
            except InputError as error:
                yield f"{label.semantics}: its order is none: {error}"
                continue
            if value is None or value > 0:
                yield f"{label.semantics}: the witness is not unsafe by {'the exact interpreter' if whole else 'arrays'}"


def _margin_in_order(instance: Instance, label: Label, logits: Logits) -> Fraction | None:
    computed = _order(label, instance)
    return finite_margin(instance.unsafe, logits(computed.network, label.witness, FLOAT32, computed.deployment))


def _model(folder: PathLike, instance: Instance) -> Iterator[str]:
    """What onnx's own checker has against the models."""
    for version in layout.VERSIONS:
        path = os.path.join(folder, layout.onnx(instance.category, instance.name, version))
        try:
            require_checked(read_bytes_limited(path, MAX_FILE))
        except InputError as error:
            yield str(error)


def _runtime(folder: PathLike, instance: Instance, left_out: list[str], worker: Worker | None) -> Iterator[str]:
    """Whether ONNX Runtime, run on the file, computes in the recorded order: at some inputs of the box, and at the witness."""
    label = instance.label(RUNTIME)
    if label is None or label.computed is None:
        return
    path = os.path.join(folder, layout.onnx(instance.category, instance.name, "1.0"))
    try:
        points = grid_of(instance.box).tried(RUN)
        recorded = _order(label, instance).outputs(points)
    except InputError:  # of which the labels have told
        return
    try:
        ran = run_onnx(path, [*points.tolist(), *([instance.witness] if instance.witness else [])], worker)
    except (InputError, WorkerLostError) as error:
        left_out.append(f"not run in ONNX Runtime: {error}")
        return
    given = np.array(ran.outputs)
    if not np.array_equal(given[: len(points)], recorded, equal_nan=True):
        k = int(np.argmax((given[: len(points)] != recorded).any(axis=1)))
        yield f"ONNX Runtime {ran.version} gives {ran.outputs[k]} at {ran.points[k]}, the recorded order {tuple(recorded[k])}"
    if instance.witness and finite_margin(instance.unsafe, ran.outputs[-1]) != label.margin:
        yield f"ONNX Runtime {ran.version} gives {ran.outputs[-1]} at the witness: margin {label.margin} is recorded"


def _parsed(folder: PathLike, instance: Instance, left_out: list[str]) -> Iterator[str]:
    """What the reference parser of VNN-LIB 2.0 has against the queries."""
    if package_version("vnnlib") is None:
        left_out.append(
            f"vnnlib is not installed ({how_to_install('vnnlib')}): its parser has not read the queries of version 2.0"
        )
        return
    import vnnlib

    place = (instance.category, instance.name)
    for path in (layout.vnnlib(*place, "2.0"), layout.vnnlib_real(*place)):
        try:
            vnnlib.parse_query_file(os.path.join(folder, path))
        except Exception as error:  # it has exceptions of its own kind
            yield f"{path}: vnnlib does not read it: {' '.join(str(error).split())[:200]}"


def faults_of(checks: Sequence[Checked]) -> list[str]:
    """A line for each fault, with the name of its instance."""
    return [f"{one.name}: {fault}" for one in checks for fault in one.faults]
