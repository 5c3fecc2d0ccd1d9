"""Layouts tell arithmetics apart, and what is said of them; old files of reveals keep their meaning."""

from __future__ import annotations

import itertools

import pytest

from fpsynth.errors import InputError
from fpsynth.formats import FLOAT32
from fpsynth.libraries.kernels import Kernel
from fpsynth.libraries.naming import parse_environment
from fpsynth.revealing.file import kernel_from_json, kernel_to_json, reveal_from_json, reveal_to_json
from fpsynth.revealing.revealer import Revealer
from fpsynth.solvers.engines import engines_named
from fpsynth.synthesis.domain import UNIT
from fpsynth.synthesis.matrix import classes_of, confirm, detectors, reveal_all
from fpsynth.synthesis.settings import Settings


def test_layouts_are_members_of_a_matrix_and_their_detectors_obey():
    """Weights stored either way, and points stored column by column: each arithmetic is told from the others in numpy."""
    texts = [f"numpy:{name}:batch=4{layout}" for name in ("matmul", "dot") for layout in ("", ",layout=NN", ",layout=TT")]
    members = reveal_all(map(parse_environment, texts), FLOAT32, 64, 16, 500, 0, None)
    assert all(member.reveal is not None and member.reveal.explained for member in members)
    classes = classes_of(members, 64)
    settings = Settings(engines_named("auto"), 0, 60)
    cells = confirm(detectors(members, classes, FLOAT32, 64, UNIT, settings, None), members, classes, FLOAT32, 16, None)
    assert len(cells) == len(list(itertools.combinations(classes, 2)))
    assert all(cell.confirmed for cell in cells), [cell.reason for cell in cells]


def test_a_kernel_says_its_call_and_an_old_one_means_what_it_meant():
    data = kernel_to_json(Kernel(parse_environment("numpy:dot:batch=4,outputs=2"), FLOAT32, 8, 2, bias=True))
    assert data["call"] == "np.dot(x, W.T) + b  x (4, 8) C, W (2, 8) C, b (2,)"
    assert kernel_from_json(data).environment.operation == "dot"
    old = {name: value for name, value in data.items() if name != "call"}
    assert str(kernel_from_json(old).environment) == "numpy:dot-rows:batch=4,outputs=2"


def test_a_reveal_that_names_another_call_is_refused():
    with Revealer() as revealer:
        kernel = Kernel(parse_environment("numpy:dot:batch=4,outputs=3"), FLOAT32, 16, 3)
        data = reveal_to_json(revealer.reveal(kernel, vectors=300))
    data["kernel"]["call"] = "np.matmul(x, W.T)"
    with pytest.raises(InputError, match=r"the call of a kernel in numpy:dot:batch=4,outputs=3 is np.dot\(x, W.T\)  x"):
        reveal_from_json(data)
