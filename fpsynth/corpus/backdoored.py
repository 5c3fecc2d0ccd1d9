"""Instances of a backdoor: boxes around images that keep their class over the reals and lose it in the target; and controls."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from fpsynth.aliases import Progress
from fpsynth.backdoors.answer import Backdoor, BackdoorExample
from fpsynth.backdoors.witnessing import require_own_format
from fpsynth.corpus.instances.data import REAL, RUNTIME, SAT, UNSAT, Corpus, Instance
from fpsynth.corpus.instances.reading import network_of
from fpsynth.corpus.labels.environments import Environments
from fpsynth.corpus.labels.labelling import asked_of, real_robust, told_of
from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32
from fpsynth.networks.network import Network
from fpsynth.networks.onnx import OPSET, onnx_bytes
from fpsynth.synthesis.verifying.asked import around
from fpsynth.verifiers.properties import ExactBox, one_class
from fpsynth.version import __version__
from fpsynth.witness.numerals import exact_text
from fpsynth.wording import counted

MOST = 2
"""Images of which there are instances."""
CATEGORY = "backdoor"


def backdoor_corpus(found: Backdoor, environments: Environments, progress: Progress) -> Corpus:
    """Instances around the first images that show the backdoor and keep their class over the reals, which is proved.

    Of each: the box that verifiers were shown; the image alone, where silent environments are labelled, too; and the host in
    that box, where nothing moves it.  ``environments``: of the target and of silent ones.  Raises InputError, with the reason,
    where there are none.
    """
    if found.dtype != FLOAT32:
        raise InputError(f"instances are of float32, the network is of {found.dtype}")
    require_own_format(found)
    assert found.network is not None
    network, host = (_as_read(one) for one in (found.network, found.host))
    names = _explained(found, network, environments)
    robust = list(itertools.islice((one for one in found.examples if _robust(found, network, one)), MOST))
    if not robust:
        images, width = counted(len(found.examples), "image"), exact_text(found.eps)
        raise InputError(f"no proof was found that a box of half-width {width} around one of {images} keeps its class")
    instances: list[Instance] = []
    for example in robust:
        progress(f"labelling instances of image {example.image}")
        instances += _of_network(found, network, example, environments, names)
    for example in robust if instances else ():
        progress(f"labelling the host around image {example.image}")
        instances += _of_host(found, host, example, environments)
    if not instances:
        raise InputError("its revealed order does not give what the target gives at the images")
    instances.sort(key=lambda one: one.parameters["image"])
    versions = {name: environments.versions[name] for name in sorted(environments.versions)}
    return Corpus(tuple(instances), 0, versions, __version__)


def _as_read(network: Network) -> Network:
    """The network as it is read from the model of an instance."""
    return network_of(onnx_bytes(network, FLOAT32, form="gemm", batch=1, opset=OPSET))


def _explained(found: Backdoor, network: Network, environments: Environments) -> list[str]:
    """The target, and the silent environments of which all that they give is explained.

    Raises InputError where the target is not one of these.
    """
    if environments.computed(network, found.target) is None:
        raise InputError(f"{found.target}: what was revealed there does not explain all that it gives, in every row of a batch")
    names = [found.target]
    for name in environments.names:
        try:
            if name not in names and environments.computed(network, name) is not None:
                names.append(name)
        except InputError:  # it does not run the network by itself
            continue
    return names


def _box(found: Backdoor, example: BackdoorExample) -> ExactBox:
    return around(example.point, found.eps)


def _robust(found: Backdoor, network: Network, example: BackdoorExample) -> bool:
    unsafe = one_class(example.kept, network.logits.output_shape[0])
    return real_robust(network.logits, _box(found, example), unsafe)


def _of_network(
    found: Backdoor, network: Network, example: BackdoorExample, environments: Environments, names: Sequence[str]
) -> Iterator[Instance]:
    """The box, and the image alone; none where the target is not labelled to be unsafe."""
    about = f"Over the reals all of the box keeps the class of its image; in {found.target} the image itself has another class."
    box = _labelled(found, network, example, _box(found, example), environments, names[:1], about)
    if box.verdict(REAL) != UNSAT or box.verdict(found.target) != SAT:
        return
    yield box
    point = ExactBox(*[tuple(_exact(example.point))] * 2)
    about = f"The image alone: in {found.target} it has another class than over the reals."
    alone = _labelled(found, network, example, point, environments, names, about)
    controls = "of the one input of this box it is known in which environments the backdoor is silent"
    yield replace(alone, name=f"{box.name}_alone", control_of=box.name, controls=controls)


def _of_host(found: Backdoor, host: Network, example: BackdoorExample, environments: Environments) -> Iterator[Instance]:
    """The host in the same box, where nothing is unsafe in the environments that it is labelled for."""
    names = [name for name in environments.names if name in (found.target, RUNTIME)]
    about = "The host of the backdoored network, which keeps the class of the image in all of the box."
    try:
        control = _labelled(found, host, example, _box(found, example), environments, names, about)
    except InputError:  # a library that runs the one and not the other
        return
    if all(control.verdict(name) == UNSAT for name in (REAL, *names)):
        of = _name(example)
        yield replace(control, name=f"{of}_host", control_of=of, controls="nothing but the backdoor makes the box unsafe")


def _exact(point: Sequence[float]) -> Iterator[Fraction]:
    return map(Fraction, point)


def _name(example: BackdoorExample) -> str:
    return f"image_{example.image}"


def _labelled(
    found: Backdoor,
    network: Network,
    example: BackdoorExample,
    box: ExactBox,
    environments: Environments,
    names: Sequence[str],
    about: str,
) -> Instance:
    """With every label that can be proved, and those of the environments that are named."""
    unsafe = one_class(example.kept, network.logits.output_shape[0])
    asked = asked_of(network, box, unsafe, [example.point])
    _, told = told_of(asked, environments, names)
    return Instance(
        name=_name(example),
        category=CATEGORY,
        family=CATEGORY,
        about=about,
        seed=f"image {example.image}",
        parameters={
            "image": example.image,
            "target": found.target,
            "trigger": found.trigger,
            "behaviour": found.behaviour,
            "eps": exact_text(found.eps),
        },
        network=network,
        box=box,
        unsafe=unsafe,
        labels=told.labels,
        least=told.least,
        attained=told.attained,
        densities=told.densities,
    )
