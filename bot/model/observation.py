"""Observations: one timed network operation each, with the raw error beside what it was taken for.

The outcome vocabulary is here because probes, triage, causes and playbooks all speak it. An operation tries once;
``capped`` says that its deadline was cut short by what was left of the round, so that its time-out proves nothing.
"""

from __future__ import annotations

from enum import StrEnum

from bot.model.base import Json, Moment, Value


class Failure(StrEnum):
    """How a network operation failed; each value has its own causes, which is why they are told apart."""

    NAME_NOT_FOUND = "name-not-found"
    NAME_HAS_NO_ADDRESS = "name-has-no-address"
    RESOLVER_FAILING = "resolver-failing"
    RESOLVER_TIMEOUT = "resolver-timeout"
    CONNECTION_REFUSED = "connection-refused"
    CONNECTION_REJECTED = "connection-rejected"
    CONNECTION_RESET = "connection-reset"
    CONNECT_TIMEOUT = "connect-timeout"
    HOST_UNREACHABLE = "host-unreachable"
    NETWORK_UNREACHABLE = "network-unreachable"
    LOCAL_ROUTE_REFUSES = "local-route-refuses"
    NO_ADDRESS_FAMILY = "no-address-family"
    LOCAL_FAILURE = "local-failure"
    ADDRESS_FORBIDDEN = "address-forbidden"
    TLS_TIMEOUT = "tls-timeout"
    TLS_CLOSED = "tls-closed"
    TLS_RESET = "tls-reset"
    TLS_ALERT = "tls-alert"
    NOT_TLS = "not-tls"
    CERTIFICATE_EXPIRED = "certificate-expired"
    CERTIFICATE_NOT_YET_VALID = "certificate-not-yet-valid"
    CERTIFICATE_NAME_MISMATCH = "certificate-name-mismatch"
    CERTIFICATE_UNKNOWN_AUTHORITY = "certificate-unknown-authority"
    CERTIFICATE_INVALID = "certificate-invalid"
    HTTP_TIMEOUT = "http-timeout"
    HTTP_CLOSED = "http-closed"
    HTTP_RESET = "http-reset"
    NOT_HTTP = "not-http"
    PROXY_FAILED = "proxy-failed"
    PROXY_GATEWAY = "proxy-gateway"
    DEADLINE_CAPPED = "deadline-capped"
    BUDGET_SPENT = "budget-spent"


CERTIFICATE_FAILURES = frozenset(failure for failure in Failure if failure.value.startswith("certificate-"))


class Observation(Value):
    """What every operation records: when it began, how long it took, how it failed if it did, and the raw error."""

    started_at: Moment
    duration_s: float
    failure: Failure | None = None
    raw_error: str | None = None
    capped: bool = False

    @property
    def ok(self) -> bool:
        return self.failure is None


class Lookup(Observation):
    """A name turned into addresses. ``server`` is None when the system's own resolution (hosts file and all) was used.

    ``aliases`` are the names that the asked one stands for, in their order, as far as a server tells; ``over_tcp``: the answer
    was too long for a datagram, and was asked for again.
    """

    name: str
    server: str | None = None
    addresses: tuple[str, ...] = ()
    rcode: str | None = None
    ttl_s: int | None = None
    aliases: tuple[str, ...] = ()
    over_tcp: bool = False


class Reject(Value):
    """An ICMP error that a connect attempt drew, read from the socket's error queue: who rejected, and how."""

    offender: str
    icmp_type: int
    icmp_code: int


class Wire(Value):
    """What the kernel measured on one TCP connection until it was closed.

    Times are seconds. ``resent`` counts packets of this machine that were sent again, because nobody acknowledged them in time;
    ``resent_connecting`` of these, the first packet, before the connection stood. What the other end sent again is not seen.
    ``segment`` is the most that one packet carries there, ``segment_received`` about the most that one brought, in bytes;
    ``path_mtu`` the largest packet that the kernel takes the way to carry. ``least_rtt_s`` is None where it was not measured.
    """

    rtt_s: float
    rtt_variation_s: float = 0.0
    least_rtt_s: float | None = None
    packets_sent: int
    resent: int = 0
    resent_connecting: int = 0
    segment: int = 0
    segment_received: int = 0
    path_mtu: int = 0


class Way(Value):
    """How this machine sends what goes to an address. Without a ``gateway`` the address is a neighbour's, or the interface is a
    ``tunnel``, which leads to one other end."""

    interface: str
    tunnel: bool = False
    source: str | None = None
    gateway: str | None = None


class Connection(Observation):
    """One TCP connect to one address. ``reject`` is set when something on the way answered instead of the host.

    ``way`` is the one that this machine took, ``usual_way`` that of everything for which it has no route of its own; None where
    the system does not tell. ``wire`` is what was measured on it, and on every connection below.
    """

    address: str
    port: int
    local_address: str | None = None
    reject: Reject | None = None
    way: Way | None = None
    usual_way: Way | None = None
    wire: Wire | None = None


class Fate(StrEnum):
    """What became of one packet: the host answered it, a router or this machine finds it too big, somebody else answered, or
    nobody did."""

    ARRIVED = "arrived"
    TOO_BIG = "too-big"
    TOO_BIG_HERE = "too-big-here"
    REFUSED = "refused"
    SILENT = "silent"


class Packet(Value):
    """One packet that nobody may take apart. ``size`` is in bytes with its headers; ``mtu`` is the size that was said to pass,
    ``by`` who said it."""

    size: int
    fate: Fate
    mtu: int | None = None
    by: str | None = None
    after_s: float | None = None


class Packets(Observation):
    """Packets of several sizes to one address, all at once."""

    address: str
    sent: tuple[Packet, ...] = ()


class PresentedCertificate(Value):
    """One certificate of the presented chain, as far as a diagnosis needs it."""

    subject: str
    issuer: str
    serial: str
    not_before: Moment
    not_after: Moment
    dns_names: tuple[str, ...] = ()
    ip_names: tuple[str, ...] = ()
    fingerprint_sha256: str
    authority_key_id: str | None = None
    subject_key_id: str | None = None
    is_ca: bool = False


class Handshake(Observation):
    """One TLS handshake on a fresh TCP connection.

    ``verified`` is true only if the chain and the name were checked against the target's CA. When verification fails the
    chain is read by a second, unverified handshake, so ``chain`` is there to say why. ``client_certificate_requested``
    is what API servers do and most middleboxes do not; None when that was not seen.
    """

    address: str
    port: int
    server_name: str
    alpn_offered: tuple[str, ...] = ()
    alpn_selected: str | None = None
    version: str | None = None
    verified: bool = False
    chain: tuple[PresentedCertificate, ...] = ()
    max_segment: int | None = None
    bytes_received: int = 0
    client_certificate_requested: bool | None = None
    wire: Wire | None = None


class Plaintext(Observation):
    """A plain HTTP request sent to the TLS port: a Go TLS server says so in plain text, a middlebox does not."""

    address: str
    port: int
    answer: str = ""
    is_go_tls_server: bool = False


class HttpAnswer(Observation):
    """One HTTP request on a fresh connection. ``headers`` are lower-case; ``body`` is cut at ``BODY_LIMIT`` characters."""

    address: str
    port: int
    method: str = "GET"
    path: str
    status: int | None = None
    headers: dict[str, str] = {}
    body: str = ""
    with_credentials: bool = False
    verified: bool = False
    phases: Json = {}
    wire: Wire | None = None


BODY_LIMIT = 16_384
