"""Every configured member of etcd is healthy, and its database has room.

The API server tells whether it can use etcd, and not why not. Where the cluster's `etcd` is configured and its members can be
reached from here, each of the first five is asked for `/health`, which needs a majority, for the same without one, and for its
metrics. The client certificate is sent to a member only whose own certificate is verified.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from bot.errors import Unavailable
from bot.model.finding import Finding, Status
from bot.model.target import Endpoint, Target
from bot.ports import EtcdAccess
from bot.probes._shared import dates, etcd
from bot.registry import NoParams, ProbeContext, probe

_MOST = 5
_TODO = (
    "On a control-plane node: curl -s http://127.0.0.1:2381/health; crictl exec $(crictl ps -q --name '^etcd$') etcdctl "
    "--endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/"
    "healthcheck-client.crt --key=/etc/kubernetes/pki/etcd/healthcheck-client.key endpoint health --cluster"
)


@probe(needs=("etcd",), outcomes=etcd.OUTCOMES)
async def etcd_members(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
    if ctx.etcd is None:
        says = "No members of etcd are configured; they are asked where the cluster's key etcd names them."
        yield ctx.finding("etcd", etcd.STATUS["none-configured"], "none-configured", says, todo=_TODO)
        return
    if ctx.etcd.problem:
        says = f"The members of etcd are not asked: {ctx.etcd.problem}."
        yield ctx.finding("etcd", Status.NOT_CHECKED, "not-looked-at", says, todo="Correct that where the cluster is configured.")
        return
    async with asyncio.TaskGroup() as group:
        members = ctx.etcd.etcd.endpoints[:_MOST]
        tasks = [group.create_task(_look(ctx, ctx.etcd, one), name=f"etcd {one}") for one in members]
    for task in tasks:
        yield task.result()


async def _look(ctx: ProbeContext, access: EtcdAccess, member: Endpoint) -> Finding:
    lookup = await ctx.network.lookup(member.host)
    if not lookup.addresses:
        outcome, says = etcd.unresolved(lookup)
        status = etcd.STATUS.get(outcome, Status.PROBLEM)
        return ctx.finding(str(member), status, outcome, f"Member {member} of etcd is not asked: {says}.", seen=lookup)
    target = Target.from_url(f"{access.etcd.scheme}://{member}", ca_pem=access.ca_pem)
    address = lookup.addresses[0]
    try:
        health, local, metrics = await asyncio.gather(
            *(
                ctx.network.request(
                    address, target, path, credentials=access.credentials, most=etcd.MOST_BYTES, deadline=ctx.deadline
                )
                for path in (etcd.HEALTH, etcd.LOCAL_HEALTH, etcd.METRICS)
            )
        )
    except Unavailable as error:
        says = f"Member {member} of etcd is not asked: {error.what.rstrip('.')}."
        return ctx.finding(str(member), Status.NOT_CHECKED, "not-looked-at", says, todo=error.next or None, raw_error=str(error))
    said = etcd.judge(health, local, metrics)
    status = etcd.STATUS.get(said.outcome, Status.PROBLEM)
    warning = f"Member {member} of etcd {said.warning}." if said.warning else await _ends_soon(ctx, target, address)
    says = f"Member {member} of etcd {said.says}."
    return ctx.finding(str(member), status, said.outcome, says, seen=health, evidence=said.evidence, warning=warning)


async def _ends_soon(ctx: ProbeContext, target: Target, address: str) -> str | None:
    """A warning where the member's certificate, or its authority's, ends soon; a failing one has an outcome of its own."""
    if target.scheme == "http":
        return None
    seen = await ctx.network.handshake(address, target.port, server_name=target.server_name, ca_pem=target.ca_pem)
    place = f"Member {Endpoint(host=target.host, port=target.port)} of etcd"
    return dates.of_server(place, seen.chain, target.ca_pem, ctx.clock.now()) if seen.verified else None
