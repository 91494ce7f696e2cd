"""The verdict: causes ranked by evidence, said no more firmly than the evidence is.

The result is the *best-supported* cause, with what is for it, what is against it and what nobody looked at. Causes that the
evidence cannot separate are tied, and the one check that would separate them is named. Nothing here knows a single cause,
but for the rule that a clean ladder is what "healthy" means.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from bot.diagnosis.evidence import Weighed, sayings, weigh
from bot.diagnosis.ladder import CONCLUSIVE, LAYER_OF, NOT_REACHED, is_clean, is_steady, trusted
from bot.diagnosis.onset import is_measured_or_stated
from bot.diagnosis.revision import what_is_new
from bot.diagnosis.texts import fill_step, values_of
from bot.model.answer import Answer, is_answer
from bot.model.change import Onset
from bot.model.diagnosis import Confidence, Correlation, CorrelationResult, Diagnosis, Layer, RankedCause, Separator, Verdict
from bot.model.finding import Finding, Status
from bot.model.playbook import Cause, Domain, Separation, Weight
from bot.model.target import Cluster
from bot.template import fill, fill_command

TIE = 1.0
"""Causes this close to the first, in points, are not told apart."""

ASK_WITHIN = 3.0
"""Manual steps are asked for first that a cause waits for which one strong answer would bring to the front."""

MEDIUM = 3.0
"""The score from which a cause without decisive evidence is more than a lead: one strong line."""

MAX_CAUSES = 6
MAX_ASKED = 3
MAX_UNCHECKED = 4
"""A diagnosis is one event of bounded size, and one screen of text."""

DOMAIN_ORDER = (
    Domain.PROCESS,
    Domain.DATASTORE,
    Domain.PATH,
    Domain.LOAD_BALANCER,
    Domain.NODE,
    Domain.CLIENT,
    Domain.DNS,
    Domain.TLS,
    Domain.AUTH,
    Domain.OVERLOAD,
    Domain.EXTENSION,
    Domain.TUNNEL,
    Domain.PROVIDER,
    Domain.HEALTHY,
)
"""The prior: on equal scores the domain that comes first here stands first, then the id in the alphabet. Processes fail more
often than paths and paths more often than machines, and that is also the order in which looking is cheap. "Healthy" never
wins on equality."""

ALL_CLEAR = "healthy"
"""The one cause that a clean ladder is needed for, and a steady one. What failed and answers again is of its domain, and
is no all-clear."""

UNVERIFIABLE = "authority-not-known"
"""The outcome that leaves open who answers, although nothing fails."""

WRITES = (
    "Writes were not tried: an etcd that is out of space passes every health check and every read. "
    "Ask etcd for its alarms, or look whether anything was created since."
)


def diagnose(
    *,
    causes: Mapping[str, Cause],
    findings: Sequence[Finding],
    correlations: Sequence[Correlation],
    onset: Onset | None,
    cluster: Cluster,
    revision: int,
    running: Sequence[str] = (),
    unchecked: Sequence[str] = (),
    by_hand: Mapping[str, str] | None = None,
    before: Diagnosis | None = None,
    final: bool,
) -> Diagnosis:
    """Everything that is known, weighed. ``running`` and ``unchecked`` name steps, in words, that are not in ``findings`` or
    could not be looked at; ``by_hand`` are the round's manual steps, with their titles; ``before`` is what was said last."""
    # Findings come in the order they are known; the verdict does not depend on it.
    findings = sorted(findings, key=lambda finding: finding.key)
    usable = trusted(findings)
    weighed = _ordered(_refined(_supported(causes, usable, correlations, by_hand or {})))[:MAX_CAUSES]
    ranked = _ranked(weighed, usable, cluster)
    verdict = _verdict(ranked)
    missing = [*unchecked, *_in_vain(usable)]
    diagnosis = Diagnosis(
        revision=revision,
        verdict=verdict,
        headline=_headline(ranked, usable) if ranked else _why_inconclusive(findings, usable, running),
        causes=ranked,
        onset=onset,
        not_checked=tuple(dict.fromkeys([*missing, WRITES] if verdict is Verdict.HEALTHY else missing)),
        notes=_notes(onset, correlations, verdict),
        still_running=tuple(running),
        ask=_asked(weighed),
        final=final,
    )
    return diagnosis if before is None else diagnosis.model_copy(update={"revised": what_is_new(before, diagnosis)})


