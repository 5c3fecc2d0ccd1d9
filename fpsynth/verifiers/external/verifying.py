"""Ask a real verifier about a network of fpsynth's and cases: files are written as it reads them, its verdict is judged."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from fpsynth.aliases import PathLike, Progress
from fpsynth.errors import InputError, unknown_name
from fpsynth.evaluators.enclosing import enclosed_logits
from fpsynth.formats import FLOAT32, FLOAT64, Format
from fpsynth.networks.certifier_text import has_decimal
from fpsynth.networks.network import Network
from fpsynth.networks.onnx import OPSET, onnx_bytes
from fpsynth.networks.reading import narrowest
from fpsynth.scratch import scratch
from fpsynth.verifiers.claims import Box
from fpsynth.verifiers.external.base import MEMORY, Tool, ToolAnswer, run
from fpsynth.verifiers.external.checkouts import CHECKOUTS, from_checkout
from fpsynth.verifiers.external.driven import installed_tool
from fpsynth.verifiers.external.judging import Worth, judge
from fpsynth.verifiers.external.standard import InstalledStandardTool
from fpsynth.verifiers.external.tools import TOOLS
from fpsynth.verifiers.external.writing import not_strict, written
from fpsynth.verifiers.properties import Case, ExactBox, Property, one_class

NAMES = (*TOOLS, *CHECKOUTS)
"""Every verifier that has a name: those that can be installed, and those of checkouts."""


@dataclass(frozen=True)
class Verified:
    """What a real verifier says of all cases together."""

    verdict: str
    """``sat`` where it says so of one case, by a point that is not on the border, ``unsat`` where of all, else ``unknown``."""
    reason: str
    """Why it is unknown, in one line."""
    answers: tuple[ToolAnswer, ...]
    """Of the cases, in their order; those after a ``sat`` were not asked."""
    judgements: tuple[Worth, ...]
    """Of these answers."""

    @property
    def seconds(self) -> float:
        """That the tool has run."""
        return sum(answer.seconds for answer in self.answers)


def tool_named(name: str, checkout: PathLike | None = None, python: str = "") -> Tool:
    """A verifier by its name.  ``checkout``, ``python``: of those that are not installed by fpsynth.

    Raises InputError for an unknown name or a checkout that is missing, and MissingPackageError for what is not installed.
    """
    if name in CHECKOUTS:
        if checkout is None:
            raise InputError(f"{name} is in no package index: name a checkout of it")
        return from_checkout(name, checkout, python)
    if name not in TOOLS:
        raise unknown_name("external verifier", name, NAMES)
    return InstalledStandardTool(name) if TOOLS[name].how == "standard" else installed_tool(name)


def verify(
    network: Network,
    cases: Sequence[Case],
    name: str | Tool,
    *,
    timeout: float = 60.0,
    memory: int | None = MEMORY,
    dtype: Format | None = None,
    witnesses: Sequence[Sequence[float | Fraction]] = (),
    log: Progress | None = None,
) -> Verified:
    """Ask whether the unsafe outputs of a case are reached in its box.

    ``timeout``: seconds for all cases together.  ``dtype``: of the ONNX model, the network's own by default.  ``witnesses``:
    points against which ``unsat`` is held.  A case without a property asks for the class of the middle.

    Raises InputError for regions that are not boxes, for properties and formats that cannot be written, and as ``tool_named``
    and ``base.run`` do.
    """
    tool = tool_named(name) if isinstance(name, str) else name
    if not cases:
        raise InputError("there is nothing to verify: no case is given")
    end, answers, judgements = time.monotonic() + timeout, list[ToolAnswer](), list[Worth]()
    with scratch() as folder:
        model, query = folder / "network.onnx", folder / "property.vnnlib"
        model.write_bytes(onnx_bytes(network, dtype or own_format(network), form="gemm", batch=1, opset=OPSET))
        for case in cases:
            left, box, unsafe = end - time.monotonic(), exact(case), property_of(network, case)
            assert isinstance(case.region, Box)
            asked = asked_of(box, case.region, unsafe)
            if left <= 0:
                answers.append(ToolAnswer("unknown", f"the {timeout:g} s for all cases are over", tool=tool.name))
            else:
                query.write_text(written(*asked, network.input_shape, network.output_shape, tool.dialect))
                answers.append(run(tool, model, query, timeout=left, memory=memory, log=log))
            judgements.append(judge(answers[-1], network, model, box, unsafe, witnesses, asked))
            if left <= 0 or (answers[-1].verdict == "sat" and not judgements[-1].on_border):
                break
    return Verified(*_together(answers, judgements), tuple(answers), tuple(judgements))


def _together(answers: Sequence[ToolAnswer], judgements: Sequence[Worth]) -> tuple[str, str]:
    """A point on the border answers the question that the tool was asked, and not the user's."""
    told = [
        ("unknown", worth.reason) if worth.on_border else (answer.verdict, answer.reason)
        for answer, worth in zip(answers, judgements, strict=True)
    ]
    verdicts = [verdict for verdict, _ in told]
    if "sat" in verdicts:
        return "sat", ""
    reasons = (reason for verdict, reason in told if verdict == "unknown")
    return ("unknown", next(reasons)) if "unknown" in verdicts else ("unsat", "")


def exact(case: Case) -> ExactBox:
    """The box of a case, in exact numbers.  Raises InputError for other regions."""
    if not isinstance(case.region, Box):
        raise InputError("external verifiers take boxes, not balls")
    if isinstance(case.exact, ExactBox):  # the region is of floats around it
        return case.exact
    return ExactBox(tuple(map(Fraction, case.region.lower)), tuple(map(Fraction, case.region.upper)))


def asked_of(box: ExactBox, region: Box, unsafe: Property) -> tuple[ExactBox, Property]:
    """What a tool is asked instead: ends without a decimal expansion are those of the region around, and < is <=."""
    ends = zip((*box.lower, *box.upper), (*region.lower, *region.upper), strict=True)
    numbers = [end if has_decimal(end) else Fraction(around) for end, around in ends]
    size = len(box.lower)
    return ExactBox(tuple(numbers[:size]), tuple(numbers[size:])), not_strict(unsafe)


def property_of(network: Network, case: Case) -> Property:
    """What is unsafe in a case; where it does not say so, any class but that of the middle of its box, in exact arithmetic.

    Raises InputError where no class is above all others there.
    """
    if case.property is not None:
        return case.property
    box = exact(case)
    middle = [(low + high) / 2 for low, high in zip(box.lower, box.upper, strict=True)]
    ends = enclosed_logits(network, [(x, x) for x in middle])
    top = max(range(len(ends)), key=lambda k: ends[k][0])
    if any(high >= ends[top][0] for k, (_, high) in enumerate(ends) if k != top):
        raise InputError("no class is above all others in the middle of the box: name a property")
    return one_class(top, len(ends))


def own_format(network: Network) -> Format:
    """The format that a model of the network is written in: float32 where it holds all numbers, else float64."""
    return FLOAT32 if narrowest(network) is not FLOAT64 else FLOAT64
