"""No function takes more than eight parameters: what belongs together is an object, and what is asked is a request."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import fpsynth

MOST = 8
MORE = {
    ("compiled_kernels.py", "run"): "numba compiles it for arrays, one by one",
    ("dataset.py", "certify_dataset"): "files and numbers of ``certify``, which has a request above it",
    ("offered.py", "bench"): "the keywords of the command line",
    ("offered.py", "shrink"): "the keywords of the command line",
}
"""Those that do, and why."""


def wide(source: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            of = node.args
            number = len(of.posonlyargs) + len(of.args) + len(of.kwonlyargs) + (of.vararg is not None) + (of.kwarg is not None)
            if number > MOST:
                yield node.name, number


def test_functions_take_eight_parameters_at_most() -> None:
    files = sorted(Path(fpsynth.__file__).parent.rglob("*.py"))
    found = {(path.name, name) for path in files for name, _ in wide(path.read_text("utf-8"))}
    assert found == MORE.keys()


def test_a_function_of_nine_is_seen() -> None:
    assert list(wide("def f(a, b, c, d, e, *f, g, h, i): pass")) == [("f", 9)]
    assert list(wide("def f(a, b, c, d, e, f, g, h): pass")) == []
