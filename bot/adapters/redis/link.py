"""The way to the server that has a key: one server, the primary that Sentinels name, or a node of a Redis Cluster.

The store says keys and commands and knows nothing of this. The client library has classes for both; these are not used:
theirs asks Sentinels one after the other and gives up where connections run out, and sends ASKING on whichever connection
of the pool is free, which with several callers is another one.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    BusyLoadingError,
    ClusterDownError,
    MovedError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import AuthenticationError as RedisAuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError

from bot.adapters.redis.node import Access, Command, Node
from bot.store_url import Host, Kind, StoreUrl, place

T = TypeVar("T")
Keyed = tuple[str, Command]
"""A command and the key that it is about."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 0.5
_MOST_ASKED = 5
"""Nodes that are asked for the map of the cluster at once, besides those of the URL."""
_MOST_REDIRECTIONS = 4
_SURE_S = 1.0
"""How long what the Sentinels said is believed."""


class UnknownService(RedisConnectionError):
    """The Sentinels answer, and none watches a service of this name."""


class NoPrimary(RedisConnectionError):
    """The Sentinels name no server that says of itself that it is the primary: there is a failover, or there was one and
    it failed."""


class Link(Protocol):
    """Raises the client library's errors, once it is of no use to try again soon."""

    async def run(self, key: str, command: Command) -> Any: ...

    async def many(self, commands: Sequence[Keyed]) -> list[Any]:
        """As few round trips as there are servers. The first refusal is raised."""
        ...

    async def block(self, key: str, command: Command) -> Any:
        """A command that waits on the server; tried once."""
        ...

    async def servers(self) -> list[Node]:
        """Every server that is written to."""
        ...

    async def close(self) -> None: ...


def link_to(url: StoreUrl, *, patience_s: float, name: str) -> Link:
    access = Access(url=url, patience_s=patience_s, name=name)
    match url.kind:
        case Kind.SENTINEL:
            return SentinelLink(access)
        case Kind.CLUSTER:
            return ClusterLink(access)
        case _:
            return ServerLink(access)


def is_passing(error: Exception) -> bool:
    """Whether the same may go well in a moment: who is the primary, or who has the key, is being settled."""
    if isinstance(error, RedisAuthenticationError | UnknownService):
        return False
    if isinstance(error, RedisConnectionError | BusyLoadingError | ReadOnlyError | ClusterDownError | TryAgainError | OSError):
        return True
    # A replica takes part in a failover while somebody waits on it; a primary lacks the replicas that it must have.
    return isinstance(error, ResponseError) and str(error).startswith(("UNBLOCKED", "NOREPLICAS"))


class ServerLink:
    """One server has all keys. A dead connection is replaced by the pool; there is nothing else to find out."""

    def __init__(self, access: Access) -> None:
        self._node = Node(access, access.url.hosts[0] if access.url.hosts else None)

    async def run(self, key: str, command: Command) -> Any:
        return await self._node.run(command)

    async def many(self, commands: Sequence[Keyed]) -> list[Any]:
        return [_good(answer) for answer in await self._node.all([command for _, command in commands])]

    async def block(self, key: str, command: Command) -> Any:
        return await self._node.block(command)

    async def servers(self) -> list[Node]:
        return [self._node]

    async def close(self) -> None:
        await self._node.close()


