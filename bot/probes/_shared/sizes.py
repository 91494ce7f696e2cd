"""What large and small packets on the way to a server mean; pure, so that every combination can be tested.

Two witnesses: a first message of TLS that fills more than one packet, and datagrams of given sizes. The first decides, because
clients do the same: kubectl's own first message has some 1,500 bytes since Go offers post-quantum keys. The second says why,
and how large a packet may be.
"""

from __future__ import annotations

from bot.model.base import Json, Value
from bot.model.finding import Status
from bot.model.observation import CERTIFICATE_FAILURES, Connection, Failure, Fate, Handshake, Packet, Packets

OUTCOMES = {
    "full-size-passes": "packets as large as this machine's link takes them pass, both ways",
    "smaller-path": "the way takes smaller packets than this machine's link, says so or agrees on them, and all pass",
    "black-hole": "small packets pass, and large ones vanish without a word",
    "large-first-message-ignored": "a first message of TLS that fills two packets arrives and is not answered, a smaller one is",
    "system-does-not-tell": "large messages pass, and this system does not tell in which packets",
    "plain-http-target": "the server is configured with plain http",
    "proxied": "a proxy makes the connections, so that only the way to the proxy could be looked at",
    "not-told": "TLS works in no size of packet, or not always, so that sizes cannot be compared",
    "not-reached": "the layer below fails at this address",
    "deadline-capped": "the round's time was over before an answer could be expected",
}
STATUS = {
    "full-size-passes": Status.OK,
    "smaller-path": Status.OK,
    "system-does-not-tell": Status.NOT_CHECKED,
    "not-told": Status.INCONCLUSIVE,
    "deadline-capped": Status.INCONCLUSIVE,
}
SMALL_SEGMENT = 500
SMALL, FULL, LARGER = 128, 1500, 1528
"""Sizes of packets, headers included; the last two carry 1472 and 1500 bytes, as pings that test a way do."""
BETWEEN = (1400, 1280, 1000, 700)
_JUMBO = 9216
_USUAL_SEGMENT = 1448
_TIMESTAMPS = 12
_HEADERS = {False: 40, True: 60}
_NAME_BYTES = 255


class Seen(Value):
    """All that was tried at one address. ``small`` is the normal handshake in small segments, ``large`` the one with a first
    message of more than one packet, ``large_in_small`` the same in small segments; ``between`` packets narrow a loss down."""

    connection: Connection
    normal: Handshake
    small: Handshake | None = None
    large: Handshake | None = None
    large_in_small: Handshake | None = None
    packets: Packets | None = None
    between: Packets | None = None


class Verdict(Value):
    """An outcome, and its sentence, to which the address is put in front."""

    outcome: str
    says: str


