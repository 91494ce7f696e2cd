"""The few fields that are read of Kubernetes objects, and where each kind is found; whatever else a server sends is not kept.

Go writes null for empty. Names are Kubernetes' own.
"""
# ruff: noqa: N815 - the names are the API's

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from bot.adapters.kubernetes.client import cut
from bot.model.base import Json
from bot.ports import ApiObject, Kind

_LEADER = "control-plane.alpha.kubernetes.io/leader"
"""On a config map that somebody uses for a lock, and so writes all the time."""

# Annotations say anything about anybody; these two say when the kubelet saw a static pod's manifest, and which.
_ANNOTATIONS = frozenset({"kubernetes.io/config.seen", "kubernetes.io/config.hash", "kubernetes.io/config.source"})


def _or_empty(value: Any) -> Any:
    return value or ()


def _or_none_left(value: Any) -> Any:
    return value or {}


Text = Annotated[str | None, BeforeValidator(cut)]
Labels = Annotated[dict[str, str], BeforeValidator(_or_none_left)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_or_empty)]


class Slim(BaseModel):
    """A part of an object."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def data(self) -> Json:
        return self.model_dump(exclude_none=True)


class _Managed(Slim):
    manager: Text = None
    operation: Text = None
    time: str | None = None
    subresource: Text = None


class Metadata(Slim):
    name: str
    namespace: str | None = None
    labels: Labels = {}
    annotations: Labels = {}
    creationTimestamp: str | None = None
    generation: int | None = None
    managedFields: Annotated[tuple[_Managed, ...], BeforeValidator(_or_empty)] = ()

    @property
    def written(self) -> Json:
        """When it was made, and who wrote which part of it when; a status is not what somebody wanted."""
        wanted = [
            one.model_dump(include={"manager", "operation", "time"}) for one in self.managedFields if one.subresource != "status"
        ]
        return {"creationTimestamp": self.creationTimestamp, "written": wanted}


class Condition(Slim):
    type: str
    status: str
    reason: Text = None
    message: Text = None
    lastTransitionTime: str | None = None


Conditions = Annotated[tuple[Condition, ...], BeforeValidator(_or_empty)]


class Whole(Slim):
    """An object: what it is called, and the slim JSON of it."""

    metadata: Metadata

    def slim(self, kind: str) -> ApiObject:
        return ApiObject(kind=kind, namespace=self.metadata.namespace, name=self.metadata.name, data=self.data())

    def data(self) -> Json:
        return {"labels": self.metadata.labels}


class _Waiting(Slim):
    reason: Text = None
    message: Text = None


class _Running(Slim):
    startedAt: str | None = None


class _Terminated(Slim):
    exitCode: int | None = None
    signal: int | None = None
    reason: Text = None
    startedAt: str | None = None
    finishedAt: str | None = None


class _State(Slim):
    waiting: _Waiting | None = None
    running: _Running | None = None
    terminated: _Terminated | None = None


class _Container(Slim):
    name: str
    ready: bool = False
    restartCount: int = 0
    state: Annotated[_State, BeforeValidator(_or_none_left)] = _State()
    lastState: Annotated[_State, BeforeValidator(_or_none_left)] = _State()


class _PodSpec(Slim):
    nodeName: str | None = None
    hostNetwork: bool = False


class _PodStatus(Slim):
    phase: str | None = None
    reason: Text = None
    startTime: str | None = None
    conditions: Conditions = ()
    containerStatuses: Annotated[tuple[_Container, ...], BeforeValidator(_or_empty)] = ()


class Pod(Whole):
    spec: _PodSpec = _PodSpec()
    status: _PodStatus = _PodStatus()

    def data(self) -> Json:
        status = self.status.model_dump(exclude_none=True, exclude={"containerStatuses"})
        annotations = {name: text for name, text in self.metadata.annotations.items() if name in _ANNOTATIONS}
        return {
            "labels": self.metadata.labels,
            "annotations": annotations,
            "creationTimestamp": self.metadata.creationTimestamp,
            "nodeName": self.spec.nodeName,
            "hostNetwork": self.spec.hostNetwork,
            **status,
            "conditions": [one.data() for one in self.status.conditions],
            "containers": [one.data() for one in self.status.containerStatuses],
        }


class _Status(Slim):
    conditions: Conditions = ()


class Node(Whole):
    status: _Status = _Status()

    def data(self) -> Json:
        return {"labels": self.metadata.labels, "conditions": [one.data() for one in self.status.conditions]}


class ServiceRef(Slim):
    namespace: str
    name: str
    path: Text = None
    port: int | None = None


class _ApiServiceSpec(Slim):
    service: ServiceRef | None = None
    group: str | None = None
    version: str | None = None


class ApiService(Whole):
    spec: _ApiServiceSpec = _ApiServiceSpec()
    status: _Status = _Status()

    def data(self) -> Json:
        return {**self.spec.data(), "conditions": [one.data() for one in self.status.conditions]}


class _Rule(Slim):
    operations: Texts = ()
    apiGroups: Texts = ()
    resources: Texts = ()


class _ClientConfig(Slim):
    url: Text = None
    service: ServiceRef | None = None


class _Webhook(Slim):
    name: str
    clientConfig: _ClientConfig = _ClientConfig()
    failurePolicy: str = "Fail"
    timeoutSeconds: int = 10
    rules: Annotated[tuple[_Rule, ...], BeforeValidator(_or_empty)] = ()


class WebhookConfiguration(Whole):
    webhooks: Annotated[tuple[_Webhook, ...], BeforeValidator(_or_empty)] = ()

    def data(self) -> Json:
        return {"webhooks": [one.data() for one in self.webhooks]}


class _LeaseSpec(Slim):
    holderIdentity: Text = None
    leaseDurationSeconds: int | None = None
    renewTime: str | None = None


class Lease(Whole):
    spec: _LeaseSpec = _LeaseSpec()

    def data(self) -> Json:
        return {"labels": self.metadata.labels, **self.spec.data()}


class _EndpointConditions(Slim):
    ready: bool | None = None


class _SliceEndpoint(Slim):
    addresses: Texts = ()
    conditions: Annotated[_EndpointConditions, BeforeValidator(_or_none_left)] = _EndpointConditions()


class _SlicePort(Slim):
    port: int | None = None


class EndpointSlice(Whole):
    metadata: Metadata = Metadata(name="")
    endpoints: Annotated[tuple[_SliceEndpoint, ...], BeforeValidator(_or_empty)] = ()
    ports: Annotated[tuple[_SlicePort, ...], BeforeValidator(_or_empty)] = ()

    def data(self) -> Json:
        # An endpoint that does not say is ready, as the API defines it.
        ready = [address for one in self.endpoints for address in one.addresses if one.conditions.ready is not False]
        known = [address for one in self.endpoints for address in one.addresses]
        ports = [one.port for one in self.ports if one.port is not None]
        return {"labels": self.metadata.labels, "ready": ready, "addresses": known, "ports": ports}


class _ServicePort(Slim):
    name: Text = None
    port: int | None = None
    protocol: str = "TCP"
    targetPort: int | str | None = None


class _ServiceSpec(Slim):
    type: str | None = None
    clusterIPs: Texts = ()
    selector: Labels = {}
    ports: Annotated[tuple[_ServicePort, ...], BeforeValidator(_or_empty)] = ()


class Service(Whole):
    spec: _ServiceSpec = _ServiceSpec()

    def data(self) -> Json:
        return {"labels": self.metadata.labels, **self.spec.data()}


class Changed(Whole):
    """What was written when and by whom, and nothing of what."""

    def data(self) -> Json:
        return {"leader": _LEADER in self.metadata.annotations, **self.metadata.written}


class _PolicySpec(Slim):
    """Taken as it is: ``bot.model.network_policy`` reads it, and knows what a missing key means."""

    model_config = ConfigDict(frozen=True, extra="allow")


class NetworkPolicy(Whole):
    spec: _PolicySpec = _PolicySpec()

    def data(self) -> Json:
        return {"spec": self.spec.model_dump(), **self.metadata.written}


class _WorkloadSpec(Slim):
    replicas: int | None = None


class _WorkloadStatus(Slim):
    observedGeneration: int | None = None
    replicas: int = 0
    updatedReplicas: int = 0
    availableReplicas: int = 0
    readyReplicas: int = 0
    desiredNumberScheduled: int | None = None
    updatedNumberScheduled: int = 0
    numberAvailable: int = 0
    conditions: Conditions = ()


class Workload(Whole):
    """A Deployment, DaemonSet or StatefulSet: how many of its pods there should be, are new, and are available."""

    spec: _WorkloadSpec = _WorkloadSpec()
    status: _WorkloadStatus = _WorkloadStatus()

    def data(self) -> Json:
        status = self.status
        daemons = status.desiredNumberScheduled is not None
        wanted = status.desiredNumberScheduled if daemons else 1 if self.spec.replicas is None else self.spec.replicas
        return {
            "labels": self.metadata.labels,
            "wanted": wanted,
            "updated": status.updatedNumberScheduled if daemons else status.updatedReplicas,
            "available": status.numberAvailable if daemons else status.availableReplicas,
            "observed": status.observedGeneration is None or status.observedGeneration >= (self.metadata.generation or 0),
            "conditions": [one.data() for one in status.conditions],
            **self.metadata.written,
        }


class ConfigMap(Whole):
    entries: Annotated[Labels, Field(alias="data")] = {}

    def data(self) -> Json:
        return dict(self.entries)


class _ListMeta(Slim):
    after: Annotated[str | None, Field(alias="continue")] = None
    remainingItemCount: int | None = None


class Page(Slim):
    """A list's head; its items are checked by their kind's form."""

    metadata: Annotated[_ListMeta, BeforeValidator(_or_none_left)] = _ListMeta()
    items: Annotated[tuple[dict[str, Any], ...], BeforeValidator(_or_empty)] = ()


class Place(Slim):
    """Where a kind is listed, and what is read of each object."""

    group: str
    form: type[Whole]
    names_only: bool = False

    def path(self, kind: Kind, namespace: str | None) -> str:
        inside = f"/namespaces/{namespace}" if namespace else ""
        return f"/{self.group}{inside}/{kind.value}"


PLACES: Mapping[Kind, Place] = MappingProxyType(
    {
        Kind.NODES: Place(group="api/v1", form=Node),
        Kind.API_SERVICES: Place(group="apis/apiregistration.k8s.io/v1", form=ApiService),
        Kind.VALIDATING_WEBHOOKS: Place(group="apis/admissionregistration.k8s.io/v1", form=WebhookConfiguration),
        Kind.MUTATING_WEBHOOKS: Place(group="apis/admissionregistration.k8s.io/v1", form=WebhookConfiguration),
        Kind.LEASES: Place(group="apis/coordination.k8s.io/v1", form=Lease),
        Kind.SERVICES: Place(group="api/v1", form=Service),
        Kind.ENDPOINT_SLICES: Place(group="apis/discovery.k8s.io/v1", form=EndpointSlice),
        Kind.NETWORK_POLICIES: Place(group="apis/networking.k8s.io/v1", form=NetworkPolicy),
        Kind.NAMESPACES: Place(group="api/v1", form=Whole, names_only=True),
        Kind.DEPLOYMENTS: Place(group="apis/apps/v1", form=Workload),
        Kind.DAEMON_SETS: Place(group="apis/apps/v1", form=Workload),
        Kind.STATEFUL_SETS: Place(group="apis/apps/v1", form=Workload),
        Kind.CONFIG_MAP_NAMES: Place(group="api/v1", form=Changed, names_only=True),
        Kind.SECRET_NAMES: Place(group="api/v1", form=Whole, names_only=True),
    }
)
