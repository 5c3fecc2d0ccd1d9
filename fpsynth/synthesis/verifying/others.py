"""Ask a real verifier, somebody else's program, and say what its verdict is worth."""

from __future__ import annotations

import time

from fpsynth.networks.reading import read_network
from fpsynth.synthesis.requests.verifying import VerifyRequest
from fpsynth.synthesis.verifying.asked import asked_of
from fpsynth.synthesis.verifying.counterexamples import known_points
from fpsynth.synthesis.verifying.verification import Verification
from fpsynth.verifiers import external


def verify_externally(request: VerifyRequest) -> Verification:
    """Answer a request by a tool that is installed, of a checkout, or named by a command.

    Raises InputError for what cannot be read or is not taken, and
    MissingPackageError where the tool is not installed.
    """
    started = time.monotonic()
    tool = (
        external.TemplateTool(request.command)
        if request.command is not None
        else external.tool_named(request.verifier, request.checkout)
    )
    witnesses = known_points(request.witness) if request.witness is not None else ()
    network = read_network(request.network).network.logits
    asked = asked_of(request, network, None)
    if not asked.cases:  # no input satisfies the property file: nobody needs to be asked
        seconds = time.monotonic() - started
        return Verification(tool.name, _OWN, "unsat", "", (), (), seconds, settings=request.described(), kept=asked.kept)
    found = external.verify(network, asked.cases, tool, timeout=request.timeout, witnesses=witnesses, log=request.progress)
    return Verification(
        verifier=tool.name,
        arithmetic=_OWN,
        verdict=found.verdict,
        reason=found.reason,
        cases=asked.cases,
        claims=(),
        seconds=time.monotonic() - started,
        answers=found.answers,
        worth=found.judgements,
        settings=request.described(),
        kept=asked.kept,
    )


_OWN = "its own"
"""Arithmetic: whatever the tool computes in."""