def filler(connection: Connection) -> tuple[str, ...]:
    """Protocols that nobody speaks, as many as fill a packet of this connection, behind the two that everybody does."""
    told = connection.wire.segment if connection.wire else _USUAL_SEGMENT
    segment = told if 0 < told <= _JUMBO else _USUAL_SEGMENT
    return (
        "h2",
        "http/1.1",
        *(f"x-fills-a-packet-{number}-".ljust(_NAME_BYTES, "x") for number in range(segment // _NAME_BYTES + 2)),
    )


def through(seen: Handshake | None) -> bool:
    """Whether TLS itself worked, whatever is thought of the certificate."""
    return seen is not None and (seen.failure is None or seen.failure in CERTIFICATE_FAILURES)


def hangs(seen: Handshake | None) -> bool:
    """Whether nothing came back in a time that proves something."""
    return seen is not None and seen.failure is Failure.TLS_TIMEOUT and not seen.capped


def judge(seen: Seen) -> Verdict:
    """The outcome at one address."""
    if hangs(seen.normal) and through(seen.small):
        says = f"sends packets that get lost: TLS hangs, and works in segments of {SMALL_SEGMENT} bytes{_narrowed(seen)}"
        return Verdict(outcome="black-hole", says=says)
    if through(seen.normal) and hangs(seen.large):
        return _lost_on_the_way_there(seen)
    if through(seen.normal) and through(seen.large):
        return _passes(seen)
    if any(one is not None and one.failure is Failure.DEADLINE_CAPPED for one in (seen.normal, seen.large, seen.small)):
        return Verdict(outcome="deadline-capped", says="had not answered a large message when the round's time was over")
    failed = next((one.failure for one in (seen.normal, seen.large) if one is not None and one.failure), None)
    says = f"cannot be compared in small and large packets: a handshake fails ({failed.value if failed else 'not tried'})"
    return Verdict(outcome="not-told", says=says)


def _lost_on_the_way_there(seen: Seen) -> Verdict:
    wire = seen.large.wire if seen.large else None
    if wire is not None and not wire.resent:
        says = "takes a first message of TLS that fills two packets and does not answer it, and answers a smaller one"
        return Verdict(outcome="large-first-message-ignored", says=says)
    if through(seen.large_in_small):
        again = f", although they were sent {wire.resent} times again" if wire else ""
        says = f"does not get packets of full size{again}; the same message arrives in segments of {SMALL_SEGMENT} bytes"
        return Verdict(outcome="black-hole", says=says + _narrowed(seen))
    return Verdict(outcome="not-told", says="leaves a large message unanswered in packets of any size")


def _passes(seen: Seen) -> Verdict:
    wire = seen.large.wire if seen.large else None
    if wire is None:
        return Verdict(outcome="system-does-not-tell", says="answers large messages; this system does not tell in which packets")
    link = link_mtu(seen)
    told = next((one for one in sent(seen) if one.fate is Fate.TOO_BIG), None)
    if told is not None or wire.path_mtu < min(link, FULL):
        size, by = (told.mtu or wire.path_mtu, f", as {told.by} says") if told else (wire.path_mtu, "")
        says = f"takes packets of {size} bytes, fewer than the {link} of this machine's link{by}; large messages pass"
        return Verdict(outcome="smaller-path", says=says)
    full = min(link, FULL) - _HEADERS[":" in seen.connection.address] - _TIMESTAMPS
    if wire.segment < full:
        says = f"agrees on segments of {wire.segment} bytes, fewer than the {full} of this machine's link; large messages pass"
        return Verdict(outcome="smaller-path", says=says)
    back = f", and sends such of {wire.segment_received}" if wire.segment_received > wire.segment // 2 else ""
    return Verdict(
        outcome="full-size-passes", says=f"takes segments of {min(wire.segment, _JUMBO)} bytes{back}: large packets pass"
    )


def link_mtu(seen: Seen) -> int:
    """The largest packet of this machine's own link, as far as a packet was refused for it."""
    refused = next((one.mtu for one in sent(seen) if one.fate is Fate.TOO_BIG_HERE and one.mtu), None)
    return refused or max([FULL, *(one.size for one in sent(seen) if one.fate is not Fate.TOO_BIG_HERE)])


def sent(seen: Seen) -> list[Packet]:
    """Every packet that was sent, of both rows."""
    return [one for row in (seen.packets, seen.between) if row is not None for one in row.sent]


def is_small_one_answered(packets: Packets | None) -> bool:
    """Whether the host answers such packets at all, so that silence about larger ones says something."""
    return packets is not None and any(one.size == SMALL and one.fate is Fate.ARRIVED for one in packets.sent)


def _narrowed(seen: Seen) -> str:
    """Between which sizes packets get lost, as far as the host answers them."""
    if not is_small_one_answered(seen.packets):
        return ""
    arrived = max(one.size for one in sent(seen) if one.fate is Fate.ARRIVED)
    lost = [one.size for one in sent(seen) if one.fate is Fate.SILENT and one.size > arrived]
    return f"; packets of {arrived} bytes arrive, those of {min(lost)} draw no answer" if lost else ""


def evidence(seen: Seen) -> Json:
    """What was seen, in the form that travels."""
    wires = {"normal": seen.normal, "large": seen.large}
    return {
        "handshakes": {
            name: None if one is None else one.failure.value if one.failure else "completed"
            for name, one in {**wires, "small": seen.small, "large_in_small": seen.large_in_small}.items()
        },
        "segment": seen.connection.wire.segment if seen.connection.wire else None,
        "path_mtu": next((one.wire.path_mtu for one in (seen.large, seen.connection) if one and one.wire), None),
        "segment_received": seen.normal.wire.segment_received if seen.normal.wire else None,
        "resent": {name: one.wire.resent for name, one in wires.items() if one and one.wire},
        "packets": [one.model_dump(mode="json", exclude_none=True) for one in sent(seen)],
    }
