"""What the core asks of the outside. Adapters, the network layer and the fakes of tests implement these protocols.

Types in and out are the model's; errors are ``bot.errors``'s, chained from the vendor's.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from bot.access import BalancerAccess as BalancerAccess
from bot.access import ClusterAccess as ClusterAccess
from bot.access import Credentials as Credentials
from bot.access import EtcdAccess as EtcdAccess
from bot.access import MetricsAccess as MetricsAccess
from bot.errors import Unavailable
from bot.model.answer import ManualAnswered
from bot.model.balancer import BalancerStatistics
from bot.model.base import Json, Moment, Value
from bot.model.events import Event, Thread, Trigger
from bot.model.finding import Finding
from bot.model.investigation import Investigation, Ref
from bot.model.metrics import Monitoring, Role, ScrapedTarget, Series
from bot.model.observation import BODY_LIMIT, Connection, Failure, Handshake, HttpAnswer, Lookup, Packets, Plaintext
from bot.model.reads import ApiObject as ApiObject
from bot.model.reads import Kind as Kind
from bot.model.reads import Listing as Listing
from bot.model.reads import LogAnswer as LogAnswer
from bot.model.reads import Scrape as Scrape
from bot.model.target import Balancer, Cluster, Endpoint, Target
from bot.model.vantage import Vantage


class Network(Protocol):
    """One round's network operations at one vantage point: each timed, tried once, and done once however many probes
    ask for it. No operation raises for what it measures: failures are in the observation. Time-outs are the operation's
    default (DNS 2 s, TCP 4 s, TLS 4 s, HTTP 5 s) capped by what is left of the round's deadline."""

    async def lookup(self, name: str, *, server: str | None = None) -> Lookup:
        """``server`` None asks the system (hosts file and all); else that DNS server directly, over UDP. An IP literal
        resolves to itself."""
        ...

    async def connect(self, address: str, port: int) -> Connection: ...

    async def handshake(
        self,
        address: str,
        port: int,
        *,
        server_name: str,
        ca_pem: str | None,
        alpn: tuple[str, ...] = ("h2", "http/1.1"),
        max_segment: int | None = None,
        proxy_url: str | None = None,
    ) -> Handshake:
        """A verified handshake; when verification fails the chain is read by a second one, unverified, and the failure
        says why the first failed. ``max_segment`` sets TCP_MAXSEG before the connect. With ``proxy_url`` the connection
        is made by that HTTP proxy, and ``address`` may be a name, which the proxy resolves."""
        ...

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
        """One more handshake on a connection of its own, which verifies nothing and reads the chain, so that the chain is
        that of the very server that answered. ``sample`` numbers it; each number is an operation by itself. ``deadline`` is
        for a probe that looks for longer than the ladder lasts."""
        ...

    async def packets(self, address: str, port: int, *, sizes: tuple[int, ...]) -> Packets:
        """One packet of each size in bytes that nobody may take apart on the way, to an address whose ``port`` accepts
        connections, but not to that port: nobody listens where they go."""
        ...

    async def plaintext(self, address: str, port: int, *, proxy_url: str | None = None) -> Plaintext: ...

    async def request(
        self,
        address: str,
        target: Target,
        path: str,
        *,
        credentials: Credentials | None = None,
        verify: bool = True,
        most: int = BODY_LIMIT,
        deadline: float | None = None,
    ) -> HttpAnswer:
        """GET ``path``, below the target's own path, at this address and by the target's name; through the target's
        proxy if it has one, and then ``address`` may be a name. Of the body ``most`` bytes are read. ``deadline`` stands in
        for the round's where somebody else than the API server is asked.

        Credentials are refused (ValueError) with ``verify`` False and for a target without TLS: they go to verified
        peers only. Raises Unavailable when the credentials themselves cannot be had."""
        ...

    def requests_made(self) -> int:
        """HTTP requests sent to API servers so far in this round."""
        ...


