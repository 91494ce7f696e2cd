"""NetworkPolicies mean here what they mean to Kubernetes: properties over made-up policies, and what people write."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.base import Json
from bot.model.network_policy import (
    Direction,
    Pod,
    Policy,
    allows_address,
    allows_anybody,
    allows_pod,
    isolating,
    matches,
    outside,
)

IN, OUT = Direction.INGRESS, Direction.EGRESS
LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz"), max_size=3)
EXPRESSION = st.fixed_dictionaries(
    {
        "key": st.sampled_from("abc"),
        "operator": st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
        "values": st.lists(st.sampled_from("xyz"), min_size=1, max_size=3),
    }
)
SELECTOR = st.fixed_dictionaries({}, optional={"matchLabels": LABELS, "matchExpressions": st.lists(EXPRESSION, max_size=2)})
NETS = st.builds(lambda base, length: str(ipaddress.ip_network((f"10.0.0.{base}", length), strict=False)),
                 st.integers(0, 7), st.integers(29, 32))  # fmt: skip
BLOCK = st.fixed_dictionaries({"ipBlock": st.fixed_dictionaries({"cidr": NETS}, optional={"except": st.lists(NETS, max_size=2)})})
PEER = st.one_of(BLOCK, st.fixed_dictionaries({"podSelector": SELECTOR}, optional={"namespaceSelector": SELECTOR}))
PORT = st.fixed_dictionaries(
    {"port": st.integers(1, 6)}, optional={"protocol": st.sampled_from(["TCP", "UDP"]), "endPort": st.integers(6, 8)}
)
RULES = {
    way: st.lists(
        st.fixed_dictionaries({}, optional={way.peers: st.lists(PEER, max_size=2), "ports": st.lists(PORT, max_size=2)}),
        max_size=2,
    )
    for way in Direction
}
SPEC = st.fixed_dictionaries(
    {"podSelector": SELECTOR},
    optional={
        "ingress": RULES[IN],
        "egress": RULES[OUT],
        "policyTypes": st.lists(st.sampled_from(["Ingress", "Egress"]), min_size=1, unique=True),
    },
)
POLICY = st.builds(lambda space, spec: Policy(namespace=space, name="p", spec=spec), st.sampled_from(["one", "two"]), SPEC)
POLICIES = st.lists(POLICY, max_size=4)
PODS = st.builds(lambda space, labels: Pod(namespace=space, labels=labels), st.sampled_from(["one", "two"]), LABELS)
ADDRESSES = st.integers(0, 7).map(lambda last: f"10.0.0.{last}")
PORTS, PROTOCOLS, WAYS = st.integers(1, 8), st.sampled_from(["TCP", "UDP"]), st.sampled_from(list(Direction))


def defined(policies: list[Policy], pod: Pod, way: Direction, address: str, port: int, protocol: str) -> bool:
    """The definition once more, written as one sentence and not as the code is."""
    spoken_for, allowed = False, False
    for policy in policies:
        spec = policy.spec
        types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
        if policy.namespace != pod.namespace or way.value not in types or not matches(spec["podSelector"], pod.labels):
            continue
        spoken_for = True
        for rule in spec.get(way.value.lower(), []):
            ports, peers = rule.get("ports", []), rule.get("from" if way is IN else "to", [])
            at_port = not ports
            for one in ports:
                numbers = range(one["port"], one.get("endPort", one["port"]) + 1)
                at_port |= one.get("protocol", "TCP") == protocol and port in numbers
            to_peer = not peers
            for peer in (peer["ipBlock"] for peer in peers if "ipBlock" in peer):
                place = ipaddress.ip_address(address)
                excepted = any(place in ipaddress.ip_network(net) for net in peer.get("except", []))
                to_peer |= place in ipaddress.ip_network(peer["cidr"]) and not excepted
            allowed |= at_port and to_peer
    return allowed or not spoken_for


@given(POLICIES, PODS, WAYS, ADDRESSES, PORTS, PROTOCOLS)
def test_an_address_is_allowed_as_the_definition_says(
    policies: list[Policy], pod: Pod, way: Direction, address: str, port: int, protocol: str
) -> None:
    expected = defined(policies, pod, way, address, port, protocol)
    assert allows_address(policies, pod, way, address, port, protocol) is expected


@given(POLICIES, PODS, WAYS, ADDRESSES, PORTS)
def test_the_order_of_policies_says_nothing(policies: list[Policy], pod: Pod, way: Direction, address: str, port: int) -> None:
    forwards = allows_address(policies, pod, way, address, port)
    assert allows_address(policies[::-1], pod, way, address, port) is forwards


@given(POLICIES, PODS, WAYS, ADDRESSES, PORTS)
def test_a_policy_that_allows_all_opens_everything(
    policies: list[Policy], pod: Pod, way: Direction, address: str, port: int
) -> None:
    opened = Policy(namespace=pod.namespace, name="open", spec={"policyTypes": [way.value], way.rules: [{}]})
    assert allows_address([*policies, opened], pod, way, address, port)
    assert allows_anybody([*policies, opened], pod, way, port)


@given(POLICIES, PODS, PODS, WAYS, PORTS)
def test_whoever_may_speak_with_a_pod_or_an_address_may_speak_with_somebody(
    policies: list[Policy], pod: Pod, other: Pod, way: Direction, port: int
) -> None:
    if not allows_anybody(policies, pod, way, port):
        assert not allows_pod(policies, pod, way, other, port)
        assert not allows_address(policies, pod, way, "10.0.0.1", port)


@given(POLICIES, PODS, WAYS, ADDRESSES)
def test_at_any_port_means_at_one_of_them_at_least(policies: list[Policy], pod: Pod, way: Direction, address: str) -> None:
    known = any(allows_address(policies, pod, way, address, port) for port in range(1, 9))
    assert allows_address(policies, pod, way, address, None) is known


@given(st.sampled_from("abc"), st.lists(st.sampled_from("xyz"), min_size=1), LABELS)
def test_not_in_is_the_opposite_of_in(key: str, values: list[str], labels: dict[str, str]) -> None:
    def of(operator: str) -> Json:
        return {"matchExpressions": [{"key": key, "operator": operator, "values": values}]}

    assert matches(of("In"), labels) is not matches(of("NotIn"), labels)
    assert matches(of("Exists"), labels) is not matches(of("DoesNotExist"), labels)


@given(LABELS, LABELS)
def test_labels_match_as_an_expression_for_each_does(wanted: dict[str, str], labels: dict[str, str]) -> None:
    each = [{"key": key, "operator": "In", "values": [text]} for key, text in wanted.items()]
    assert matches({"matchLabels": wanted}, labels) is matches({"matchExpressions": each}, labels)


def test_an_operator_that_is_not_known_matches_nothing() -> None:
    assert not matches({"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}, {"a": "2"})


def policy(**spec: Any) -> Policy:
    return Policy(namespace="one", name="p", spec={"podSelector": {}, **spec})


POD = Pod(namespace="one", labels={"app": "client"})
DNS = Pod(
    namespace="kube-system", labels={"k8s-app": "kube-dns"}, namespace_labels={"kubernetes.io/metadata.name": "kube-system"}
)


def test_left_out_types_are_incoming_and_outgoing_only_with_rules() -> None:
    assert policy().directions == {IN}
    assert policy(egress=[]).directions == {IN}
    assert policy(egress=[{}]).directions == {IN, OUT}
    assert policy(policyTypes=["Egress"]).directions == {OUT}


def test_default_deny_blocks_and_a_second_policy_adds() -> None:
    deny = policy(policyTypes=["Egress"])
    dns = policy(
        policyTypes=["Egress"],
        egress=[
            {
                "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
                "ports": [{"protocol": "UDP", "port": 53}],
            }
        ],
    )
    assert not allows_pod([deny], POD, OUT, DNS, 53, "UDP")
    assert allows_pod([deny, dns], POD, OUT, DNS, 53, "UDP")
    assert not allows_pod([deny, dns], POD, OUT, DNS, 53, "TCP")
    assert not allows_address([deny, dns], POD, OUT, "10.96.0.1", 443)
    assert isolating([deny, dns], POD, IN) == []


@pytest.mark.parametrize(
    ("peer", "allowed"),
    [
        ({"podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}, False),  # of the policy's own namespace
        ({"namespaceSelector": {}}, True),
        ({"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "other"}}}, False),
        ({"namespaceSelector": {"matchLabels": {"team": "base"}}}, False),
        ({"ipBlock": {"cidr": "10.0.0.0/8"}}, True),  # where the pod is, is not known
    ],
)
def test_pods_of_other_namespaces(peer: Json, allowed: bool) -> None:
    rules = [policy(policyTypes=["Egress"], egress=[{"to": [peer]}])]
    assert allows_pod(rules, POD, OUT, DNS, 53, "UDP") is allowed


def test_labels_of_a_namespace_that_are_not_known_count_as_fitting() -> None:
    rules = [policy(policyTypes=["Egress"], egress=[{"to": [{"namespaceSelector": {"matchLabels": {"team": "base"}}}]}])]
    unread = DNS.model_copy(update={"namespace_labels": None})
    assert allows_pod(rules, POD, OUT, unread, 53)
    assert not allows_pod(rules, POD, OUT, DNS, 53)


def test_a_port_s_name_counts_as_fitting() -> None:
    named = policy(policyTypes=["Ingress"], ingress=[{"ports": [{"port": "https"}]}])
    assert allows_anybody([named], POD, IN, 8443)
    assert not allows_anybody([named], POD, IN, 8443, "UDP")


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        ([{}], None),
        ([{"from": []}], None),
        ([], []),
        ([{"ports": [{"port": 80}]}], []),
        ([{"from": [{"namespaceSelector": {}}]}], []),
        ([{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}], None),
        ([{"from": [{"ipBlock": {"cidr": "0.0.0.0/1"}}, {"ipBlock": {"cidr": "128.0.0.0/1"}}]}], None),
        ([{"from": [{"ipBlock": {"cidr": "::/0"}}]}], None),
        ([{"from": [{"ipBlock": {"cidr": "010.0.0.0/8"}}]}], None),
        ([{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["no range"]}}]}], ["10.0.0.0/8"]),
        ([{"from": [{"ipBlock": {"cidr": "10.0.0.0/30", "except": ["10.0.0.2/31"]}}]}], ["10.0.0.0/31"]),
        ([{"from": [{"ipBlock": {"cidr": "10.0.0.0/30", "except": ["10.0.0.0/8", "2001:db8::/32"]}}]}], []),
        ([{"from": [{"ipBlock": {"cidr": "2001:db8::/32", "except": ["2001:db8::/33"]}}]}], ["2001:db8:8000::/33"]),
    ],
)
def test_from_where_a_pod_can_be_reached(rules: list[Json], found: list[str] | None) -> None:
    said = outside([policy(ingress=rules)], POD, 443)
    assert said == found if found is not None else said is None


def test_who_writes_thousands_of_exceptions_stops_nobody() -> None:
    """Each takes a part out of a range, and leaves a hundred: they are looked through, and not taken out."""
    out = [f"2001:db8:{number // 65_536:x}:{number % 65_536:x}::/64" for number in range(20_000)]
    block = {"ipBlock": {"cidr": "2001:db8::/32", "except": out}}
    many = policy(egress=[{"to": [block]}], ingress=[{"from": [block]}], policyTypes=["Egress", "Ingress"])
    found = [allows_address([many], POD, OUT, place, 443) for place in ("2001:db8:0:7::1", "2001:db8:9::1", "2001:db9::1")]
    assert found == [False, True, False]
    assert outside([many], POD, 443) is None


def test_a_pod_that_no_policy_isolates_is_reached_from_everywhere() -> None:
    assert outside([policy(policyTypes=["Egress"])], POD, 443) is None
