"""The domain of the causes that faults are: whom to call. Written down before the catalogue had them all."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_BY_DOMAIN = {
    "healthy": "healthy transient-recovered",
    "client": "prober-cut-off client-misconfigured client-route-wrong proxy-failing",
    "dns": "dns-name-not-found dns-server-failing dns-wrong-address hosts-file-override dns-split-horizon endpoint-private "
    "wrong-cluster-answers",
    "process": "apiserver-not-running apiserver-crash-looping apiserver-bad-configuration apiserver-oom-killed "
    "apiserver-wrong-bind-address apiserver-hung apiserver-checks-failing file-descriptors-exhausted static-pod-not-started",
    "node": "kubelet-down node-down node-under-pressure node-maintenance cluster-upgrade controller-manager-down",
    "datastore": "etcd-unavailable etcd-no-space etcd-slow stale-watch-cache",
    "tls": "internal-certificate-expired certificate-renewed-not-loaded alpn-blocked tls-intercepted serving-certificate-expired "
    "serving-certificate-not-yet-valid serving-certificate-name-mismatch ca-mismatch clock-skew",
    "path": "firewall-drop firewall-reject authorized-ip-ranges security-group-change network-policy-blocks "
    "service-network-broken no-route route-broken mtu-black-hole listen-queue-overflow",
    "load-balancer": "lb-down lb-no-healthy-backend lb-backend-down lb-health-check-wrong lb-hairpin vip-not-held",
    "auth": "bot-credentials-rejected client-certificate-expired token-rejected token-not-reloaded permission-denied",
    "overload": "overloaded watch-leak helm-release-sprawl",
    "extension": "admission-webhook-failing aggregated-api-unavailable",
    "tunnel": "tunnel-agents-down egress-blocked kubelet-port-blocked",
    "provider": "provider-outage",
}

DOMAINS: Mapping[str, str] = MappingProxyType({one: domain for domain, ids in _BY_DOMAIN.items() for one in ids.split()})