class KubernetesReads(Protocol):
    """Read-only Kubernetes requests through a verified, authenticated connection, in the round's budget of object
    reads. Raises Unavailable (with the reason in words) when the API cannot be asked."""

    async def list_pods(self, namespace: str, *, label_selector: str | None = None, limit: int = 50) -> Sequence[ApiObject]: ...

    async def list_endpoint_addresses(self, namespace: str, service: str) -> Sequence[Endpoint]: ...

    async def get_config_map(self, namespace: str, name: str) -> ApiObject | None: ...

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
        """At most ``limit`` objects of one kind; ``after`` is the mark of the page before."""
        ...

    async def read_metrics(self, wanted: Mapping[str, tuple[str, ...]], *, reading: int = 1) -> Scrape:
        """The API server's own metrics: of each wanted family the sum by those labels. A further ``reading`` is made anew, on
        the same connection, so that behind a balancer the same server answers as long as it keeps that open."""
        ...

    async def read_past_caches(self, *, number: int) -> float:
        """Reads one small object that the API server fetches from etcd each time, on the connection of the metrics; the seconds
        it took. Each ``number`` is a read by itself."""
        ...

    async def ask_for_log(self, namespace: str, pod: str, container: str) -> LogAnswer:
        """Asks for one byte of a container's last log line, which makes the API server connect to the kubelet. What the line
        says is not kept. It may take as long as the server waits for the kubelet, which is 30 s."""
        ...

    async def read_log(
        self, namespace: str, pod: str, container: str, *, previous: bool = False, since_s: int | None = None
    ) -> LogAnswer:
        """The last 20 lines of a container's log, or of its attempt before; only what is younger than ``since_s`` seconds
        where that is given. Each line begins with the time at which it was written."""
        ...


class MetricsReads(Protocol):
    """Read-only questions to a cluster's Prometheus, or to what speaks its API. Each is bounded in size and time, and raises
    Unavailable, in words, when it is not answered. Times that come back are on our clock."""

    @property
    def monitoring(self) -> Monitoring: ...

    async def targets(self) -> Sequence[ScrapedTarget]:
        """The endpoints of this cluster's control plane that are scraped, asked anew each time. Where the other side keeps no
        list of them they are made of the series ``up``, and have no reasons."""
        ...

    async def query(self, promql: str) -> Sequence[Series]:
        """The series that an expression has now; with a range at its end (``up[5m]``) their values as they were scraped."""
        ...

    async def query_range(self, promql: str, *, span_s: int, step_s: int) -> Sequence[Series]:
        """Values at equal distances over the last ``span_s`` seconds."""
        ...

    def selector(self, role: Role, *more: str) -> str:
        """The label matchers, in braces, of a role's jobs in this cluster; ``more`` are further matchers."""
        ...


class StatisticsUnavailable(Unavailable):
    """A balancer does not tell of itself. ``how`` is known where the failure itself says something about its process."""

    def __init__(self, what: str, *, where: str = "", next: str = "", how: Failure | None = None) -> None:
        super().__init__(what, where=where, next=next)
        self.how = how


class BalancerReads(Protocol):
    """What load balancers say of themselves, read-only and bounded. Their statistics are no requests to an API server."""

    @property
    def balancers(self) -> Sequence[Balancer]: ...

    async def read(self, balancer: Balancer) -> BalancerStatistics:
        """One reading; raises StatisticsUnavailable, in words."""
        ...


class Lease(Value):
    """The right to append as an investigation's owner. ``epoch`` rises with every new owner."""

    ref: Ref
    owner: str
    epoch: int


class Opening(Value):
    """The answer to opening an investigation: its name, and whether an open one was joined instead. ``repeated``: the
    trigger had been heard before, nothing was done, and ``ref`` is where it went then."""

    ref: Ref
    joined: bool
    repeated: bool = False


class Entry(Value):
    """One event with its place in the log."""

    position: str
    event: Event


class EventLog(Protocol):
    """What is in the logs, and what comes into them. Raises Unavailable when the store cannot be reached and LeaseLost when
    an owner's write carries a stale epoch."""

    async def append(self, ref: Ref, events: Sequence[Event], *, lease: Lease | None = None) -> int:
        """Appends those events whose ids are new; how many that were. Intake needs no lease, all else does."""
        ...

    async def read(self, ref: Ref, *, after: str = "0") -> list[Entry]: ...

    def follow(self, ref: Ref, *, after: str = "0") -> AsyncGenerator[Entry]:
        """Entries as they are appended, by whichever replica, until cancelled."""
        ...


class Store(EventLog, Protocol):
    """The event logs, the leases and the set of active investigations. Raises Unavailable when it cannot be reached and
    LeaseLost when an owner's write carries a stale epoch."""

    async def open(self, opened: Event, joined: Event, *, ref: Ref, once: bool = False) -> Opening:
        """Atomically: join the cluster's open investigation with ``joined`` or open ``ref`` with ``opened``. With ``once``
        the id of ``joined`` names the trigger, and one that was heard before does nothing, whatever became of it."""
        ...

    async def acquire(self, ref: Ref, owner: str) -> Lease | None:
        """The lease, with a raised epoch, if nobody else holds it."""
        ...

    async def renew(self, lease: Lease, *, known: str | None = None) -> bool:
        """False when the event with the id ``known``, which was in the log, is not there any more: the store lost what was
        written last, and the owner appends it again."""
        ...

    async def release(self, lease: Lease) -> None: ...

    async def active(self) -> list[Ref]:
        """Investigations not closed or not fully delivered, of every cluster, whoever owns them."""
        ...

    async def settle(self, lease: Lease) -> None:
        """Takes a closed, delivered investigation off the active set and makes room for the cluster's next one."""
        ...

    async def open_ref(self, cluster: str) -> Ref | None: ...

    async def bind(self, key: str, ref: Ref | None = None) -> Ref | None:
        """See ``Investigations.bind``."""
        ...

    async def close(self) -> None: ...


