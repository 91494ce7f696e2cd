"""Admission webhooks that may not fail, and whether anybody answers for them."""

from __future__ import annotations

from collections.abc import Sequence

from bot.errors import Unavailable
from bot.model.base import Json, Value
from bot.ports import Kind, KubernetesReads
from bot.probes._shared.words import listed

MOST_SERVICES = 4
"""How many services are looked at: more would use up the round's reads."""


class Hook(Value):
    """One webhook whose failure fails the request. ``service`` is ``namespace/name``; None when it is called by a URL."""

    name: str
    configuration: str
    kind: str
    service: str | None
    url: str | None = None
    timeout_s: int
    resources: tuple[str, ...] = ()

    @property
    def about(self) -> str:
        """What it is asked about, for a sentence."""
        return listed(self.resources, most=4) or "nothing"

    @property
    def evidence(self) -> Json:
        return self.model_dump(mode="json")


async def fail_closed(api: KubernetesReads) -> tuple[list[Hook], int]:
    """The webhooks that fail closed, and how many there are in all."""
    hooks: list[Hook] = []
    total = 0
    for kind in (Kind.VALIDATING_WEBHOOKS, Kind.MUTATING_WEBHOOKS):
        found = await api.list_objects(kind, limit=100)
        for configuration in found.items:
            for webhook in configuration.data.get("webhooks", ()):
                total += 1
                if webhook.get("failurePolicy") == "Fail":
                    hooks.append(_hook(configuration.name, kind, webhook))
    return hooks, total


def _hook(configuration: str, kind: Kind, webhook: Json) -> Hook:
    called = webhook.get("clientConfig", {})
    service = called.get("service")
    return Hook(
        name=webhook["name"],
        configuration=configuration,
        kind="validating" if kind is Kind.VALIDATING_WEBHOOKS else "mutating",
        service=f"{service['namespace']}/{service['name']}" if service else None,
        url=called.get("url"),
        timeout_s=webhook.get("timeoutSeconds", 10),
        resources=tuple(_resources(webhook.get("rules", ()))),
    )


def _resources(rules: Sequence[Json]) -> list[str]:
    """``CREATE pods``, ``any of *.apps``: in words, each once."""
    said = []
    for rule in rules:
        verbs = "any change of" if "*" in rule["operations"] else "/".join(rule["operations"])
        groups = [group for group in rule["apiGroups"] if group]
        names = [f"{name}.{group}" for name in rule["resources"] for group in groups or [""]]
        said.append(f"{verbs} {', '.join(name.rstrip('.') for name in names)}")
    return list(dict.fromkeys(said))


class Behind(Value):
    """What is behind a webhook's service. ``outcome`` None: it cannot be told, ``says`` why."""

    outcome: str | None
    says: str


async def behind(api: KubernetesReads, service: str) -> Behind:
    """Whether a service has a ready endpoint, and if not, whether it exists at all. Raises Unavailable."""
    namespace, _, name = service.partition("/")
    selector = f"kubernetes.io/service-name={name}"
    slices = await api.list_objects(Kind.ENDPOINT_SLICES, namespace=namespace, label_selector=selector, limit=10)
    ready = [address for item in slices.items for address in item.data["ready"]]
    if ready:
        return Behind(outcome="answerable", says=f"{len(ready)} ready endpoints")
    known = sum(len(item.data["addresses"]) for item in slices.items)
    if known:
        return Behind(outcome="without-endpoints", says=f"its {known} endpoints are all not ready")
    try:
        services = await api.list_objects(Kind.SERVICES, namespace=namespace, field_selector=f"metadata.name={name}", limit=1)
    except Unavailable:
        return Behind(outcome="without-endpoints", says="no endpoint is behind it")
    if not services.items:
        return Behind(outcome="service-missing", says="that service does not exist")
    if services.items[0].data.get("type") == "ExternalName":
        return Behind(outcome=None, says="that service only stands for a name outside of the cluster")
    return Behind(outcome="without-endpoints", says="no endpoint is behind that service")
