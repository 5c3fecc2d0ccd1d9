"""What every file of fpsynth keeps to: imports without circles, one class to a name, at most eight parameters to a function."""

from __future__ import annotations

import ast
import gc
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from schedule import LONGEST, ROOT, named

import fpsynth

PACKAGE = Path(fpsynth.__file__).parent
MOST = 8
MORE = {
    ("compiled_kernels.py", "run"): "numba compiles it for arrays, one by one",
    ("dataset.py", "certify_dataset"): "files and numbers of ``certify``, which has a request above it",
    ("offered.py", "bench"): "the keywords of the command line",
    ("offered.py", "shrink"): "the keywords of the command line",
}
"""Functions that take more parameters, and why."""


@cache
def trees() -> dict[Path, ast.Module]:
    """All files of the package, parsed: a million nodes, which the garbage collector is not to go through meanwhile."""
    gc.disable()
    try:
        return {path: ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
    finally:
        gc.enable()


def imports_of(tree: ast.Module, modules: set[str]) -> set[str]:
    """What a file of the package imports, within functions, too, but not for type checkers alone."""
    named: set[str] = set()

    def walk(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if isinstance(node, ast.ImportFrom) and node.module:
            named.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
        if isinstance(node, ast.Import):
            named.update(alias.name for alias in node.names)
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.expr):
                walk(child)

    walk(tree)
    return named & modules


def circles(imports: dict[str, set[str]]) -> list[list[str]]:
    """The modules that are left once those are taken away, again and again, that import none of the others."""
    left = {module: set(named) for module, named in imports.items()}
    while free := {module for module, named in left.items() if named.isdisjoint(left)}:
        left = {module: named for module, named in left.items() if module not in free}
    while unread := set(left) - {name for named in left.values() for name in named}:
        left = {module: named for module, named in left.items() if module not in unread}
    return [sorted(left)] if left else []


def wide(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Functions of too many parameters, and how many."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            of = node.args
            number = len(of.posonlyargs) + len(of.args) + len(of.kwonlyargs) + (of.vararg is not None) + (of.kwarg is not None)
            if number > MOST:
                yield node.name, number


def test_a_circle_of_imports_is_seen() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}) == [["b", "c"]]
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    within = ast.parse("def f(x):\n    if x:\n        from a import b\nif TYPE_CHECKING:\n    import c\n")
    assert imports_of(within, {"a", "a.b", "c"}) == {"a", "a.b"}


def test_nothing_imports_in_a_circle_not_even_within_functions() -> None:
    named = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): tree
        for path, tree in trees().items()
    }
    del named["fpsynth"]  # which offers functions from above, and imports them when they are asked for
    modules = set(named)
    assert {"fpsynth.synthesis.requests.order", "fpsynth.networks.onnx", "fpsynth.synthesis.table"} <= modules
    assert circles({module: imports_of(tree, modules) for module, tree in named.items()}) == []


def test_no_two_classes_have_one_name() -> None:
    """What a word means need not be looked up twice."""
    places = defaultdict[str, list[str]](list)
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(path.relative_to(PACKAGE).as_posix())
    assert len(places) > 200
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_functions_take_eight_parameters_at_most() -> None:
    """What belongs together is an object, and what is asked is a request."""
    found = {(path.name, name) for path, tree in trees().items() for name, _ in wide(tree)}
    assert found == MORE.keys()


def test_a_function_of_nine_is_seen() -> None:
    assert list(wide(ast.parse("def f(a, b, c, d, e, *f, g, h, i): pass"))) == [("f", 9)]
    assert list(wide(ast.parse("def f(a, b, c, d, e, f, g, h): pass"))) == []


def test_the_schedule_names_tests_that_there_are() -> None:
    for path, name in named():
        assert f"\ndef {name}(" in path.read_text("utf-8"), (path.name, name)
    assert all((ROOT / file).is_file() for file in LONGEST)