class SentinelLink:
    """The primary has all keys. Who that is, is asked anew after anything that went wrong, and every second: in a planned
    failover the former primary takes writes for ten seconds more, and all of them are lost."""

    def __init__(self, access: Access) -> None:
        self._access = access
        asking = Access(url=access.url, patience_s=access.patience_s / 2, name=access.name, sentinel=True)
        self._sentinels = [Node(asking, host) for host in access.url.hosts]
        self._primary: Node | None = None
        self._nodes: dict[Host, Node] = {}
        self._sure_until = 0.0
        self._finding = asyncio.Lock()

    async def run(self, key: str, command: Command) -> Any:
        return await self._patiently(lambda node: node.run(command))

    async def many(self, commands: Sequence[Keyed]) -> list[Any]:
        async def all_of(node: Node) -> list[Any]:
            return [_good(answer) for answer in await node.all([command for _, command in commands])]

        return await self._patiently(all_of)

    async def block(self, key: str, command: Command) -> Any:
        return await self._once(lambda node: node.block(command))

    async def servers(self) -> list[Node]:
        return [await self._find()]

    async def close(self) -> None:
        for node in (*self._sentinels, *self._nodes.values()):
            await node.close()

    async def _patiently(self, do: Callable[[Node], Awaitable[T]]) -> T:
        return await patiently(lambda: self._once(do), within_s=self._access.patience_s * 0.75)

    async def _once(self, do: Callable[[Node], Awaitable[T]]) -> T:
        node = await self._find()
        try:
            return await do(node)
        except BaseException as error:
            # A call that was cancelled may have been one that nobody answered: a server that hangs looks like that.
            if not isinstance(error, ResponseError) or is_passing(error):
                self._sure_until = 0.0
            raise

    async def _find(self) -> Node:
        now = asyncio.get_running_loop().time
        async with self._finding:
            if self._primary is not None and now() < self._sure_until:
                return self._primary
            host = await self._primary_host()
            # A former primary stays: somebody may still wait on it, and it may be the primary again.
            if host not in self._nodes:
                self._nodes[host] = Node(self._access, host)
            self._primary = self._nodes[host]
            self._sure_until = now() + _SURE_S
            return self._primary

    async def _primary_host(self) -> Host:
        """The one that most Sentinels name, if it agrees. With no Sentinel at all the last one known goes on."""
        asked = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._access.url.service)
        answers = await asyncio.gather(*(_bounded(node.run(asked), self._access) for node in self._sentinels))
        named = [(str(answer[0]), int(answer[1])) for answer in answers if isinstance(answer, list | tuple)]
        if not named:
            return self._nobody(answers)
        for host in sorted(set(named), key=named.count, reverse=True):
            if self._primary is not None and self._primary.host == host:
                role = await _bounded(self._primary.run(("ROLE",)), self._access)
            else:
                looking = Node(self._access, host)
                try:
                    role = await _bounded(looking.run(("ROLE",)), self._access)
                finally:
                    await looking.close()
            if isinstance(role, RedisAuthenticationError | ResponseError):
                raise role
            if isinstance(role, list | tuple) and role[0] == "master":
                return host
        names = " and ".join(place(*host) for host in sorted(set(named)))
        raise NoPrimary(f"they name {names}, which is not a primary that answers")

    def _nobody(self, answers: Sequence[Any]) -> Host:
        for answer in answers:
            if isinstance(answer, RedisAuthenticationError | ResponseError):
                raise answer
        if None in answers:
            raise UnknownService(f"no Sentinel watches {self._access.url.service}")
        if self._primary is not None and self._primary.host is not None:
            return self._primary.host
        raise next(answer for answer in answers if isinstance(answer, Exception))