class Request(Value):
    """A person's or a rule's wish to investigate, before anything was looked at. ``key`` names the wish where it may be
    told several times, such as an alert that is repeated or a command that Slack delivers again: it is heard once."""

    cluster: Cluster
    trigger: Trigger
    playbook: str | None = None
    since: Moment | None = None
    thread: Thread | None = None
    key: str | None = None


class Resolution(Value):
    """The end of something that may have started or joined an investigation of this cluster; ``key`` as in ``Request``."""

    cluster: str
    trigger: Trigger
    key: str


class Noted(StrEnum):
    """What became of a wish about an investigation: it is in its log now, it had been there, it comes too late, or somebody
    else was quicker."""

    NEW = "new"
    REPEATED = "repeated"
    OVER = "over"
    TAKEN = "taken"


class Investigations(Protocol):
    """What commands, triggers and buttons may do. Everything goes through the log; nothing is done in place. The ``key`` of
    a wish, as in ``Request``, makes it one wish however often and to whichever replica it is told."""

    async def start(self, request: Request) -> Opening: ...

    async def resolve(self, resolutions: Sequence[Resolution]) -> int:
        """Notes what ended, where an open investigation knows of it; how many were noted. Nothing is opened or closed."""
        ...

    async def cancel(self, ref: Ref, *, who: str, key: str | None = None) -> Noted:
        """``OVER`` when it is closed already."""
        ...

    async def rerun(self, ref: Ref, *, who: str, key: str | None = None) -> Noted:
        """``OVER`` when it is still running, or closed."""
        ...

    async def answer(self, ref: Ref, told: ManualAnswered, *, round: int) -> Noted:
        """Notes an answer to a manual step of this round. ``OVER`` when the round is not the newest any more or all is closed,
        ``TAKEN`` when somebody else answered what the message showed."""
        ...

    async def bind(self, key: str, ref: Ref | None = None) -> Ref | None:
        """What the wish with this key is about: the investigation that was bound to it first, by whichever replica heard it,
        and ``ref`` where none was. It is forgotten after 15 minutes."""
        ...

    async def look(self, ref: Ref) -> Investigation | None: ...

    async def current(self) -> list[Investigation]:
        """The active investigations, newest first."""
        ...


class Standing(Value):
    """Whether an owner can know that it still is one. Not ``durable``: the store is away for longer than the lease lasts,
    and what is seen would go with this replica. Then, for ``wait_s`` seconds, nothing is posted: a successor may be posting."""

    durable: bool = True
    wait_s: float = 0.0


class OwnLog(EventLog, Protocol):
    """One investigation's log as its owner holds it. A store that is away does not stop it, and Unavailable is not raised."""

    def standing(self) -> Standing: ...


class Deliverer(Protocol):
    """Keeps one investigation's thread equal to its log, for as long as the caller holds the lease."""

    async def deliver(self, lease: Lease, log: OwnLog) -> None:
        """Returns when the investigation is closed and everything is delivered; raises LeaseLost when overtaken."""
        ...


class Directory(Protocol):
    """Turns a cluster's name into access to it, reading its files at that moment: they rotate, and may be broken while
    the bot starts. An ad-hoc cluster is returned as it is, without credentials."""

    async def access(self, cluster: Cluster) -> ClusterAccess: ...


class ProbeRound(Protocol):
    """One round of probing at one vantage point. Operations are shared by all its probes."""

    def run(self, probe: str, params: Json, *, deadline: float) -> AsyncIterator[Finding]:
        """The probe's findings as they come; never raises for what a probe does. ``deadline`` is monotonic."""
        ...

    def requests_made(self) -> int: ...

    async def aclose(self) -> None: ...


class VantagePoint(Protocol):
    """A place where probes run."""

    @property
    def vantage(self) -> Vantage: ...

    def open_round(self, access: ClusterAccess, *, round: int, ladder_deadline: float) -> ProbeRound:
        """``ladder_deadline`` (monotonic) is when the network operations of this round must be over."""
        ...
