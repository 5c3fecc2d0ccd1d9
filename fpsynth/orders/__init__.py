"""Orders of summation as values: trees over numbered leaves, the families that name them, how they are read and compared."""

from fpsynth.orders.comparing import Triple, compared, difference, differences, equal, joined_last
from fpsynth.orders.enumerating import all_trees
from fpsynth.orders.naming import name_of, name_with_bias, names_of
from fpsynth.orders.nested import nested_text, parse_tree
from fpsynth.orders.order import SEQUENTIAL, Order, fixed_order, parse_order
from fpsynth.orders.tree import Builder, Tree, restrict

__all__ = [
    "SEQUENTIAL",
    "Builder",
    "Order",
    "Tree",
    "Triple",
    "all_trees",
    "compared",
    "difference",
    "differences",
    "equal",
    "fixed_order",
    "joined_last",
    "name_of",
    "name_with_bias",
    "names_of",
    "nested_text",
    "parse_order",
    "parse_tree",
    "restrict",
]
