"""What a handful of connections say of the way: how long a round trip takes, how even, and what had to be sent again; pure.

A round trip of 300 ms is about the longest that the ground has between two continents; what takes longer has waited somewhere, or
went by satellite. One packet in a hundred is lost on healthy ways as well, so that one that was sent again says nothing; two on
different connections do.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from bot.model.base import Json, Value
from bot.model.finding import Status
from bot.model.observation import Connection, Failure, Handshake, Wire
from bot.probes._shared.words import took

OUTCOMES = {
    "quick": "round trips are short and even, and next to nothing had to be sent again",
    "slow": "a round trip takes 300 ms or more",
    "uneven": "round trips take four times as long at times, and 200 ms longer: packets wait in a queue",
    "lossy": "packets had to be sent again on two or more connections: they are lost on the way",
    "first-packets-lost": "only the first packets of connections had to be sent again: what makes connections drops them",
    "system-does-not-tell": "this system does not tell what it measures on its connections",
    "proxied": "a proxy makes the connections, so that its own way is measured and not the server's",
    "not-reached": "no connection to this address stands",
    "deadline-capped": "fewer than three connections stood before the round's time was over",
}
STATUS = {
    "quick": Status.OK,
    "system-does-not-tell": Status.NOT_CHECKED,
    "proxied": Status.NOT_APPLICABLE,
    "not-reached": Status.NOT_APPLICABLE,
    "deadline-capped": Status.INCONCLUSIVE,
}
ENOUGH = 3
_SLOW_S = 0.3
_UNEVEN_TIMES, _UNEVEN_S = 4, 0.2
_CONNECTIONS_WITH_LOSS = 2


class Verdict(Value):
    """An outcome, its sentence, to which the address is put in front, and what was measured."""

    outcome: str
    says: str
    evidence: Json = {}


def judge(seen: Sequence[Connection | Handshake]) -> Verdict:
    """The outcome at one address. A connection that was not made counts where nothing answered it."""
    wires = [one.wire for one in seen if one.wire is not None]
    unanswered = sum(1 for one in seen if one.failure is Failure.CONNECT_TIMEOUT)
    if not wires:
        if any(one.ok for one in seen):
            return Verdict(outcome="system-does-not-tell", says="is connected to, and this system does not tell what it measures")
        return Verdict(outcome="not-reached", says="takes no connection, so that nothing can be measured on one")
    said = _evidence(wires, unanswered)
    if len(wires) + unanswered < ENOUGH:
        says = f"had {len(wires)} connections when the round's time was over, too few to judge the way by"
        return Verdict(outcome="deadline-capped", says=says, evidence=said)
    trips = [_trip(wire) for wire in wires]
    sizes = f"on {len(wires)} connections, round trips of {took(min(trips))} to {took(max(trips))}"
    made, later = _with_loss(wires)
    if len(made) + len(later) + unanswered >= _CONNECTIONS_WITH_LOSS and not later:
        times = sum(wire.resent_connecting for wire in made)
        also = f", and {unanswered} stayed unanswered" if unanswered else ""
        says = f"lost first packets only: {times} were sent again on {len(made)} of {len(wires)} connections{also}; {sizes}"
        return Verdict(outcome="first-packets-lost", says=says, evidence=said)
    if len(made) + len(later) + unanswered >= _CONNECTIONS_WITH_LOSS:
        again, sent = said["resent"], said["packets_sent"]
        says = f"loses packets: {again} of {sent} that were sent to it ({again / sent:.0%}) had to be sent again, {sizes}"
        return Verdict(outcome="lossy", says=says, evidence=said)
    resent = f"; {said['resent']} of {said['packets_sent']} packets were sent again"
    if median(trips) >= _SLOW_S:
        return Verdict(outcome="slow", says=f"is far away or behind a queue: {sizes}{resent}", evidence=said)
    if max(trips) >= _UNEVEN_TIMES * min(trips) and max(trips) - min(trips) >= _UNEVEN_S:
        return Verdict(outcome="uneven", says=f"is near at times only: {sizes}{resent}", evidence=said)
    return Verdict(outcome="quick", says=f"is near: {sizes}{resent}", evidence=said)


def _trip(wire: Wire) -> float:
    """The connection's quickest round trip: what the way takes, without the server's own time."""
    return wire.least_rtt_s or wire.rtt_s


def _with_loss(wires: Sequence[Wire]) -> tuple[list[Wire], list[Wire]]:
    """The connections on which packets were sent again: the first one only, and any later one."""
    lossy = [wire for wire in wires if wire.resent]
    made = [wire for wire in lossy if wire.resent == wire.resent_connecting]
    return made, [wire for wire in lossy if wire.resent > wire.resent_connecting]


def _evidence(wires: Sequence[Wire], unanswered: int) -> Json:
    trips = [_trip(wire) for wire in wires]
    return {
        "connections": len(wires),
        "unanswered": unanswered,
        "packets_sent": sum(wire.packets_sent for wire in wires),
        "resent": sum(wire.resent for wire in wires),
        "resent_connecting": sum(wire.resent_connecting for wire in wires),
        "least_rtt_s": min(trips),
        "middle_rtt_s": round(median(trips), 6),
        "most_rtt_s": max(trips),
        "rtt_variation_s": max(wire.rtt_variation_s for wire in wires),
    }
