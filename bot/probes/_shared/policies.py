"""Who needs the API server, the cluster's DNS or the world outside, and which NetworkPolicies keep them from it.

The clients are known by the labels that their manifests and charts give them: in kube-system by their pods, elsewhere by the
selectors of ingress gateways' services, so that no pods of other namespaces are read. Pods in their node's network are left
out, because policies are not about them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import IntEnum

from bot.errors import Unavailable
from bot.model.base import Json, Value
from bot.model.network_policy import (
    NAME_LABEL,
    Direction,
    Pod,
    Policy,
    allows_address,
    allows_anybody,
    allows_pod,
    isolating,
    keys,
)
from bot.model.network_policy import outside as reached_from
from bot.model.target import Endpoint, literal
from bot.ports import ApiObject, Kind, KubernetesReads
from bot.probes._shared import tunnel
from bot.probes._shared.reads import moment
from bot.probes._shared.words import listed

SYSTEM = "kube-system"
_IN_SYSTEM = "k8s-app in (kube-dns,coredns,metrics-server,calico-kube-controllers)"
_GATEWAY_NAMES = (
    "ingress-nginx,nginx-ingress,traefik,kong,haproxy-ingress,kubernetes-ingress,contour,envoy,"
    "istio-ingressgateway,istio-ingress,apisix"
)
_GATEWAYS = (
    f"app.kubernetes.io/name in ({_GATEWAY_NAMES})",
    "istio in (ingressgateway,ingress)",
    "gateway.networking.k8s.io/gateway-name",
)
_MOST_PORTS = 6


class Role(IntEnum):
    """What somebody is, and so what it needs."""

    CLIENT = 1
    DNS = 2
    TUNNEL = 3
    GATEWAY = 4


class Client(Value):
    """Some pods with the same labels. ``ports`` are those at which a gateway is reached from outside; None where only a name
    is known."""

    name: str
    role: Role
    pod: Pod
    ports: tuple[int | None, ...] = ()


class Harm(Value):
    """What somebody is kept from, by these policies together. The worst outcome has the lowest ``rank``."""

    outcome: str
    says: str
    client: str
    policies: tuple[str, ...]

    @property
    def rank(self) -> int:
        return _RANK.index(self.outcome)


_RANK = ("api-blocked", "tunnel-blocked", "dns-blocked", "gateway-closed", "depends-on-plugin", "gateway-limited")
DOUBTFUL = frozenset({"depends-on-plugin", "gateway-limited"})


class Ways(Value):
    """Where the API server is: the addresses behind its service, and the service's own."""

    servers: tuple[Endpoint, ...]
    services: tuple[Endpoint, ...] = ()


def policies_of(items: Sequence[ApiObject]) -> list[Policy]:
    return [Policy(namespace=item.namespace or "", name=item.name, spec=item.data["spec"]) for item in items]


async def clients(api: KubernetesReads, policies: Sequence[Policy]) -> list[Client]:
    """Those that live where a policy is, each sort once. Raises Unavailable."""
    spaces = {one.namespace for one in policies}
    found: list[Client] = []
    if SYSTEM in spaces:
        labels = await _system_labels(api, policies)
        agents = await tunnel.find(api, SYSTEM)
        for pod in [*await api.list_pods(SYSTEM, label_selector=_IN_SYSTEM), *agents]:
            name = pod.data["labels"].get("k8s-app") or pod.data["labels"].get("app") or pod.name
            role = Role.TUNNEL if pod in agents else Role.DNS if name in ("kube-dns", "coredns") else Role.CLIENT
            if not pod.data.get("hostNetwork"):
                labelled = Pod(namespace=SYSTEM, labels=_steady(pod.data["labels"]), namespace_labels=labels)
                found.append(Client(name=name, role=role, pod=labelled))
    for selector in _GATEWAYS:
        services = (await api.list_objects(Kind.SERVICES, label_selector=selector)).items
        found += [_gateway(one) for one in services if one.namespace in spaces and one.data.get("selector")]
    # Of several services of the same pods the one that leads outside comes last, and stays.
    return list({(one.role, repr(one.pod)): one for one in sorted(found, key=lambda one: len(one.ports))}.values())


def _steady(labels: Json) -> dict[str, str]:
    """Without what differs from pod to pod of the same kind."""
    return {key: text for key, text in labels.items() if key not in ("pod-template-hash", "controller-revision-hash")}


def _gateway(service: ApiObject) -> Client:
    """What a service of an inner address alone is for is not known: metrics, or a webhook."""
    leads_outside = service.data.get("type") in ("LoadBalancer", "NodePort")
    targets = [one.get("targetPort") or one.get("port") for one in service.data.get("ports", ())] if leads_outside else []
    numbers = tuple(one if isinstance(one, int) else None for one in targets[:_MOST_PORTS])
    pod = Pod(namespace=str(service.namespace), labels=service.data["selector"])
    return Client(name=f"{service.namespace}/{service.name}", role=Role.GATEWAY, pod=pod, ports=numbers)


