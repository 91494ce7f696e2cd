"""Workloads of kube-system: which are ill, which the cluster's network hangs on, and what was written lately."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.clock import stamp
from bot.errors import Unavailable
from bot.model.finding import Status
from bot.ports import ApiObject, Kind, Listing
from tests.fakes.network import NOW
from tests.probes.scene import PROBES, KnownObjects, Scene

FORBIDDEN = Unavailable("the API answered 403 for it: User cannot", next="Allow the credentials to do it.")
OK, PROBLEM = Status.OK, Status.PROBLEM
DEPLOYMENT, DAEMONS, SET, MAP = Kind.DEPLOYMENTS, Kind.DAEMON_SETS, Kind.STATEFUL_SETS, Kind.CONFIG_MAP_NAMES
STUCK = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}


def written(minutes: float, manager: str = "kubectl-edit") -> list[dict[str, str]]:
    return [{"manager": manager, "operation": "Update", "time": stamp(NOW - timedelta(minutes=minutes))}]


def workload(kind: Kind, name: str, wanted: int, available: int, **given: Any) -> ApiObject:
    data = {"wanted": wanted, "updated": wanted, "available": available, "observed": True, "conditions": [], **given}
    return ApiObject(kind=kind.value, namespace="kube-system", name=name, data=data)


def config_map(name: str, minutes: float, **given: Any) -> ApiObject:
    data = {"leader": False, "creationTimestamp": "2026-01-01T00:00:00Z", "written": written(minutes), **given}
    return ApiObject(kind=MAP.value, namespace="kube-system", name=name, data=data)


def system(*items: ApiObject, forbidden: tuple[Kind, ...] = ()) -> Scene:
    listings: dict[Kind, Listing | Unavailable] = {
        kind: Listing(items=tuple(one for one in items if one.kind == kind.value), server_time=NOW)
        for kind in (DEPLOYMENT, DAEMONS, SET, MAP)
    }
    return Scene(api=KnownObjects(listings={**listings, **dict.fromkeys(forbidden, FORBIDDEN)}))


CASES: list[tuple[str, Status, Scene]] = [
    ("none-found", Status.NOT_APPLICABLE, system()),
    ("available", OK, system(workload(DEPLOYMENT, "coredns", 2, 2), workload(DAEMONS, "kube-proxy", 3, 3))),
    ("available", OK, system(workload(DEPLOYMENT, "metrics-server", 0, 0))),
    ("available", OK, system(workload(DAEMONS, "calico-node", 200, 197))),
    ("available", OK, system(workload(DEPLOYMENT, "coredns", 2, 1))),
    ("rolling-out", OK, system(workload(DEPLOYMENT, "coredns", 2, 2, updated=1))),
    ("rolling-out", OK, system(workload(DAEMONS, "kube-proxy", 3, 3, observed=False))),
    ("none-available", PROBLEM, system(workload(DEPLOYMENT, "metrics-server", 1, 0))),
    ("none-available", PROBLEM, system(workload(DEPLOYMENT, "coredns-autoscaler", 1, 0))),
    ("most-unavailable", PROBLEM, system(workload(SET, "store", 3, 1))),
    ("most-unavailable", PROBLEM, system(workload(DEPLOYMENT, "coredns", 3, 1))),
    ("rollout-stuck", PROBLEM, system(workload(DEPLOYMENT, "metrics-server", 2, 1, updated=1, conditions=[STUCK]))),
    ("service-network-down", PROBLEM, system(workload(DAEMONS, "kube-proxy", 3, 0))),
    ("service-network-down", PROBLEM, system(workload(DAEMONS, "cilium", 9, 4))),
    ("cluster-dns-down", PROBLEM, system(workload(DEPLOYMENT, "rke2-coredns-rke2-coredns", 2, 0, conditions=[STUCK]))),
    ("changed-lately", OK, system(config_map("coredns", 5))),
    ("not-read", Status.NOT_CHECKED, Scene()),
]


@pytest.mark.parametrize(("outcome", "status", "scene"), CASES)
async def test_each_outcome(outcome: str, status: Status, scene: Scene) -> None:
    found = [one for one in await scene.run("kube-system-workloads") if outcome in ("none-found", one.outcome)]
    assert [(one.outcome, one.status) for one in found] == [(outcome, status)]


def test_every_outcome_has_a_scene() -> None:
    assert {outcome for outcome, _, _ in CASES} == set(PROBES["kube-system-workloads"].outcomes)


async def test_one_kind_that_may_not_be_read_is_named_and_the_others_are_judged() -> None:
    found = await system(workload(DAEMONS, "kube-proxy", 3, 3), forbidden=(DEPLOYMENT,)).run("kube-system-workloads")
    assert [one.outcome for one in found] == ["not-read", "available"]
    assert found[0].subject == "deployments in kube-system"
    assert found[0].todo == "Allow the credentials to do it."


async def test_what_was_written_lately_is_told_newest_first_with_time_and_manager() -> None:
    scene = system(
        workload(DEPLOYMENT, "coredns", 2, 2, written=written(40, "helm"), creationTimestamp="2026-01-01T00:00:00Z"),
        config_map("kube-proxy", 3),
        config_map("old", 200),
        config_map("cluster-autoscaler-status", 1),
        config_map("lock", 0, leader=True),
        config_map("new", 0, written=[], creationTimestamp=stamp(NOW - timedelta(minutes=1))),
    )
    found = {one.outcome: one for one in await scene.run("kube-system-workloads")}
    told = found["changed-lately"]
    assert told.evidence["changes"] == [
        {"what": "ConfigMap new", "at": "2026-11-20T11:59:00.000Z", "manager": None},
        {"what": "ConfigMap kube-proxy", "at": "2026-11-20T11:57:00.000Z", "manager": "kubectl-edit"},
        {"what": "Deployment coredns", "at": "2026-11-20T11:20:00.000Z", "manager": "helm"},
    ]
    assert told.sentence.startswith(
        "In the last 2 h were written: ConfigMap new at 2026-11-20 11:59:00 UTC, ConfigMap kube-proxy"
    )


async def test_a_sick_workload_says_how_many_pods_it_has() -> None:
    (finding,) = await system(workload(DAEMONS, "cilium", 9, 4)).run("kube-system-workloads")
    assert finding.subject == "daemonsets/cilium"
    assert finding.sentence == "DaemonSet cilium has less than half of its pods: 4 of 9 available."
