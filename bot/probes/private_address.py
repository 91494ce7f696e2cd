"""A private address that the name leads to is one that this machine can be meant to reach.

A cluster whose endpoint was made private keeps its name, and the name leads to an address of a network that only its own members
reach. Where such an address stays silent, or no router knows it, although this machine has no address in that network and sends
what is for it the way of everything else, it may be that nobody outside is meant to get there. Nothing is sent for it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncGenerator

from bot.model.base import Json
from bot.model.finding import Finding, Status
from bot.model.observation import Connection, Failure
from bot.model.target import Endpoint, literal
from bot.probes._shared.addresses import over_addresses
from bot.registry import NoParams, ProbeContext, probe

_PRIVATE = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))
_SITE_BITS = {4: 16, 6: 48}
"""Networks of one site have mostly so much of their addresses in common."""

_SILENT = frozenset({Failure.CONNECT_TIMEOUT, Failure.HOST_UNREACHABLE})


@probe(
    outcomes={
        "public-address": "the address is a public one",
        "private-in-reach": "the address is private and answers, or this machine is in its network or has a way of its own there",
        "private-unanswered": "the address is of a private network that this machine is not in, and nobody there answers",
        "private-unrouted": "the address is of a private network that this machine is not in, and a router knows no way there",
        "address-given": "the server is named by its address, or a proxy resolves its name",
        "way-not-told": "this system does not tell which way it takes",
        "no-address": "the name gives no address to connect to",
    },
)
def private_address(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
    return over_addresses(ctx, _look, nowhere="no-address")


async def _look(ctx: ProbeContext, place: Endpoint) -> Finding:
    target = ctx.cluster.target
    if target.proxy_url is not None or literal(target.host) is not None:
        says = f"{target.host} is not resolved by this machine, so DNS leads it nowhere."
        return ctx.finding(str(place), Status.NOT_APPLICABLE, "address-given", says)
    address = ipaddress.ip_address(place.host.partition("%")[0])
    if not any(address in network for network in _PRIVATE):
        return ctx.finding(str(place), Status.OK, "public-address", f"{place.host} is a public address.")
    seen = await ctx.network.connect(place.host, place.port)
    unrouted = seen.failure is Failure.NETWORK_UNREACHABLE and seen.reject is not None
    if not unrouted and seen.failure not in _SILENT:
        says = f"{place.host} is a private address, and this machine's connection to it does not get lost."
        return ctx.finding(str(place), Status.OK, "private-in-reach", says, seen=seen)
    if seen.way is None or seen.usual_way is None or seen.way.source is None:
        says = f"Which way this machine takes to {place.host} is not told."
        return ctx.finding(str(place), Status.INCONCLUSIVE, "way-not-told", says, seen=seen)
    evidence: Json = {"way": seen.way.model_dump(), "usual_way": seen.usual_way.model_dump()}
    if not _is_elsewhere(address, seen):
        says = f"{place.host} is a private address, and this machine, {seen.way.source}, has a way to its network."
        return ctx.finding(str(place), Status.OK, "private-in-reach", says, seen=seen, evidence=evidence)
    outcome, so = ("private-unrouted", "no router knows it") if unrouted else ("private-unanswered", "nobody there answers")
    says = f"{target.host} leads to {place.host}, in a private network that this machine, {seen.way.source}, is not in; {so}."
    return ctx.finding(str(place), Status.PROBLEM, outcome, says, seen=seen, evidence=evidence)


def _is_elsewhere(address: ipaddress.IPv4Address | ipaddress.IPv6Address, seen: Connection) -> bool:
    """Whether it is in no network of this machine's, which sends it the way of everything that it knows nothing of."""
    assert seen.way is not None
    assert seen.usual_way is not None
    same_way = (seen.way.interface, seen.way.gateway) == (seen.usual_way.interface, seen.usual_way.gateway)
    site = ipaddress.ip_network(f"{seen.way.source}/{_SITE_BITS[address.version]}", strict=False)
    return same_way and seen.way.gateway is not None and address not in site
