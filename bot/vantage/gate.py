"""Keeps Kubernetes reads away from an API server that the ladder already knows cannot give them.

A client library would find that out by itself, only later and less clearly: its import alone takes longer than a refusal,
and its errors are a library's. The ladder's operations are shared, so asking them again costs nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from bot.errors import Unavailable
from bot.model.observation import CERTIFICATE_FAILURES, Failure
from bot.model.target import Endpoint, Target
from bot.ports import ApiObject, Kind, KubernetesReads, Listing, LogAnswer, Network, Scrape

_WHY = {
    Failure.CONNECTION_REFUSED: "the connection is refused",
    Failure.CONNECT_TIMEOUT: "the connection times out",
    Failure.TLS_TIMEOUT: "TLS is not answered",
    Failure.TLS_CLOSED: "the connection is closed during TLS",
}


class GatedReads:
    """``ports.KubernetesReads`` that asks the network first. Raises Unavailable, naming the layer, when no address of the
    target takes a verified connection."""

    def __init__(self, reads: KubernetesReads, network: Network, target: Target) -> None:
        self._reads = reads
        self._network = network
        self._target = target

    async def list_pods(self, namespace: str, *, label_selector: str | None = None, limit: int = 50) -> Sequence[ApiObject]:
        await self._pass()
        return await self._reads.list_pods(namespace, label_selector=label_selector, limit=limit)

    async def list_endpoint_addresses(self, namespace: str, service: str) -> Sequence[Endpoint]:
        await self._pass()
        return await self._reads.list_endpoint_addresses(namespace, service)

    async def get_config_map(self, namespace: str, name: str) -> ApiObject | None:
        await self._pass()
        return await self._reads.get_config_map(namespace, name)

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
        await self._pass()
        return await self._reads.list_objects(
            kind, namespace=namespace, label_selector=label_selector, field_selector=field_selector, limit=limit, after=after
        )

    async def read_metrics(self, wanted: Mapping[str, tuple[str, ...]], *, reading: int = 1) -> Scrape:
        await self._pass()
        return await self._reads.read_metrics(wanted, reading=reading)

    async def read_past_caches(self, *, number: int) -> float:
        await self._pass()
        return await self._reads.read_past_caches(number=number)

    async def ask_for_log(self, namespace: str, pod: str, container: str) -> LogAnswer:
        await self._pass()
        return await self._reads.ask_for_log(namespace, pod, container)

    async def read_log(
        self, namespace: str, pod: str, container: str, *, previous: bool = False, since_s: int | None = None
    ) -> LogAnswer:
        await self._pass()
        return await self._reads.read_log(namespace, pod, container, previous=previous, since_s=since_s)

    async def _pass(self) -> None:
        target = self._target
        if target.proxy_url is not None or target.scheme != "https":
            return
        lookup = await self._network.lookup(target.host)
        failures = await asyncio.gather(*(self._failure(address) for address in lookup.addresses))
        if None in failures:
            return
        reason = failures[0] if failures else Failure.NAME_NOT_FOUND
        assert reason is not None
        raise Unavailable(f"the API server cannot be asked: {_word(reason)} at {self._everywhere(len(failures))}")

    async def _failure(self, address: str) -> Failure | None:
        """What keeps this address from a verified connection; None when nothing does."""
        connection = await self._network.connect(address, self._target.port)
        if connection.failure is not None:
            return connection.failure
        handshake = await self._network.handshake(
            address, self._target.port, server_name=self._target.server_name, ca_pem=self._target.ca_pem
        )
        return handshake.failure

    def _everywhere(self, count: int) -> str:
        place = str(Endpoint(host=self._target.host, port=self._target.port))
        return f"all {count} addresses of {place}" if count > 1 else place


def _word(failure: Failure) -> str:
    if failure in CERTIFICATE_FAILURES:
        return f"its certificate does not verify ({failure.value})"
    return _WHY.get(failure, f"there is no connection ({failure.value})")
