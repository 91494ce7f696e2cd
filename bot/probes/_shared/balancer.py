"""Which of a balancer's backends the API servers are in, and which frontend leads there: by what is configured, else by the
servers' addresses, else because there is no other. A guess would accuse the wrong servers, so what is ambiguous is said."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from fnmatch import fnmatchcase

from bot.model.balancer import BalancerRow, BalancerStatistics, RowKind
from bot.model.base import Value
from bot.probes._shared.words import listed

_CHECKED = ("L4", "L6", "L7")


class Backend(Value):
    """One backend with its servers, in their order, and its own row; ``frontend`` is None where it is not told which leads
    there."""

    name: str
    servers: tuple[BalancerRow, ...]
    own: BalancerRow | None = None
    frontend: BalancerRow | None = None


class NotTold(Exception):
    """Which backend it is, is not told: the sentence says why, and which there are."""


def choose(said: BalancerStatistics, *, wanted: str | None, hosts: Collection[str], ports: Collection[int]) -> list[Backend]:
    """The backends that the API servers are in. ``wanted`` is a name or glob; ``hosts`` are addresses that API servers are
    known by, ``ports`` where they may listen. Raises NotTold."""
    servers: dict[str, list[BalancerRow]] = {}
    for row in said.rows:
        if row.kind is RowKind.SERVER:
            servers.setdefault(row.proxy, []).append(row)
    if not servers:
        raise NotTold("it has no backend with servers")
    names = _named(servers, wanted) if wanted else _meant(servers, hosts, ports)
    own = {row.proxy: row for row in said.rows if row.kind is RowKind.BACKEND}
    return [
        Backend(name=name, servers=tuple(servers[name]), own=own.get(name), frontend=_frontend(said.rows, name, servers))
        for name in names
    ]


def _named(servers: dict[str, list[BalancerRow]], wanted: str) -> list[str]:
    found = [name for name in servers if fnmatchcase(name, wanted)]
    if not found:
        raise NotTold(f"it has no backend '{wanted}'; its backends are {listed(sorted(servers))}")
    return found


def _meant(servers: dict[str, list[BalancerRow]], hosts: Collection[str], ports: Collection[int]) -> list[str]:
    def some(fits: Callable[[str, int | None], bool]) -> list[str]:
        return [name for name, rows in servers.items() if any(fits(*place(row)) for row in rows)]

    checked = [name for name, rows in servers.items() if any(row.check.startswith(_CHECKED) for row in rows)]
    at_host = some(lambda host, port: host in hosts)
    both = some(lambda host, port: host in hosts and port in ports)
    # A known address decides, whatever else there is; a port or a check only where it leaves one.
    found = both or at_host
    alone = next((some for some in (some(lambda host, port: port in ports), checked, list(servers)) if len(some) == 1), None)
    if not found and alone is None:
        raise NotTold(f"which of its backends the API servers are in is not told: {listed(sorted(servers))}")
    return found or alone or []


def place(row: BalancerRow) -> tuple[str, int | None]:
    """A server's address and port, as far as the balancer tells them: not everybody is told."""
    host, colon, port = row.address.rpartition(":")
    return (host.strip("[]"), int(port)) if colon and port.isdecimal() and len(port) <= 5 else (row.address.strip("[]"), None)


def _frontend(rows: Sequence[BalancerRow], name: str, servers: Collection[str]) -> BalancerRow | None:
    """A ``listen`` section's own one; else the only one of the backend's kind that is not another section's own."""
    fronts = [row for row in rows if row.kind is RowKind.FRONTEND]
    own = [row for row in fronts if row.proxy == name]
    mode = next((row.mode for row in rows if row.proxy == name and row.mode), "")
    others = [row for row in fronts if row.mode == mode and row.proxy not in servers]
    return next(iter(own or (others if len(others) == 1 else [])), None)
