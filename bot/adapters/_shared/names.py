"""Names for clients that look theirs up in the event loop's executor, which is joined when the process ends.

With DNS gone a lookup blocks for up to half a minute and cannot be interrupted: the end of the process would wait for it, and
meanwhile it takes a thread from those that read files. ``SystemResolver`` has threads of its own, and leaves them behind.
"""

from __future__ import annotations

import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from bot.net.dns import SystemResolver


class OwnThreads(AbstractResolver):
    """The system's resolution for an aiohttp connector. Raises what ``getaddrinfo`` raises: OSError, ValueError."""

    def __init__(self, names: SystemResolver) -> None:
        self._names = names

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        found = []
        for address in await self._names.addresses(host):
            own = socket.AF_INET6 if ":" in address else socket.AF_INET
            if family in (socket.AF_UNSPEC, own):
                flags = socket.AI_NUMERICHOST
                found.append(ResolveResult(hostname=host, host=address, port=port, family=own, proto=0, flags=flags))
        return found

    async def close(self) -> None:
        """There is nothing to close."""
