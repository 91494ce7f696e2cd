"""What became of a connection: its outcome, its status and what is said of it.

A time-out or a refusal has a dozen causes, which the kernel's error, an ICMP message and its sender tell apart.
A reset is the exception: whether the host or something on the way sent it, nobody without rights on the wire can see.
"""

from __future__ import annotations

from bot.model.finding import Status
from bot.model.observation import Connection, Observation
from bot.model.target import Endpoint
from bot.probes._shared.icmp import described, sender
from bot.probes._shared.words import took

OUTCOMES = {
    "connected": "the port accepts connections",
    "connection-refused": "a reset comes back: nothing listens there, or something forges the reset",
    "connection-rejected": "an ICMP error comes back: a firewall or router rejects",
    "connect-timeout": "nothing comes back in 4 s: packets are dropped, or the host is off",
    "host-unreachable": "no route to the host: its neighbour does not answer, or a router says so",
    "host-unreachable-at-once": "a router says at once that there is no way to the host, without having looked for it",
    "network-unreachable": "no route to the network, says a router on the way",
    "no-local-route": "the machine that asks has no route to the network itself",
    "local-route-refuses": "the machine that asks refuses by its own routes, without a word from outside",
    "no-address-family": "the machine that asks has no such addresses (IPv4 or IPv6) and the name has others, too",
    "connection-reset": "the connection is reset while it is being made",
    "local-failure": "the machine that asks cannot open a connection: its own limit or policy",
    "address-forbidden": "a pasted URL leads to this machine itself or to a metadata service, and is not followed",
    "proxy-failed": "the HTTP proxy in front of the server is not there, or refuses to connect",
    "proxy-gateway": "the HTTP proxy is there and cannot connect to the server (502, 503 or 504)",
    "proxy-gateway-only": "the HTTP proxy cannot connect to the server, which accepts connections without it",
    "deadline-capped": "the round's time was over before an answer could be expected",
    "no-address": "the name gives no address to connect to",
}
_SENTENCES = {
    "connection-refused": "{place} refuses connections: a reset came back in {took}.",
    "connection-rejected": "{place} is rejected: {by} sends an ICMP error ({icmp}).",
    "connect-timeout": "{place} does not answer: nothing came back in {took}.",
    "host-unreachable": "No machine is found at {place}, or no way to it: {by} says so after {took}.",
    "host-unreachable-at-once": "No way leads to {place}: {by} says so at once, in {took}.",
    "network-unreachable": "No route leads to the network of {place}: {by} on the way says so.",
    "no-local-route": "This machine has no route to the network of {place}.",
    "local-route-refuses": "This machine refuses {place} itself: its own routes have the address as unreachable.",
    "no-address-family": "{place} is of an address family that this machine does not have, so its clients pass over it.",
    "connection-reset": "{place} resets the connection while it is being made.",
    "proxy-failed": "The proxy in front of {place} cannot be used: {raw}.",
    "proxy-gateway": "The proxy answers, and cannot connect to {place} itself: {raw}.",
    "proxy-gateway-only": "The proxy answers that it cannot connect to {place}, which accepts connections without it: {raw}.",
    "local-failure": "This machine cannot open a connection to {place}: {raw}.",
    "address-forbidden": "{place} is not connected to: {raw}.",
    "deadline-capped": "{place} had not answered after {took}, when the round's time was over.",
}

_AT_ONCE_S = 0.3
"""A router that looks for a neighbour gives up after three seconds, and has seldom just done so for somebody else."""

_STATUSES = {
    "deadline-capped": Status.INCONCLUSIVE,
    "local-failure": Status.ERROR,
    "address-forbidden": Status.NOT_CHECKED,
    "no-address-family": Status.NOT_APPLICABLE,
}


def outcome_of(seen: Observation) -> str:
    """The outcome of a connection that failed, before what its surroundings add."""
    outcome = seen.failure.value if seen.failure and seen.failure.value in _SENTENCES else "local-failure"
    reject = seen.reject if isinstance(seen, Connection) else None
    if outcome == "network-unreachable" and reject is None:
        return "no-local-route"
    if outcome == "host-unreachable" and reject is not None and seen.duration_s < _AT_ONCE_S:
        return "host-unreachable-at-once"
    return outcome


def status_of(outcome: str) -> Status:
    """A problem, but for what was not tried to its end."""
    return _STATUSES.get(outcome, Status.PROBLEM)


def said_of(outcome: str, place: Endpoint, seen: Observation) -> str:
    """The sentence about a connection that failed."""
    reject = seen.reject if isinstance(seen, Connection) else None
    words = {"by": sender(reject, place.host), "icmp": described(reject), "raw": seen.raw_error or "no reason given"}
    return _SENTENCES[outcome].format(place=place, took=took(seen.duration_s), **words)
