"""The first sentence of every thread: how far up the ladder it gets, and whom that concerns.

Triage reads the grid and nothing else. It picks the symptom, which playbooks are selected by; which cause it is, is the
ranking's to say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from bot.diagnosis.ladder import CONTROL, LAYER_OF, cells, cut_off_vantages, depth, is_clean, trusted
from bot.diagnosis.texts import values_of
from bot.diagnosis.triage_rules import ANSWERS, CLIENT_DEFAULT, CONTROL_RULES, RULES, Rule
from bot.model.base import Value
from bot.model.diagnosis import Layer, Triage
from bot.model.finding import Finding, Status
from bot.model.playbook import Domain, Playbook
from bot.model.target import Cluster
from bot.template import fill


class _Symptom(Value):
    """One outcome at one layer, and everything that shows it."""

    layer: Layer
    outcome: str
    rule: Rule
    findings: tuple[Finding, ...]

    @property
    def order(self) -> tuple[bool, bool, int, int, str]:
        """Best first: a fault before a mere doubt, what explains the most addresses, then the lowest layer."""
        doubt = all(finding.status is not Status.PROBLEM for finding in self.findings)
        return (doubt, self.rule.aside, -len(self.findings), depth(self.layer), self.outcome)


def triage(*, cluster: Cluster, findings: Sequence[Finding], playbooks: Sequence[Playbook], notes: Sequence[str] = ()) -> Triage:
    """The grid, its symptom, and the playbook for it. The symptom of a clean ladder is that it ``answers``, if a playbook is
    for that and the API can be asked; else it is None, as when the ladder was not climbed. ``notes`` are what is wrong with
    the access to the cluster, for whoever reads the grid."""
    seen = _triage(cluster, findings, playbooks)
    return seen.model_copy(update={"notes": tuple(notes)}) if notes else seen


def _triage(cluster: Cluster, findings: Sequence[Finding], playbooks: Sequence[Playbook]) -> Triage:
    grid = cells(findings)
    if (cut_off := _cut_off(findings)) is not None:
        rule = CONTROL_RULES[cut_off]
        return Triage(
            cells=grid, domain=rule.domain, symptom=cut_off, sentence=rule.sentence, playbook=_playbook(cut_off, playbooks)
        )
    usable = trusted(findings)
    symptoms = _symptoms(usable)
    if not symptoms:
        clean = is_clean(usable)
        behind = _playbook(ANSWERS, playbooks) if clean and _can_be_asked(usable) else None
        return Triage(
            cells=grid,
            domain=Domain.HEALTHY if clean else None,
            symptom=ANSWERS if behind else None,
            sentence=_clean_sentence(usable) if clean else _nothing_sentence(usable),
            playbook=behind,
        )
    chosen = min(symptoms, key=lambda symptom: symptom.order)
    rule = CLIENT_DEFAULT if chosen.outcome == "connection-refused" and cluster.target.is_client_default else chosen.rule
    values = {**values_of(cluster), "where": _where(chosen, usable)}
    return Triage(
        cells=grid,
        domain=rule.domain,
        symptom=chosen.outcome,
        sentence=fill(rule.sentence, values) + _elsewhere(chosen, usable),
        playbook=_playbook(chosen.outcome, playbooks),
    )


def _cut_off(findings: Sequence[Finding]) -> str | None:
    """The control's outcome when every vantage point that looked is cut off."""
    lost = cut_off_vantages(findings)
    looking = {str(finding.vantage) for finding in findings}
    if not lost or looking - lost:
        return None
    outcomes = sorted({f.outcome for f in findings if f.probe == CONTROL and f.status is Status.PROBLEM})
    return next((outcome for outcome in outcomes if outcome in CONTROL_RULES), None)


def _symptoms(findings: Sequence[Finding]) -> list[_Symptom]:
    shown: dict[tuple[Layer, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        layer = LAYER_OF.get(finding.probe)
        if layer is not None and finding.status not in (Status.OK, Status.NOT_APPLICABLE) and (layer, finding.outcome) in RULES:
            shown[layer, finding.outcome].append(finding)
    return [_Symptom(layer=key[0], outcome=key[1], rule=RULES[key], findings=tuple(found)) for key, found in shown.items()]


def _can_be_asked(findings: Sequence[Finding]) -> bool:
    """Whether our credentials are accepted somewhere; without that nothing can be read through the API."""
    return any(LAYER_OF.get(finding.probe) is Layer.AUTH and finding.status is Status.OK for finding in findings)


def _where(symptom: _Symptom, findings: Sequence[Finding]) -> str:
    """ "at both addresses", "at 2 of 3 addresses". Addresses are those the layer below TLS knows."""
    hit = sorted({finding.subject for finding in symptom.findings})
    known = {finding.subject for finding in findings if LAYER_OF.get(finding.probe) in (Layer.TCP, symptom.layer)}
    if len(known) <= 1:
        return f"at {hit[0]}"
    if len(hit) < len(known):
        return f"at {len(hit)} of {len(known)} addresses"
    return "at both addresses" if len(hit) == 2 else f"at all {len(hit)} addresses"


def _elsewhere(symptom: _Symptom, findings: Sequence[Finding]) -> str:
    """What other vantage points see, if they disagree: that is the best clue there is."""
    here = {str(finding.vantage) for finding in symptom.findings}
    passing = {
        str(finding.vantage)
        for finding in findings
        if LAYER_OF.get(finding.probe) is symptom.layer and finding.status is Status.OK
    } - here
    if not passing:
        return ""
    return f" From {', '.join(sorted(passing))} it is not so; it is from {', '.join(sorted(here))}."


def _clean_sentence(findings: Sequence[Finding]) -> str:
    places = len({finding.subject for finding in findings if finding.probe == "apiserver-health" and finding.status is Status.OK})
    where = {1: "its address", 2: "both addresses"}.get(places, f"all {places} addresses")
    return f"TCP, TLS and HTTP work at {where}, and the API server says of itself that it is healthy."


def _nothing_sentence(findings: Sequence[Finding]) -> str:
    ladder = [finding for finding in findings if finding.probe in LAYER_OF]
    if not ladder:
        return "No layer could be looked at, so nothing can be said about where it fails."
    return "No layer fails as far as could be looked, and not every layer could be."


def for_alerts(alerts: Sequence[str], playbooks: Sequence[Playbook]) -> Playbook | None:
    """The playbook for the first of these alerts that has one. Of several it is the one that names the alert nearest to the
    begin of its list, and then the first by id: an alert may be told by several documents, and one has to be followed."""
    for alert in alerts:
        able = [playbook for playbook in playbooks if alert in playbook.selects.alerts]
        if able:
            return min(able, key=lambda playbook: (playbook.selects.alerts.index(alert), playbook.id))
    return None


def _playbook(symptom: str, playbooks: Sequence[Playbook]) -> str | None:
    """The playbook that names the symptom; two that do are refused when they are loaded."""
    return next((playbook.id for playbook in playbooks if symptom in playbook.selects.symptoms), None)
