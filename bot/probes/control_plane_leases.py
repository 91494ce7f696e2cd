"""The controller manager and the scheduler renew their leases, and the API server renews its own.

Leases are renewed every 2 to 10 s by whoever lives, so one that is older than 40 s, which is what Kubernetes itself grants a
node, is of somebody who is gone. The API server's own lease is a write that it does by itself: when none of these is renewed
although the server answers, writes do not reach etcd. It is due every 10 s: where the newest one is late, it is waited for until
it has been missed three times. Times are compared by the server's clock.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta

from bot.clock import utc
from bot.errors import Unavailable
from bot.model.base import Value
from bot.model.finding import Finding, Status
from bot.ports import ApiObject, Kind
from bot.probes._shared import leases
from bot.probes._shared.reads import NOT_READ, moment, not_read, reads
from bot.probes._shared.words import ago, listed
from bot.registry import ProbeContext, probe

_SUBJECT = "leases in kube-system"
_STALE = timedelta(seconds=40)
_HOLDERS = {"kube-controller-manager": "controller-manager-stale", "kube-scheduler": "scheduler-stale"}


class Params(Value):
    """``patience``: for how many seconds at most a late lease of the API server's own is waited for."""

    patience: float = 20.0


@probe(
    needs=("api",),
    params=Params,
    outcomes={
        "renewed": "the leases that are there are renewed",
        "controller-manager-stale": "the controller manager does not renew its lease",
        "scheduler-stale": "the scheduler does not renew its lease",
        "writes-stalled": "no API server renews its own lease any more, although one answers: writes do not succeed",
        "none-found": "there are no such leases: the control plane is hosted, or uses none",
        "time-not-told": "the server does not say what time it has, so ages cannot be told",
        **NOT_READ,
    },
)
async def control_plane_leases(ctx: ProbeContext, params: Params) -> AsyncGenerator[Finding, None]:
    try:
        api = reads(ctx)
        found = await api.list_objects(Kind.LEASES, namespace="kube-system", limit=100)
        own = await leases.own(api, found, params.patience)
    except Unavailable as error:
        yield not_read(ctx, _SUBJECT, error)
        return
    now, written = own.server_time, leases.renewed(own.items)
    times = [(item, renewed) for item in found.items if (renewed := moment(item.data.get("renewTime")))]
    held = [(item, renewed) for item, renewed in times if item.name in _HOLDERS]
    if not held and not written:
        says = "No leases of a controller manager, a scheduler or an API server are in kube-system."
        yield ctx.finding(_SUBJECT, Status.NOT_APPLICABLE, "none-found", says)
    elif now is None:
        yield ctx.finding(_SUBJECT, Status.INCONCLUSIVE, "time-not-told", "The server does not say what time it has.")
    elif written and now - max(written) >= leases.MISSED:
        since = f"{ago(now - max(written))}, since {utc(max(written))}"
        says = f"No API server has renewed its own lease for {since}; it is due every 10 s."
        yield ctx.finding(_SUBJECT, Status.PROBLEM, "writes-stalled", says, evidence={"newest": utc(max(written))})
    else:
        asked_at = found.server_time or now
        stale = [(item, renewed) for item, renewed in held if asked_at - renewed > _STALE]
        for item, renewed in stale:
            yield _stale(ctx, item, renewed, asked_at)
        if not stale:
            names = listed([*(item.name for item, _ in held), *(["kube-apiserver"] if written else [])])
            newest = max([*written, *(renewed for _, renewed in held)])
            says = f"The leases of {names} are renewed; the last such write succeeded {ago(now - newest)} ago."
            yield ctx.finding(_SUBJECT, Status.OK, "renewed", says, evidence={"newest": utc(newest)})


def _stale(ctx: ProbeContext, item: ApiObject, renewed: datetime, now: datetime) -> Finding:
    holder = item.data.get("holderIdentity") or "nobody"
    says = f"The lease of {item.name} was last renewed {ago(now - renewed)} ago, at {utc(renewed)}, by {holder}."
    return ctx.finding(item.name, Status.PROBLEM, _HOLDERS[item.name], says, evidence={"holder": holder, "renewed": utc(renewed)})
