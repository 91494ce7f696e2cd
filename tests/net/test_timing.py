from __future__ import annotations

import asyncio
import errno
import time

import pytest

from bot.clock import SystemClock
from bot.model.observation import Failure
from bot.net.timing import Expired, Stopwatch, raw


async def test_a_phase_that_takes_too_long_expires_in_words() -> None:
    watch = Stopwatch(SystemClock())
    with pytest.raises(Expired, match=r"timed out after 0\.1 s"):
        async with watch.limit(0.1):
            await asyncio.Event().wait()
    assert not watch.cut
    assert watch.observed(Failure.TLS_TIMEOUT, "x")["failure"] is Failure.TLS_TIMEOUT


async def test_a_phase_cut_by_the_round_proves_nothing() -> None:
    watch = Stopwatch(SystemClock(), time.monotonic() + 0.05)
    with pytest.raises(Expired, match="round's time was over"):
        async with watch.limit(4):
            await asyncio.Event().wait()
    observed = watch.observed(Failure.TLS_TIMEOUT, "x")
    assert (observed["failure"], observed["capped"]) == (Failure.DEADLINE_CAPPED, True)
    assert watch.observed(Failure.TLS_RESET, "x")["failure"] is Failure.TLS_RESET


async def test_the_systems_own_time_out_is_not_the_phases() -> None:
    watch = Stopwatch(SystemClock())
    with pytest.raises(TimeoutError):
        async with watch.limit(4):
            raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed"),
            "ConnectionRefusedError errno=111: Connection refused",
        ),
        (TimeoutError(), "TimeoutError"),
        (ValueError("odd"), "ValueError: odd"),
    ],
)
def test_a_raw_error_is_short_text_and_never_empty(error: Exception, text: str) -> None:
    assert raw(error) == text
