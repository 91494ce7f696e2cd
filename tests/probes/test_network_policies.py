"""Which NetworkPolicies keep whom from the API server: policies that people write, pods and services as charts make them."""

from __future__ import annotations

from typing import Any

import pytest

from bot.errors import Unavailable
from bot.model.base import Json
from bot.model.finding import Status
from bot.model.target import Endpoint
from bot.ports import ApiObject, Kind, Listing
from tests.probes.scene import PROBES, KnownObjects, Scene

OK, PROBLEM, UNSURE, NOT_CHECKED, NOTHING = (
    Status.OK,
    Status.PROBLEM,
    Status.INCONCLUSIVE,
    Status.NOT_CHECKED,
    Status.NOT_APPLICABLE,
)
FORBIDDEN = Unavailable("the API answered 403 for networkpolicies: no", next="Allow the credentials to list networkpolicies.")
SYSTEM = "kube-system"
SERVERS = (Endpoint(host="10.1.0.11", port=6443), Endpoint(host="10.1.0.12", port=6443))
TO_SERVERS: Json = {"to": [{"ipBlock": {"cidr": "10.1.0.0/24"}}], "ports": [{"port": 6443}]}
TO_SERVICE: Json = {"to": [{"ipBlock": {"cidr": "10.96.0.1/32"}}], "ports": [{"port": 443}]}
TO_DNS: Json = {
    "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": SYSTEM}}}],
    "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
}


class Cluster(KnownObjects):
    """Selects services by their labels, as the API server does."""

    async def list_objects(self, kind: Kind, *, label_selector: str | None = None, **given: Any) -> Listing:
        found = await super().list_objects(kind, **given)
        if kind is not Kind.SERVICES or label_selector is None:
            return found
        key, _, among = label_selector.partition(" in (")
        wanted = among.rstrip(")").split(",") if among else None
        items = [
            one
            for one in found.items
            if key in one.data.get("labels", {}) and (wanted is None or one.data["labels"][key] in wanted)
        ]
        return found.model_copy(update={"items": tuple(items)})


def policy(name: str, namespace: str = SYSTEM, selector: Json | None = None, **spec: Any) -> ApiObject:
    written = [
        {"manager": "helm", "operation": "Update", "time": "2026-11-01T08:00:00Z"},
        {"manager": "kubectl-edit", "operation": "Update", "time": "2026-11-20T11:51:00Z"},
    ]
    data = {"spec": {"podSelector": selector or {}, **spec}, "creationTimestamp": "2026-11-01T08:00:00Z", "written": written}
    return ApiObject(kind=Kind.NETWORK_POLICIES.value, namespace=namespace, name=name, data=data)


def egress(name: str, *rules: Json, namespace: str = SYSTEM, selector: Json | None = None) -> ApiObject:
    return policy(name, namespace, selector, policyTypes=["Egress"], egress=list(rules))


def ingress(name: str, *rules: Json, namespace: str, selector: Json | None = None) -> ApiObject:
    return policy(name, namespace, selector, policyTypes=["Ingress"], ingress=list(rules))


def pod(name: str, *, host: bool = False, **labels: str) -> ApiObject:
    said = {label.replace("_", "-"): text for label, text in labels.items()} | {"pod-template-hash": name[-2:]}
    return ApiObject(kind="Pod", namespace=SYSTEM, name=name, data={"labels": said, "hostNetwork": host, "containers": []})


def service(name: str, namespace: str, labels: Json, *, port: Any = 8443, kind: str = "LoadBalancer") -> ApiObject:
    data = {
        "labels": labels,
        "type": kind,
        "selector": {**labels, "app.kubernetes.io/component": "controller"},
        "clusterIPs": ["10.96.7.7"],
        "ports": [{"port": 443, "targetPort": port}],
    }
    return ApiObject(kind=Kind.SERVICES.value, namespace=namespace, name=name, data=data)


