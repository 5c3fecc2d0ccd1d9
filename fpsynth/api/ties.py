"""tie and certify, in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fpsynth.formats import format_named
from fpsynth.synthesis.requests.functions import asking
from fpsynth.synthesis.requests.ties import CertifyRequest, TieRequest

if TYPE_CHECKING:
    from fpsynth.synthesis.result import Result
    from fpsynth.synthesis.verifying.images import RobustAccuracy
    from fpsynth.verifiers.dataset import DatasetCertification


@asking(TieRequest)
def tie(request: TieRequest) -> Result:
    """Find weights and inputs that the certifier accepts although the class changes within the certified radius.

    ``dtype``: name of a format.  ``shape``: (inputs, hidden widths..., outputs), (1, 2) by default.  ``maximise``: if it is
    given, a quarter of the time limit is spent on it.  ``count``: so many different witnesses; from the second on they vary in
    shape, signs and classes as far as ``shape``, ``weights`` and ``inputs`` do not fix them (see
    ``fpsynth.synthesis.ties.variants``).  ``replay``: run them in each ``library`` at each ``batch`` size on ``device``.
    ``network``, ``images``: files of a network and of inputs, between whose classes a tie of that very network is looked for.

    Raises InputError for arguments that cannot be used.
    """
    if request.network is not None:
        from fpsynth.synthesis.given.asking import tie_request

        return tie_request(request)
    from fpsynth.synthesis.ties.run import answer_request

    return answer_request(request)


@asking(CertifyRequest)
def certify(request: CertifyRequest) -> DatasetCertification | RobustAccuracy:
    """Count the images of an .npz file that a verifier certifies for a network of a file, at a radius ``eps``.

    ``network`` is an ONNX, .keras or .npz file, or the verified certifier's text; an .npz file may hold W0, W1, ... as
    (inputs, outputs) and, where there are any, b0, b1, ... as (outputs,).  ``images`` holds images (count, ...) and labels
    (count,).  ``lipschitz`` takes all layers, the other Lipschitz certifiers dense ones with ReLU.  Other verifiers, another
    ``norm``, ``classes`` or ``out`` judge image by image, and what is said of each is returned.  ``timeout``: seconds for all
    of it (default: no limit).

    Raises InputError for files and arguments that cannot be used, and fpsynth.workers.deadlines.OutOfTimeError where the time
    is over.
    """
    if not request.by_counts:
        from fpsynth.synthesis.verifying.images import certify_images

        return certify_images(request)
    from fpsynth.verifiers.dataset import certify_dataset

    return certify_dataset(
        request.network,
        request.images,
        request.radius,
        request.certifier,
        request.gram,
        format_named(request.dtype),
        request.limit,
        request.progress,
        request.timeout,
    )
