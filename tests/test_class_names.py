"""A class has a name that no other class of fpsynth has: what a word means need not be looked up twice."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import fpsynth


def test_no_two_classes_have_one_name() -> None:
    root = Path(fpsynth.__file__).parent
    places = defaultdict[str, list[str]](list)
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(path.relative_to(root).as_posix())
    assert len(places) > 200
    assert {name: found for name, found in places.items() if len(found) > 1} == {}
