"""No NetworkPolicy keeps clients, the tunnel or ingress gateways from the API server, the cluster's DNS or their own clients.

Policies of all namespaces are read, and judged for those known to need the API server: the cluster's DNS, metrics-server, the
tunnel's agents and, by their services, ingress and gateway controllers. Policies of a network plugin's own kinds are not read,
and there is no effect where the plugin ignores policies or a gateway's pods are in their node's network.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from bot.clock import stamp, utc
from bot.errors import Unavailable
from bot.model.finding import Finding, Status
from bot.ports import ApiObject, Kind
from bot.probes._shared import policies
from bot.probes._shared.reads import NOT_READ, not_read, reads
from bot.probes._shared.words import listed
from bot.registry import NoParams, ProbeContext, probe

_SUBJECT = "network policies"
_MOST = 8


@probe(
    needs=("api",),
    outcomes={
        "nothing-restricted": "no policy keeps those that are known to need the API server from it",
        "api-blocked": "pods that need the API server may not reach it",
        "tunnel-blocked": "the tunnel's agents may not reach the API server",
        "dns-blocked": "pods that need the API server may not ask the cluster's DNS, or nobody may",
        "gateway-closed": "nobody outside of the cluster may reach an ingress gateway",
        "gateway-limited": "an ingress gateway is reached from some addresses only",
        "depends-on-plugin": "the API server may be reached by its service's address, and not by its own",
        "not-all-read": "more exists than is read, or the API server's addresses are not known; what was read restricts nothing",
        "none-found": "there are no policies",
        **NOT_READ,
    },
)
async def network_policies(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
    try:
        api = reads(ctx)
        found = await api.list_objects(Kind.NETWORK_POLICIES, limit=500)
        known = policies.policies_of(found.items)
        who = await policies.clients(api, known) if known else []
        ways = await policies.ways(api) if who else None
        harms = list(policies.harms(known, who, ways)) if ways else []
    except Unavailable as error:
        yield not_read(ctx, _SUBJECT, error)
        return
    by_name = {f"{item.namespace}/{item.name}": item for item in found.items}
    blamed = [name for name in by_name if any(name in harm.policies for harm in harms)]
    for name in blamed[:_MOST]:
        yield _judge(ctx, by_name[name], name, [harm for harm in harms if name in harm.policies])
    looked = f"{len(known)} policies, {len(who)} sorts of pods that need the API server looked at"
    if not known:
        yield ctx.finding(_SUBJECT, Status.NOT_APPLICABLE, "none-found", "There are no NetworkPolicies.")
    elif not blamed and (found.after or found.remaining or (ways and not ways.servers)):
        lacking = "there are more" if found.after or found.remaining else "where pods reach the API server is not known"
        yield ctx.finding(_SUBJECT, Status.INCONCLUSIVE, "not-all-read", f"No policy is blamed, and {lacking}: {looked}.")
    elif not blamed:
        says = f"No policy keeps known clients from the API server: {looked}."
        yield ctx.finding(_SUBJECT, Status.OK, "nothing-restricted", says, evidence={"clients": [one.name for one in who]})


def _judge(ctx: ProbeContext, item: ApiObject, name: str, harms: Sequence[policies.Harm]) -> Finding:
    worst = min(harms, key=lambda harm: harm.rank)
    at, manager = policies.last_write(item)
    others = sorted({other for harm in harms for other in harm.policies} - {name})
    together = f" (together with {listed(others, most=3)})" if others else ""
    since = f"; last written at {utc(at)}{f' by {manager}' if manager else ''}" if at else ""
    says = f"By policy {name}{together} {listed([harm.says for harm in harms], most=3)}{since}."
    status = Status.INCONCLUSIVE if worst.outcome in policies.DOUBTFUL else Status.PROBLEM
    times = {"created": item.data.get("creationTimestamp"), "written_at": stamp(at) if at else None, "manager": manager}
    evidence = {"restricts": sorted({harm.client for harm in harms}), **times, "written": item.data.get("written")}
    warning = says if status is Status.PROBLEM else None
    return ctx.finding(name, status, worst.outcome, says, evidence=evidence, warning=warning)
