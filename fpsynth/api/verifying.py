"""verify, in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fpsynth.synthesis.requests.functions import asking
from fpsynth.synthesis.requests.verifying import VerifyRequest

if TYPE_CHECKING:
    from fpsynth.synthesis.verifying.verification import Verification


@asking(VerifyRequest)
def verify(request: VerifyRequest) -> Verification:
    """Ask a verifier whether a network has a property in all of a region: unsat where nothing unsafe is reached.

    ``network``: a file of any format that is read.  The region: ``property``, a VNN-LIB file; ``box``, "LO:HI,..."; ``ball``,
    "X,...:R"; or ``image`` of the file ``images``, ``eps`` around it in ``norm``.  ``arithmetic``: "real", for exact values;
    "float32" or "float64", models of verifiers that allow for no rounding; "sound:any" or "sound:ENVIRONMENT", for what the
    network computes where it runs.  Raises InputError for what cannot be read, or what the verifier does not take.
    """
    from fpsynth.synthesis.verifying.run import verify_request

    return verify_request(request)
