"""The table of the questions about two ways to evaluate a network: a line for each, and its function in Python.

Whoever adds one writes a file with its request, and names it here: ``fpsynth.NAME`` with its types, the subcommand, what a
result records, what a report says and what may stand in files follow from the request.
"""

from __future__ import annotations

from fpsynth.synthesis.requests.fields import Request as _Request
from fpsynth.synthesis.requests.functions import answering as _answering
from fpsynth.synthesis.requests.interval import IntervalRequest as IntervalRequest
from fpsynth.synthesis.requests.order import OrderRequest as OrderRequest
from fpsynth.synthesis.requests.positions import PositionRequest as PositionRequest
from fpsynth.synthesis.requests.positions import TwinRequest as TwinRequest
from fpsynth.synthesis.requests.precision import PrecisionRequest as PrecisionRequest
from fpsynth.synthesis.requests.relu import ReluRequest as ReluRequest

__all__ = ["interval", "order", "position", "precision", "relu", "twin"]

order = _answering(OrderRequest)
precision = _answering(PrecisionRequest)
relu = _answering(ReluRequest)
interval = _answering(IntervalRequest)
twin = _answering(TwinRequest)
position = _answering(PositionRequest)

DIVERGENCES: tuple[type[_Request], ...] = (
    OrderRequest,
    PrecisionRequest,
    ReluRequest,
    IntervalRequest,
    TwinRequest,
    PositionRequest,
)
"""In the order of the help text."""
