"""check, replay, explain and render, in Python: what can be done with a witness, a witness file, or an answer."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from fpsynth.errors import InputError
from fpsynth.synthesis.requests.functions import OLDER, formerly
from fpsynth.synthesis.requests.reading import Batches, Libraries, batches_of, check_batches, libraries_of
from fpsynth.workers.deadlines import within

if TYPE_CHECKING:
    from fpsynth.confirmation import Replayed
    from fpsynth.report.story import Story
    from fpsynth.report.telling import Subject
    from fpsynth.synthesis.checking.check import CheckResult
    from fpsynth.witness import Witness


def check(witness: Witness | str | os.PathLike[str], *, timeout: float | None = None) -> CheckResult:
    """Compute every claim of a witness (or of a witness file) again, exactly and without a solver.

    ``timeout``: seconds, looked at between steps; raises ``fpsynth.workers.deadlines.OutOfTimeError`` where they are over.
    """
    from fpsynth.synthesis.checking.check import check as recheck

    with _limited(timeout):
        return recheck(loaded(witness))


@formerly(**OLDER)
def replay(
    witness: Witness | str | os.PathLike[str],
    *,
    library: Libraries = None,
    batch: Batches = None,
    device: str = "cpu",
    timeout: float | None = None,
) -> Replayed:
    """Run a witness (or a witness file) in each ``library`` at each ``batch`` size; return it with the fresh replays.

    It is the witness that it was, with other observations; ``render`` tells what the runs came to, as the command does, where
    it is given what this returns itself.  It is run, beside that, in every environment that one of its views names.  A library
    that has not answered after ``timeout`` seconds in all, two minutes by itself, counts as not run.
    """
    with _limited(timeout):
        return _replayed(witness, library, batch, device)


def _replayed(witness: Witness | str | os.PathLike[str], library: Libraries, batch: Batches, device: str) -> Replayed:
    from fpsynth.confirmation import Replayed
    from fpsynth.confirmation import replay as run

    libraries, batches = libraries_of(library, device), batches_of(batch, device)
    check_batches(batches)
    return Replayed.of(run(loaded(witness), libraries=libraries, batches=batches, device=device))


def explain(
    witness: Witness | str | os.PathLike[str],
    *,
    form: str = "text",
    unicode: bool = True,
    colour: bool = False,
    width: int = 96,
    timeout: float | None = None,
) -> str:
    """Tell the computation of a witness (or of a witness file) step by step; claims that do not hold come first.

    ``form``, ``unicode``, ``colour`` and ``width`` as in ``render``, ``timeout`` as in ``check``.
    """
    from fpsynth.report.renderers.style import Style
    from fpsynth.report.telling import rendered, require_form

    require_form(form)
    with _limited(timeout):
        return rendered(explained(witness)[0], form, Style(unicode, colour, width))


def render(subject: Subject, form: str = "text", *, unicode: bool = True, colour: bool = False, width: int = 96) -> str:
    """Return the report on what a function of fpsynth has returned, or on a witness: the one that the command prints.

    Of what ``replay`` returns it is a line per environment, and who confirms the witness; of any other witness what it is.

    ``form``: "text" for a terminal, or "json", its sections, paragraphs, tables and figures as one object.  Of text,
    ``unicode`` False gives ASCII only, ``colour`` adds ANSI codes, ``width`` is in columns, kept between 60 and 200.
    """
    from fpsynth.report.renderers.style import Style
    from fpsynth.report.telling import rendered, require_form, story

    require_form(form)
    return rendered(story(subject), form, Style(unicode, colour, width))


def _limited(timeout: float | None) -> AbstractContextManager[None]:
    """So many seconds for what follows; None: as many as it takes.  Raises InputError for no time at all."""
    if timeout is not None and not timeout > 0:
        raise InputError(f"the time limit must be above 0 seconds, not {timeout}")
    return nullcontext() if timeout is None else within(timeout)


def explained(witness: Witness | str | os.PathLike[str]) -> tuple[Story, CheckResult]:
    """The story of ``explain``, and the re-check that it begins with."""
    from fpsynth.report.story import Paragraph, Story
    from fpsynth.report.telling import explanation
    from fpsynth.synthesis.checking.check import check as recheck

    subject = loaded(witness)
    result = recheck(subject)
    false = [
        Paragraph(f"NOT TRUE of this file: {finding.claim} ({finding.detail})", 0)
        for finding in result.findings
        if not finding.holds
    ]
    return Story((*false, *explanation(subject).parts)), result


def loaded(witness: Witness | str | os.PathLike[str]) -> Witness:
    """The witness itself, or what its file holds.  Raises InputError where it claims nothing, or nothing that is known."""
    from fpsynth.synthesis.table import WITNESSED
    from fpsynth.synthesis.ties.certification import REAL_CERTIFIERS
    from fpsynth.witness import Witness, load

    subject = witness if isinstance(witness, Witness) else load(witness, WITNESSED)
    for claim in subject.claims[:1]:
        if claim.radius <= 0:
            raise InputError("certificate.radius must be above 0: a ball of radius 0 claims nothing")
        if claim.verifier not in REAL_CERTIFIERS:
            raise InputError(f"certificate.certifier: unknown certifier {claim.verifier!r}")
    return subject
