"""What one run does: how the replicas die and what is wrong with Slack. All of it follows from a seed and a number."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from bot.adapters.redis.store import LEASE_S
from bot.engine.recovery import RENEW_EVERY_S, SCAN_EVERY_S
from tests.reliability.replica import POINTS

TERM = "sigterm"
ANY_TIME = "random-time"
FROZEN = "frozen"
"""Stopped for longer than the lease lasts, and then let go on: a machine that was suspended, not a death."""
SCENARIOS = ("refused", "etcd-failing", "healthy", "tls-silent")
SOCKET_FAULTS = ("drop_sockets", "refresh")

# The n-th occurrence at which a point is still met in every scenario.
_MOST = {
    "before-append": 14,
    "after-append": 14,
    "after-planned": 3,
    "before-post": 3,
    "after-post": 3,
    "after-delivered": 3,
    "after-finding": 3,
    "after-verdict": 1,
}


@dataclass(frozen=True, kw_only=True)
class End:
    """One replica's end: at the n-th occurrence of a point, or ``after_s`` seconds after the command was heard."""

    point: str
    nth: int = 1
    after_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """A fault of Slack's, armed ``after_s`` seconds after the command was heard."""

    method: str
    kind: str
    times: int = 1
    after_s: float = 0.0

    @property
    def name(self) -> str:
        return self.kind if self.kind in SOCKET_FAULTS else f"{self.kind} on {self.method}"


@dataclass(frozen=True, kw_only=True)
class Durations:
    """Of the replicas, in seconds; a shorter lease than production's makes more runs fit into the time."""

    lease_s: float
    renew_every_s: float
    scan_every_s: float


PRODUCTION = Durations(lease_s=LEASE_S, renew_every_s=RENEW_EVERY_S, scan_every_s=SCAN_EVERY_S)
SHORT = Durations(lease_s=3.0, renew_every_s=0.8, scan_every_s=0.5)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run. ``ends`` are one or two; before a second one a third replica is started."""

    seed: int
    number: int
    scenario: str
    ends: tuple[End, ...]
    troubles: tuple[Trouble, ...] = ()
    durations: Durations = SHORT

    @property
    def repeat(self) -> str:
        return f"make reliability SEED={self.seed} ONLY={self.number}"


def drawn(seed: int, number: int) -> Plan:
    """The run with this number. Every tenth keeps production's lease, and every tenth is a SIGTERM."""
    dice = random.Random(f"{seed}/{number}")
    production, term = number % 10 == 3, number % 10 == 7
    if term:
        ends = (End(point=TERM, after_s=dice.uniform(0.05, 2.5)),)
    else:
        ends = (_end(dice),) if production or dice.random() < 0.75 else (_end(dice), _end(dice))
    # A silent server's round lasts longer by itself than what is left of the 15 s with a lease of 10 s.
    scenario = dice.choice([name for name in SCENARIOS if name != "tls-silent" or not production])
    troubles = tuple(_trouble(dice) for _ in range(dice.choice([0, 1, 2, 3, 4]) if not (production or term) else 0))
    durations = PRODUCTION if production or term else SHORT
    return Plan(seed=seed, number=number, scenario=scenario, ends=ends, troubles=troubles, durations=durations)


def named(seed: int) -> Sequence[Plan]:
    """Every named point once, and an owner that is told to stop."""
    dice = random.Random(seed)
    plans = [
        Plan(seed=seed, number=-number, scenario="refused", ends=(End(point=point, nth=dice.randint(1, _MOST[point])),))
        for number, point in enumerate(POINTS, 1)
    ]
    plans.append(Plan(seed=seed, number=-99, scenario="healthy", ends=(End(point=TERM, after_s=0.3),), durations=PRODUCTION))
    return plans


def frozen(seed: int) -> Sequence[Plan]:
    """Owners that are stopped for longer than their lease, and go on; the first one while the thread begins."""
    ends = (End(point=FROZEN, after_s=0.05 + number * 0.25) for number in range(3))
    return [Plan(seed=seed, number=-20 - number, scenario="refused", ends=(end,)) for number, end in enumerate(ends)]


def _end(dice: random.Random) -> End:
    point = dice.choice([*POINTS, ANY_TIME])
    if point == ANY_TIME:
        return End(point=point, after_s=dice.uniform(0.0, 3.0))
    return End(point=point, nth=dice.randint(1, _MOST[point]))


def _trouble(dice: random.Random) -> Trouble:
    after_s = dice.choice([0.0, dice.uniform(0.0, 4.0)])
    match dice.randrange(4):
        case 0:
            return Trouble(method="", kind=dice.choice(SOCKET_FAULTS), after_s=after_s)
        case 1:
            kind = dice.choice(["429", "reset_after", "truncate_json", "5xx", "slow_after"])
            return Trouble(method="chat.update", kind=kind, times=dice.randint(1, 3), after_s=after_s)
        case 2:
            kind = dice.choice(["429", "5xx", "truncate_json", "reset_after"])
            return Trouble(method="conversations.replies", kind=kind, times=dice.randint(1, 2), after_s=after_s)
    kind = dice.choice(["429", "reset_after", "truncate_json", "5xx", "slow_after", "reset_before"])
    return Trouble(method="chat.postMessage", kind=kind, times=dice.randint(1, 2 if kind == "429" else 1), after_s=after_s)
