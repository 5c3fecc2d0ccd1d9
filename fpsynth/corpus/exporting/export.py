"""Export a corpus: a folder with the chosen forms of every instance, and what could not be written, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fpsynth.aliases import PathLike
from fpsynth.corpus.exporting.programs import PROPERTY, PROPERTY_FILE, program_files
from fpsynth.corpus.exporting.scripts import generate, reproduce
from fpsynth.corpus.exporting.why import why
from fpsynth.corpus.instances.data import Corpus, Instance
from fpsynth.corpus.instances.storing import model_of
from fpsynth.errors import InputError, unknown_name
from fpsynth.files import write_tree

Files = dict[str, bytes]


def _programs(instance: Instance) -> Files:
    texts, _ = program_files(instance)
    return {f"c/{name}": text.encode("ascii") for name, text in texts.items()} | {
        f"c/{PROPERTY_FILE}": PROPERTY.encode("ascii")
    }


def _why(instance: Instance) -> Files:
    return {f"why/{instance.name}.txt": why(instance).encode("ascii")}


def _reproduce(instance: Instance) -> Files:
    script = reproduce(instance, f"{instance.name}.onnx").encode("ascii")
    return {f"reproduce/{instance.name}.py": script, f"reproduce/{instance.name}.onnx": model_of(instance)}


FORMS: Mapping[str, Callable[[Instance], Files]] = {"c": _programs, "why": _why, "reproduce": _reproduce}
"""What an instance can be written as."""
GENERATE = "generate"
"""Of a category: the script that makes its properties for a seed."""


def export_corpus(
    corpus: Corpus,
    folder: PathLike,
    forms: Sequence[str] = (),
    told: Callable[[str, int, int], None] = lambda text, done, total: None,
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Write forms (all by default) into a new folder; return how many instances have each, and what was left out.

    Raises InputError for an unknown form, and where the folder is not free or cannot be written.
    """
    for form in forms:
        if form not in (*FORMS, GENERATE):
            raise unknown_name("form", form, (*FORMS, GENERATE))
    chosen = tuple(dict.fromkeys(forms)) or (*FORMS, GENERATE)
    tree: Files = {}
    counts, left_out = dict.fromkeys(chosen, 0), list[str]()
    for number, instance in enumerate(corpus.instances):
        told(instance.name, number, len(corpus.instances))
        for form in (name for name in chosen if name in FORMS):
            try:
                files = FORMS[form](instance)
                tree |= files
                counts[form] += bool(files)
            except InputError as error:
                left_out.append(f"{form}, {instance.name}: {error}")
    for category in corpus.categories if GENERATE in chosen else ():
        count = sum(one.category == category for one in corpus.instances)
        tree[f"generate/{category}/generate_properties.py"] = generate(category, count).encode("ascii")
        counts[GENERATE] += 1
    if not tree:
        raise InputError(f"nothing can be written in this form: {next(iter(left_out), 'no instance has a witness')}")
    write_tree(folder, tree)
    return counts, tuple(left_out)