def _asked(weighed: Sequence[Weighed]) -> tuple[str, ...]:
    """The manual steps that the causes in front wait for, those first that more of them wait for."""
    close = [one for one in weighed if weighed[0].score - one.score <= ASK_WITHIN and one.cause.id != ALL_CLEAR]
    wanted = Counter(step for one in close for step in one.ask)
    return tuple(step for step, _ in wanted.most_common(MAX_ASKED))


def _supported(
    causes: Mapping[str, Cause], findings: Sequence[Finding], correlations: Sequence[Correlation], by_hand: Mapping[str, str]
) -> list[Weighed]:
    clean = is_clean(findings) and is_steady(findings) and not _somebody_found(findings)
    allowed = [cause for cause in causes.values() if cause.id != ALL_CLEAR or clean]
    weighed = [weigh(cause, findings, correlations, by_hand) for cause in allowed]
    return [one for one in weighed if one.score > 0 and one.supporting and not _is_false_calm(one)]


def _somebody_found(findings: Sequence[Finding]) -> bool:
    """A person who found something ends the calm, though every layer passes."""
    return any(is_answer(finding) and finding.outcome == Answer.FOUND for finding in findings)


def _is_false_calm(one: Weighed) -> bool:
    """The all-clear is no explanation beside decisive evidence that something is not well."""
    return one.cause.id == ALL_CLEAR and any(line.weight is Weight.DECISIVE for line in one.opposing)


def _refined(weighed: list[Weighed]) -> list[Weighed]:
    """Without the causes that a finer one explains at least as well; the finer one keeps it as its heading."""
    replaced = {
        one.cause.refines
        for one in weighed
        for broad in weighed
        if one.cause.refines == broad.cause.id and one.score >= broad.score
    }
    return [one for one in weighed if one.cause.id not in replaced]


def _ordered(weighed: list[Weighed]) -> list[Weighed]:
    return sorted(weighed, key=lambda one: (-one.score, DOMAIN_ORDER.index(one.cause.domain), one.cause.id))


def _ranked(weighed: list[Weighed], findings: Sequence[Finding], cluster: Cluster) -> tuple[RankedCause, ...]:
    values = values_of(cluster, address=_suspect(findings))
    close = [one for one in weighed if weighed[0].score - one.score <= TIE]
    ranked = []
    for one in weighed:
        rivals = [other for other in close if one in close and _are_rivals(one.cause, other.cause)]
        cause = one.cause
        ranked.append(
            RankedCause(
                id=cause.id,
                domain=cause.domain,
                title=cause.title,
                sentence=cause.sentence,
                confidence=_confidence(one, tied=bool(rivals)),
                score=round(one.score, 2),
                refines=cause.refines,
                tied_with=tuple(rival.cause.id for rival in rivals),
                evidence_for=sayings(one.supporting, findings),
                evidence_against=sayings(one.opposing, findings),
                unchecked=one.unchecked[:MAX_UNCHECKED],
                next=tuple(fill_step(step, values) for step in cause.next),
                separator=_separator(cause, [rival.cause for rival in rivals], values),
            )
        )
    return tuple(ranked)


def _are_rivals(one: Cause, other: Cause) -> bool:
    """Two explanations of which only one can be meant; a cause and what it refines are one explanation."""
    return one.id != other.id and one.id != other.refines and other.id != one.refines


def _confidence(one: Weighed, *, tied: bool) -> Confidence:
    """``high``: decisive evidence, nothing strong against it, and no rival. ``medium``: a strong line's worth. Else ``low``."""
    if one.is_decided and not tied:
        return Confidence.HIGH
    return Confidence.MEDIUM if one.score >= MEDIUM else Confidence.LOW


def _separator(cause: Cause, rivals: Sequence[Cause], values: Mapping[str, str]) -> Separator | None:
    """The check that tells this cause from the most of its rivals, by its own file or by theirs."""
    offers: list[tuple[int, Separation, tuple[str, ...]]] = []
    names = [rival.id for rival in rivals]
    for separation in cause.separations:
        told_apart = tuple(name for name in names if name in separation.others)
        offers.append((len(told_apart), separation, (cause.id, *told_apart)))
    for rival in rivals:
        for separation in rival.separations:
            if cause.id in separation.others:
                told_apart = tuple(name for name in names if name in separation.others and name != rival.id)
                offers.append((1 + len(told_apart), separation, (cause.id, rival.id, *told_apart)))
    best = max(offers, key=lambda offer: offer[0], default=None)
    if best is None or best[0] == 0:
        return None
    _, separation, between = best
    run = None if separation.run is None else fill_command(separation.run, values)
    return Separator(between=between, check=fill(separation.check, values), run=run)


