"""The custodian: every replica looks at what is active, takes the leases that are free and carries the work out.

Starting, resuming after a crash and taking over from a dead replica are the same thing here, so that the path which
matters most at 3 a.m. is the one that runs every time.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

import structlog

from bot.engine.held_log import LEASE_S, HeldLog
from bot.engine.investigate import Owner, OwnerServices, plainest
from bot.errors import ApidownError, LeaseLost, Unavailable
from bot.model.investigation import Ref
from bot.ports import Deliverer, Lease, OwnLog, Store

_log = structlog.get_logger(__name__)

SCAN_EVERY_S = 1.0
"""How often a replica looks for investigations that nobody owns: what a replica gives back on SIGTERM waits as long at most."""

RENEW_EVERY_S = 3.0
"""How often an owner renews its lease, which lasts 10 s."""


REST_AFTER_DEFECT_S = 60.0
"""How long an investigation whose carrying failed is left alone here: each try writes into its log."""


class NoDelivery:
    """The deliverer of an investigation without a thread."""

    async def deliver(self, lease: Lease, log: OwnLog) -> None:
        return


@dataclass(frozen=True, kw_only=True)
class CustodianServices:
    """What a custodian works with; ``replica`` is this process's name in leases."""

    owner: OwnerServices
    deliverer: Deliverer
    replica: str
    scan_every_s: float = SCAN_EVERY_S
    renew_every_s: float = RENEW_EVERY_S
    rest_after_defect_s: float = REST_AFTER_DEFECT_S
    lease_s: float = LEASE_S

    @property
    def store(self) -> Store:
        return self.owner.store


class Custodian:
    """Owns every investigation this replica carries. ``run`` until cancelled; leases are given back on the way out."""

    def __init__(self, services: CustodianServices) -> None:
        self._services = services
        self._owned: set[Ref] = set()
        self._woken: asyncio.Queue[Ref] = asyncio.Queue()
        self._next_scan = 0.0
        self._store_is_away = False

    def wake(self, ref: Ref) -> None:
        """There may be work for this investigation now; without waiting for the next scan."""
        self._woken.put_nowait(ref)

    @property
    def owned(self) -> frozenset[Ref]:
        return frozenset(self._owned)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                for ref in await self._candidates():
                    if ref not in self._owned:
                        self._owned.add(ref)
                        tasks.create_task(self._carry(ref), name=f"{ref}: carry")

    async def _candidates(self) -> list[Ref]:
        """What was woken, at once; else, when it is time, everything active. A store that is away is waited for."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(self._next_scan):
                return [await self._woken.get()]
        except TimeoutError:
            self._next_scan = loop.time() + self._services.scan_every_s
        try:
            active = await self._services.store.active()
        except Unavailable as error:
            # Once an outage: a line every scan would bury everything else.
            if not self._store_is_away:
                _log.warning("store-unavailable", error=str(error))
            self._store_is_away = True
            return []
        if self._store_is_away:
            _log.info("store-back")
        self._store_is_away = False
        return active

    async def _carry(self, ref: Ref) -> None:
        """One investigation from lease to release. The boundary: what fails in one never ends another."""
        asked_at = self._services.owner.clock.monotonic()
        try:
            lease = await self._services.store.acquire(ref, self._services.replica)
            if lease is not None:
                await self._own(lease, asked_at)
        except LeaseLost:
            _log.info("overtaken", investigation=str(ref))
        except Unavailable as error:
            _log.warning("store-unavailable", investigation=str(ref), error=str(error))
        except Exception:  # noqa: BLE001 - the boundary around an investigation
            _log.exception("investigation-failed", investigation=str(ref))
            await asyncio.sleep(self._services.rest_after_defect_s)
        finally:
            self._owned.discard(ref)

    async def _own(self, lease: Lease, asked_at: float) -> None:
        """Works while the lease is kept; gives it back at the end, however it ends. The lease runs from ``asked_at`` on."""
        clock = self._services.owner.clock
        log = HeldLog(self._services.store, lease, clock, lease_s=self._services.lease_s, since=asked_at)
        try:
            await log.load()
            async with asyncio.TaskGroup() as tasks:
                keeping = [
                    tasks.create_task(log.run(), name=f"{lease.ref}: keep the log"),
                    tasks.create_task(self._renew(log), name=f"{lease.ref}: renew"),
                ]
                await self._work(lease, log)
                for task in keeping:
                    task.cancel()
        except BaseExceptionGroup as group:
            raise plainest(group) from group
        finally:
            with contextlib.suppress(ApidownError):
                await log.last_try()
                await self._services.store.release(lease)

    async def _work(self, lease: Lease, log: HeldLog) -> None:
        """The rounds and the thread side by side; when both are done, and the store has all of it, the cluster is free for
        its next investigation."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Owner(self._services.owner, lease, log).run(), name=f"{lease.ref}: own")
            tasks.create_task(self._services.deliverer.deliver(lease, log), name=f"{lease.ref}: deliver")
        while True:
            await log.emptied()
            try:
                await self._services.store.settle(lease)
            except Unavailable:
                await asyncio.sleep(self._services.renew_every_s)
            else:
                return

    async def _renew(self, log: HeldLog) -> None:
        """Until the lease is lost. While the store is away nobody else can take it, and the log is held here."""
        while True:
            await asyncio.sleep(self._services.renew_every_s)
            with contextlib.suppress(Unavailable):
                await log.renew()
