"""What Helm keeps in the cluster: one object for each revision of each release."""

from __future__ import annotations

import re
from collections import Counter

from bot.model.base import Value
from bot.ports import Kind, KubernetesReads, Scrape

FIELD = "type=helm.sh/release.v1"
PAGE, MOST_PAGES = 500, 6
KEPT = 10
"""What Helm itself keeps of a release unless it is told otherwise."""
MANY = 1000
"""From so many superfluous objects on, a list of them has some 50 MB."""
MANY_SOON = 300
"""Said while it is no problem yet: they only grow until somebody limits them."""
LARGE_COUNT, LARGE_SOON, LARGE_BYTES = 1000, 500, 20_000
"""Secrets of certificates and tokens have 1 to 6 kB; a release has its whole chart and manifest in it."""
_NAME = re.compile(r"(sh\.helm\.release\.v1\..+)\.v\d+")


class Counted(Value):
    """Release objects by release; ``complete`` is false when there are more than were counted."""

    objects: int
    releases: dict[str, int]
    complete: bool

    @property
    def superfluous(self) -> int:
        """Those beyond the revisions that Helm keeps by itself."""
        return sum(max(count - KEPT, 0) for count in self.releases.values())

    @property
    def longest(self) -> tuple[str, int]:
        name = max(self.releases, key=lambda name: self.releases[name])
        return name, self.releases[name]


async def count(api: KubernetesReads) -> Counted:
    """Counts them by their names, in pages, some thousand at most. Raises Unavailable."""
    revisions: Counter[str] = Counter()
    after: str | None = None
    objects = 0
    for _ in range(MOST_PAGES):
        found = await api.list_objects(Kind.SECRET_NAMES, field_selector=FIELD, limit=PAGE, after=after)
        objects += len(found.items)
        for item in found.items:
            name = _NAME.fullmatch(item.name)
            revisions[f"{item.namespace}/{(name[1] if name else item.name).removeprefix('sh.helm.release.v1.')}"] += 1
        after = found.after
        if after is None:
            break
    return Counted(objects=objects, releases=dict(revisions), complete=after is None)


def piles_up(found: Counted) -> str | None:
    """A warning while it is no problem yet."""
    if found.superfluous < MANY_SOON:
        return None
    return f"Helm keeps {found.superfluous} revisions more than it does by itself, most of {found.longest[0]}."


def secrets(scrape: Scrape) -> tuple[float | None, float | None]:
    """How many secrets there are and their mean size in bytes, as far as the metrics say. A server that has just started has
    not counted yet, and says -1."""
    number = scrape.samples.get("apiserver_resource_objects", {}).get(("", "secrets"))
    if number is None:
        number = scrape.samples.get("apiserver_storage_objects", {}).get(("secrets",))
    size = scrape.samples.get("apiserver_resource_size_estimate_bytes", {}).get(("", "secrets"))
    if number is None or number < 0:
        return None, None
    return number, size / number if size is not None and size >= 0 and number else None
