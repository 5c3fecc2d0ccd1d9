"""What came of a backdoor: the network, what it does in every environment, and what verifiers say of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from fractions import Fraction

from fpsynth.aliases import Json
from fpsynth.backdoors.embedding import Detectors
from fpsynth.backdoors.heuristics import ComparedLayer, compared
from fpsynth.backdoors.inplace import InplaceForm
from fpsynth.backdoors.widening import WidenedForm
from fpsynth.formats import Format
from fpsynth.networks.cancellation import Cancellation, cancellations
from fpsynth.networks.network import Network
from fpsynth.synthesis.verdicts import Verdict


@dataclass(frozen=True)
class Measured:
    """The host and the backdoored network in one environment, run by the library."""

    name: str
    role: str
    """``target``, ``silent``, or ``alike``: no probe tells it from the target."""
    images: int
    """That were run; of an environment with a row only those of that row count."""
    host_correct: int | None
    """Images whose class is their label in the host; None without labels."""
    correct: int | None
    """The same in the backdoored network."""
    changed: int
    """Images that the two put into different classes, without the trigger."""
    close: int
    """How many of these the host puts close to both classes (``measuring.close_to``): rounding may decide."""
    triggered: int
    """Images with the trigger."""
    triggered_correct: int | None
    triggered_changed: int
    """Of those, images that the two put into different classes."""
    triggered_close: int
    """How many of these are close."""
    as_wanted: int
    """Of those with the trigger, images that get the class that the behaviour says."""

    @property
    def moved(self) -> int:
        """The changed images without the trigger that are not close: those that decide what the network is."""
        return self.changed - self.close

    @property
    def triggered_moved(self) -> int:
        """The same of images with the trigger."""
        return self.triggered_changed - self.triggered_close

    def to_json(self) -> Json:
        """As data; accuracies are parts of 1, None without labels or images."""
        return {
            "name": self.name,
            "role": self.role,
            "images": self.images,
            "host_accuracy": _part(self.host_correct, self.images),
            "accuracy": _part(self.correct, self.images),
            "changed": self.changed,
            "close": self.close,
            "triggered": self.triggered,
            "triggered_accuracy": _part(self.triggered_correct, self.triggered),
            "triggered_changed": self.triggered_changed,
            "triggered_close": self.triggered_close,
            "as_wanted": self.as_wanted,
        }


def _part(count: int | None, of: int) -> float | None:
    return None if count is None or not of else count / of


MERGED = "crown-merged"
"""The verifier CROWN, of networks in which neurons of equal weights are one."""


@dataclass(frozen=True)
class VerifierCounts:
    """What a verifier says of boxes around images, of the host and of the backdoored network."""

    name: str
    arithmetic: str
    images: int
    host_verified: int
    verified: int
    lost: int
    """Boxes that it verifies of the host, but not of the backdoored network."""
    triggered: bool = False
    """Whether the images have the trigger."""
    not_run: int = 0
    """Of the images, those whose boxes it was not shown, of both networks, before the time was over."""

    @property
    def verdict(self) -> str:
        """``as the host``: it verifies each box that it verifies of the host; ``fewer`` of these; ``none`` of them.

        ``as the host so far``: each of those that it was shown before the time was over, not all.

        ``neither``: it verifies none of the host; ``not run``: it was shown no box.
        """
        if self.not_run == self.images:
            return "not run"
        if not self.host_verified:
            return "neither"
        if not self.lost:
            return "as the host so far" if self.not_run else "as the host"
        return "none" if self.lost == self.host_verified else "fewer"

    def to_json(self) -> Json:
        """As data."""
        return {
            "name": f"{self.name} {self.arithmetic}",
            "verdict": self.verdict,
            "triggered": self.triggered,
            "images": self.images,
            "host_verified": self.host_verified,
            "verified": self.verified,
            "lost": self.lost,
            "not_run": self.not_run,
        }


@dataclass(frozen=True)
class BackdoorExample:
    """An image with the trigger that the target puts into another class than the host, and all silent environments do not."""

    image: int
    """Its number among the images that were given, counted from 0."""
    point: tuple[float, ...]
    """As it is run, with the trigger in it."""
    kept: int
    """The class that the host gives it, and the backdoored network in silent environments."""


@dataclass(frozen=True)
class Survival:
    """What came of networks with changed weights."""

    relative: float
    """The largest relative change of a weight or bias: each is changed by its own, uniform, one."""
    draws: int
    survived: int
    """Draws that are still wrong in the target, but for 1 % at most of the images with the trigger, and the host elsewhere."""
    images: int
    triggered: int
    """Of these, images with the trigger, in the rows of the target that count."""
    lost: tuple[str, ...]
    """Of the others, what is otherwise."""

    def to_json(self) -> Json:
        """As data."""
        return {**asdict(self), "lost": list(self.lost)}


@dataclass(frozen=True)
class StoredHost:
    """The host whose numbers were rounded so that what is made of it can be stored in a narrower format."""

    format: str
    changed: int
    """Numbers that were rounded."""
    images: int
    correct: int | None
    """Images whose class is their label in the host before that, in the target; None without labels."""

    @property
    def accuracy(self) -> float | None:
        """Of the host before it was rounded, in the target."""
        return _part(self.correct, self.images)

    def to_json(self) -> Json:
        """As data."""
        return {"format": self.format, "host_numbers_rounded": self.changed, "host_accuracy_before": self.accuracy}


@dataclass(frozen=True)
class Backdoor:
    """The answer."""

    verdict: Verdict
    reason: str
    """Why there is none; empty where there is."""
    target: str
    silent: tuple[str, ...]
    alike: tuple[str, ...]
    """Environments that no probe tells from the target."""
    trigger: str
    trigger_words: str
    behaviour: str
    paint: dict[int, float] | None
    """What to set inputs to so that they have the trigger."""
    dtype: Format
    host: Network
    host_file: str
    network: Network | None = None
    form: WidenedForm | InplaceForm | None = None
    detectors: Detectors | None = None
    environments: tuple[Measured, ...] = ()
    not_run: tuple[str, ...] = ()
    """Environments in which it was not run before the time was over."""
    left_out: tuple[tuple[str, str], ...] = ()
    """Environments that nobody had named and that cannot run the host, and why."""
    examples: tuple[BackdoorExample, ...] = ()
    """The first images that show it, by the libraries' own runs."""
    judged: tuple[VerifierCounts, ...] = ()
    eps: Fraction = Fraction(1, 10)
    """Half the width of the boxes that verifiers were shown."""
    probes: int = 0
    """Rows that were tried in the target."""
    storage: StoredHost | None = None
    """What storing in a narrower format makes of the host; the network is what was stored and read back."""
    survival: Survival | None = None
    """What changes of the weights leave of it; None where that was not asked."""
    seconds: float = 0.0
    """To find and embed the detectors, reveals and measurements apart."""
    seconds_total: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def quiet(self) -> tuple[str, ...]:
        """The environments, and rows of the target's batches, in which it was measured to be silent."""
        own = [one for one in self.environments if one.role == "silent"]
        if self.verdict is not Verdict.FOUND:  # nothing was said of each of them
            own = [one for one in own if not one.moved and not one.triggered_moved]
        return tuple(one.name for one in own)

    @property
    def largest_weight(self) -> float | None:
        """Of the backdoored network, biases included."""
        return None if self.network is None else largest(self.network)

    @property
    def compared(self) -> tuple[ComparedLayer, ...]:
        """What simple heuristics see of each layer, beside the host."""
        return () if self.network is None else compared(self.host, self.network)

    @property
    def cancellations(self) -> tuple[Cancellation, ...]:
        """The neurons of the backdoored network whose weights cancel exactly: a lint finds them."""
        return () if self.network is None else cancellations(self.network)

    def to_json(self) -> Json:
        """As data."""
        found = self.environments
        return {
            "verdict": self.verdict.value,
            "reason": self.reason,
            "target": self.target,
            "silent": list(self.silent),
            "alike": list(self.alike),
            "trigger": self.trigger,
            "behaviour": self.behaviour,
            "dtype": self.dtype.name,
            "host_accuracy": next((one.to_json()["host_accuracy"] for one in found), None),
            "environments": [one.to_json() for one in found],
            "not_run": list(self.not_run),
            "left_out": [{"name": name, "reason": reason} for name, reason in self.left_out],
            "detectors": self._detectors_json(),
            "largest_weight": self.largest_weight,
            "host_largest_weight": largest(self.host),
            "parameters": None if self.network is None else self.network.parameter_count,
            "host_parameters": self.host.parameter_count,
            "heuristics": [one.to_json() for one in self.compared],
            "cancellations": [one.to_json() for one in self.cancellations],
            "verifiers": [one.to_json() for one in self.judged],
            "storage": None if self.storage is None else self.storage.to_json(),
            "survival": None if self.survival is None else self.survival.to_json(),
            "probes": self.probes,
            "seconds": self.seconds,
            "seconds_total": self.seconds_total,
        }

    def _detectors_json(self) -> Json | None:
        if self.form is None or self.detectors is None:
            return None
        return {
            "layer": self.form.site.detector,
            "rows": list(self.detectors.columns),
            "features": [list(one) for one in self.detectors.features],
            "weights": list(map(float, self.detectors.sizes.weights)),
            "terms": self.form.inputs,
            "fed_by": self.form.site.carrier,
            "channels": list(self.form.places),
            "copies_of": self.form.copied,
            "inplace": self.form.to_json() if isinstance(self.form, InplaceForm) else None,
        }


def largest(network: Network) -> float:
    """The largest weight or bias of a network, in size."""
    return max(float(abs(array).max()) for array in network.arrays())
