"""What is read of a cluster through its API: lists of a few objects, metrics, and whether a kubelet can be reached.

Every read is bounded in number, size and time by ``client``; nothing here can write.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from typing import TypeVar
from urllib.parse import quote

from pydantic import ValidationError

from bot.adapters.kubernetes.client import BUDGET, TIMEOUT_S, Answer, Ask, Client, cut
from bot.adapters.kubernetes.forms import PLACES, ConfigMap, EndpointSlice, Page, Pod, Slim
from bot.adapters.kubernetes.metrics import Metrics
from bot.errors import Unavailable
from bot.model.target import Endpoint, Target
from bot.ports import ApiObject, Credentials, Kind, Listing, LogAnswer, Scrape
from bot.redact import Redactor

_METRICS_TIMEOUT_S = 10.0
_METRICS_MAX_BYTES = 64 * 1024 * 1024
"""Unpacked; on the wire it is a twentieth. A very large cluster's server has this much."""

_LOG_TIMEOUT_S = 35.0
"""The server itself waits 30 s for a kubelet that does not answer, and then says so."""

_LOG_LINES = 20
_LOG_BYTES = 64 * 1024

_NAMES_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")

S = TypeVar("S", bound=Slim)


class KubernetesApi:
    """One round's reads through one cluster's API; implements ``ports.KubernetesReads``.

    Every read raises Unavailable, with the reason in words and the missing right if that is it, when it cannot be had.
    """

    def __init__(
        self, target: Target, credentials: Credentials | None, *, timeout_s: float = TIMEOUT_S, budget: int = BUDGET
    ) -> None:
        self._client = Client(target, credentials, budget=budget)
        self._timeout_s = float(timeout_s)

    async def list_pods(self, namespace: str, *, label_selector: str | None = None, limit: int = 50) -> Sequence[ApiObject]:
        """Pods as slim JSON: labels, the kubelet's annotations, phase, conditions and ``containers`` with their states."""
        ask = Ask(
            what=f"pods in {namespace}",
            path=f"/api/v1/namespaces/{_part(namespace)}/pods",
            right=f"list pods in {namespace}",
            query=_query(labelSelector=label_selector, limit=limit),
            timeout_s=self._timeout_s,
        )
        page = await self._parsed(("pods", namespace, label_selector, limit), ask, Page)
        return [] if page is None else [form.slim("Pod") for form in self._items(ask, page, Pod)]

    async def list_endpoint_addresses(self, namespace: str, service: str) -> Sequence[Endpoint]:
        """The addresses and ports behind a service, from its endpoint slices."""
        ask = Ask(
            what=f"endpoints of {namespace}/{service}",
            path=f"/apis/discovery.k8s.io/v1/namespaces/{_part(namespace)}/endpointslices",
            right=f"list endpointslices in {namespace}",
            query=_query(labelSelector=f"kubernetes.io/service-name={service}", limit=50),
            timeout_s=self._timeout_s,
        )
        page = await self._parsed(("slices", namespace, service), ask, Page)
        return [
            Endpoint(host=address, port=port)
            for one in (self._items(ask, page, EndpointSlice) if page else ())
            for address in one.data()["addresses"]
            for port in one.data()["ports"]
        ]

    async def get_config_map(self, namespace: str, name: str) -> ApiObject | None:
        """One config map, its ``data`` as it is; None when there is none."""
        ask = Ask(
            what=f"config map {namespace}/{name}",
            path=f"/api/v1/namespaces/{_part(namespace)}/configmaps/{_part(name)}",
            right=f"get the config map {name} in {namespace}",
            timeout_s=self._timeout_s,
        )
        found = await self._parsed(("config-map", namespace, name), ask, ConfigMap)
        return ApiObject(kind="ConfigMap", namespace=namespace, name=name, data=found.data()) if found else None

    async def list_objects(
        self,
        kind: Kind,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Listing:
        """Objects of one kind as slim JSON, ``forms`` says which fields. Of secrets only the names are asked for."""
        place = PLACES[kind]
        where = f" in {namespace}" if namespace else ""
        ask = Ask(
            what=f"{kind.value}{where}",
            path=place.path(kind, _part(namespace) if namespace else None),
            right=f"list {kind.value}{where or ' in all namespaces' if kind is Kind.SECRET_NAMES else where}",
            query=_query(labelSelector=label_selector, fieldSelector=field_selector, limit=limit, **{"continue": after}),
            accept=_NAMES_ONLY if place.names_only else "application/json",
            timeout_s=self._timeout_s,
        )

        async def read() -> Listing:
            answer = await self._good(ask)
            page = self._form(ask, answer, Page)
            items = tuple(form.slim(kind.value) for form in self._items(ask, page, place.form))
            return Listing(
                items=items,
                remaining=page.metadata.remainingItemCount or 0,
                after=page.metadata.after or None,
                server_time=answer.server_time,
            )

        return await self._client.once((kind, *ask.query.items(), namespace), read)

    async def read_metrics(self, wanted: Mapping[str, tuple[str, ...]], *, reading: int = 1) -> Scrape:
        """``/metrics`` as it streams in, reduced to the wanted sums on the way."""
        ask = Ask(
            what="metrics",
            path="/metrics",
            right="get the path /metrics",
            accept="text/plain",
            timeout_s=max(_METRICS_TIMEOUT_S, self._timeout_s),
            max_bytes=_METRICS_MAX_BYTES,
            kept=True,
        )

        async def read() -> Scrape:
            taken = Metrics(wanted)
            answer = await self._client.get(ask, taken.feed)
            if answer.status != 200:
                raise self._client.refused(ask, answer)
            taken.end()
            complete = answer.complete and taken.complete
            return Scrape(samples=taken.samples, at=time.monotonic(), size=taken.size, complete=complete)

        return await self._client.once(("metrics", reading, *sorted(wanted.items())), read)

    async def read_past_caches(self, *, number: int) -> float:
        """One config map, which may not exist: only etcd knows."""
        ask = Ask(
            what="a config map in kube-system",
            path="/api/v1/namespaces/kube-system/configmaps/kubeadm-config",
            right="get the config map kubeadm-config in kube-system",
            timeout_s=self._timeout_s,
            kept=True,
        )

        async def read() -> float:
            began = time.monotonic()
            answer = await self._client.get(ask, lambda _: None)
            if answer.status not in (200, 404):
                raise self._client.refused(ask, answer)
            return round(time.monotonic() - began, 4)

        return await self._client.once(("past caches", number), read)

    async def ask_for_log(self, namespace: str, pod: str, container: str) -> LogAnswer:
        """The status of a request for one byte of a log. The byte is not kept."""
        ask = Ask(
            what=f"the log of {namespace}/{pod}",
            path=f"/api/v1/namespaces/{_part(namespace)}/pods/{_part(pod)}/log",
            right=f"get pods/log in {namespace}",
            query=_query(container=container, tailLines=1, limitBytes=1),
            timeout_s=max(_LOG_TIMEOUT_S, self._timeout_s),
            max_bytes=64 * 1024,
            slow=True,
        )

        async def read() -> LogAnswer:
            began = time.monotonic()
            answer = await self._client.get(ask, lambda _: None)
            if answer.status in (401, 403):
                raise self._client.refused(ask, answer)
            message = "" if answer.status == 200 else answer.message
            return LogAnswer(status=answer.status, message=message, duration_s=round(time.monotonic() - began, 3))

        return await self._client.once(("log", namespace, pod, container), read)

    async def read_log(
        self, namespace: str, pod: str, container: str, *, previous: bool = False, since_s: int | None = None
    ) -> LogAnswer:
        """The tail of a log, each line with its time before it, and secrets removed."""
        ask = Ask(
            what=f"the log of {namespace}/{pod}",
            path=f"/api/v1/namespaces/{_part(namespace)}/pods/{_part(pod)}/log",
            right=f"get pods/log in {namespace}",
            query=_query(
                container=container,
                tailLines=_LOG_LINES,
                limitBytes=_LOG_BYTES,
                timestamps="true",
                previous="true" if previous else None,
                sinceSeconds=since_s,
            ),
            accept="text/plain, application/json",
            timeout_s=max(_LOG_TIMEOUT_S, self._timeout_s),
            max_bytes=2 * _LOG_BYTES,
            slow=True,
        )

        async def read() -> LogAnswer:
            began = time.monotonic()
            answer = await self._client.get(ask)
            if answer.status in (401, 403):
                raise self._client.refused(ask, answer)
            good = answer.status == 200
            # Whole first: what is cut into pieces is not recognised as a secret any more.
            text = Redactor().text(answer.body.decode("utf-8", "replace")) if good else ""
            lines = text.splitlines()[-_LOG_LINES:]
            took = round(time.monotonic() - began, 3)
            return LogAnswer(
                status=answer.status,
                message="" if good else answer.message,
                lines=tuple(cut(line) for line in lines),
                duration_s=took,
            )

        return await self._client.once(("log's end", namespace, pod, container, previous, since_s), read)

    def requests_made(self) -> int:
        """Reads that were tried in this round."""
        return self._client.made

    async def aclose(self) -> None:
        """Closes its connections. It may not be used afterwards."""
        await self._client.aclose()

    async def _parsed(self, key: tuple[object, ...], ask: Ask, form: type[S]) -> S | None:
        """One object or page, once a round. None when it does not exist."""

        async def read() -> S | None:
            answer = await self._client.get(ask)
            if answer.status == 404:
                return None
            if answer.status != 200:
                raise self._client.refused(ask, answer)
            return self._form(ask, answer, form)

        return await self._client.once(key, read)

    async def _good(self, ask: Ask) -> Answer:
        answer = await self._client.get(ask)
        if answer.status != 200:
            raise self._client.refused(ask, answer)
        return answer

    def _form(self, ask: Ask, answer: Answer, form: type[S]) -> S:
        if not answer.complete:
            raise self._client.unavailable(f"the answer for {ask.what} is larger than {ask.max_bytes // 1024 // 1024} MiB")
        try:
            return form.model_validate_json(answer.body)
        except ValidationError as error:
            raise self._not_kubernetes(ask) from error

    def _items(self, ask: Ask, page: Page, form: type[S]) -> list[S]:
        try:
            return [form.model_validate(item) for item in page.items]
        except ValidationError as error:
            raise self._not_kubernetes(ask) from error

    def _not_kubernetes(self, ask: Ask) -> Exception:
        return self._client.unavailable(f"the answer for {ask.what} is not what the Kubernetes API gives")


def _query(**given: object) -> dict[str, str]:
    return {name: str(value) for name, value in given.items() if value is not None}


def _part(name: str) -> str:
    """A name as one part of a path: names from a cluster lead nowhere else."""
    if not _NAME.fullmatch(name):
        raise Unavailable(f"{name!r} is not the name of a Kubernetes object")
    return quote(name, safe="")
