"""The table of questions: every request that the command line and Python know alike, in the order of the help text."""

from __future__ import annotations

from fpsynth.synthesis.requests.divergences import DIVERGENCES
from fpsynth.synthesis.requests.fields import Request, open_options
from fpsynth.synthesis.requests.libraries import CompareRequest, MatrixRequest, RevealRequest
from fpsynth.synthesis.requests.looking import EnvironmentsRequest, TreeRequest
from fpsynth.synthesis.requests.ties import CertifyRequest, TieRequest
from fpsynth.synthesis.requests.verifying import VerifyRequest

__all__ = ["DIVERGENCES", "QUESTIONS", "WITNESSED", "environments_of"]

_ALL: tuple[type[Request], ...] = (
    TieRequest,
    *DIVERGENCES,
    RevealRequest,
    MatrixRequest,
    TreeRequest,
    CompareRequest,
    CertifyRequest,
    VerifyRequest,
    EnvironmentsRequest,
)
QUESTIONS = {request.question: request for request in _ALL}
WITNESSED = {request.question: request for request in (*DIVERGENCES, *_ALL) if request.predicates}
"""The questions that have witnesses, which files hold."""


def environments_of(question: str) -> tuple[str, ...]:
    """The options of a question that may name environments; none where it is not in the table."""
    if question not in QUESTIONS:
        return ()
    return tuple(name for name, (_, option) in open_options(QUESTIONS[question]).items() if option.environment)
