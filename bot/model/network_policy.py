"""What NetworkPolicies allow, as Kubernetes defines it: pure, and lenient where it cannot be told from outside.

A pod that no policy selects for a direction is open in it. One that some select may do what any of their rules allows, and
nothing else. What depends on things that are not known here (the number behind a port's name, the labels of a namespace that was
not read) counts as allowed, so that whatever is said to be blocked is.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from bot.model.base import Json, Value

NAME_LABEL = "kubernetes.io/metadata.name"
"""Each namespace has its own name under this label."""

Net = ipaddress.IPv4Network | ipaddress.IPv6Network

_MOST_EXCEPTIONS = 50
"""Each cuts a range into up to 128; whoever may write a policy may write a hundred thousand."""

_EVERYWHERE = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


class Direction(StrEnum):
    """Which way a connection goes, as seen by the selected pod."""

    INGRESS = "Ingress"
    EGRESS = "Egress"

    @property
    def rules(self) -> str:
        return self.value.lower()

    @property
    def peers(self) -> str:
        return "from" if self is Direction.INGRESS else "to"


class Pod(Value):
    """A pod, as far as policies look at it. ``namespace_labels`` None: they are not known."""

    namespace: str
    labels: dict[str, str] = {}
    namespace_labels: dict[str, str] | None = None


class Policy(Value):
    """One NetworkPolicy."""

    namespace: str
    name: str
    spec: Json

    @property
    def directions(self) -> frozenset[Direction]:
        """Those in which it isolates. Left out, they are incoming, and outgoing too if it has rules for that."""
        said = self.spec.get("policyTypes")
        if not said:
            said = ["Ingress", *(["Egress"] if self.spec.get("egress") else [])]
        return frozenset(one for one in Direction if one.value in said)

    def selects(self, pod: Pod) -> bool:
        return pod.namespace == self.namespace and matches(self.spec.get("podSelector"), pod.labels)

    def rules(self, direction: Direction) -> Sequence[Json]:
        return self.spec.get(direction.rules) or ()


def matches(selector: Json | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes these labels; an empty one takes all."""
    selector = selector or {}
    wanted = (selector.get("matchLabels") or {}).items()
    return all(labels.get(key) == text for key, text in wanted) and all(
        _holds(one, labels) for one in selector.get("matchExpressions") or ()
    )


def _holds(expression: Json, labels: Mapping[str, str]) -> bool:
    key, values = expression.get("key", ""), expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False


def isolating(policies: Iterable[Policy], pod: Pod, direction: Direction) -> list[Policy]:
    """The policies that isolate this pod in this direction; none: it is open."""
    return [one for one in policies if direction in one.directions and one.selects(pod)]


def allows_address(
    policies: Iterable[Policy], pod: Pod, direction: Direction, address: str, port: int | None, protocol: str = "TCP"
) -> bool:
    """Whether the pod may connect to, or be reached from, an address that is no pod's. ``port`` None: at any port at all."""
    place = ipaddress.ip_address(address)

    def takes(peer: Json) -> bool:
        block = peer.get("ipBlock")
        taken = block and any(place in net for net in _net(block.get("cidr")) or _EVERYWHERE)
        return bool(taken) and not any(place in out for text in block.get("except") or () for out in _net(text))

    return _allows(policies, pod, direction, takes, port, protocol)


def allows_pod(
    policies: Iterable[Policy], pod: Pod, direction: Direction, other: Pod, port: int | None, protocol: str = "TCP"
) -> bool:
    """Whether the pod may connect to, or be reached from, another pod, whose address is not known here."""

    def takes(peer: Json) -> bool:
        if "ipBlock" in peer:
            return True
        return matches(peer.get("podSelector"), other.labels) and _in_namespace(peer, pod.namespace, other)

    return _allows(policies, pod, direction, takes, port, protocol)


def allows_anybody(policies: Iterable[Policy], pod: Pod, direction: Direction, port: int | None, protocol: str = "TCP") -> bool:
    """Whether there is anybody at all with whom the pod may speak at this port."""
    return _allows(policies, pod, direction, lambda _: True, port, protocol)


