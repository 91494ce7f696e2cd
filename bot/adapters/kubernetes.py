"""Reads a few objects through a cluster's API: verified, authenticated, few, small, and never for longer than a moment.

The server that is asked may be sick, and this program must not be what finishes it: every list has a limit, two requests
run at a time, a round has a budget, each object is read once a round, and every request has one short time-out. Nothing
here can write. The client library is imported when it is first needed, off the event loop: it is large, and most of what
this program finds out it finds out without it.
"""

from __future__ import annotations

import asyncio
import importlib
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Annotated, Any, TypeVar

import aiohttp
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bot.errors import Unavailable
from bot.model.base import Json
from bot.model.target import Endpoint, Target
from bot.net.tls import verifying_context
from bot.ports import ApiObject, Credentials

_BUDGET = 20
_AT_A_TIME = 2
_TIMEOUT_S = 5.0
_TEXT_LIMIT = 500

# Annotations say anything about anybody; these two say when the kubelet saw a static pod's manifest, and which.
_ANNOTATIONS = frozenset({"kubernetes.io/config.seen", "kubernetes.io/config.hash", "kubernetes.io/config.source"})

T = TypeVar("T")


def _cut(text: Any) -> Any:
    return text[:_TEXT_LIMIT] if isinstance(text, str) else text


def _or_empty(value: Any) -> Any:
    return value or ()


def _or_none_left(value: Any) -> Any:
    return value or {}


Text = Annotated[str | None, BeforeValidator(_cut)]


class _Slim(BaseModel):
    """The few fields that are read of an object; whatever else the server sends is not kept. Go writes null for empty."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Metadata(_Slim):
    name: str
    namespace: str | None = None
    labels: Annotated[dict[str, str], BeforeValidator(_or_none_left)] = {}
    annotations: Annotated[dict[str, str], BeforeValidator(_or_none_left)] = {}
    creationTimestamp: str | None = None  # noqa: N815 - Kubernetes' names


class _Waiting(_Slim):
    reason: Text = None
    message: Text = None


class _Running(_Slim):
    startedAt: str | None = None  # noqa: N815 - the API's name


class _Terminated(_Slim):
    exitCode: int | None = None  # noqa: N815 - the API's name
    signal: int | None = None
    reason: Text = None
    startedAt: str | None = None  # noqa: N815 - the API's name
    finishedAt: str | None = None  # noqa: N815 - the API's name


class _State(_Slim):
    waiting: _Waiting | None = None
    running: _Running | None = None
    terminated: _Terminated | None = None


class _Container(_Slim):
    name: str
    ready: bool = False
    restartCount: int = 0  # noqa: N815 - the API's name
    state: Annotated[_State, BeforeValidator(_or_none_left)] = _State()
    lastState: Annotated[_State, BeforeValidator(_or_none_left)] = _State()  # noqa: N815 - the API's name


class _Condition(_Slim):
    type: str
    status: str
    reason: Text = None
    message: Text = None
    lastTransitionTime: str | None = None  # noqa: N815 - the API's name


class _PodSpec(_Slim):
    nodeName: str | None = None  # noqa: N815 - the API's name


class _PodStatus(_Slim):
    phase: str | None = None
    reason: Text = None
    startTime: str | None = None  # noqa: N815 - the API's name
    conditions: Annotated[tuple[_Condition, ...], BeforeValidator(_or_empty)] = ()
    containerStatuses: Annotated[tuple[_Container, ...], BeforeValidator(_or_empty)] = ()  # noqa: N815 - the API's name


class _Pod(_Slim):
    metadata: _Metadata
    spec: _PodSpec = _PodSpec()
    status: _PodStatus = _PodStatus()

    def slim(self) -> ApiObject:
        status = self.status.model_dump(exclude_none=True, exclude={"containerStatuses"})
        annotations = {name: text for name, text in self.metadata.annotations.items() if name in _ANNOTATIONS}
        data: Json = {
            "labels": self.metadata.labels,
            "annotations": annotations,
            "creationTimestamp": self.metadata.creationTimestamp,
            "nodeName": self.spec.nodeName,
            **status,
            "conditions": [one.model_dump(exclude_none=True) for one in self.status.conditions],
            "containers": [one.model_dump(exclude_none=True) for one in self.status.containerStatuses],
        }
        return ApiObject(kind="Pod", namespace=self.metadata.namespace, name=self.metadata.name, data=data)


class _PodList(_Slim):
    items: Annotated[tuple[_Pod, ...], BeforeValidator(_or_empty)] = ()


class _SliceEndpoint(_Slim):
    addresses: Annotated[tuple[str, ...], BeforeValidator(_or_empty)] = ()


class _SlicePort(_Slim):
    port: int | None = None


class _Slice(_Slim):
    endpoints: Annotated[tuple[_SliceEndpoint, ...], BeforeValidator(_or_empty)] = ()
    ports: Annotated[tuple[_SlicePort, ...], BeforeValidator(_or_empty)] = ()


class _SliceList(_Slim):
    items: Annotated[tuple[_Slice, ...], BeforeValidator(_or_empty)] = ()


class _ConfigMap(_Slim):
    metadata: _Metadata
    data: Annotated[dict[str, str], BeforeValidator(_or_none_left)] = {}


class _Status(_Slim):
    """A failed request's answer."""

    message: Text = Field(default=None)


