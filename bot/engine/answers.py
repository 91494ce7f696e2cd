"""People's answers in a round: what the diagnosis is given of them, and a new diagnosis when one comes after the conclusion.

The log has the answers, and folding it makes findings of them. So a round only asks what stands by now, and a concluded
one is weighed again from its state: nothing is probed for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.diagnosis.onset import RANK, STATED, establish, from_trigger
from bot.diagnosis.rank import WRITES, diagnose
from bot.model.change import Onset
from bot.model.diagnosis import Diagnosis
from bot.model.events import Diagnosed
from bot.model.finding import Finding, Status
from bot.model.investigation import Investigation, Progress
from bot.model.playbook import Cause
from bot.model.target import Cluster, Target


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What people answered in a round by now. ``heard`` counts every answer, ``steps`` are those that are answered."""

    heard: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def steps(self) -> frozenset[str]:
        return frozenset(finding.subject for finding in self.findings if finding.status is not Status.NOT_CHECKED)

    def onset(self, known: Onset) -> Onset:
        """The onset, when a person who found something said since when: that is as good as when it is said on asking."""
        told = [(finding.evidence.get("since"), finding.started_at) for finding in self.findings]
        said = [from_trigger(asked_at=at, since=datetime.fromisoformat(since)) for since, at in told if since]
        return min([known, *said], key=lambda onset: (RANK.get(onset.source, RANK[STATED]), onset.first_bad))


def answers_in(state: Investigation) -> Answers:
    told = (step.answer for step in state.steps)
    return Answers(heard=state.answers, findings=tuple(finding for finding in told if finding is not None))


def may_be_weighed(state: Investigation) -> bool:
    """Whether the concluded round's verdict is one of evidence: a round that broke off left steps unfinished, and says that."""
    return state.diagnosis is not None and all(step.progress is Progress.FINISHED for step in state.steps)


def by_hand(state: Investigation) -> dict[str, str]:
    """The round's manual steps, with their titles."""
    return {step.plan.id: step.plan.title for step in state.steps if step.plan.probe is None}


def weigh_again(state: Investigation, *, causes: Mapping[str, Cause], cluster: Cluster | None, revision: int) -> Diagnosed:
    """The concluded round's diagnosis with what people answered since. ``cluster`` is as the round knew it; a replica that did
    not carry the round out goes by the log."""
    answers, last = answers_in(state), state.diagnosis
    assert last is not None
    known = state.onset or establish(asked_at=state.opened_at)
    result = diagnose(
        causes=causes,
        findings=state.findings,
        correlations=state.correlations,
        onset=answers.onset(known),
        cluster=cluster or _as_logged(state),
        revision=revision,
        unchecked=_still_unchecked(state, last, answers),
        by_hand=by_hand(state),
        before=last,
        final=True,
    )
    return Diagnosed(diagnosis=result, heard=answers.heard)


def _as_logged(state: Investigation) -> Cluster:
    cluster = state.opened.cluster
    if state.server is None or cluster.target.host:
        return cluster
    return cluster.model_copy(update={"target": Target.from_url(state.server)})


def _still_unchecked(state: Investigation, last: Diagnosis, answers: Answers) -> Sequence[str]:
    """What the round could not look at, without the steps that somebody looked at since, and with those taken back."""
    titles = {step.plan.title: step.plan.id for step in state.steps if step.plan.probe is None}
    kept = [text for text in last.not_checked if text not in titles and text != WRITES]
    return [*kept, *(title for title, step in titles.items() if step not in answers.steps)]
