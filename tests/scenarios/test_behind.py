"""Every layer passes, and something behind the API server does not: then that is named, and nothing else with confidence."""

from __future__ import annotations

import pytest

from bot.diagnosis.rank import WRITES
from bot.model.diagnosis import Confidence, Verdict
from bot.model.finding import Finding, Status
from tests.diagnosis.facts import answer, finding, ladder

HIGH, MEDIUM = Confidence.HIGH, Confidence.MEDIUM
FINE = {
    "aggregated-apis": "available",
    "admission-webhooks": "answerable",
    "nodes": "ready",
    "control-plane-leases": "renewed",
    "tunnel-agents": "running",
    "kubelet-port": "answers",
    "apiserver-load": "quick",
    "helm-releases": "few",
}


def behind(*ill: tuple[str, str], beside: tuple[tuple[str, str], ...] = ()) -> list[Finding]:
    """A clean ladder, these findings, and for each probe that is not among them that all is well. ``beside`` are findings of
    the same probes that are well."""
    found = [finding(probe, outcome, f"{probe} {number}") for number, (probe, outcome) in enumerate(ill)]
    looked = {probe for probe, _ in ill}
    well = [(probe, outcome) for probe, outcome in FINE.items() if probe not in looked]
    fine = [finding(probe, outcome, f"{probe} well", status=Status.OK) for probe, outcome in (*well, *beside)]
    return [*ladder(), *found, *fine]


def test_when_nothing_is_found_it_is_healthy_and_writes_are_still_not_tried() -> None:
    said = answer(behind())
    assert said.diagnosis.verdict is Verdict.HEALTHY
    assert said.named == ("healthy",)
    assert said.first.confidence is HIGH
    assert WRITES in said.diagnosis.not_checked


@pytest.mark.parametrize(
    ("ill", "cause", "confidence"),
    [
        ([("apiserver-load", "requests-rejected")], "overloaded", HIGH),
        ([("apiserver-load", "requests-queued")], "overloaded", MEDIUM),
        ([("apiserver-load", "watches-many")], "watch-leak", MEDIUM),
        ([("apiserver-load", "files-near-limit")], "file-descriptors-exhausted", MEDIUM),
        ([("apiserver-load", "etcd-slow")], "etcd-slow", HIGH),
        ([("apiserver-load", "etcd-writes-failing"), ("control-plane-leases", "writes-stalled")], "etcd-no-space", MEDIUM),
        ([("control-plane-leases", "writes-stalled")], "etcd-no-space", MEDIUM),
        ([("apiserver-load", "webhook-calls-failing")], "admission-webhook-failing", HIGH),
        (
            [("admission-webhooks", "without-endpoints"), ("apiserver-load", "webhook-calls-failing")],
            "admission-webhook-failing",
            HIGH,
        ),
        ([("aggregated-apis", "unavailable")], "aggregated-api-unavailable", HIGH),
        ([("control-plane-leases", "controller-manager-stale")], "controller-manager-down", HIGH),
        ([("control-plane-leases", "scheduler-stale")], "scheduler-down", HIGH),
        ([("nodes", "under-pressure")], "node-under-pressure", HIGH),
        ([("nodes", "not-ready"), ("kubelet-port", "port-refused")], "kubelet-down", HIGH),
        ([("nodes", "not-ready")], "kubelet-down", MEDIUM),
        ([("kubelet-port", "port-silent")], "kubelet-port-blocked", HIGH),
        ([("kubelet-port", "kubelet-tls-failing")], "kubelet-certificate-rejected", HIGH),
        ([("tunnel-agents", "not-ready"), ("kubelet-port", "tunnel-failing")], "tunnel-agents-down", HIGH),
        ([("tunnel-agents", "not-scheduled")], "tunnel-agents-down", HIGH),
        ([("helm-releases", "sprawl")], "helm-release-sprawl", HIGH),
        ([("helm-releases", "secrets-large")], "helm-release-sprawl", MEDIUM),
    ],
)
def test_each_is_named(ill: list[tuple[str, str]], cause: str, confidence: Confidence) -> None:
    # Where the tunnel or the nodes are ill no kubelet was reached; one that answers would speak against it.
    unseen = {"kubelet-port"} if {"tunnel-agents", "nodes"} & {probe for probe, _ in ill} else set()
    found = [one for one in behind(*ill) if one.probe not in unseen or one.status is Status.PROBLEM]
    said = answer(found)
    assert (said.diagnosis.verdict, said.first.id) == (Verdict.CAUSE, cause)
    assert said.first.confidence is confidence
    assert not [one.id for one in said.diagnosis.causes[1:] if one.confidence is HIGH]


