"""Two readings of the same API server's metrics, and what is asked of it in between."""

from __future__ import annotations

import asyncio

from bot.errors import Unavailable
from bot.ports import KubernetesReads
from bot.probes._shared.load import WANTED, Window

_READS = 6
_UNEVEN = 0.618
_TOO_LATE_S = 2.0


async def window(api: KubernetesReads, seconds: float) -> Window:
    """Two readings of one server, the first two unless a third one is needed to have them."""
    first = await api.read_metrics(WANTED)
    await _read_past_caches(api, seconds)
    second = await api.read_metrics(WANTED, reading=2)
    window = Window(first, second)
    if window.is_one_process:
        return window
    await asyncio.sleep(seconds)
    third = await api.read_metrics(WANTED, reading=3)
    windows = (Window(one, third) for one in (first, second))
    return next((one for one in windows if one.is_one_process), window)


async def _read_past_caches(api: KubernetesReads, seconds: float) -> None:
    """Fills the time between the readings. The moments are uneven, so that what stutters is not met in step."""
    begin, loop = asyncio.get_running_loop().time(), asyncio.get_running_loop()
    for number in range(_READS):
        due = begin + seconds * (number + number * _UNEVEN % 1) / (_READS + 1)
        await asyncio.sleep(max(due - loop.time(), 0))
        if loop.time() > begin + seconds + _TOO_LATE_S:
            break
        try:
            await api.read_past_caches(number=number)
        except Unavailable:
            break
    await asyncio.sleep(max(begin + seconds - loop.time(), 0))