API_SERVICE = ApiObject(
    kind=Kind.SERVICES.value,
    namespace="default",
    name="kubernetes",
    data={"type": "ClusterIP", "clusterIPs": ["10.96.0.1"], "ports": [{"port": 443}]},
)
NGINX = service("ingress-nginx-controller", "ingress-nginx", {"app.kubernetes.io/name": "ingress-nginx"})
ADMISSION = service("admission", "ingress-nginx", {"app.kubernetes.io/name": "ingress-nginx"}, kind="ClusterIP", port="webhook")
ISTIO = service("istio-ingressgateway", "istio-system", {"app": "istio-ingressgateway", "istio": "ingressgateway"})
GATEWAY_API = service("web", "infra", {"gateway.networking.k8s.io/gateway-name": "web"}, port=None)
PODS = (
    pod("coredns-1a", k8s_app="kube-dns"),
    pod("coredns-2b", k8s_app="kube-dns"),
    pod("metrics-server-1a", k8s_app="metrics-server"),
    pod("konnectivity-agent-1a", k8s_app="konnectivity-agent"),
)


def cluster(*policies: ApiObject, services: tuple[ApiObject, ...] = (), labels: Json | None = None, **given: Any) -> Scene:
    listings: dict[Kind, Listing | Unavailable] = {
        Kind.NETWORK_POLICIES: Listing(items=policies),
        Kind.SERVICES: Listing(items=(API_SERVICE, *services)),
        Kind.NAMESPACES: Listing(
            items=(ApiObject(kind="namespaces", name=SYSTEM, data={"labels": labels or {"kubernetes.io/metadata.name": SYSTEM}}),)
        ),
    }
    listings |= given.pop("listings", {})
    places = given.pop("servers", SERVERS)
    return Scene(api=Cluster(pods=given.pop("pods", PODS), endpoints=places, listings=listings, **given))


FINE: list[tuple[str, Scene]] = [
    ("none-found", cluster()),
    ("nothing-restricted", cluster(egress("app", namespace="shop"))),
    ("nothing-restricted", cluster(egress("open", {}))),
    ("nothing-restricted", cluster(egress("fit", TO_SERVERS, TO_DNS))),
    (
        "nothing-restricted",
        cluster(policy("in", policyTypes=["Ingress"], ingress=[{"ports": [{"port": 53, "protocol": "UDP"}]}])),
    ),
    ("nothing-restricted", cluster(egress("others", selector={"matchLabels": {"app": "backup"}}))),
    ("nothing-restricted", cluster(egress("deny"), pods=[pod("coredns-1a", host=True, k8s_app="kube-dns")])),
    ("nothing-restricted", cluster(egress("deny"), egress("add", TO_SERVERS, TO_DNS))),
    (
        "nothing-restricted",
        cluster(ingress("web", {"ports": [{"port": 8443}]}, namespace="ingress-nginx"), services=(NGINX, ADMISSION)),
    ),
    # What a service of an inner address alone is for is not known.
    ("nothing-restricted", cluster(ingress("web", namespace="ingress-nginx"), services=(ADMISSION,))),
    ("not-all-read", cluster(listings={Kind.NETWORK_POLICIES: Listing(items=(egress("a", namespace="a"),), remaining=900)})),
    ("not-all-read", cluster(egress("deny", TO_DNS), servers=())),
    ("not-read", cluster(listings={Kind.NETWORK_POLICIES: FORBIDDEN})),
    ("not-read", cluster(egress("deny"), listings={Kind.SERVICES: FORBIDDEN})),
    ("not-read", Scene()),
]
FINE_STATUS = {"none-found": NOTHING, "nothing-restricted": OK, "not-all-read": UNSURE, "not-read": NOT_CHECKED}