@pytest.mark.parametrize(
    ("ill", "beside"),
    [
        ([("admission-webhooks", "without-endpoints")], ()),
        ([("admission-webhooks", "service-missing")], ()),
        ([("control-plane-nodes", "refused")], (("control-plane-nodes", "answers"),)),
    ],
)
def test_what_holds_nobody_up_yet_ends_healthy(ill: list[tuple[str, str]], beside: tuple[tuple[str, str], ...]) -> None:
    said = answer(behind(*ill, beside=beside))
    assert said.diagnosis.verdict is Verdict.HEALTHY
    assert said.first.confidence is HIGH
    assert not [one.id for one in said.diagnosis.causes[1:] if one.confidence is HIGH]


def test_a_node_of_several_that_is_down_is_a_cause_where_connections_fail() -> None:
    found = behind(("control-plane-nodes", "refused"), beside=(("control-plane-nodes", "answers"),))
    steady = [one for one in found if one.probe != "fresh-connections"]
    said = answer([*steady, finding("fresh-connections", "comes-and-goes", "10.0.0.1:6443")])
    assert (said.diagnosis.verdict, said.first.id) == (Verdict.CAUSE, "lb-backend-down")


def test_a_tunnel_that_fails_beside_agents_that_run_may_be_the_way_out() -> None:
    said = answer(behind(("kubelet-port", "tunnel-failing")))
    assert {"tunnel-agents-down", "egress-blocked"} <= said.best
    assert said.first.separator is not None


@pytest.mark.parametrize(
    ("ill", "well"),
    [
        ([("kubelet-port", "port-refused")], ("kubelet-port", "answers")),
        ([("kubelet-port", "port-silent")], ("kubelet-port", "answers")),
        ([("tunnel-agents", "not-scheduled")], ("tunnel-agents", "running")),
    ],
)
def test_one_sick_node_or_agent_of_several_is_a_problem_that_is_listed_and_no_outage(
    ill: list[tuple[str, str]], well: tuple[str, str]
) -> None:
    said = answer(behind(*ill, beside=(well,)))
    assert said.diagnosis.verdict is Verdict.HEALTHY


def test_a_node_that_is_not_ready_although_its_kubelet_answers_is_not_without_a_kubelet() -> None:
    said = answer(behind(("nodes", "not-ready")))
    assert said.named == ()
    assert said.diagnosis.verdict is Verdict.INCONCLUSIVE


def test_a_kubelet_that_is_down_and_one_that_is_cut_off_are_told_apart_by_the_nodes_own_word() -> None:
    silent = answer(behind(("kubelet-port", "port-silent"), ("nodes", "not-ready")))
    assert silent.first.id == "kubelet-port-blocked"
    assert silent.first.confidence is MEDIUM
    assert "Nodes are not ready, so it may be they that are gone." in silent.first.evidence_against


def test_what_could_not_be_read_accuses_nobody() -> None:
    unread = [finding(probe, "not-read", probe, status=Status.NOT_CHECKED) for probe in FINE]
    said = answer([*ladder(), *unread])
    assert said.diagnosis.verdict is Verdict.HEALTHY
    assert said.named == ("healthy",)