async def _system_labels(api: KubernetesReads, policies: Sequence[Policy]) -> dict[str, str] | None:
    """kube-system's own labels, where a policy asks for more than its name; None when they cannot be had."""
    rules = [rule for one in policies for way in Direction for rule in one.rules(way)]
    peers = [peer for rule in rules for way in Direction for peer in rule.get(way.peers) or ()]
    if all(keys(peer.get("namespaceSelector") or {}) <= {NAME_LABEL} for peer in peers):
        return {NAME_LABEL: SYSTEM}
    try:
        found = await api.list_objects(Kind.NAMESPACES, field_selector=f"metadata.name={SYSTEM}", limit=1)
    except Unavailable:
        return None
    return found.items[0].data["labels"] if found.items else None


async def ways(api: KubernetesReads) -> Ways:
    """Where clients in the cluster reach the API server. Raises Unavailable."""
    servers = tuple(place for place in await api.list_endpoint_addresses("default", "kubernetes") if literal(place.host))
    found = await api.list_objects(Kind.SERVICES, namespace="default", field_selector="metadata.name=kubernetes", limit=1)
    services = [
        Endpoint(host=address, port=port["port"])
        for one in found.items
        for address in one.data.get("clusterIPs", ())
        if literal(address)
        for port in one.data.get("ports", ())
    ]
    return Ways(servers=servers, services=tuple(services))


def harms(policies: Sequence[Policy], who: Sequence[Client], server: Ways) -> Iterator[Harm]:
    """What the policies keep these clients from. What cannot be told is allowed, but for how a plugin sees a service."""
    for client in who:
        outgoing = isolating(policies, client.pod, Direction.EGRESS)
        if outgoing:
            yield from _to_server(outgoing, client, server)
            yield from _to_dns(outgoing, client, who)
        incoming = isolating(policies, client.pod, Direction.INGRESS)
        if incoming and client.ports:
            yield from _from_outside(incoming, client)
        if incoming and client.role is Role.DNS and not allows_anybody(incoming, client.pod, Direction.INGRESS, 53, "UDP"):
            yield _harm("dns-blocked", f"nobody may ask {client.name} at port 53", client, incoming)


def _to_server(selecting: Sequence[Policy], client: Client, server: Ways) -> Iterator[Harm]:
    def reaches(place: Endpoint) -> bool:
        port = None if client.role is Role.TUNNEL else place.port
        return allows_address(selecting, client.pod, Direction.EGRESS, place.host, port)

    closed = [place for place in server.servers if not reaches(place)]
    if not closed:
        return
    where = listed(closed, most=3)
    if len(closed) == len(server.servers) and any(reaches(place) for place in server.services):
        says = (
            f"{client.name} may reach the API server by its service's address and not by its own ({where}), "
            "which most network plugins look at"
        )
        yield _harm("depends-on-plugin", says, client, selecting)
    elif client.role is Role.TUNNEL:
        yield _harm("tunnel-blocked", f"the tunnel's {client.name} may not reach the API server ({where})", client, selecting)
    else:
        yield _harm("api-blocked", f"{client.name} may not reach the API server ({where})", client, selecting)


def _to_dns(selecting: Sequence[Policy], client: Client, who: Sequence[Client]) -> Iterator[Harm]:
    servers = [one for one in who if one.role is Role.DNS] if client.role is not Role.DNS else []
    if servers and not any(
        allows_pod(selecting, client.pod, Direction.EGRESS, one.pod, 53, protocol)
        for one in servers
        for protocol in ("UDP", "TCP")
    ):
        yield _harm("dns-blocked", f"{client.name} may not ask the cluster's DNS", client, selecting)


def _from_outside(selecting: Sequence[Policy], client: Client) -> Iterator[Harm]:
    reached = [reached_from(selecting, client.pod, port) for port in client.ports]
    if None in reached:
        return
    blocks = list(dict.fromkeys(net for nets in reached for net in nets or ()))
    if blocks:
        yield _harm("gateway-limited", f"{client.name} is reached from {listed(blocks, most=4)} only", client, selecting)
    else:
        yield _harm("gateway-closed", f"nobody outside of the cluster may reach {client.name}", client, selecting)


def _harm(outcome: str, says: str, client: Client, selecting: Sequence[Policy]) -> Harm:
    names = tuple(f"{one.namespace}/{one.name}" for one in selecting)
    return Harm(outcome=outcome, says=says, client=client.name, policies=names)


def last_write(item: ApiObject) -> tuple[datetime | None, str | None]:
    """When somebody last wrote what is wanted of it, and by which program."""
    known = [(at, str(one.get("manager") or "")) for one in item.data.get("written", ()) if (at := moment(one.get("time")))]
    made = moment(item.data.get("creationTimestamp"))
    at, manager = max(known, default=(made, ""), key=lambda one: one[0])
    return at, manager or None
