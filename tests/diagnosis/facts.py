"""Builds findings as the probes would make them, and runs them through triage and ranking with the real library.

A scenario says what is wrong at which layer; the layers below pass and the ones above are not reached, as in real life.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import bot.probes
from bot.diagnosis.rank import diagnose
from bot.diagnosis.triage import triage
from bot.model.change import Onset
from bot.model.diagnosis import Correlation, CorrelationResult, Diagnosis, RankedCause, Triage
from bot.model.finding import Finding, Status
from bot.model.target import Cluster, CredentialKind, Endpoint, Target
from bot.model.vantage import BOT, Vantage, VantageKind
from bot.playbook import Library, default_folder, load_library
from bot.registry import Probe, Registry, scan

AT = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
ONSET = Onset(first_bad=AT, source="stated")
OUTSIDE = Vantage(kind=VantageKind.OUTSIDE, name="laptop")
ONE = ("10.0.0.1:6443",)
TWO = ("10.0.0.1:6443", "10.0.0.2:6443")
THREE = ("10.0.0.1:6443", "10.0.0.2:6443", "10.0.0.3:6443")

CLUSTER = Cluster(
    name="prod",
    target=Target.from_url("https://api.prod.example:6443", ca_pem="CA"),
    configured=True,
    credentials=CredentialKind.TOKEN,
    controls=(Endpoint(host="192.0.2.1", port=443),),
    kubeconfig_context="prod-admin",
)

_PROBES = ("dns-lookup", "tcp-connect", "tls-handshake", "apiserver-health", "apiserver-auth")
_GOOD = ("resolved", "connected", "verified", "healthy", "accepted")

STATUS = {
    "not-reached": Status.NOT_APPLICABLE,
    "no-address": Status.NOT_APPLICABLE,
    "no-address-family": Status.NOT_APPLICABLE,
    "address-given": Status.NOT_APPLICABLE,
    "plain-http-target": Status.NOT_APPLICABLE,
    "none-found": Status.NOT_APPLICABLE,
    "deadline-capped": Status.INCONCLUSIVE,
    "authentication-required": Status.INCONCLUSIVE,
    "forbidden": Status.INCONCLUSIVE,
    "no-controls": Status.NOT_CHECKED,
    "no-credentials": Status.NOT_CHECKED,
    "credentials-unavailable": Status.NOT_CHECKED,
    "unverified-peer": Status.NOT_CHECKED,
    "api-unreachable": Status.NOT_CHECKED,
    "not-checked": Status.NOT_CHECKED,
    "acceptance-not-shown": Status.INCONCLUSIVE,
    "endpoint-not-compared": Status.NOT_CHECKED,
    "deadline-passed": Status.NOT_CHECKED,
    "local-failure": Status.ERROR,
    "probe-error": Status.ERROR,
    **dict.fromkeys((*_GOOD, "controls-reachable", "endpoint-known", "running"), Status.OK),
}
"""Outcomes that are not problems."""


def finding(probe: str, outcome: str, subject: str = ONE[0], *, vantage: Vantage = BOT, status: Status | None = None) -> Finding:
    return Finding(
        probe=probe,
        vantage=vantage,
        subject=subject,
        status=status or STATUS.get(outcome, Status.PROBLEM),
        outcome=outcome,
        sentence=f"{probe} at {subject}: {outcome}.",
        started_at=AT,
    )


def ladder(
    failing: str | None = None,
    outcome: str = "",
    *,
    addresses: Sequence[str] = ONE,
    vantage: Vantage = BOT,
    auth: str = "accepted",
) -> list[Finding]:
    """The ladder's findings at these addresses, when the probe ``failing`` concludes with ``outcome`` at each of them."""
    found = [finding("negative-control", "controls-reachable", "controls", vantage=vantage)]
    if failing == "dns-lookup" and outcome != "answers-differ":
        nowhere = {"tcp-connect": "no-address"}
        found.append(finding("dns-lookup", outcome, "api.prod.example", vantage=vantage))
        host = "api.prod.example:6443"
        return found + [finding(probe, nowhere.get(probe, "not-reached"), host, vantage=vantage) for probe in _PROBES[1:]]
    name = outcome if failing == "dns-lookup" else "resolved"
    found.append(finding("dns-lookup", name, "api.prod.example", vantage=vantage))
    for address in addresses:
        found += climb(address, failing, outcome, vantage=vantage, auth=auth)
    return found


def climb(address: str, failing: str | None, outcome: str, *, vantage: Vantage = BOT, auth: str = "accepted") -> list[Finding]:
    """One address, from TCP up. A bad certificate does not keep health from being asked, only the credentials."""
    found, reached = [], True
    for probe, good in zip(_PROBES[1:], _GOOD[1:], strict=True):
        said = auth if probe == "apiserver-auth" else good
        if not reached:
            said = "not-reached"
        if probe == failing:
            said = outcome
            reached = outcome.startswith(("certificate-", "clocks-", "tls-intercepted"))
        elif (
            reached
            and failing == "tls-handshake"
            and outcome.startswith(("certificate-", "clocks-"))
            and probe == "apiserver-auth"
        ):
            said = "unverified-peer"
        found.append(finding(probe, said, address, vantage=vantage))
    return found


def correlation(kind: str, result: CorrelationResult) -> Correlation:
    return Correlation(
        id=kind,
        title=kind,
        playbook="connection-refused",
        kinds=(kind,),
        result=result,
        window="before 1h",
        sentence=f"{kind}: {result}.",
    )


@cache
def library() -> Library:
    return load_library(default_folder(), Registry(probes=scan(bot.probes, Probe)))


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The whole verdict of one scenario."""

    triage: Triage
    diagnosis: Diagnosis

    @property
    def named(self) -> tuple[str, ...]:
        return tuple(cause.id for cause in self.diagnosis.causes)

    @property
    def first(self) -> RankedCause:
        return self.diagnosis.causes[0]

    @property
    def best(self) -> set[str]:
        """The first cause and those it is tied with."""
        return {self.first.id, *self.first.tied_with}

    @property
    def text(self) -> str:
        return self.diagnosis.model_dump_json()


def answer(
    findings: Sequence[Finding],
    *,
    correlations: Sequence[Correlation] = (),
    cluster: Cluster = CLUSTER,
    onset: Onset | None = ONSET,
) -> Answer:
    playbooks = list(library().playbooks.values())
    diagnosis = diagnose(
        causes=library().causes,
        findings=findings,
        correlations=correlations,
        onset=onset,
        cluster=cluster,
        revision=1,
        final=True,
    )
    return Answer(triage=triage(cluster=cluster, findings=findings, playbooks=playbooks), diagnosis=diagnosis)
