"""Whether the machine that asks is itself one of the servers that it asks for.

A balancer that passes packets on with the sender's address cannot send a server to itself: its answer never leaves the machine,
or is taken for somebody else's. Kubelets and controllers on control-plane nodes ask like that.
"""

from __future__ import annotations

import asyncio

from bot.model.observation import Failure
from bot.model.target import Endpoint
from bot.probes._shared.layers import ALPN
from bot.registry import ProbeContext

_USUAL = (6443, 443, 8443, 9443, 16443)


async def api_server_here(ctx: ProbeContext, place: Endpoint, own_address: str) -> Endpoint | None:
    """An API server of the very cluster at this machine's own address, at the asked port or a usual one, by its certificate."""
    target = ctx.cluster.target
    if not ctx.cluster.configured or target.ca_pem is None or target.scheme != "https" or own_address == place.host:
        return None
    ports = tuple(dict.fromkeys((place.port, *_USUAL)))
    found = await asyncio.gather(*(_vouched(ctx, own_address, port) for port in ports))
    return next((Endpoint(host=own_address, port=port) for port, good in zip(ports, found, strict=True) if good), None)


async def _vouched(ctx: ProbeContext, address: str, port: int) -> bool:
    """Whether the cluster's authority signed what is presented there, be it for another name."""
    if not (await ctx.network.connect(address, port)).ok:
        return False
    target = ctx.cluster.target
    seen = await ctx.network.handshake(address, port, server_name=target.server_name, ca_pem=target.ca_pem, alpn=ALPN)
    return seen.verified or seen.failure is Failure.CERTIFICATE_NAME_MISMATCH
