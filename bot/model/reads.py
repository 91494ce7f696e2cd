"""What is read through the Kubernetes API, in the form that probes are given it: few fields, no secrets, bounded."""

from __future__ import annotations

from enum import StrEnum

from bot.model.base import Json, Moment, Value


class ApiObject(Value):
    """What probes need of a Kubernetes object: identity, and the slim JSON they asked for."""

    kind: str
    namespace: str | None = None
    name: str
    data: Json = {}


class Kind(StrEnum):
    """The kinds of object that are listed. Of those that may hold secrets only the names are ever asked for."""

    NODES = "nodes"
    API_SERVICES = "apiservices"
    VALIDATING_WEBHOOKS = "validatingwebhookconfigurations"
    MUTATING_WEBHOOKS = "mutatingwebhookconfigurations"
    LEASES = "leases"
    SERVICES = "services"
    ENDPOINT_SLICES = "endpointslices"
    NETWORK_POLICIES = "networkpolicies"
    NAMESPACES = "namespaces"
    DEPLOYMENTS = "deployments"
    DAEMON_SETS = "daemonsets"
    STATEFUL_SETS = "statefulsets"
    CONFIG_MAP_NAMES = "configmaps"
    SECRET_NAMES = "secrets"  # noqa: S105 - the name of a kind


class Listing(Value):
    """Some objects of one kind. ``remaining`` is how many more there are, as far as the server says; ``after`` marks the next
    page; ``server_time`` is the server's own clock at its answer."""

    items: tuple[ApiObject, ...] = ()
    remaining: int = 0
    after: str | None = None
    server_time: Moment | None = None


class Scrape(Value):
    """One reading of metrics. ``samples`` has, for each family that is there, its value by the labels that were kept.
    ``at`` is seconds on a clock that only runs forward; ``complete`` is false when there was more than is read."""

    samples: dict[str, dict[tuple[str, ...], float]]
    at: float
    size: int
    complete: bool = True


class LogAnswer(Value):
    """What the API server answered when it was asked for a log: its status and, where it failed, why. ``lines`` are the last
    ones of the log, where they were asked for, without what has the form of a secret."""

    status: int
    message: str = ""
    lines: tuple[str, ...] = ()
    duration_s: float = 0.0
