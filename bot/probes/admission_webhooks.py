"""Every admission webhook that may not fail has somebody behind it who answers.

A webhook with `failurePolicy: Fail` refuses each write that it is asked about when it cannot be called, and reads go on as
ever. Its service is looked up, and whether that has a ready endpoint; at most four services are. A webhook that is called
by a URL is named and not called: only the API server knows its way there. Whether calls fail now, `apiserver-load` says.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from bot.errors import Unavailable
from bot.model.finding import Finding, Status
from bot.probes._shared.reads import NOT_READ, not_read, reads
from bot.probes._shared.webhooks import MOST_SERVICES, Behind, Hook, behind, fail_closed
from bot.probes._shared.words import listed
from bot.registry import NoParams, ProbeContext, probe

_SUBJECT = "admission webhooks"
_MOST = 10


@probe(
    needs=("api",),
    outcomes={
        "answerable": "every webhook that fails closed and was looked at has a ready endpoint",
        "without-endpoints": "the webhook fails closed, and its service has no ready endpoint",
        "service-missing": "the webhook fails closed, and its service does not exist",
        "not-checkable": "the webhook fails closed and is called by a URL, or was one too many to look at",
        "none-found": "no webhook fails closed",
        **NOT_READ,
    },
)
async def admission_webhooks(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
    try:
        api = reads(ctx)
        hooks, total = await fail_closed(api)
        services = list(dict.fromkeys(hook.service for hook in hooks if hook.service))
        looked = {service: await behind(api, service) for service in services[:MOST_SERVICES]}
    except Unavailable as error:
        yield not_read(ctx, _SUBJECT, error)
        return
    if not hooks:
        says = f"None of {total} admission webhooks fails closed." if total else "There are no admission webhooks."
        yield ctx.finding(_SUBJECT, Status.NOT_APPLICABLE, "none-found", says)
        return
    known = {service: found for service, found in looked.items() if found.outcome is not None}
    broken = [hook for hook in hooks if hook.service in known and known[hook.service].outcome != "answerable"]
    for hook in broken[:_MOST]:
        yield _broken(ctx, hook, known[str(hook.service)])
    unknown = [hook for hook in hooks if hook.service not in known]
    if unknown:
        yield _unknown(ctx, unknown)
    if not broken and len(unknown) < len(hooks):
        says = f"All {len(hooks) - len(unknown)} webhooks that fail closed and were looked at have ready endpoints."
        yield ctx.finding(_SUBJECT, Status.OK, "answerable", says, evidence={"webhooks": [hook.name for hook in hooks[:_MOST]]})


def _broken(ctx: ProbeContext, hook: Hook, found: Behind) -> Finding:
    says = (
        f"The {hook.kind} webhook {hook.name} fails closed, its service is {hook.service}, and {found.says}: "
        f"{hook.about} is refused, after {hook.timeout_s} s at most."
    )
    assert found.outcome is not None
    subject = f"{hook.kind} {hook.configuration}/{hook.name}"
    warning = f"Whoever changes {hook.about} is refused: {hook.name} fails closed and has nobody behind it."
    return ctx.finding(subject, Status.PROBLEM, found.outcome, says, evidence=hook.evidence, warning=warning)


def _unknown(ctx: ProbeContext, hooks: Sequence[Hook]) -> Finding:
    names = listed([f"{hook.name} ({hook.url or hook.service})" for hook in hooks], most=4)
    says = f"Webhooks that fail closed and cannot be looked at from here: {names}."
    todo = "Look at apiserver_admission_webhook_rejection_count in the API server's metrics."
    return ctx.finding("webhooks by URL", Status.NOT_CHECKED, "not-checkable", says, todo=todo, evidence={"count": len(hooks)})
