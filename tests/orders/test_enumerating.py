"""Claims of orders/enumerating.py: all binary trees, each once."""

from __future__ import annotations

import itertools
import math

import pytest

from fpsynth.errors import InputError
from fpsynth.orders import all_trees, equal


@pytest.mark.parametrize("leaves", range(1, 8))
def test_there_are_double_factorially_many_trees_and_all_are_different(leaves: int) -> None:
    every = list(all_trees(leaves))
    assert len(every) == math.prod(range(2 * leaves - 3, 0, -2))
    assert len({str(tree) for tree in every}) == len(every)
    if leaves <= 5:
        assert not any(equal(a, b) for a, b in itertools.combinations(every, 2))


def test_the_trees_of_three_leaves() -> None:
    assert {str(tree) for tree in all_trees(3)} == {"((0+1)+2)", "((0+2)+1)", "(0+(1+2))"}


@pytest.mark.parametrize("leaves", [-1, 0, 9])
def test_only_a_few_leaves_can_be_listed(leaves: int) -> None:
    with pytest.raises(InputError, match="1 to 8 leaves"):
        all_trees(leaves)
