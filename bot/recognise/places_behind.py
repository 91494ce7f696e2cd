"""Whose failure it is, where the API server answers, or would if it could: what it needs, and what it reaches for others."""

from __future__ import annotations

from bot.recognise.form import Place, Whose, words

_BEHIND, _ETCD = Whose.BEHIND, Whose.DATASTORE

# What is said of something behind the API server: it answers, and what it needs to do its work does not.
BEHIND: tuple[Place, ...] = (
    Place(
        name="tunnel",
        whose=_BEHIND,
        pattern=words(
            r"no agent available",
            r"\bkonnectivity\b",
            r"\btunnel-?front\b",
            r"\baks-link\b",
            r"proxy-server[^\n]{0,60}?agent",
            r"error dialing proxy",
            r"failed to get (?:an )?agent",
            r"\bremotedialer\b",
            r"cluster agent (?:is )?(?:not connected|disconnected)",
            r"\btunnel-?end\b",
            r"\"cannot connect once\"",
            r":813[1-4]\b",
        ),
        example='Error from server: Get "https://10.1.0.4:10250/containerLogs/default/web-0/web": No agent available',
        means="the tunnel from the control plane to the nodes",
    ),
    Place(
        name="kubelet-port",
        whose=_BEHIND,
        pattern=words(
            r"error dialing backend",
            r"/containerLogs/",
            r"unable to upgrade connection",
            r"error trying to reach service",
        ),
        example="Error from server: error dialing backend: dial tcp 10.1.0.4:10250: i/o timeout",
        means="the API server's own way to a kubelet or a service",
    ),
    Place(
        name="kubelet-address",
        whose=_BEHIND,
        by_itself=False,
        pattern=words(r":10250\b"),
        example='Get "https://10.1.0.4:10250/metrics": dial tcp 10.1.0.4:10250: i/o timeout',
        means="the port of a kubelet",
    ),
    Place(
        name="aggregated-api",
        whose=_BEHIND,
        pattern=words(
            r"failing or missing response from",
            r"\bFailedDiscoveryCheck\b",
            r"no response from https?://",
            r"loading OpenAPI spec for",
            r"\bMissingEndpoints\b",
            r"unable to retrieve the complete list of server APIs",
            r"remote_available_controller",
            r"available_controller\.go",
        ),
        example="v1beta1.metrics.k8s.io failed with: failing or missing response from https://10.96.5.5: dial tcp: i/o timeout",
        means="an API that another server provides through the API server",
    ),
)

DATASTORE: tuple[Place, ...] = (
    Place(
        name="etcd",
        whose=_ETCD,
        pattern=words(
            r"\betcdserver\b",
            r"\betcdhttp\b",
            r"\betcdctl\b",
            r"\betcd cluster is (?:unavailable|unhealthy)",
            r"etcd failed",
            r"etcd[^\n]{0,60}?(?:unhealthy|no leader|lost leader|database space exceeded)",
            r"\braft(?:http)?:",
            r"\betcdmain\b",
            r"\betcd-(?:endpoints|client)\b",
            r"etcd status\b",
            r"retrying of unary invoker failed",
            r"mvcc: ",
        ),
        example="etcdserver: request timed out, possibly due to previous leader failure",
        means="etcd, which the API server keeps everything in",
    ),
    Place(
        name="etcd-slow",
        whose=_ETCD,
        pattern=words(
            r"slow fdatasync",
            r"sync duration of \S{1,20}, expected less than",
            r"apply request took too long",
            r"(?:read-only range|txn|lease) request [^\n]{0,300}? took too long",
            r"failed to send out heartbeat on time",
            r"agreement among raft nodes",
            r"waiting for ReadIndex response took too long",
        ),
        example='"msg":"slow fdatasync","took":"4.2s","expected-duration":"1s"',
        means="etcd, whose disk or peers are slow",
    ),
    Place(
        name="etcd-port",
        whose=_ETCD,
        by_itself=False,
        pattern=words(r":(?:2379|2380|4001)\b"),
        example="addrConn.createTransport failed to connect to {127.0.0.1:2379}: dial tcp 127.0.0.1:2379: connection refused",
        means="etcd, which the API server keeps everything in",
    ),
)

# Of webhooks: the API server answers, and something that it asks before it writes does not.
WEBHOOKS: tuple[Place, ...] = (
    Place(
        name="webhook",
        whose=_BEHIND,
        pattern=words(
            r"fail(?:ed|ing) (?:to call|calling) webhook",
            r"(?:failed|unable|could not) (?:to )?(?:connect to|reach|contact) (?:the )?webhook",
            r"admission webhook \\?[\"']\S{1,200} denied",
            r"conversion webhook for \S{1,200}",
            r"\bfailing (?:open|closed) \S{1,200}webhook",
            r"no endpoints available for service",
            r"\bauthzhook\b",
        ),
        example='failed calling webhook "check.example.com": Post "https://check.tools.svc:443/": context deadline exceeded',
        means="a webhook that the API server asks",
    ),
)
