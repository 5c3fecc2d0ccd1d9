"""The report of whatever was asked, and the explanation of a witness: who tells it, and how it is rendered."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from fpsynth.aliases import Json
from fpsynth.confirmation import Replayed
from fpsynth.errors import InputError
from fpsynth.report.renderers.json import story_json
from fpsynth.report.renderers.markdown import render as markdown
from fpsynth.report.renderers.style import Style
from fpsynth.report.renderers.terminal import render
from fpsynth.report.stories.divergences import DivergenceTeller
from fpsynth.report.stories.explained_divergences import divergence_explained
from fpsynth.report.stories.explained_ties import tie_explained
from fpsynth.report.stories.graphs import GraphTeller, graph_explained, on_a_graph
from fpsynth.report.stories.listings import replay_story
from fpsynth.report.stories.teller import Teller
from fpsynth.report.stories.ties import TieTeller
from fpsynth.report.stories.unanswered import unanswered_parts
from fpsynth.report.story import Story
from fpsynth.synthesis.result import Result
from fpsynth.synthesis.verdicts import Verdict
from fpsynth.witness import Witness

if TYPE_CHECKING:
    from fpsynth.backdoors.answer import Backdoor
    from fpsynth.backdoors.defence import Defence
    from fpsynth.libraries.environments import Installation
    from fpsynth.revealing.result import Reveal
    from fpsynth.synthesis.checking.findings import CheckResult
    from fpsynth.synthesis.comparing.comparison import NetworkComparison
    from fpsynth.synthesis.matrix import Matrix
    from fpsynth.synthesis.verifying.images import RobustAccuracy
    from fpsynth.synthesis.verifying.verification import Verification
    from fpsynth.verifiers.dataset import DatasetCertification

Subject: TypeAlias = (
    "Result | Witness | CheckResult | NetworkComparison | Matrix | DatasetCertification | Installation"
    " | Reveal | Sequence[Reveal] | Sequence[Json] | Verification | RobustAccuracy | Backdoor | Defence"
)
"""What there is a report on."""
Renderer: TypeAlias = Callable[[Story, Style], str]
RENDERERS: Mapping[str, Renderer] = {
    "text": render,
    "markdown": markdown,
    "json": lambda told, _: json.dumps(story_json(told), indent=1, allow_nan=False) + "\n",
}
"""What a story can be rendered as: a whole document, ending in a newline."""


def story(subject: Subject) -> Story:
    """Return the report on what a question was answered with.

    Of a result: found (with every witness), impossible (with the proof) or unknown.  A sequence holds reveals, of layers or of
    whole networks.  Of a witness what it is; of one that was replayed just now what its runs came to.  Raises InputError for
    anything else, and where a view of a witness has no logits.
    """
    if isinstance(subject, Replayed):
        return replay_story(subject)
    if isinstance(subject, Witness):
        return Story(teller(subject).parts())
    if not isinstance(subject, Result):
        return _listed(subject)
    if subject.verdict is not Verdict.FOUND or not subject.witnesses:
        return Story(unanswered_parts(subject))
    return Story(teller(subject.witnesses[0]).parts(subject))


def _listed(subject: object) -> Story:
    """The report on what is no result of a search; its classes are imported only here."""
    from fpsynth.libraries.environments import Installation
    from fpsynth.report.stories import listings
    from fpsynth.synthesis.checking.findings import CheckResult
    from fpsynth.verifiers.dataset import DatasetCertification

    if isinstance(subject, CheckResult):
        return listings.check_story(subject)
    if isinstance(subject, DatasetCertification):
        return listings.certify_story(subject)
    if isinstance(subject, Installation):
        return listings.environments_story(subject)
    return _measured(subject)


def _measured(subject: object) -> Story:
    """The report on reveals, a matrix of them, a network in several environments, or what a verifier said."""
    from fpsynth.backdoors.answer import Backdoor
    from fpsynth.backdoors.defence import Defence
    from fpsynth.report.stories.backdoors import backdoor_story
    from fpsynth.report.stories.defences import defence_story
    from fpsynth.report.stories.matrix import matrix_story
    from fpsynth.report.stories.networks import comparison_story, network_reveals_story
    from fpsynth.report.stories.reveals import reveals_story
    from fpsynth.report.stories.verifying import images_story, verification_story
    from fpsynth.revealing.result import Reveal
    from fpsynth.synthesis.comparing.comparison import NetworkComparison
    from fpsynth.synthesis.matrix import Matrix
    from fpsynth.synthesis.verifying.images import RobustAccuracy
    from fpsynth.synthesis.verifying.verification import Verification

    if isinstance(subject, Backdoor):
        return backdoor_story(subject)
    if isinstance(subject, Defence):
        return defence_story(subject)
    if isinstance(subject, RobustAccuracy):
        return images_story(subject)
    if isinstance(subject, Verification):
        return verification_story(subject)
    if isinstance(subject, NetworkComparison):
        return comparison_story(subject)
    if isinstance(subject, Matrix):
        return matrix_story(subject)
    if isinstance(subject, Reveal):
        return reveals_story((subject,))
    if isinstance(subject, Sequence) and subject and all(isinstance(one, Reveal) for one in subject):
        return reveals_story(subject)
    if isinstance(subject, Sequence) and subject and all(isinstance(one, Mapping) and "layers" in one for one in subject):
        return network_reveals_story(subject)
    raise InputError(
        f"there is no report on a {type(subject).__name__}: give what a function of fpsynth has returned, or a witness"
    )


def explanation(witness: Witness) -> Story:
    """Return how a witness comes about, step by step; of a network of other layers than dense ones layer by layer.

    Raises InputError where a view has no logits.
    """
    if on_a_graph(witness):
        return graph_explained(witness)
    return tie_explained(witness) if witness.two_points else divergence_explained(witness)


def teller(witness: Witness) -> Teller:
    """Who tells of a witness."""
    if on_a_graph(witness):
        return GraphTeller(witness)
    return TieTeller(witness) if witness.two_points else DivergenceTeller(witness)


def require_form(form: str) -> None:
    """Raise InputError for what no story is rendered as: before anything is done that is to be told."""
    if form not in RENDERERS:
        raise InputError(f"unknown form {form!r}: a report is rendered as {' or '.join(RENDERERS)}")


def rendered(told: Story, form: str, style: Style) -> str:
    """A story in one of the forms of ``RENDERERS``.  Raises InputError for another."""
    require_form(form)
    return RENDERERS[form](told, style)
