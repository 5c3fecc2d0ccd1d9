"""Orders of summation as values: trees over numbered leaves, the families that name them, how they are read and compared."""

from fpsynth.orders.order import SEQUENTIAL, Order, fixed_order, parse_order
from fpsynth.orders.tree import Builder, Tree, restrict

__all__ = ["SEQUENTIAL", "Builder", "Order", "Tree", "fixed_order", "parse_order", "restrict"]
