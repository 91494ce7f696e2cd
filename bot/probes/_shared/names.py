"""Names and who resolves them: the machine's DNS server, and what two answers to one question mean."""

from __future__ import annotations

from collections.abc import Sequence

import dns.exception
import dns.resolver

from bot.model.base import Json
from bot.model.finding import Status
from bot.model.observation import Failure, Lookup
from bot.probes._shared.words import listed, took

_LACKING = (Failure.NAME_NOT_FOUND, Failure.NAME_HAS_NO_ADDRESS)
_VAGUE = frozenset({Failure.RESOLVER_FAILING, Failure.RESOLVER_TIMEOUT, Failure.DEADLINE_CAPPED})

MISSING = ("name-not-found", "name-has-no-address")
"""The outcomes that are about the name itself, and not about who was asked."""

OUTCOMES = {
    "resolved": "the name resolves to at least one address",
    "address-given": "the server is named by its address, so there is nothing to resolve",
    "name-not-found": "the name does not exist (NXDOMAIN)",
    "name-has-no-address": "the name exists and has no address",
    "proxy-name-not-found": "the name of the HTTP proxy in front of the server does not exist or has no address",
    "resolver-failing": "the DNS server answers with a failure or refuses, or its host says that there is none",
    "resolver-timeout": "the DNS server does not answer in 2 s, or cannot be reached",
    "nameservers-disagree": "another DNS server than this machine's first knows the name, or an address that works",
    "answers-differ": "this machine and the DNS server give different addresses: a hosts entry or an old cache",
    "local-failure": "this machine cannot ask, for a reason of its own",
    "deadline-capped": "the round's time was over before an answer could be expected",
}
_SENTENCES = {
    "name-not-found": "The name {host} does not exist.",
    "name-has-no-address": "The name {host} exists and has no address.",
    "resolver-failing": "The DNS server{server} answers the question for {host} with a failure{code}.",
    "resolver-timeout": "The DNS server{server} does not answer the question for {host}.",
    "local-failure": "This machine cannot look {host} up, for a reason of its own.",
    "deadline-capped": "The round's time was over before {host} could be resolved.",
}


_MOST_SERVERS = 3
"""As many as the system's own resolver uses."""


def system_nameservers(path: str = "/etc/resolv.conf") -> tuple[str, ...]:
    """The name servers of this machine's resolver configuration, in their order, each once."""
    try:
        servers = dns.resolver.Resolver(filename=path).nameservers
    except (dns.exception.DNSException, OSError, ValueError):
        return ()
    known = dict.fromkeys(server for server in servers if isinstance(server, str) and "://" not in server)
    return tuple(known)[:_MOST_SERVERS]


def search_domains(path: str = "/etc/resolv.conf") -> tuple[str, ...]:
    """What this machine completes a name without a dot with, in its order."""
    try:
        search = dns.resolver.Resolver(filename=path).search
    except (dns.exception.DNSException, OSError, ValueError):
        return ()
    return tuple(one.to_text(omit_final_dot=True) for one in search)[:_MOST_SERVERS]


def completed(host: str, domains: Sequence[str]) -> str:
    """What is said of a name without a dot."""
    if not domains:
        return f" {host} has no dot, and this machine has no search domain to complete it with."
    return f" {host} has no dot; this machine completes it with {listed(domains)}."


def without_the_name(system: Lookup, asked: Sequence[Lookup]) -> str | None:
    """What is said when this machine has no address because the server that it asks first does not know the name, and another one
    does."""
    have, lack = [one for one in asked if one.ok], [one for one in asked if one.failure in _LACKING]
    if system.ok or not have or not lack:
        return None
    return (
        f"{lack[0].server} does not know {system.name}, so it does not resolve here; {have[0].server}, another DNS server, "
        f"says {listed(have[0].addresses)}."
    )


def works_elsewhere(system: Lookup, other: Lookup, port: int) -> str:
    """What is said when another server's address is the one that takes connections."""
    return (
        f"{system.name} is {listed(system.addresses)} here, where nothing accepts connections; {other.server}, another DNS "
        f"server, says {listed(other.addresses)}, where port {port} does."
    )


def elsewhere(system: Lookup, asked: Sequence[Lookup]) -> Lookup | None:
    """An answer that has nothing in common with this machine's, which another of the servers gave it."""
    if not any(set(one.addresses) & set(system.addresses) for one in asked):
        return None
    return next((one for one in asked if one.ok and not set(one.addresses) & set(system.addresses)), None)


def judge(host: str, system: Lookup, direct: Lookup | None) -> tuple[Status, str, str]:
    """Status, outcome and sentence of a name, from the system's resolution and the DNS server's own answer."""
    if system.ok:
        # Round robin may give each of them other members of one set; only disjoint sets are a contradiction.
        if direct is not None and direct.ok and not set(system.addresses) & set(direct.addresses):
            sentence = f"{host} is {listed(system.addresses)} on this machine, but DNS says {listed(direct.addresses)}."
            return Status.PROBLEM, "answers-differ", sentence
        stands = f"stands for {direct.aliases[-1]} and " if direct is not None and direct.aliases else ""
        return Status.OK, "resolved", f"{host} {stands}resolves to {listed(system.addresses)} in {took(system.duration_s)}."
    # The system folds most failures into one; the server's own answer is more exact, if it is a failure too.
    exact = direct if direct is not None and direct.failure not in (None, Failure.DEADLINE_CAPPED) else system
    cause = exact.failure if system.failure in _VAGUE else system.failure
    outcome = cause.value if cause is not None and cause.value in _SENTENCES else "resolver-failing"
    status = {"deadline-capped": Status.INCONCLUSIVE, "local-failure": Status.ERROR}.get(outcome, Status.PROBLEM)
    server = f" {direct.server}" if direct is not None else ""
    if outcome == "resolver-failing" and direct is not None and direct.failure is not None and not direct.rcode:
        return (
            status,
            outcome,
            f"Nothing answers DNS at{server}, so {host} does not resolve: {direct.raw_error or 'no reason given'}.",
        )
    if outcome in MISSING and direct is not None and direct.aliases:
        lacks = "does not exist" if outcome == "name-not-found" else "has no address"
        return status, outcome, f"The name {host} stands for {direct.aliases[-1]}, which {lacks}."
    code = f" ({direct.rcode})" if direct is not None and direct.rcode else ""
    return status, outcome, _SENTENCES[outcome].format(host=host, code=code, server=server)


def evidence(system: Lookup, direct: Lookup | None, others: Sequence[Lookup] = ()) -> Json:
    """What all of them said."""
    said: Json = {"addresses": list(system.addresses), "failure": system.failure.value if system.failure else None}
    if direct is not None:
        said["dns_server"] = direct.server
        said["dns_addresses"] = list(direct.addresses)
        said["dns_failure"] = direct.failure.value if direct.failure else None
        said["rcode"] = direct.rcode
        said["ttl_s"] = direct.ttl_s
        said["aliases"] = list(direct.aliases)
        said["over_tcp"] = direct.over_tcp
    for one in others:
        said.setdefault("other_servers", {})[one.server] = list(one.addresses) or (one.failure.value if one.failure else None)
    return said
