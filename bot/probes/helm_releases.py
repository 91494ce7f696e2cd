"""Helm keeps no more revisions of its releases than are of use.

The API server's metrics say how many secrets there are, and newer ones how large; what of that is Helm's they do not say.
With `count: true` the release objects are counted by name, in pages, without their content. That needs the right to list
secrets in all namespaces, and Kubernetes has no right to their names alone: whoever may list secrets may read every password
in the cluster. So it is off unless you turn it on, and give it to credentials that you trust with that.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from bot.errors import Unavailable
from bot.model.base import Value
from bot.model.finding import Finding, Status
from bot.ports import KubernetesReads
from bot.probes._shared import helm, load
from bot.probes._shared.reads import NOT_READ, not_read, reads
from bot.registry import ProbeContext, probe

_SUBJECT = "Helm releases"
_TODO = f"kubectl get secrets -A --field-selector {helm.FIELD} -o name | wc -l"


class Params(Value):
    """``count``: count release objects by name, which needs the right to list secrets."""

    count: bool = False


@probe(
    needs=("api",),
    params=Params,
    outcomes={
        "few": "there are fewer than 1,000 secrets of all kinds, or fewer than 1,000 superfluous revisions",
        "sprawl": "at least 1,000 release objects are older than the 10 newest revisions of their release",
        "secrets-large": "there are at least 1,000 secrets, of 20 kB and more on the average, as Helm's are",
        "not-told": "there are 1,000 secrets or more, or it is not told how many, and nobody counted which are Helm's",
        **NOT_READ,
    },
)
async def helm_releases(ctx: ProbeContext, params: Params) -> AsyncGenerator[Finding, None]:
    try:
        yield await (_counted(ctx, reads(ctx)) if params.count else _estimated(ctx, reads(ctx)))
    except Unavailable as error:
        yield not_read(ctx, _SUBJECT, error)


async def _counted(ctx: ProbeContext, api: KubernetesReads) -> Finding:
    found = await helm.count(api)
    more = "" if found.complete else ", and more that were not counted"
    evidence = {"objects": found.objects, "releases": len(found.releases), "superfluous": found.superfluous}
    if found.superfluous >= helm.MANY:
        name, most = found.longest
        says = f"{found.objects} release objects of {len(found.releases)} releases{more}; {most} of {name} alone."
        return ctx.finding(_SUBJECT, Status.PROBLEM, "sprawl", says, evidence=evidence)
    says = f"{found.objects} release objects of {len(found.releases)} releases{more}; {found.superfluous} are superfluous."
    if not found.complete:
        return ctx.finding(_SUBJECT, Status.INCONCLUSIVE, "not-told", says, evidence=evidence, todo=_TODO)
    return ctx.finding(_SUBJECT, Status.OK, "few", says, evidence=evidence, warning=helm.piles_up(found))


async def _estimated(ctx: ProbeContext, api: KubernetesReads) -> Finding:
    number, size = helm.secrets(await api.read_metrics(load.WANTED))
    evidence = {"secrets": number, "mean_bytes": size and round(size)}
    if number is not None and number < helm.LARGE_COUNT:
        says = f"There are {number:.0f} secrets of all kinds."
        soon = number >= helm.LARGE_SOON and size is not None and size >= helm.LARGE_BYTES
        warning = f"{says[:-1]}, as large as Helm's releases are; from {helm.LARGE_COUNT} on lists are slow." if soon else None
        return ctx.finding(_SUBJECT, Status.OK, "few", says, evidence=evidence, warning=warning)
    if number is None or size is None or size < helm.LARGE_BYTES:
        known = "How many secrets there are is not told" if number is None else f"There are {number:.0f} secrets of all kinds"
        return ctx.finding(
            _SUBJECT, Status.INCONCLUSIVE, "not-told", f"{known}; Helm's were not counted.", evidence=evidence, todo=_TODO
        )
    says = f"There are {number:.0f} secrets of {size / 1000:.0f} kB on the average, as large as Helm's releases are."
    return ctx.finding(_SUBJECT, Status.PROBLEM, "secrets-large", says, evidence=evidence, todo=_TODO)
