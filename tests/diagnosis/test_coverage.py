"""The data is complete: every outcome leads somewhere, every item of the source document has its place, and what is shown
fits into one event."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

import bot.probes
from bot.diagnosis.ladder import LAYER_OF
from bot.diagnosis.texts import values_of
from bot.diagnosis.triage_rules import CONTROL_RULES, RULES
from bot.model.diagnosis import CorrelationResult
from bot.model.events import MAX_BYTES
from bot.model.playbook import Direction, Domain
from bot.model.target import Endpoint
from bot.registry import Probe, scan
from bot.template import fill_command
from tests.diagnosis.facts import CLUSTER, THREE, answer, correlation, ladder, library

SAYS_NOTHING_OF_THE_TARGET = {
    "controls-reachable": "the good state of the control; it accuses nobody and clears nobody",
    "no-controls": "not-checked: a control is missing, not a fault",
    "resolved": "the good state",
    "address-given": "not-applicable: there is no name to resolve",
    "no-address-family": "not-applicable: clients of this machine pass over such an address",
    "no-address": "not-applicable: dns-lookup says why",
    "verified": "the good state",
    "authority-not-known": "inconclusive: what answers cannot be verified, and that is nobody's fault but ours",
    "plain-http-target": "not-applicable: cluster-endpoint judges the scheme",
    "not-reached": "not-applicable: the layer below says why",
    "no-credentials": "not-checked: nothing to try",
    "credentials-unavailable": "not-checked: the finding says what to repair",
    "unverified-peer": "not-checked: tls-handshake says why they are withheld",
    "endpoint-known": "the good state",
    "endpoint-not-compared": "not-checked: the finding says why it could not be compared",
    "none-found": "not-applicable: a hosted control plane has no such pods",
    "api-unreachable": "not-checked: the API is what is down",
    "not-read": "not-checked: the finding says which right or answer is missing",
    "not-told": "inconclusive: it is not told",
    "servers-differ": "inconclusive: no two readings of one server",
    "start-not-told": "not-applicable: what answers is no API server itself, and tells no start",
    "time-not-told": "inconclusive: ages cannot be told",
    "availability-not-told": "inconclusive: it is not said yet",
    "answer-not-understood": "inconclusive: not from the way to the kubelet",
    "not-checkable": "not-checked: a webhook that only the API server can call",
    "answerable": "the good state",
    "quick": "the good state",
    "usual-way": "the good state",
    "way-not-told": "inconclusive: this system does not tell its ways",
    "nothing-beside": "the good state: the port is not shown to be the wrong one",
    "port-not-doubted": "not-applicable: nothing speaks against the port",
    "none-configured": "not-applicable: no nodes to ask; not-checked: no balancer that tells of itself",
    "backend-not-told": "not-checked: which backend is meant is for the configuration to say",
    "statistics-unreachable": "not-checked: the finding says what was in the way",
    "server-unchecked": "inconclusive: the balancer does not look either",
    "not-all-checked": "the good state, as far as anybody looks",
    "server-recovering": "it is on its way back, and nobody says from what",
    "not-looked-at": "inconclusive: the node could not be asked",
    "answers-without-health": "inconclusive: the node tells strangers nothing",
    "steadily-failing": "not-applicable: the ladder's layers say why",
    "certificates-differ": "inconclusive: nobody said which authority is right",
    "proxied": "not-applicable: a proxy makes the connections",
    "system-does-not-tell": "not-checked or inconclusive: this system does not tell its measures",
    "no-log": "not-checked: there is no log to read",
    "nothing-telling": "the good state",
    "available": "the good state",
    "rolling-out": "inconclusive: a rollout is no fault",
    "changed-lately": "the good state: whether it fits the onset is the diagnosis lines' part",
    "most-unavailable": "a workload of kube-system that the API server does not need; shown, and named by nobody",
    "none-available": "a workload of kube-system that the API server does not need; shown, and named by nobody",
    "rollout-stuck": "a workload of kube-system that the API server does not need; shown, and named by nobody",
    "depends-on-plugin": "inconclusive: what the policy does depends on who carries it out",
    "gateway-limited": "inconclusive: an allow-list is as somebody wanted it",
    "not-all-read": "inconclusive: there are more policies than were read",
    "not-an-etcd": "inconclusive: what is configured is no etcd",
    "ends-early": "not-applicable: the layer where it ends says why",
    "credentials-rejected": "of etcd, not-checked: our own certificate is not accepted there; of the API server it has causes",
    "apiserver-down": "Prometheus's scrapes fail for different reasons, or for one that it does not tell",
    "others-up": "about the API servers beside the one that is asked",
    "others-down": "about the API servers beside the one that is asked; control-plane-nodes and the ladder say what it means",
    "etcd-member-down": "the other members are a majority: a warning",
    "never-up": "inconclusive: it could not be scraped all day",
    "stale": "inconclusive: the scrape is older than the failure",
    "no-such-target": "not-checked: Prometheus scrapes no API server of this cluster",
    "clusters-mixed": "not-checked: several clusters' API servers are scraped",
    "not-configured": "not-checked: no Prometheus is configured",
    "not-answered": "not-checked: Prometheus does not answer",
    "scraped-steadily": "the good state",
    "scraped-again": "tells since when, and not why",
    "scraped-no-more": "tells since when, and not why",
    "errors-few": "the good state",
    "errors-many": "tells that it fails, and not why",
    "etcd-led": "the good state",
    "etcd-nearly-full": "a warning of what breaks next",
    "restarted-once": "inconclusive: an upgrade restarts it once, too",
    "running-through": "the good state",
    "local-failure": "error: a limit of the machine that asks",
    "deadline-capped": "inconclusive: the round's time was over",
}

REQUIRED = (
    "healthy",
    "prober-cut-off",
    "client-misconfigured",
    "client-route-wrong",
    "bot-credentials-rejected",
    "dns-name-not-found",
    "dns-server-failing",
    "dns-wrong-address",
    "hosts-file-override",
    "wrong-cluster-answers",
    "apiserver-not-running",
    "apiserver-crash-looping",
    "apiserver-wrong-bind-address",
    "apiserver-hung",
    "file-descriptors-exhausted",
    "node-down",
    "etcd-unavailable",
    "firewall-drop",
    "firewall-reject",
    "authorized-ip-ranges",
    "no-route",
    "mtu-black-hole",
    "listen-queue-overflow",
    "alpn-blocked",
    "tls-intercepted",
    "lb-down",
    "lb-no-healthy-backend",
    "lb-backend-down",
    "lb-health-check-wrong",
    "serving-certificate-expired",
    "serving-certificate-not-yet-valid",
    "serving-certificate-name-mismatch",
    "ca-mismatch",
    "clock-skew",
    "client-certificate-expired",
    "token-rejected",
    "permission-denied",
    "overloaded",
    "etcd-slow",
    "etcd-no-space",
    "watch-leak",
    "helm-release-sprawl",
    "admission-webhook-failing",
    "aggregated-api-unavailable",
    "tunnel-agents-down",
    "egress-blocked",
    "kubelet-port-blocked",
    "kubelet-certificate-rejected",
    "kubelet-down",
    "controller-manager-down",
    "scheduler-down",
    "node-under-pressure",
    "apiserver-oom-killed",
    "static-pod-not-started",
    "certificate-renewed-not-loaded",
    "network-policy-blocks",
    "service-network-broken",
    "security-group-change",
    "route-broken",
    "vip-not-held",
    "path-losing-packets",
)


def _used() -> Iterator[tuple[str, str]]:
    for cause in library().causes.values():
        for line in (*cause.evidence_for, *cause.evidence_against):
            yield from ((line.probe, outcome) for outcome in line.outcomes if line.probe)
    for probe, layer in LAYER_OF.items():
        yield from ((probe, outcome) for ruled, outcome in RULES if ruled is layer)
    yield from (("negative-control", outcome) for outcome in CONTROL_RULES)


def test_every_outcome_leads_to_a_cause_or_a_rule_or_is_excused():
    declared = {(probe.id, outcome) for probe in scan(bot.probes, Probe).values() for outcome in probe.outcomes}
    assert {one for one in declared - set(_used()) if one[1] not in SAYS_NOTHING_OF_THE_TARGET} == set()


def test_every_rule_and_excuse_is_about_an_outcome_that_exists():
    probes = scan(bot.probes, Probe)
    for probe, layer in LAYER_OF.items():
        assert {outcome for ruled, outcome in RULES if ruled is layer} <= set(probes[probe].outcomes)
    assert set(CONTROL_RULES) <= set(probes["negative-control"].outcomes)
    assert set(SAYS_NOTHING_OF_THE_TARGET) <= {outcome for probe in probes.values() for outcome in probe.outcomes}


@pytest.mark.parametrize("id", REQUIRED)
def test_each_cause_is_there_with_something_to_do_next(id):
    assert any(step.run for step in library().causes[id].next)


def windows(playbook):
    """Direction, minutes and minutes of the second try, by the first item that a line carries out."""
    return {
        line.source[0]: (
            line.window.direction,
            line.window.length.total_seconds() / 60,
            line.window.widen and line.window.widen.total_seconds() / 60,
        )
        for line in library().playbooks[playbook].diagnosis
        if line.source
    }


def test_the_windows_are_the_documents():
    assert windows("connection-refused") == {
        "000/diagnosis/1": (Direction.AROUND, 2, None),
        "000/diagnosis/2": (Direction.AROUND, 5, 10),
        "000/diagnosis/3": (Direction.BEFORE, 60, 120),
        "000/diagnosis/4": (Direction.AROUND, 5, 10),
        "000/diagnosis/5": (Direction.AROUND, 5, 10),
        "000/diagnosis/6": (Direction.BEFORE, 60, 120),
    }
    assert windows("cannot-access-api") == {
        "001/diagnosis/1": (Direction.BEFORE, 10, 30),
        "001/diagnosis/2": (Direction.BEFORE, 10, 30),
        "001/diagnosis/3": (Direction.AROUND, 5, None),
        "001/diagnosis/4": (Direction.AROUND, 10, 30),
        "001/diagnosis/5": (Direction.AROUND, 10, 30),
        "001/diagnosis/6": (Direction.BEFORE, 60, 120),
        "001/otherwise/2": (Direction.BEFORE, 120, None),
        "001/otherwise/3": (Direction.BEFORE, 120, None),
        "001/otherwise/4": (Direction.BEFORE, 120, None),
        "001/otherwise/5": (Direction.BEFORE, 120, None),
    }


@pytest.mark.parametrize("playbook", sorted(library().playbooks))
def test_every_check_can_be_done_by_hand(playbook):
    asked = library().playbooks[playbook]
    assert all(step.manual and (step.run or step.probe) for step in (*asked.steps, *asked.otherwise))
    assert [step.id for step in (*asked.steps, *asked.otherwise) if not step.run] in ([], ["negative-control"])


def test_the_ladder_always_runs_its_six_steps_and_some_beside_them():
    playbook = library().playbooks["triage"]
    assert playbook.always
    assert [step.probe for step in playbook.steps if not step.beside] == ["negative-control", *LAYER_OF]
    beside = {step.probe for step in playbook.steps if step.beside}
    assert beside == {
        "apiserver-starts",
        "control-plane-nodes",
        "balancer-statistics",
        "prometheus-targets",
        "prometheus-signals",
        "fresh-connections",
    }


def test_only_what_is_well_now_is_of_the_domain_healthy():
    well = [cause.id for cause in library().causes.values() if cause.domain is Domain.HEALTHY]
    assert well == ["healthy", "transient-recovered"]


@pytest.mark.parametrize(
    ("probe", "outcome"),
    sorted({one for one in _used() if one[0] in LAYER_OF and one[1] not in ("connected", "healthy", "accepted")}),
)
def test_every_verdict_fits_into_one_event(probe, outcome):
    kinds = ("static-pod-manifest", "pod-restart", "certificate-expiry", "firewall-rule", "load-balancer", "route", "dns-record")
    matched = [correlation(kind, CorrelationResult.MATCH) for kind in kinds]
    said = answer(ladder(probe, outcome, addresses=THREE), correlations=matched)
    assert len(said.text.encode()) < MAX_BYTES - 2048


_NO_PROBLEM = (
    "deadline-capped",
    "local-failure",
    "address-forbidden",
    "authentication-required",
    "forbidden",
    "authentication-refused",
    "acceptance-not-shown",
)


@pytest.mark.parametrize(
    ("probe", "outcome"),
    sorted(
        (probe, outcome)
        for probe, layer in LAYER_OF.items()
        for ruled, outcome in RULES
        if ruled is layer and outcome not in _NO_PROBLEM
    ),
)
def test_every_problem_of_the_ladder_names_a_cause_and_is_never_healthy(probe, outcome):
    said = answer(ladder(probe, outcome))
    assert said.named
    assert "healthy" not in said.named


def _commands() -> Iterator[str]:
    for cause in library().causes.values():
        yield from (item.run for item in (*cause.next, *cause.separations) if item.run)
    for playbook in library().playbooks.values():
        yield from (item.run for item in (*playbook.steps, *playbook.otherwise) if item.run)


@pytest.mark.parametrize("command", sorted(set(_commands())))
def test_every_command_is_one_line_that_a_shell_accepts(command):
    target = CLUSTER.target.model_copy(update={"proxy_url": "http://proxy.example:3128"})
    nodes = (Endpoint(host="10.0.0.11", port=6443), Endpoint(host="10.0.0.12", port=6443))
    cluster = CLUSTER.model_copy(update={"target": target, "nodes": nodes})
    filled = fill_command(command, values_of(cluster, address="10.0.0.1"))
    assert "\n" not in filled
    assert "<" not in filled.replace("</dev/null", "")
    assert subprocess.run(["sh", "-n", "-c", filled], capture_output=True, text=True).stderr == ""
