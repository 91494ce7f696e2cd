"""The API server accepts the credentials that apidown is configured with.

Seven faults of credentials give the same 401, so the answer is compared with one without credentials, and the
certificate's or token's own dates are read. `path` is asked with credentials: every authenticated client may read the
default, and it needs no storage. Credentials are sent to a configured cluster's verified peer only.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from bot.errors import Unavailable
from bot.model.base import Json, Value
from bot.model.finding import Finding, Status
from bot.model.target import Endpoint
from bot.probes._shared import credentials as own
from bot.probes._shared import http
from bot.probes._shared.addresses import over_addresses
from bot.probes._shared.layers import VERSION_PATH, Peer, not_reached, peer
from bot.registry import ProbeContext, probe


class Params(Value):
    """``path``: what is asked with credentials."""

    path: str = "/api"


@probe(params=Params, outcomes=own.OUTCOMES)
def apiserver_auth(ctx: ProbeContext, params: Params) -> AsyncGenerator[Finding, None]:
    async def look(ctx: ProbeContext, place: Endpoint) -> Finding:
        return await _look(ctx, place, params.path)

    return over_addresses(ctx, look)


async def _look(ctx: ProbeContext, place: Endpoint, path: str) -> Finding:
    if ctx.credentials is None and ctx.problems:
        says = f"No credentials can be used, so none are tried. {' '.join(ctx.problems)}"
        todo = "Correct that where the cluster is configured."
        return ctx.finding(str(place), Status.NOT_CHECKED, "credentials-unavailable", says, todo=todo)
    if ctx.credentials is None or not ctx.cluster.configured:
        todo = f"Configure credentials for cluster {ctx.cluster.name}."
        if not ctx.cluster.configured:
            todo = "Add this server to your configuration, or use --kubeconfig; a bare URL gets no credentials."
        elif await _takes_no_strangers(ctx, place):
            says = f"{place} takes no requests without credentials (401), and none are configured."
            return ctx.finding(str(place), Status.PROBLEM, "credentials-missing", says, todo=todo)
        says = "No credentials are configured, so none are tried."
        return ctx.finding(str(place), Status.NOT_CHECKED, "no-credentials", says, todo=todo)
    below = await peer(ctx, place)
    if below.obstacle is not None:
        return not_reached(ctx, place, below.obstacle, below.seen)
    if not below.verified:
        says = f"Credentials are withheld from {place}, because it is not verified ({below.flaw})."
        todo = "Repair what tls-handshake reports first."
        return ctx.finding(str(place), Status.NOT_CHECKED, "unverified-peer", says, seen=below.seen, todo=todo)
    try:
        tried = await _try(ctx, place, below, path, ctx.credentials.describe())
    except Unavailable as error:
        says = f"The configured credentials cannot be had: {error.what.rstrip('.')}."
        todo = error.next or "Repair the credentials in the cluster's configuration."
        return ctx.finding(str(place), Status.NOT_CHECKED, "credentials-unavailable", says, todo=todo, raw_error=str(error))
    outcome, says = own.judge(tried, ctx.clock.now())
    status = own.STATUS.get(outcome, Status.PROBLEM)
    warning = own.ends_soon(tried, ctx.clock.now()) if outcome == "accepted" else None
    return ctx.finding(
        str(place), status, outcome, f"{place} {says}.", seen=tried.asked, evidence=own.evidence(tried), warning=warning
    )


async def _takes_no_strangers(ctx: ProbeContext, place: Endpoint) -> bool:
    """Whether the server, by its own name and authority, turns away who has no credentials; health asks the same."""
    below = await peer(ctx, place)
    if below.obstacle is not None or not below.verified:
        return False
    live = await http.ask(ctx, place, below, http.LIVE_PATH, authenticated=False)
    return live.status == 401 and http.is_kubernetes(live)


async def _try(ctx: ProbeContext, place: Endpoint, below: Peer, path: str, about: Json) -> own.Tried:
    """Liveness first, which needs no rights; ``path``, which strangers may not ask, only where that says nothing yet."""
    live, without = await http.together(
        http.ask(ctx, place, below, http.LIVE_PATH, authenticated=True),
        http.ask(ctx, place, below, VERSION_PATH, authenticated=False),
    )
    if http.is_rejection(live):
        without = await http.ask(ctx, place, below, http.LIVE_PATH, authenticated=False)
    undecided = live.status is not None and live.status < 500 and live.status not in (401, 429)
    asked = await http.ask(ctx, place, below, path, authenticated=True) if undecided else live
    return own.Tried(asked=asked, live=live, without=without, about=about)
