"""What one control-plane node's own API server says, asked past whatever is in front of it."""

from __future__ import annotations

from bot.model.base import Json, Value
from bot.model.finding import Status
from bot.model.observation import CERTIFICATE_FAILURES, Failure, Observation
from bot.model.target import Endpoint, Target
from bot.probes._shared import http
from bot.probes._shared.layers import ALPN, VERSION_PATH
from bot.probes._shared.words import took
from bot.registry import ProbeContext

OUTCOMES = {
    "answers": "the node's API server is alive and ready",
    "answers-without-health": "an API server answers there, and does not tell strangers its health",
    "refused": "nothing listens at the node's port, or something forges the reset",
    "rejected": "a firewall or router answers in the node's place",
    "silent": "nothing comes back from the node's port",
    "unreachable": "no machine is found at the node's address, or no way to it",
    "tls-silent": "TCP is accepted there and TLS stays unanswered",
    "tls-failing": "TLS is closed, reset or refused there",
    "http-silent": "TLS is completed there and requests stay unanswered",
    "etcd-check-failing": "the node's API server answers, and its own check of etcd fails",
    "checks-failing": "the node's API server answers, and other checks fail, or it is starting",
    "another-server": "what answers there is no API server, or another cluster's",
    "not-looked-at": "this machine could not ask, or the round's time was over",
    "none-configured": "no nodes are configured, or they are the very addresses that are asked, or a proxy is in between",
}
_LOWER = {
    Failure.CONNECTION_REFUSED: ("refused", "refuses connections"),
    Failure.CONNECTION_RESET: ("refused", "resets the connection"),
    Failure.CONNECTION_REJECTED: ("rejected", "is rejected on the way"),
    Failure.CONNECT_TIMEOUT: ("silent", "does not answer"),
    Failure.HOST_UNREACHABLE: ("unreachable", "cannot be found"),
    Failure.NETWORK_UNREACHABLE: ("unreachable", "cannot be reached"),
    Failure.TLS_TIMEOUT: ("tls-silent", "accepts TCP and does not answer TLS"),
    Failure.TLS_CLOSED: ("tls-failing", "closes the connection when TLS begins"),
    Failure.TLS_RESET: ("tls-failing", "resets the connection when TLS begins"),
    Failure.TLS_ALERT: ("tls-failing", "refuses TLS"),
    Failure.NOT_TLS: ("another-server", "does not speak TLS"),
}
_HEALTH = {
    "healthy": "answers",
    "etcd-check-failing": "etcd-check-failing",
    "checks-failing": "checks-failing",
    "starting": "checks-failing",
    "server-error": "checks-failing",
    "overloaded": "answers-without-health",
    "authentication-required": "answers-without-health",
    "forbidden": "answers-without-health",
    "http-silent": "http-silent",
    "http-closed": "http-silent",
    "http-reset": "http-silent",
    "not-an-apiserver": "another-server",
}


class Said(Value):
    """What is to be said of one node; ``seen`` is what the time was spent on."""

    outcome: str
    says: str
    seen: Observation
    evidence: Json = {}

    @property
    def status(self) -> Status:
        if self.outcome == "answers":
            return Status.OK
        return Status.INCONCLUSIVE if self.outcome in ("not-looked-at", "answers-without-health") else Status.PROBLEM


async def ask(ctx: ProbeContext, node: Endpoint, address: str) -> Said:
    """TCP, TLS and the two health paths, without credentials: who answers there need not be this cluster's."""
    target = at(ctx.cluster.target, node)
    connection = await ctx.network.connect(address, node.port)
    if connection.failure is not None:
        return _lower(connection)
    seen = await ctx.network.handshake(address, node.port, server_name=target.server_name, ca_pem=target.ca_pem, alpn=ALPN)
    if seen.failure is not None and seen.failure not in CERTIFICATE_FAILURES:
        return _lower(seen)
    if seen.failure is Failure.CERTIFICATE_UNKNOWN_AUTHORITY and target.authority_known:
        return Said(outcome="another-server", says="presents a certificate of another authority", seen=seen)
    live, ready, version = await http.together(
        *(
            ctx.network.request(address, target, path, verify=seen.verified)
            for path in (http.LIVE_PATH, http.READY_PATH, VERSION_PATH)
        )
    )
    verdict = http.judge(http.Answers(live=live, ready=ready, version=version))
    outcome = _HEALTH.get(verdict.outcome, "not-looked-at")
    evidence = {"livez": http.shown(live), "readyz": http.shown(ready), "verified": seen.verified}
    return Said(outcome=outcome, says=verdict.says, seen=live, evidence=evidence)


def at(target: Target, node: Endpoint) -> Target:
    """The same cluster, asked at this node by the name that its certificate is verified for elsewhere."""
    return target.model_copy(update={"url": f"https://{node}", "host": node.host, "port": node.port, "path": ""})


def _lower(seen: Observation) -> Said:
    assert seen.failure is not None
    outcome, says = _LOWER.get(seen.failure, ("not-looked-at", f"could not be asked ({seen.failure.value})"))
    return Said(outcome=outcome, says=f"{says}, in {took(seen.duration_s)}", seen=seen, evidence={"failure": seen.failure.value})