S = TypeVar("S", bound=_Slim)


@dataclass(kw_only=True)
class _Read:
    """One read of this round, shared by all who ask for it: its result or its failure, once it is over."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    done: bool = False
    result: Any = None
    failure: Unavailable | None = None


class KubernetesApi:
    """One round's reads through one cluster's API; implements ``ports.KubernetesReads``.

    Every read raises Unavailable, with the reason in words, when it cannot be had. The peer is always verified against
    the target's authority and name; without credentials nothing is asked at all.
    """

    def __init__(
        self, target: Target, credentials: Credentials | None, *, timeout_s: float = _TIMEOUT_S, budget: int = _BUDGET
    ) -> None:
        self._target = target
        self._credentials = credentials
        self._timeout_s = float(timeout_s)
        self._budget = budget
        self._made = 0
        self._slots = asyncio.Semaphore(_AT_A_TIME)
        self._reads: dict[tuple[str, ...], _Read] = {}
        self._library: ModuleType | None = None
        self._client: Any = None
        self._connector: aiohttp.TCPConnector | None = None

    async def list_pods(self, namespace: str, *, label_selector: str | None = None, limit: int = 50) -> Sequence[ApiObject]:
        """Pods as slim JSON: labels, the kubelet's annotations, phase, conditions and ``containers`` with their states."""

        async def call() -> Any:
            api = self._library_now().CoreV1Api(self._client)
            return await api.list_namespaced_pod_without_preload_content(
                namespace, label_selector=label_selector, limit=limit, _request_timeout=self._timeout_s
            )

        key = ("pods", namespace, label_selector or "", str(limit))
        found = await self._once(key, lambda: self._get(f"pods in {namespace}", call, _PodList))
        return [pod.slim() for pod in found.items] if found else []

    async def list_endpoint_addresses(self, namespace: str, service: str) -> Sequence[Endpoint]:
        """The addresses and ports behind a service, from its endpoint slices."""

        async def call() -> Any:
            api = self._library_now().DiscoveryV1Api(self._client)
            return await api.list_namespaced_endpoint_slice_without_preload_content(
                namespace, label_selector=f"kubernetes.io/service-name={service}", limit=50, _request_timeout=self._timeout_s
            )

        found = await self._once(
            ("slices", namespace, service), lambda: self._get(f"endpoints of {namespace}/{service}", call, _SliceList)
        )
        return [
            Endpoint(host=address, port=port.port)
            for one in (found.items if found else ())
            for endpoint in one.endpoints
            for address in endpoint.addresses
            for port in one.ports
            if port.port is not None
        ]

    async def get_config_map(self, namespace: str, name: str) -> ApiObject | None:
        """One config map, its ``data`` as it is; None when there is none."""

        async def call() -> Any:
            api = self._library_now().CoreV1Api(self._client)
            return await api.read_namespaced_config_map_without_preload_content(name, namespace, _request_timeout=self._timeout_s)

        found = await self._once(
            ("config-map", namespace, name), lambda: self._get(f"config map {namespace}/{name}", call, _ConfigMap)
        )
        return ApiObject(kind="ConfigMap", namespace=namespace, name=name, data=dict(found.data)) if found else None

    def requests_made(self) -> int:
        """Object reads that were tried in this round."""
        return self._made

    async def aclose(self) -> None:
        """Closes its connections. It may not be used afterwards."""
        if self._client is not None:
            await self._client.close()
        if self._connector is not None:
            await self._connector.close()

    async def _once(self, key: tuple[str, ...], read: Callable[[], Awaitable[T]]) -> T:
        """The result of a read that is made once a round, however many ask; its failure, too, is everybody's."""
        shared = self._reads.setdefault(key, _Read())
        async with shared.lock:
            if not shared.done:
                try:
                    shared.result = await read()
                except Unavailable as error:
                    shared.failure = error
                shared.done = True
        if shared.failure is not None:
            raise Unavailable(shared.failure.what, where=shared.failure.where, next=shared.failure.next) from shared.failure
        return shared.result

    async def _get(self, what: str, call: Callable[[], Awaitable[Any]], model: type[S]) -> S | None:
        """One request. None when the object does not exist."""
        async with self._slots:
            if self._budget <= 0:
                raise self._unavailable(f"this round's object reads are used up, so {what} are not read")
            self._budget -= 1
            self._made += 1
            await self._load()
            try:
                async with asyncio.timeout(self._timeout_s):
                    await self._open()
                    answer = await call()
                    body = await answer.read()
            except TimeoutError as error:
                raise self._unavailable(f"the API did not give {what} within {self._timeout_s:g} s") from error
            except aiohttp.ClientError as error:
                raise self._unavailable(f"the API did not give {what}: {error or type(error).__name__}") from error
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise self._unavailable(f"the API answered {answer.status} for {what}{_reason(body)}")
        try:
            return model.model_validate_json(body)
        except ValidationError as error:
            raise self._unavailable(f"the answer for {what} is not what the Kubernetes API gives") from error

    async def _load(self) -> None:
        """Imports the library, which is not the server's time to lose. Raises Unavailable where nothing may be asked."""
        if self._target.scheme != "https":
            raise self._unavailable("credentials are not sent over plain http")
        if self._credentials is None:
            raise self._unavailable("no credentials are configured")
        if self._library is None:
            self._library = await asyncio.to_thread(importlib.import_module, "kubernetes.aio.client")

    async def _open(self) -> None:
        """Makes the client on first use, and gives it the credentials that are valid now."""
        credentials = self._credentials
        assert credentials is not None, "nothing is asked without credentials"
        if self._client is None:
            self._client = self._make_client(self._library_now(), self._trust(credentials))
        for name, text in (await credentials.headers()).items():
            self._client.set_default_header(name, text)

    def _trust(self, credentials: Credentials) -> ssl.SSLContext:
        try:
            context = verifying_context(self._target.ca_pem, ())
        except ValueError as error:
            raise self._unavailable(str(error)) from error
        try:
            credentials.load_client_certificate(context)
        except (OSError, ValueError) as error:
            raise self._unavailable(f"the client certificate cannot be used: {type(error).__name__}") from error
        return context

    def _make_client(self, library: ModuleType, context: ssl.SSLContext) -> Any:
        """A client whose only connections are ours: our trust, no environment, no cookies, no redirects, no retries."""
        trace = aiohttp.TraceConfig()
        trace.on_request_redirect.append(_refuse_redirect)
        self._connector = aiohttp.TCPConnector(ssl=context, limit=_AT_A_TIME)
        configuration = library.Configuration(
            host=self._target.url,
            ca_cert_data=self._target.ca_pem,
            proxy=self._target.proxy_url,
            tls_server_name=self._target.server_name,
            trace_configs=[trace],
            client_session_kwargs={
                "connector": self._connector,
                "trust_env": False,
                "cookie_jar": aiohttp.DummyCookieJar(),
            },
        )
        client = library.ApiClient(configuration)
        client.user_agent = "apidown"
        return client

    def _library_now(self) -> ModuleType:
        if self._library is None:
            raise RuntimeError("the client is used before it is opened")
        return self._library

    def _unavailable(self, what: str) -> Unavailable:
        return Unavailable(what, where=self._target.url)


async def _refuse_redirect(_session: Any, _context: Any, params: aiohttp.TraceRequestRedirectParams) -> None:
    """An API server never redirects; following one would take credentials elsewhere."""
    raise aiohttp.ClientError(f"redirected with {params.response.status}, which is not followed")


def _reason(body: bytes) -> str:
    """What the server says about a refusal, if it says it as API servers do."""
    try:
        message = _Status.model_validate_json(body).message
    except ValidationError:
        return ""
    return f": {message}" if message else ""
