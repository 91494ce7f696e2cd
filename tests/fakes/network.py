"""A network in memory: ``ports.Network`` that answers from a script, and is healthy where nothing is scripted.

It keeps the port's promises: nothing raises for what it measures, each operation is done once, and credentials that
would go to an unverified peer are refused. What was done is in ``done``, so that tests can count it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from bot.model.observation import (
    CERTIFICATE_FAILURES,
    Connection,
    Failure,
    Fate,
    Handshake,
    HttpAnswer,
    Lookup,
    Packet,
    Packets,
    Plaintext,
    PresentedCertificate,
    Reject,
)
from bot.model.target import Target
from bot.ports import Credentials

T = TypeVar("T")

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ALPN = ("h2", "http/1.1")
AGAIN = (("http/1.1", "h2"), ("h2",))

LIVE = "/livez?verbose"
READY = "/readyz?verbose"
VERSION = "/version"

HEALTHY = {
    LIVE: (200, "[+]ping ok\n[+]etcd ok\nlivez check passed\n"),
    READY: (200, "[+]ping ok\n[+]etcd ok\nreadyz check passed\n"),
    VERSION: (200, '{"major": "1", "minor": "36", "gitVersion": "v1.36.2"}'),
}


def certificate(**given: Any) -> PresentedCertificate:
    """A serving certificate that is in order, but for what is given."""
    values: dict[str, Any] = {
        "subject": "CN=kube-apiserver",
        "issuer": "CN=kubernetes",
        "serial": "01",
        "not_before": NOW - timedelta(days=100),
        "not_after": NOW + timedelta(days=265),
        "dns_names": ("api.example.com",),
        "fingerprint_sha256": "ab" * 32,
    }
    return PresentedCertificate(**{**values, **given})


class ScriptedNetwork:
    """Answers as scripted. Later scripts replace earlier ones for the same operation."""

    def __init__(self) -> None:
        self.done: list[tuple[Hashable, ...]] = []
        self.with_credentials: list[str] = []
        self._scripts: dict[tuple[Hashable, ...], Any] = {}
        self._gates: dict[tuple[Hashable, ...], tuple[Hashable, ...]] = {}
        self._begun: dict[tuple[Hashable, ...], asyncio.Event] = {}
        self._tasks: dict[tuple[Hashable, ...], asyncio.Task[Any]] = {}

    # The script.

    def resolves(
        self, name: str, *addresses: str, server: str | None = None, failure: Failure | None = None, **given: Any
    ) -> None:
        self._scripts["lookup", name, server] = {"addresses": addresses, "failure": failure, **given}

    def connects(
        self, address: str, *, port: int = 6443, failure: Failure | None = None, reject: Reject | None = None, **given: Any
    ) -> None:
        self._scripts["connect", address, port] = {"failure": failure, "reject": reject, **given}

    def handshakes(
        self,
        address: str,
        *,
        alpn: tuple[str, ...] = ALPN,
        segment: int | None = None,
        failure: Failure | None = None,
        **given: Any,
    ) -> None:
        self._scripts["handshake", address, alpn, segment] = {"failure": failure, **given}

    def answers_in_turn(self, address: str, *results: Failure | PresentedCertificate | None) -> None:
        """The fresh handshakes, in this order: how each fails, or the certificate that answers; the last one goes on."""
        for sample in range(10):
            result = results[min(sample, len(results) - 1)]
            failed = isinstance(result, Failure)
            chain = () if failed else (result or certificate(),)
            self._scripts["fresh", address, sample] = {
                "failure": result if failed else None,
                "chain": chain,
                "started_at": NOW + timedelta(seconds=sample + 1),
            }

    def hides_from_tls(self, address: str, failure: Failure, **given: Any) -> None:
        """Every form of handshake fails alike."""
        for alpn, segment in ((ALPN, None), (ALPN, 500), ((), None), (("http/1.1",), None), *((alpn, None) for alpn in AGAIN)):
            self.handshakes(address, alpn=alpn, segment=segment, failure=failure, **given)

    def packets_fare(self, address: str, *sent: Packet, failure: Failure | None = None) -> None:
        self._scripts["packets", address] = {"sent": sent, "failure": failure}

    def says_in_plain(self, address: str, answer: str = "", *, failure: Failure | None = None, **given: Any) -> None:
        self._scripts["plaintext", address] = {"answer": answer, "failure": failure, **given}

    def answers(
        self,
        address: str,
        path: str,
        status: int | None = None,
        body: str = "",
        *,
        failure: Failure | None = None,
        authenticated: bool | None = None,
        **given: Any,
    ) -> None:
        """``authenticated`` None scripts the answer with and without credentials."""
        for one in (True, False) if authenticated is None else (authenticated,):
            self._scripts["request", address, path, one] = {"status": status, "body": body, "failure": failure, **given}

    def hold(self, held: tuple[Hashable, ...], *, until: tuple[Hashable, ...]) -> None:
        """One operation does not end before another one has begun."""
        self._gates[held] = until

    # The port.

    async def lookup(self, name: str, *, server: str | None = None) -> Lookup:
        literal = {"addresses": (name,)} if name.replace(".", "").isdigit() or ":" in name else None
        default = self._scripts.get(("lookup", name, None), literal or {"addresses": ("10.0.0.1",)})
        return await self._once(("lookup", name, server), lambda given: Lookup(name=name, server=server, **given), default)

    async def connect(self, address: str, port: int) -> Connection:
        return await self._once(("connect", address, port), lambda given: Connection(address=address, port=port, **given))

    async def handshake(
        self,
        address: str,
        port: int,
        *,
        server_name: str,
        ca_pem: str | None,
        alpn: tuple[str, ...] = ALPN,
        max_segment: int | None = None,
        proxy_url: str | None = None,
    ) -> Handshake:
        def make(given: dict[str, Any]) -> Handshake:
            ok = given.get("failure") is None
            values = {"verified": ok, "alpn_selected": "h2" if alpn else None, "version": "TLSv1.3", "chain": (certificate(),)}
            return Handshake(address=address, port=port, server_name=server_name, alpn_offered=alpn, **{**values, **given})

        return await self._once(("handshake", address, alpn, max_segment), make)

    async def fresh_handshake(
        self,
        address: str,
        port: int,
        *,
        server_name: str,
        sample: int,
        proxy_url: str | None = None,
        deadline: float | None = None,
    ) -> Handshake:
        """Where it is not scripted it fails as the connection does, or the handshake if that gets no further."""

        def make(given: dict[str, Any]) -> Handshake:
            values = {"chain": (certificate(dns_names=(server_name,)),), **given}
            return Handshake(address=address, port=port, server_name=server_name, **values)

        below = self._scripts.get(("connect", address, port), {}).get("failure")
        tls = self._scripts.get(("handshake", address, ALPN, None), {})
        if below is None and tls.get("failure") not in CERTIFICATE_FAILURES:
            below = tls.get("failure")
        default = {"failure": below, "chain": ()} if below else {"chain": tls["chain"]} if "chain" in tls else {}
        return await self._once(("fresh", address, sample), make, default)

    async def packets(self, address: str, port: int, *, sizes: tuple[int, ...]) -> Packets:
        arrived = {"sent": tuple(Packet(size=size, fate=Fate.ARRIVED, by=address) for size in sizes)}
        return await self._once(("packets", address), lambda given: Packets(address=address, **given), arrived)

    async def plaintext(self, address: str, port: int, *, proxy_url: str | None = None) -> Plaintext:
        go = "Client sent an HTTP request to an HTTPS server."

        def make(given: dict[str, Any]) -> Plaintext:
            return Plaintext(address=address, port=port, is_go_tls_server=go in given.get("answer", ""), **given)

        return await self._once(("plaintext", address), make, {"answer": f"HTTP/1.0 400 Bad Request\r\n\r\n{go}\n"})

    async def request(
        self,
        address: str,
        target: Target,
        path: str,
        *,
        credentials: Credentials | None = None,
        verify: bool = True,
        most: int = 16_384,
        deadline: float | None = None,
    ) -> HttpAnswer:
        if credentials is not None and (not verify or target.scheme != "https"):
            raise ValueError("credentials go to verified peers only")
        if credentials is not None:
            await credentials.headers()
            self.with_credentials.append(path)
        status, body = HEALTHY.get(path, (200, '{"kind": "APIVersions", "versions": ["v1"]}'))

        def make(given: dict[str, Any]) -> HttpAnswer:
            return HttpAnswer(
                address=address, port=target.port, path=path, with_credentials=credentials is not None, verified=verify, **given
            )

        return await self._once(("request", address, path, credentials is not None), make, {"status": status, "body": body})

    def requests_made(self) -> int:
        return sum(1 for key in self.done if key[0] == "request")

    async def _once(
        self, key: tuple[Hashable, ...], make: Callable[[dict[str, Any]], T], default: dict[str, Any] | None = None
    ) -> T:
        self._begun.setdefault(key, asyncio.Event()).set()
        if key not in self._tasks:
            self.done.append(key)
            given = {"started_at": NOW, "duration_s": 0.002, **self._scripts.get(key, default or {})}
            self._tasks[key] = asyncio.create_task(self._act(key, lambda: make(given)), name=str(key))
        return await asyncio.shield(self._tasks[key])

    async def _act(self, key: tuple[Hashable, ...], act: Callable[[], T]) -> T:
        if key in self._gates:
            async with asyncio.timeout(30):
                await self._begun.setdefault(self._gates[key], asyncio.Event()).wait()
        return act()
