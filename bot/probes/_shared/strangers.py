"""Addresses of the server's name that nobody who watches the cluster knows, beside others that somebody does.

Where a name has several addresses and a machine behind one of them is watched, the others are as well, by custom. One that
takes no connection and is no machine that anybody watches is more likely an old record than a machine that is off.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from bot.model.metrics import ScrapedTarget
from bot.model.observation import Connection, Failure
from bot.probes._shared.addresses import places
from bot.probes._shared.scrapes import Said
from bot.registry import ProbeContext

_NOBODY_THERE = frozenset(
    {Failure.CONNECT_TIMEOUT, Failure.HOST_UNREACHABLE, Failure.CONNECTION_REFUSED, Failure.CONNECTION_REJECTED}
)
"""What is said of the address, and not of this machine's own ways."""


async def unknown(ctx: ProbeContext, hosts: Collection[str], targets: Iterable[ScrapedTarget]) -> Sequence[Said]:
    """Each address of ``hosts`` that takes no connection and has no target, where another one has a target and takes them."""
    watched = {one.host for one in targets}
    strangers = sorted(set(hosts) - watched)
    if not strangers or len(strangers) == len(set(hosts)) or ctx.cluster.target.proxy_url is not None:
        return ()
    seen: dict[str, Connection] = {place.host: await ctx.network.connect(place.host, place.port) for place in await places(ctx)}
    known = [host for host in sorted(set(hosts) & watched) if host in seen and seen[host].ok]
    return [
        Said(
            subject=f"machine {host}",
            outcome="asked-host-unknown",
            says=f"Prometheus watches the machine {known[0]}, which the name leads to as well, and none at {host}",
        )
        for host in strangers
        if known and host in seen and seen[host].failure in _NOBODY_THERE
    ]
