"""What one failing layer means, as a table: which domain to look in, and what to tell someone woken at 3 a.m.

A sentence says what is seen and where to look first, and never names a cause: that is the ranking's. ``{where}`` becomes
"at both addresses" or "at 2 of 3 addresses".
"""

from __future__ import annotations

from bot.model.base import Value
from bot.model.diagnosis import Layer
from bot.model.playbook import Domain


class Rule(Value):
    """``domain`` is None when the outcome points nowhere. An ``aside`` is a symptom only when no layer fails otherwise."""

    domain: Domain | None
    sentence: str
    aside: bool = False


def _rule(domain: Domain | None, sentence: str, *, aside: bool = False) -> Rule:
    return Rule(domain=domain, sentence=sentence, aside=aside)


CONTROL_RULES: dict[str, Rule] = {
    "controls-unreachable": _rule(
        Domain.CLIENT,
        "This vantage point reaches nothing else either: its own network is at fault, and what it sees says nothing about "
        "the cluster. Look from somewhere else.",
    ),
    "no-network": _rule(
        Domain.CLIENT, "This machine has no usable network address or route: nothing can be said about the cluster from here."
    ),
}

CLIENT_DEFAULT = _rule(
    Domain.CLIENT,
    "{server} is what clients ask that have no configuration, and nothing answers there. Look which kubeconfig the client reads.",
)
"""In the place of what a dead port of this machine would mean elsewhere."""

_N, _T, _S, _H, _A = Layer.NAME, Layer.TCP, Layer.TLS, Layer.HTTP, Layer.AUTH
_TRUST = "The certificate that is served does not pass {where}"
_LOCAL = "The machine that asks fails at it by itself, by a limit or a policy of its own; that says nothing about the cluster."
_CAPPED = " That proves nothing."

