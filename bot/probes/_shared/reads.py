"""What the probes that read through the API have in common: no credentials, a missing right and no answer are said alike."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from types import MappingProxyType

from bot.errors import Unavailable
from bot.model.base import Json
from bot.model.finding import Finding, Status
from bot.ports import ApiObject, KubernetesReads
from bot.registry import ProbeContext

NOT_READ = MappingProxyType({"not-read": "it cannot be read through the API: no credentials, a missing right, or no answer"})
"""An outcome of every probe that reads through the API."""


def reads(ctx: ProbeContext) -> KubernetesReads:
    """The API; raises Unavailable where there are no credentials to ask with."""
    if ctx.api is None:
        raise Unavailable("there are no credentials to ask with", next=f"Configure credentials for cluster {ctx.cluster.name}.")
    return ctx.api


def not_read(ctx: ProbeContext, subject: str, error: Unavailable) -> Finding:
    """Not-checked, with the reason and with what would help."""
    says = f"The {subject} cannot be looked at: {error.what.rstrip('.')}."
    return ctx.finding(subject, Status.NOT_CHECKED, "not-read", says, todo=error.next or None, raw_error=str(error))


def condition(thing: ApiObject, kind: str) -> Json:
    """One of its conditions, an empty one when it has none of this type."""
    return next((one for one in thing.data.get("conditions", []) if one.get("type") == kind), {})


def moment(text: object) -> datetime | None:
    """A time as Kubernetes writes it."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo is not None else None


def is_control_plane(node: ApiObject) -> bool:
    """Whether this node says that it is one of the control plane's."""
    labels = node.data.get("labels", {})
    return any(f"node-role.kubernetes.io/{role}" in labels for role in ("control-plane", "master"))


PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure")


def ills(node: ApiObject) -> Sequence[str]:
    """What is wrong with a node by its own conditions: ``not ready``, ``MemoryPressure``."""
    ready = condition(node, "Ready").get("status")
    pressed = [kind for kind in PRESSURES if condition(node, kind).get("status") == "True"]
    return [*(["not ready"] if ready in ("False", "Unknown") else []), *pressed]
