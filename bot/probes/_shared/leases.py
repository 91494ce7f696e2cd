"""The leases that the API servers renew themselves: writes that succeed every ten seconds while anything can be written."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta

from bot.ports import ApiObject, Kind, KubernetesReads, Listing
from bot.probes._shared.reads import moment

_IDENTITY = ("apiserver.kubernetes.io/identity", "kube-apiserver")
_LATE = timedelta(seconds=12)
MISSED = timedelta(seconds=30)
"""Three renewals."""


async def own(api: KubernetesReads, found: Listing, patience: float) -> Listing:
    """The API servers' own leases. Where the newest is late they are read again, once it has been missed for good."""
    own = found.model_copy(update={"items": tuple(item for item in found.items if _is_own(item))})
    written = renewed(own.items)
    age = found.server_time - max(written) if written and found.server_time else timedelta()
    if not _LATE < age < MISSED:
        return own
    # The server's Date has whole seconds.
    await asyncio.sleep(min((MISSED - age).total_seconds() + 1, patience))
    label = f"{_IDENTITY[0]}={_IDENTITY[1]}"
    return await api.list_objects(Kind.LEASES, namespace="kube-system", label_selector=label, limit=100)


def _is_own(item: ApiObject) -> bool:
    return bool(item.data.get("labels", {}).get(_IDENTITY[0]) == _IDENTITY[1])


def renewed(items: Iterable[ApiObject]) -> list[datetime]:
    return [renewed for item in items if (renewed := moment(item.data.get("renewTime")))]