def _suspect(findings: Sequence[Finding]) -> str | None:
    """The bare address that commands should be about: of the first problem that has one, in a fixed order."""
    subjects = sorted(
        f.subject for f in findings if f.status is Status.PROBLEM and LAYER_OF.get(f.probe) not in (None, Layer.NAME)
    )
    if not subjects:
        return None
    host, colon, port = subjects[0].rpartition(":")
    return host.strip("[]") if colon and port.isdigit() else None


def _verdict(ranked: Sequence[RankedCause]) -> Verdict:
    if not ranked:
        return Verdict.INCONCLUSIVE
    return Verdict.HEALTHY if ranked[0].id == ALL_CLEAR else Verdict.CAUSE


def _headline(ranked: Sequence[RankedCause], findings: Sequence[Finding]) -> str:
    first = ranked[0]
    if first.id == ALL_CLEAR:
        places = len(
            {finding.subject for finding in findings if finding.probe == "apiserver-health" and finding.status is Status.OK}
        )
        where = "its address" if places == 1 else f"all {places} addresses"
        return f"{first.title}: every layer that was looked at passes at {where}."
    rivals = f", tied with {_listed(first.tied_with)}" if first.tied_with else ""
    return f"{first.title}: the best-supported cause, {first.confidence.value} confidence{rivals}."


def _why_inconclusive(findings: Sequence[Finding], usable: Sequence[Finding], running: Sequence[str]) -> str:
    """Why nothing is named. It never sounds like an all-clear."""
    told = sorted(f.sentence.rstrip(".") for f in usable if f.status is Status.PROBLEM and is_answer(f))
    problems = [
        *told,
        *sorted({f"{f.outcome} at {f.subject}" for f in usable if f.status is Status.PROBLEM and not is_answer(f)}),
    ]
    if problems:
        return f"Inconclusive: no cause that is known here explains what is seen ({'; '.join(problems[:3])})."
    if running and not any(finding.status in CONCLUSIVE for finding in usable):
        return "Inconclusive so far: no check has ended yet."
    if not any(finding.status in CONCLUSIVE for finding in usable):
        reasons = [f.sentence.rstrip(".") for f in findings if f.status not in CONCLUSIVE and f.outcome not in NOT_REACHED]
        return f"Inconclusive: nothing could be looked at{': ' + reasons[0] if reasons else ''}. This is not an all-clear."
    if any(finding.outcome == UNVERIFIABLE for finding in usable):
        return (
            "Inconclusive: nothing that was looked at fails, but who answers could not be verified, because nobody said which "
            "authority signs for this server. Give its CA. This is not an all-clear."
        )
    return "Inconclusive: nothing that was looked at fails, and not every layer could be looked at. This is not an all-clear."


def _in_vain(findings: Sequence[Finding]) -> list[str]:
    """What was looked at and could not be told, or failed by our own fault."""
    vain = [f for f in findings if f.status in (Status.INCONCLUSIVE, Status.ERROR) and f.outcome not in NOT_REACHED]
    return [finding.sentence for finding in vain]


def _notes(onset: Onset | None, correlations: Sequence[Correlation], verdict: Verdict) -> tuple[str, ...]:
    """That nothing changed is a finding, but only where changes are recorded and the onset is known."""
    looked = [one for one in correlations if one.result is not CorrelationResult.NOT_CHECKED]
    matched = any(one.result in (CorrelationResult.MATCH, CorrelationResult.MATCH_AFTER_WIDENING) for one in looked)
    if verdict is Verdict.HEALTHY or not looked or matched or not is_measured_or_stated(onset):
        return ()
    seen = f"{len(looked)} of {len(correlations)} diagnosis lines could be looked at"
    return (f"No recorded change fits the onset ({seen}): it may have built up slowly, by growth, wear or an expiry.",)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