def outside(policies: Sequence[Policy], pod: Pod, port: int | None, protocol: str = "TCP") -> Sequence[str] | None:
    """From which addresses outside of the cluster the pod may be reached: None means from everywhere, or that there are too many
    exceptions to tell."""
    selecting = isolating(policies, pod, Direction.INGRESS)
    if not selecting:
        return None
    rules = [rule for one in selecting for rule in one.rules(Direction.INGRESS) if _takes_port(rule, port, protocol)]
    if any(not rule.get("from") for rule in rules):
        return None
    peers = [peer for rule in rules for peer in rule["from"]]
    if sum(len((peer.get("ipBlock") or {}).get("except") or ()) for peer in peers) > _MOST_EXCEPTIONS:
        return None
    nets = [net for peer in peers for net in _nets(peer)]
    four = list(ipaddress.collapse_addresses(net for net in nets if isinstance(net, ipaddress.IPv4Network)))
    six = list(ipaddress.collapse_addresses(net for net in nets if isinstance(net, ipaddress.IPv6Network)))
    found = [*four, *six]
    return None if any(net in _EVERYWHERE for net in found) else [str(net) for net in found]


def _allows(
    policies: Iterable[Policy],
    pod: Pod,
    direction: Direction,
    takes: Callable[[Json], bool],
    port: int | None,
    protocol: str,
) -> bool:
    selecting = isolating(policies, pod, direction)
    rules = [rule for one in selecting for rule in one.rules(direction)]
    return not selecting or any(
        _takes_port(rule, port, protocol) and _takes_peer(rule.get(direction.peers), takes) for rule in rules
    )


def _takes_peer(peers: Sequence[Json] | None, takes: Callable[[Json], bool]) -> bool:
    return not peers or any(takes(peer) for peer in peers)


def _takes_port(rule: Json, port: int | None, protocol: str) -> bool:
    ports = rule.get("ports")
    return not ports or any(_is_port(one, port, protocol) for one in ports)


def _is_port(said: Json, port: int | None, protocol: str) -> bool:
    if (said.get("protocol") or "TCP") != protocol:
        return False
    first: Any = said.get("port")
    if first is None or port is None or isinstance(first, str):
        return True
    return int(first) <= port <= int(said.get("endPort") or first)


def _nets(peer: Json) -> Iterator[Net]:
    """The addresses of a peer that is a block, without those that it excepts."""
    block = peer.get("ipBlock")
    if not block:
        return
    left: list[Net] = _net(block.get("cidr")) or list(_EVERYWHERE)
    for text in block.get("except") or ():
        for out in _net(text):
            left = [part for net in left for part in _without(net, out)]
    yield from left


def _net(text: object) -> list[Net]:
    """Nothing for what is no range of addresses, such as one with leading zeros, which old servers took."""
    try:
        return [ipaddress.ip_network(str(text), strict=False)]
    except ValueError:
        return []


def _without(net: Net, out: Net) -> Iterator[Net]:
    if isinstance(net, ipaddress.IPv4Network) and isinstance(out, ipaddress.IPv4Network):  # noqa: SIM114 - a type at a time
        yield from () if net.subnet_of(out) else net.address_exclude(out) if out.subnet_of(net) else (net,)
    elif isinstance(net, ipaddress.IPv6Network) and isinstance(out, ipaddress.IPv6Network):
        yield from () if net.subnet_of(out) else net.address_exclude(out) if out.subnet_of(net) else (net,)
    else:
        yield net


def _in_namespace(peer: Json, own: str, other: Pod) -> bool:
    selector = peer.get("namespaceSelector")
    if selector is None:
        return other.namespace == own
    known = {NAME_LABEL: other.namespace, **(other.namespace_labels or {})}
    if other.namespace_labels is None and keys(selector) - known.keys():
        return True
    return matches(selector, known)


def keys(selector: Json) -> set[str]:
    """The labels that a selector looks at."""
    return {*(selector.get("matchLabels") or {}), *(one.get("key", "") for one in selector.get("matchExpressions") or ())}
