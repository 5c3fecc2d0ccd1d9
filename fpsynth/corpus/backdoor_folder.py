"""The folder of a backdoor: the network in every form, its witness, and instances for verifiers; what is left out, and why."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fpsynth.aliases import PathLike, Progress
from fpsynth.backdoors.answer import Backdoor
from fpsynth.backdoors.witnessing import backdoor_witness, of_own_format, told_silent
from fpsynth.backdoors.writing import NAME, backdoor_files, readme
from fpsynth.corpus.backdoored import backdoor_corpus
from fpsynth.corpus.instances.storing import files_of, tree_of
from fpsynth.corpus.labels.environments import VECTORS, Environments
from fpsynth.errors import ContradictionError, InputError
from fpsynth.files import require_free, write_tree
from fpsynth.formats import FLOAT32, FLOAT64
from fpsynth.networks.keras import keras_in
from fpsynth.networks.network import Network
from fpsynth.synthesis.given.views import Given
from fpsynth.witness.file import text_and_files
from fpsynth.witness.networks import own_content

KERAS, WITNESS, CORPUS = f"{NAME}.keras", "witness.json", "corpus"
Make = Callable[[Backdoor, Environments, Progress], dict[str, bytes]]
"""Files by name.  Raises InputError with the reason why there are none."""


@dataclass(frozen=True)
class BackdoorFolder:
    """What was written."""

    files: tuple[str, ...]
    """Names in the folder: of files, and of the folder of the corpus."""
    left_out: tuple[str, ...]
    """What was not, with the reason, a line each."""


def write_backdoor_folder(
    found: Backdoor, folder: PathLike, report: str, progress: Progress = lambda text: None
) -> BackdoorFolder:
    """Write a new folder with a backdoored network, whole or not at all.

    ``report``: for its README.  The network is revealed in its target and in one silent environment of each library, for the
    witness and the labels of the instances.  Raises InputError where the folder is there already or cannot be written, and
    where there is no network; MissingPackageError without onnx.
    """
    if found.network is None:
        raise InputError("nothing was found that could be written")
    require_free(folder)
    files, left_out = backdoor_files(found), list[str]()
    target = (found.target,) if of_own_format(found, found.target) else ()
    with Environments((*target, *told_silent(found))) as environments:
        for name, make in _MAKERS.items():
            try:
                files |= make(found, environments, progress)
            except (InputError, ContradictionError) as reason:
                left_out.append(f"{name}: {reason}")
    names = tuple(dict.fromkeys(name.partition("/")[0] for name in files))
    files["README.md"] = readme(found, report, names, left_out).encode()
    write_tree(folder, files)
    return BackdoorFolder((*names, "README.md"), tuple(left_out))


def _keras(found: Backdoor, environments: Environments, progress: Progress) -> dict[str, bytes]:
    """As Keras itself saves it.  Raises ContradictionError where its numbers are not read back bit for bit."""
    if found.dtype not in (FLOAT32, FLOAT64):
        raise InputError(f"Keras files are read in float32 and float64 alone, not in {found.dtype}")
    assert found.network is not None
    progress("writing the network with Keras")
    content = environments.revealer.keras_file(found.network.logits, found.dtype)
    again = keras_in(io.BytesIO(content), KERAS)
    if again.format != found.dtype or _bits(again.network) != _bits(found.network):
        raise ContradictionError(f"{KERAS} is not read back as it was written")
    return {KERAS: content}


def _bits(network: Network) -> list[tuple[tuple[int, ...], bytes]]:
    """The parameters in their order, with the signs of zeros."""
    return [(array.shape, np.ascontiguousarray(array, np.float64).tobytes()) for array in network.arrays()]


def _witness(found: Backdoor, environments: Environments, progress: Progress) -> dict[str, bytes]:
    """With the .npz file of the folder as its network, where that is a large one."""
    assert found.network is not None
    given = Given(found.network, found.dtype, environments.revealer, VECTORS, progress=progress)
    digest, _ = own_content(found.network)
    written, beside = text_and_files(backdoor_witness(found, given), "witness", {digest: f"{NAME}.npz"})
    return {WITNESS: written.encode(), **beside}


def _corpus(found: Backdoor, environments: Environments, progress: Progress) -> dict[str, bytes]:
    made = backdoor_corpus(found, environments, progress)
    files: dict[str, bytes] = {}
    for one in made.instances:
        progress(f"writing {one.name}")
        files |= files_of(one)
    return {f"{CORPUS}/{name}": content for name, content in tree_of(made, files).items()}


_MAKERS: dict[str, Make] = {KERAS: _keras, WITNESS: _witness, CORPUS: _corpus}
