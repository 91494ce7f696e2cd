"""What would break next: the warnings of a round's findings, each once. None of them is an outage, and none changes a verdict.

Pure, and apart from the ranking on purpose: causes explain what fails, warnings tell what works and will not for long.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.diagnosis.ladder import CONCLUSIVE, trusted
from bot.model.base import Value
from bot.model.finding import Finding, Status


class Warned(Value):
    """One thing that would break next, in a sentence that can be read alone."""

    sentence: str
    probe: str
    subject: str


def next_to_break(findings: Sequence[Finding], *, besides_a_cause: bool = False) -> tuple[Warned, ...]:
    """The warnings, what is not well already before what is. ``besides_a_cause`` leaves those out that a problem carries: the
    verdict speaks of it."""
    wanted = {Status.OK} if besides_a_cause else CONCLUSIVE
    told = [finding for finding in trusted(findings) if finding.warning and finding.status in wanted]
    told.sort(key=lambda finding: finding.status is Status.OK)
    return tuple({f.warning: Warned(sentence=f.warning, probe=f.probe, subject=f.subject) for f in told if f.warning}.values())