DNS = {"matchLabels": {"k8s-app": "kube-dns"}}
RESTRICTED: list[tuple[str, Scene]] = [
    ("api-blocked", cluster(egress("deny"))),
    ("api-blocked", cluster(egress("half", {"to": [{"ipBlock": {"cidr": "10.1.0.11/32"}}]}, TO_DNS))),
    (
        "api-blocked",
        cluster(
            egress("wrong-port", {"to": [{"ipBlock": {"cidr": "10.1.0.0/24"}}], "ports": [{"port": 443}]}, TO_DNS, selector=DNS)
        ),
    ),
    ("api-blocked", cluster(egress("excepts", {"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]}, TO_DNS))),
    ("api-blocked", cluster(egress("deny", namespace="istio-system"), services=(ISTIO,))),
    ("api-blocked", cluster(egress("deny", namespace="infra"), services=(GATEWAY_API,))),
    ("tunnel-blocked", cluster(egress("deny", TO_DNS, selector={"matchLabels": {"k8s-app": "konnectivity-agent"}}))),
    ("dns-blocked", cluster(egress("no-dns", TO_SERVERS))),
    ("dns-blocked", cluster(egress("elsewhere", TO_SERVERS, {"to": [{"namespaceSelector": {"matchLabels": {"team": "dns"}}}]}))),
    ("dns-blocked", cluster(policy("in", selector=DNS, policyTypes=["Ingress"], ingress=[{"ports": [{"port": 9153}]}]))),
    ("gateway-closed", cluster(ingress("web", namespace="ingress-nginx"), services=(NGINX,))),
    (
        "gateway-closed",
        cluster(ingress("web", {"from": [{"namespaceSelector": {}}]}, namespace="ingress-nginx"), services=(NGINX,)),
    ),
    (
        "gateway-closed",
        cluster(ingress("web", {"ports": [{"port": 80}]}, namespace="ingress-nginx"), services=(ADMISSION, NGINX)),
    ),
    (
        "gateway-limited",
        cluster(ingress("web", {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}, namespace="infra"), services=(GATEWAY_API,)),
    ),
    (
        "depends-on-plugin",
        cluster(egress("by-service", TO_SERVICE, TO_DNS, selector={"matchLabels": {"k8s-app": "metrics-server"}})),
    ),
]
DOUBTFUL = ("gateway-limited", "depends-on-plugin")


@pytest.mark.parametrize(("outcome", "scene"), FINE)
async def test_what_restricts_nobody(outcome: str, scene: Scene) -> None:
    finding = await scene.one("network-policies")
    assert (finding.outcome, finding.status) == (outcome, FINE_STATUS[outcome])


@pytest.mark.parametrize(("outcome", "scene"), RESTRICTED)
async def test_what_restricts_somebody(outcome: str, scene: Scene) -> None:
    finding = await scene.one("network-policies")
    assert (finding.outcome, finding.status) == (outcome, UNSURE if outcome in DOUBTFUL else PROBLEM)


def test_every_outcome_has_a_scene() -> None:
    assert {outcome for outcome, _ in [*FINE, *RESTRICTED]} == set(PROBES["network-policies"].outcomes)


async def test_a_policy_is_named_with_what_it_restricts_and_since_when_and_by_whom() -> None:
    finding = await cluster(egress("deny", TO_DNS, selector={"matchLabels": {"k8s-app": "metrics-server"}})).one(
        "network-policies"
    )
    assert finding.subject == "kube-system/deny"
    assert finding.sentence == (
        "By policy kube-system/deny metrics-server may not reach the API server (10.1.0.11:6443, 10.1.0.12:6443); "
        "last written at 2026-11-20 11:51:00 UTC by kubectl-edit."
    )
    assert finding.evidence["restricts"] == ["metrics-server"]
    assert finding.evidence["created"] == "2026-11-01T08:00:00Z"
    assert finding.evidence["written_at"] == "2026-11-20T11:51:00.000Z"
    assert finding.evidence["manager"] == "kubectl-edit"


async def test_policies_that_restrict_together_are_named_together() -> None:
    found = await cluster(egress("deny"), egress("dns", TO_DNS)).run("network-policies")
    assert [one.subject for one in found] == ["kube-system/deny", "kube-system/dns"]
    assert "(together with kube-system/dns)" in found[0].sentence


async def test_labels_of_kube_system_are_read_where_a_policy_asks_for_them() -> None:
    rule: Json = {"to": [{"namespaceSelector": {"matchLabels": {"team": "base"}}}]}
    fits = cluster(egress("p", TO_SERVERS, rule), labels={"team": "base"})
    assert (await fits.one("network-policies")).outcome == "nothing-restricted"
    other = cluster(egress("p", TO_SERVERS, rule), labels={"team": "other"})
    assert (await other.one("network-policies")).outcome == "dns-blocked"
    unread = cluster(egress("p", TO_SERVERS, rule), listings={Kind.NAMESPACES: FORBIDDEN})
    assert (await unread.one("network-policies")).outcome == "nothing-restricted"


async def test_the_missing_right_is_said() -> None:
    finding = await cluster(listings={Kind.NETWORK_POLICIES: FORBIDDEN}).one("network-policies")
    assert finding.todo == "Allow the credentials to list networkpolicies."
