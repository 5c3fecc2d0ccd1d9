"""The question to a verifier: does a network have the property in all of a region?"""

from __future__ import annotations

import builtins
import os
from dataclasses import KW_ONLY, dataclass, field, replace
from fractions import Fraction
from typing import ClassVar

from fpsynth.aliases import Progress
from fpsynth.errors import InputError, unknown_name
from fpsynth.formats import Format, format_named
from fpsynth.synthesis.requests import shared
from fpsynth.synthesis.requests.fields import Option, Request, asked, between, needed
from fpsynth.synthesis.requests.reading import Number, check_seconds, exact_number

ARITHMETICS = "real, float32, float64, sound:any or sound:ENVIRONMENT"
"""In what verifiers can reason."""
NORMS = ("linf", "l2")


@dataclass(frozen=True)
class VerifyRequest(Request):
    """Whether a network keeps a property in a region: what a verifier says."""

    question: ClassVar[str] = "verify"
    about: ClassVar[str] = "ask a verifier whether a network has a property in all of a region"

    network: str | os.PathLike[str] = field(
        metadata=needed(Option("an ONNX, .keras or .npz file, or a network in the verified certifier's text", "MODEL"))
    )
    _: KW_ONLY
    property: str | os.PathLike[str] | None = asked(
        None, Option("a VNN-LIB file, version 1.0 or 2.0: unsat means that nothing satisfies it", "FILE.vnnlib")
    )
    box: str | None = asked(None, Option("a range per input: is the class the same in all of the box?", "LO:HI,..."))
    ball: str | None = asked(None, Option("a centre, and a radius in L2: is the class the same in all of the ball?", "X,...:R"))
    images: str | os.PathLike[str] | None = asked(
        None, Option("images (uint8 is divided by 255) or inputs, of which image names one", "X.npz")
    )
    image: int | None = asked(None, Option("number of an image, from 0: is its class kept around it?", "K", number=int))
    eps: Number | None = asked(None, Option("how far around the image", "E", record=lambda request: request.record_of_eps))
    norm: str = asked("linf", Option("linf, a box, which images do not leave, or l2, a ball (default %(default)s)"))
    label: int | None = asked(
        None,
        Option("the class that is to be kept (default: that of the middle; of an image its label)", "K", number=int),
    )
    verifier: str = asked(
        "crown",
        Option(
            "which: fpsynth verifiers lists them; a variant: milp:scip,closest,tolerance=1e-9 (default %(default)s)", "NAME"
        ),
    )
    command: str | None = asked(
        None,
        Option(
            'a tool of your own in place of one: "mytool {onnx} {vnnlib} --timeout {timeout}"; no shell reads it', "COMMAND"
        ),
    )
    checkout: str | os.PathLike[str] | None = asked(
        None, Option("of alpha-beta-crown, nnenum or auto-lirpa: where it is checked out", "FOLDER")
    )
    witness: str | os.PathLike[str] | None = asked(
        None, Option("a witness or a counterexample, against which unsat of a real verifier is held", "FILE")
    )
    arithmetic: str = asked(
        "real",
        Option(
            f"what bounds are computed for: {ARITHMETICS}; float32 and float64 are models of verifiers that allow for no"
            " rounding (default %(default)s)",
            "ARITHMETIC",
        ),
    )
    dtype: str = asked("float32", replace(shared.DTYPE, help="of the network that runs, where sound (default %(default)s)"))
    vectors: int = asked(1000, shared.VECTORS)
    seed: int = asked(0, shared.SEED)
    timeout: float = asked(60.0, replace(shared.TIMEOUT, help="for all of it (default %(default)g)", check=check_seconds))
    progress: Progress | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        regions = {"property": self.property, "box": self.box, "ball": self.ball, "image": self.image}
        given = [name for name, value in regions.items() if value is not None]
        if len(given) != 1:
            raise InputError("name one region: property, box, ball, or image with images and eps")
        if (self.image is None) != (self.images is None) or (self.image is None) != (self.eps is None):
            missing = [name for name in ("image", "images", "eps") if getattr(self, name) is None]
            raise InputError(
                f"image, images and eps go together: {' and '.join(missing)} {'is' if len(missing) < 2 else 'are'} missing"
            )
        if self.label is not None and self.property is not None:
            raise InputError("a property file says itself what is unsafe: leave label out")
        if self.norm not in NORMS:
            raise InputError(f"unknown norm {self.norm!r}: choose linf or l2")
        if self.image is not None:
            between(0, (1 << 31) - 1, "the number of the image")(self.image)
            if self.radius < 0:
                raise InputError("eps must not be negative")
        super().__post_init__()
        if not self.external and (self.checkout is not None or self.witness is not None):
            raise InputError("checkout and witness go with real verifiers: see fpsynth verifiers")
        if not self.external:
            self._require_known()

    def _require_known(self) -> None:
        """Raise InputError, with the nearest name of all verifiers, where there is none of that name."""
        from fpsynth.verifiers import external
        from fpsynth.verifiers.base import VERIFIERS

        if "{onnx}" in self.verifier or "/" in self.verifier:
            raise InputError("commands and files are asked by bench: verify takes a verifier by its name")
        if self.verifier.partition(":")[0] not in VERIFIERS:
            raise unknown_name("verifier", self.verifier, (*VERIFIERS, *external.NAMES))

    @builtins.property
    def external(self) -> bool:
        """Whether a real verifier is asked, somebody else's program."""
        if self.command is not None:
            return True
        from fpsynth.verifiers.external import NAMES

        return self.verifier in NAMES

    @builtins.property
    def format(self) -> Format:
        """Of the network that runs."""
        return format_named(self.dtype)

    @builtins.property
    def radius(self) -> Fraction:
        """``eps``, exactly."""
        return Fraction(0) if self.eps is None else exact_number(self.eps, "eps")

    @builtins.property
    def record_of_eps(self) -> float | None:
        """As records have it."""
        return None if self.eps is None else float(self.radius)
