"""One operation's time, measured the same way by every operation.

A time-out proves something only if it was the operation's own. When it was cut short by what was left of the round, the
observation says so, and nobody may read "dropped" or "silent" into it.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from bot.clock import Clock
from bot.model.observation import Failure

DNS_TIMEOUT_S = 2.0
TCP_TIMEOUT_S = 4.0  # a dead neighbour is reported after three seconds, and must not look like a drop
TLS_TIMEOUT_S = 4.0
HTTP_TIMEOUT_S = 5.0

TIMEOUTS = frozenset(
    {Failure.RESOLVER_TIMEOUT, Failure.CONNECT_TIMEOUT, Failure.TLS_TIMEOUT, Failure.HTTP_TIMEOUT, Failure.PROXY_FAILED}
)


class Expired(Exception):
    """A phase's time is over. Not a TimeoutError, because the system raises that one by itself for ETIMEDOUT."""


class Stopwatch:
    """When one operation began, how long it has taken, and how long its next phase may still take.

    ``deadline`` is the round's, on the monotonic clock. ``cut`` becomes true when it was the round's deadline, and not
    the phase's own time-out, that ended a phase.
    """

    def __init__(self, clock: Clock, deadline: float = math.inf) -> None:
        self._clock = clock
        self._deadline = deadline
        self._begin = clock.monotonic()
        self.started_at = clock.now()
        self.cut = False

    def elapsed(self) -> float:
        """Seconds since the operation began."""
        return max(0.0, self._clock.monotonic() - self._begin)

    def left(self) -> float:
        """Seconds until the round's deadline; negative when it has passed."""
        return self._deadline - self._clock.monotonic()

    @asynccontextmanager
    async def limit(self, seconds: float) -> AsyncGenerator[None]:
        """Runs a phase for at most ``seconds``, or for what is left of the round; raises Expired after that."""
        left = self.left()
        if left <= 0:
            self.cut = True
            raise Expired("not tried, because the round's time was over")
        allowed = min(seconds, left)
        timer = asyncio.timeout(allowed)
        try:
            async with timer:
                yield
        except TimeoutError as error:
            if not timer.expired():
                raise
            self.cut = left < seconds
            words = ", when the round's time was over" if self.cut else ""
            raise Expired(f"timed out after {allowed:.1f} s{words}") from error

    def observed(self, failure: Failure | None, raw_error: str | None) -> dict[str, Any]:
        """The fields every observation has, as keywords for its constructor. Call it when the operation is over."""
        capped = self.cut and failure in TIMEOUTS
        return {
            "started_at": self.started_at,
            "duration_s": round(self.elapsed(), 6),
            "failure": Failure.DEADLINE_CAPPED if capped else failure,
            "raw_error": raw_error,
            "capped": capped,
        }


def raw(error: BaseException) -> str:
    """A raw error as short text that is never empty: ``ConnectionRefusedError errno=111: Connection refused``."""
    if isinstance(error, Expired):
        return str(error)
    number = getattr(error, "errno", None)
    text = getattr(error, "strerror", None) or str(error)
    if isinstance(number, int) and text.startswith("Connect call failed"):
        # The event loop puts the address in place of the system's words.
        text = os.strerror(number)
    head = type(error).__name__ + (f" errno={number}" if number is not None else "")
    return f"{head}: {text}"[:500] if text else head