class ClusterLink:
    """Each key has a slot and each slot a node. The map of them is read once, and again after anything that went wrong;
    meanwhile the nodes themselves say where a key went."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._nodes: dict[Host, Node] = {}
        self._ranges: list[tuple[int, int, Host]] = []
        self._in_doubt = True
        self._finding = asyncio.Lock()

    async def run(self, key: str, command: Command) -> Any:
        return await patiently(lambda: self._follow(key, command), within_s=self._access.patience_s * 0.75)

    async def many(self, commands: Sequence[Keyed]) -> list[Any]:
        groups: dict[Host, list[int]] = {}
        for index, (key, _) in enumerate(commands):
            groups.setdefault(await self._host_of(key), []).append(index)

        async def ask(host: Host, indices: Sequence[int]) -> list[Any]:
            try:
                return await self._node(host).all([commands[index][1] for index in indices])
            except RedisError as error:
                return [error] * len(indices)

        answers: dict[int, Any] = {}
        for indices, results in zip(
            groups.values(), await asyncio.gather(*(ask(*group) for group in groups.items())), strict=True
        ):
            answers |= dict(zip(indices, results, strict=True))
        # What its node could not answer is asked one by one, with all the patience that this takes.
        return [
            await self.run(*commands[index]) if isinstance(answers[index], Exception) else answers[index]
            for index in range(len(commands))
        ]

    async def block(self, key: str, command: Command) -> Any:
        return await self._follow(key, command, blocking=True)

    async def servers(self) -> list[Node]:
        await self._map()
        return [self._node(host) for host in {host: None for _, _, host in self._ranges}]

    async def close(self) -> None:
        for node in self._nodes.values():
            await node.close()

    async def _follow(self, key: str, command: Command, *, blocking: bool = False) -> Any:
        """To the key's node, and from there to wherever it sends us."""
        host = await self._host_of(key)
        try:
            for _ in range(_MOST_REDIRECTIONS):
                node = self._node(host)
                try:
                    return await (node.block(command) if blocking else node.run(command))
                except MovedError as moved:
                    self._in_doubt = True
                    host = _other(moved, host)
                except AskError as ask:
                    return await self._asking(_other(ask, host), command, blocking=blocking)
        except BaseException as error:
            if not isinstance(error, ResponseError) or is_passing(error):
                self._in_doubt = True
            raise
        raise TryAgainError("the nodes send on to each other")

    async def _asking(self, host: Host, command: Command, *, blocking: bool) -> Any:
        """On a node that takes the slot over just now. Nobody waits there: the connection is one that commands share."""
        if blocking:
            at = command.index("BLOCK")
            command = (*command[:at], *command[at + 2 :])
        answer = _good((await self._node(host).all([("ASKING",), command]))[-1])
        if blocking and not answer:
            await asyncio.sleep(_LONGEST_PAUSE_S)
        return answer

    def _node(self, host: Host) -> Node:
        if host not in self._nodes:
            self._nodes[host] = Node(self._access, host)
        return self._nodes[host]

    async def _host_of(self, key: str) -> Host:
        slot = key_slot(key.encode())
        await self._map()
        for first, last, host in self._ranges:
            if first <= slot <= last:
                return host
        self._in_doubt = True
        raise ClusterDownError(f"no node has slot {slot}")

    async def _map(self) -> None:
        async with self._finding:
            if self._ranges and not self._in_doubt:
                return
            known = list({host: None for _, _, host in self._ranges})
            hosts = [*random.sample(known, min(len(known), _MOST_ASKED)), *self._access.url.hosts]
            asked = list(dict.fromkeys(hosts))
            answers = await asyncio.gather(
                *(_bounded(self._node(host).run(("CLUSTER", "SLOTS")), self._access) for host in asked)
            )
            maps = [
                _ranges(answer, host) for host, answer in zip(asked, answers, strict=True) if not isinstance(answer, Exception)
            ]
            if not maps:
                raise next((answer for answer in answers if not is_passing(answer)), answers[0])
            # A node that was cut off knows less than the others; of maps that differ most nodes are right.
            self._ranges = max(maps, key=lambda found: (maps.count(found), _covered(found)))
            self._in_doubt = False


Range = tuple[int, int, Host]


def _ranges(answer: Sequence[Any], asked: Host) -> list[Range]:
    """First and last slot, and the primary that has them. A node that does not know its own name leaves it out."""
    return sorted((int(first), int(last), (node[0] or asked[0], int(node[1]))) for first, last, node, *_ in answer)


def _covered(ranges: Sequence[Range]) -> int:
    return sum(last - first + 1 for first, last, _ in ranges)


def _other(error: AskError, asked: Host) -> Host:
    """Where an answer points to; without a host in it, it is the one that answered."""
    return (error.host or asked[0], error.port)


def _good(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


async def patiently(do: Callable[[], Awaitable[T]], *, within_s: float) -> T:
    """Does it again, for this long, while what goes wrong is passing; then raises the last error."""
    loop = asyncio.get_running_loop()
    until, pause = loop.time() + within_s, _FIRST_PAUSE_S
    while True:
        try:
            return await do()
        except (RedisError, OSError) as error:
            if not is_passing(error) or loop.time() + pause >= until:
                raise
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_S)


async def _bounded(call: Awaitable[Any], access: Access) -> Any:
    """The answer, or what went wrong, within a quarter of the patience: there are others to ask."""
    try:
        async with asyncio.timeout(access.patience_s / 4):
            return await call
    except (RedisError, OSError) as error:
        return error