RULES: dict[tuple[Layer, str], Rule] = {
    (_N, "name-not-found"): _rule(
        Domain.DNS, "The name {name} does not exist, so nothing was connected to. Look at the DNS record."
    ),
    (_N, "name-has-no-address"): _rule(Domain.DNS, "The name {name} exists and has no address. Look at the DNS record."),
    (_N, "proxy-name-not-found"): _rule(
        Domain.CLIENT,
        "The name of the proxy, {name}, does not exist or has no address, so nothing was connected to. Look at the proxy that "
        "is configured.",
    ),
    (_N, "resolver-failing"): _rule(
        Domain.DNS, "The DNS server fails to answer for {name}. It is DNS that fails, not yet the API server."
    ),
    (_N, "resolver-timeout"): _rule(Domain.DNS, "The DNS server does not answer. It is DNS that fails, not yet the API server."),
    (_N, "nameservers-disagree"): _rule(
        Domain.DNS,
        "The DNS servers of this machine say different things of {name}, and the one that it asks leads nowhere. Look which of "
        "them is meant for this network.",
    ),
    (_N, "answers-differ"): _rule(
        Domain.DNS,
        "This machine resolves {name} to another address than its DNS server does. Look at the hosts file.",
        aside=True,
    ),
    (_N, "local-failure"): _rule(None, _LOCAL),
    (_N, "deadline-capped"): _rule(None, "The name could not be looked up in the time that was left."),
    (_T, "connection-refused"): _rule(
        Domain.PROCESS,
        "The host answers and refuses TCP on port {port} {where}: the machine is up, and nothing listens there or something "
        "rejects. Look at the API server's process first.",
    ),
    (_T, "connection-rejected"): _rule(
        Domain.PATH,
        "Something on the way rejects the connection to port {port} {where} and says so by ICMP. Look at the firewall that "
        "sent it.",
    ),
    (_T, "connect-timeout"): _rule(
        Domain.PATH,
        "Nothing answers the connection to port {port} {where}: packets are dropped, or the machine is gone. Look at the path "
        "first.",
    ),
    (_T, "host-unreachable"): _rule(
        Domain.PATH, "No machine is found {where}: it is off, the address is wrong, or the route to it is. Look which."
    ),
    (_T, "host-unreachable-at-once"): _rule(
        Domain.PATH, "A router on the way says at once that no way leads to the API server {where}. Look at the routes."
    ),
    (_T, "network-unreachable"): _rule(
        Domain.PATH, "A router on the way has no route to the network {where}. Look at the routes."
    ),
    (_T, "no-local-route"): _rule(
        Domain.PATH, "This machine itself has no route to the API server {where}. Look at its own network first."
    ),
    (_T, "local-route-refuses"): _rule(
        Domain.CLIENT, "This machine's own routes refuse the API server {where}. Look at its own routes and VPNs."
    ),
    (_T, "connection-reset"): _rule(
        Domain.LOAD_BALANCER,
        "The connection to port {port} is taken and then reset {where}. Look at the balancer or the box in front.",
    ),
    (_T, "proxy-failed"): _rule(Domain.CLIENT, "The proxy {proxy} that leads to the API server fails. Look at the proxy first."),
    (_T, "proxy-gateway"): _rule(
        Domain.PATH, "The proxy {proxy} works and cannot reach the API server {where}. Look from the proxy's own machine."
    ),
    (_T, "proxy-gateway-only"): _rule(
        Domain.CLIENT,
        "The proxy {proxy} cannot reach the API server {where}, which takes connections without it. Look at the proxy first.",
    ),
    (_T, "local-failure"): _rule(None, _LOCAL),
    (_T, "address-forbidden"): _rule(
        None,
        "Nothing was connected {where}: a pasted URL may not lead to the bot's own machine, its link or a metadata service.",
    ),
    (_T, "deadline-capped"): _rule(None, "The TCP connection was not answered in the time that was left {where}." + _CAPPED),
    (_S, "certificate-expired"): _rule(Domain.TLS, _TRUST + ": it expired. The API server runs; clients refuse it. Renew it."),
    (_S, "certificate-not-yet-valid"): _rule(Domain.TLS, _TRUST + ": it is not valid yet. Look at its dates."),
    (_S, "clocks-disagree"): _rule(
        Domain.TLS, _TRUST + " by this machine's clock, and does by the server's. Look at the clocks, this one first."
    ),
    (_S, "certificate-name-mismatch"): _rule(
        Domain.TLS, _TRUST + ": it is not for {server_name}. Look at its names, and at what answers there."
    ),
    (_S, "certificate-authority-rebuilt"): _rule(
        Domain.TLS, _TRUST + ": an authority of the configured name, with another key, signed it. Look for a rebuilt cluster."
    ),
    (_S, "certificate-unknown-authority"): _rule(
        Domain.TLS, _TRUST + ": the configured authority did not sign it. Look at the CA that clients have."
    ),
    (_S, "certificate-namesake"): _rule(
        Domain.TLS,
        _TRUST
        + ": an authority of the configured name, with another key, signed it. Look whether it is this cluster, rebuilt, or "
        "another one at its address.",
    ),
    (_S, "certificate-unidentified"): _rule(
        Domain.TLS, _TRUST + ": the configured authority did not sign it. Look whether it is this cluster, and at the CA."
    ),
    (_S, "certificate-foreign"): _rule(
        Domain.TLS, "Another server answers {where}: its certificate is another authority's and for other names. Look what it is."
    ),
    (_S, "comes-and-goes"): _rule(
        Domain.LOAD_BALANCER,
        "Some connections work and others do not {where}: several servers share the address and one is bad, or the one there "
        "is unsteady. Look at each server by itself.",
    ),
    (_S, "certificate-invalid"): _rule(Domain.TLS, _TRUST + ". Look at the presented chain."),
    (_S, "tls-intercepted"): _rule(
        Domain.TLS, "A box on the way presents its own certificate {where}: this is not the API server's TLS. Look at the proxy."
    ),
    (_S, "tls-silent"): _rule(
        Domain.PROCESS,
        "TCP is accepted and then nothing is answered {where}, whatever is sent: the kernel takes the connection and no "
        "process picks it up. Look at the API server's process first.",
    ),
    (_S, "tls-large-packets-lost"): _rule(
        Domain.PATH, "Small packets pass and large ones vanish {where}: the path's MTU is the fault, not the API server."
    ),
    (_S, "tls-silent-but-listening"): _rule(
        Domain.PATH,
        "The API server answers plain text and no TLS {where}: something on the way swallows handshakes. Look at the path.",
    ),
    (_S, "tls-reset-but-listening"): _rule(
        Domain.PATH,
        "The API server answers plain text, and every TLS handshake is reset {where}: something on the way turns handshakes "
        "away. Look at the path.",
    ),
    (_S, "alpn-rejected"): _rule(
        Domain.TLS,
        "TLS works without ALPN and is broken with it {where}: a box on the way meddles. Look at the path's TLS inspection.",
    ),
    (_S, "tls-closed"): _rule(
        Domain.LOAD_BALANCER,
        "TCP is accepted and closed at once {where}, before any TLS: as a balancer without a healthy backend does. Look at "
        "the balancer's own view of its backends.",
    ),
    (_S, "tls-reset"): _rule(
        Domain.LOAD_BALANCER,
        "TCP is accepted and the TLS handshake is reset {where}. Look at the balancer's own view of its backends, then at the "
        "path.",
    ),
    (_S, "tls-alert"): _rule(Domain.TLS, "The TLS handshake is refused with an alert {where}. Look at what answers there."),
    (_S, "not-tls"): _rule(Domain.CLIENT, "Port {port} answers, and not in TLS {where}. Look whether URL and port are right."),
    (_S, "local-failure"): _rule(None, _LOCAL),
    (_S, "deadline-capped"): _rule(None, "TLS was not answered in the time that was left {where}." + _CAPPED),
    (_H, "etcd-check-failing"): _rule(
        Domain.DATASTORE, "The API server runs and says itself that etcd fails {where}. Look at etcd, not at the API server."
    ),
    (_H, "checks-failing"): _rule(
        Domain.PROCESS, "The API server runs and says itself which of its checks fail {where}. Look at those."
    ),
    (_H, "starting"): _rule(Domain.PROCESS, "The API server is just starting {where}. Look whether it stays up."),
    (_H, "http-silent"): _rule(
        Domain.PROCESS,
        "TLS works and no HTTP request is answered {where}: the process lives and is stuck. Look at its load and at etcd.",
    ),
    (_H, "http-closed"): _rule(
        Domain.PROCESS, "The connection is closed instead of an answer {where}. Look whether it is stopping."
    ),
    (_H, "http-reset"): _rule(Domain.PROCESS, "The connection is reset instead of an answer {where}. Look whether it dies."),
    (_H, "overloaded"): _rule(Domain.OVERLOAD, "The API server turns requests away as too many {where}. Look who sends them."),
    (_H, "server-error"): _rule(
        Domain.LOAD_BALANCER, "A server error comes without the API server's own words {where}. Look at the proxy in front."
    ),
    (_H, "comes-and-goes"): _rule(
        Domain.LOAD_BALANCER,
        "Some connections work and others do not {where}: several servers share the address and one is bad, or the one there "
        "is unsteady. Look at each server by itself.",
    ),
    (_H, "https-expected"): _rule(
        Domain.CLIENT, "The API server speaks https {where}, and is asked in plain http. Mend the URL."
    ),
    (_H, "not-an-apiserver"): _rule(
        Domain.CLIENT, "Something answers HTTP that is not an API server {where}. Look whether URL and address are right."
    ),
    (_H, "authentication-required"): _rule(
        Domain.AUTH, "The API server answers and tells strangers nothing about its health {where}. Look with credentials."
    ),
    (_H, "forbidden"): _rule(
        Domain.AUTH, "The API server answers and forbids a look at its health {where}. Look with credentials that may."
    ),
    (_H, "deadline-capped"): _rule(None, "HTTP was not answered in the time that was left {where}." + _CAPPED),
    (_A, "credentials-missing"): _rule(
        Domain.AUTH, "The API server takes no strangers {where}, and no credentials are configured. Give some that may look."
    ),
    (_A, "credentials-rejected"): _rule(
        Domain.AUTH, "The API server answers and rejects apidown's own credentials {where}. Others may be fine."
    ),
    (_A, "token-rejected"): _rule(
        Domain.AUTH, "The API server answers and rejects apidown's own token {where}. Others may be fine."
    ),
    (_A, "client-certificate-expired"): _rule(Domain.AUTH, "The client certificate expired; the API server itself answers."),
    (_A, "token-expired"): _rule(Domain.AUTH, "The token expired; the API server itself answers."),
    (_A, "authentication-refused"): _rule(
        Domain.AUTH,
        "The API server takes no strangers, and does not take apidown's own credentials either {where}. Others may be fine.",
    ),
    (_A, "permission-denied"): _rule(
        Domain.AUTH, "The API server knows who asks and does not allow it {where}. Look at the roles."
    ),
    (_A, "overloaded"): _rule(
        Domain.OVERLOAD, "The API server is well by its own word and turns requests away {where}. Look who asks how much."
    ),
    (_A, "unanswered"): _rule(
        Domain.OVERLOAD,
        "The API server is well by its own word and leaves requests unanswered {where}. Look who asks how much, and at etcd.",
    ),
    (_A, "acceptance-not-shown"): _rule(
        None, "The API server answers {where}, and not so that one could see whether it accepts the credentials."
    ),
    (_A, "deadline-capped"): _rule(
        None, "The request with credentials was not answered in the time that was left {where}." + _CAPPED
    ),
}

ANSWERS = "answers"
"""The symptom of a clean ladder whose credentials are accepted: the API can be asked what is wrong behind it."""

SYMPTOMS = frozenset({ANSWERS, *CONTROL_RULES, *(outcome for (_, outcome), rule in RULES.items() if rule.domain is not None)})
"""What playbooks can be selected by: every outcome that points somewhere, and that everything answers."""
