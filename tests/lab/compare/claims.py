"""What sentences of the compared tools say is the case, and for which causes that is so.

Written from what each sentence says to somebody who takes it at its word, not from how a tool fares; where a run shows a gap, it
is closed so that the tool has the benefit of the doubt. A sentence that only tells
what happened (a time-out, a connection that ended) claims no cause and is not here.
"""

from __future__ import annotations

import re

from tests.lab.compare.rule import Claim

_REFUSED = """apiserver-not-running apiserver-crash-looping apiserver-bad-configuration apiserver-oom-killed
static-pod-not-started apiserver-wrong-bind-address node-maintenance cluster-upgrade lb-down lb-no-healthy-backend
lb-backend-down lb-hairpin vip-not-held firewall-reject security-group-change client-misconfigured client-route-wrong
dns-wrong-address dns-split-horizon hosts-file-override kubelet-down provider-outage transient-recovered
etcd-unavailable internal-certificate-expired"""
_OTHER_ANSWERS = """dns-wrong-address hosts-file-override dns-split-horizon wrong-cluster-answers client-misconfigured
client-route-wrong tls-intercepted vip-not-held"""
_CREDENTIALS = "client-certificate-expired token-rejected token-not-reloaded bot-credentials-rejected client-misconfigured"
_NO_PATH = """no-route route-broken client-route-wrong node-down lb-down vip-not-held dns-wrong-address hosts-file-override
dns-split-horizon endpoint-private provider-outage prober-cut-off"""


def _claim(pattern: str, says: str, *, points: str = "", true: str = "") -> Claim:
    pointed = frozenset(points.split())
    return Claim(pattern=re.compile(pattern), says=says, points=pointed, true=pointed | frozenset(true.split()))


CLAIMS: tuple[Claim, ...] = (
    _claim(
        r"no such host",
        "the name does not exist",
        points="dns-name-not-found dns-split-horizon endpoint-private",
        true="client-misconfigured",
    ),
    _claim(
        r"Could not resolve host",
        "the name cannot be resolved",
        true="dns-name-not-found dns-server-failing dns-split-horizon endpoint-private client-misconfigured prober-cut-off",
    ),
    _claim(
        r"server misbehaving|lookup .*(?:i/o timeout|connection refused)|Resolving timed out",
        "the DNS server fails",
        points="dns-server-failing",
        true="prober-cut-off",
    ),
    _claim(
        r"was refused - did you specify the right host or port", "the API server's address refuses connections", true=_REFUSED
    ),
    _claim(r"no route to host|No route to host", "there is no route to the address", points="", true=_NO_PATH),
    _claim(r"[Nn]etwork is unreachable", "there is no route to the network", true=_NO_PATH),
    _claim(
        r"certificate has expired(?! or is not yet valid)|has expired or is not yet valid: .* is after",
        "the served certificate has expired",
        points="serving-certificate-expired certificate-renewed-not-loaded",
    ),
    _claim(
        r"certificate is not yet valid|has expired or is not yet valid: .* is before",
        "the served certificate is not valid yet",
        points="serving-certificate-not-yet-valid",
    ),
    _claim(
        r"certificate is valid for .*, not |no alternative certificate subject name matches|doesn't contain any IP SANs",
        "the certificate is for another name",
        points="serving-certificate-name-mismatch",
        true=_OTHER_ANSWERS,
    ),
    _claim(
        r"while trying to verify candidate authority certificate",
        "an authority of the same name with another key signed the certificate",
        points="ca-mismatch wrong-cluster-answers",
        true=_OTHER_ANSWERS,
    ),
    _claim(
        r"signed by unknown authority|unable to get local issuer certificate|self[- ]signed certificate",
        "an unknown authority signed the certificate",
        points="ca-mismatch tls-intercepted wrong-cluster-answers",
        true=_OTHER_ANSWERS,
    ),
    _claim(
        r"no application protocol",
        "the protocol offered in the handshake (ALPN) is turned down",
        points="alpn-blocked",
    ),
    _claim(
        r"HTTP response to HTTPS client|wrong version number|does not look like a TLS handshake|HTTP request to an HTTPS server",
        "one side speaks HTTP and the other HTTPS",
        points="client-misconfigured",
        true=_OTHER_ANSWERS,
    ),
    _claim(
        r"(?:connect to|server) localhost:\d* .*refused",
        "the client is pointed at its own machine",
        points="client-misconfigured",
        true="hosts-file-override dns-wrong-address",
    ),
    _claim(
        r"proxyconnect|CONNECT tunnel failed|from proxy after CONNECT|Could not resolve proxy",
        "the client's proxy fails",
        points="proxy-failing client-misconfigured",
    ),
    _claim(
        r"\(Unauthorized\)|asked for the client to provide credentials|< HTTP/[\d.]+ 401",
        "the caller's credentials are rejected",
        true=f"{_CREDENTIALS} wrong-cluster-answers clock-skew",
    ),
    _claim(
        r"User \"system:anonymous\" cannot|Please enter Username",
        "no credentials were sent",
        points="client-misconfigured",
        true=_CREDENTIALS,
    ),
    _claim(
        r"User \"(?!system:anonymous)[^\"]+\" cannot",
        "the caller is not allowed to",
        points="permission-denied",
        true="wrong-cluster-answers healthy",
    ),
    _claim(
        r"Service \S+ not found as mapped to by",
        "a webhook's service is missing",
        points="admission-webhook-failing",
        true="healthy",
    ),
    _claim(r"Cluster IP .* is not allocated; repairing", "a service's address was being entered", true="healthy"),
    _claim(
        r"\[-\]etcd(?:-readiness)? failed",
        "the API server cannot use etcd",
        points="etcd-unavailable",
        true="internal-certificate-expired etcd-slow apiserver-crash-looping apiserver-not-running node-down",
    ),
    _claim(r"database space exceeded", "etcd has no space", points="etcd-no-space"),
    _claim(
        r"[Tt]oo [Mm]any [Rr]equests|< HTTP/[\d.]+ 429",
        "the API server sheds requests",
        points="overloaded watch-leak",
        true="helm-release-sprawl etcd-slow",
    ),
    _claim(
        r"failed calling webhook",
        "an admission webhook fails",
        points="admission-webhook-failing",
        true="network-policy-blocks tunnel-agents-down service-network-broken egress-blocked",
    ),
    _claim(
        r"False \((?:EndpointsNotFound|FailedDiscoveryCheck|ServiceNotFound|MissingEndpoints)\)"
        r"|server is currently unable to handle the request",
        "an aggregated API is down",
        points="aggregated-api-unavailable",
        true="service-network-broken tunnel-agents-down internal-certificate-expired overloaded etcd-unavailable",
    ),
    _claim(
        r"dial tcp \S+:10250",
        "a kubelet cannot be reached",
        points="kubelet-port-blocked kubelet-down",
        true="node-down tunnel-agents-down",
    ),
)
