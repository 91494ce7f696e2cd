"""What a listener leaves to be done after its acknowledgement: owned, bounded, and never silent when it fails.

The framework runs listeners in tasks that nobody keeps or waits for, so a listener only acknowledges and enqueues here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from bot.errors import ApidownError

log = structlog.get_logger()

MOST_AT_ONCE = 100
DEADLINE_S = 30.0

Tell = Callable[[str], Awaitable[None]]
"""Shows a plain text to the person who asked; never raises."""


class Work:
    """The jobs of one process. ``run`` owns them; jobs enqueued while it does not run are refused."""

    def __init__(self, *, most: int = MOST_AT_ONCE, deadline_s: float = DEADLINE_S) -> None:
        self._most = most
        self._deadline_s = deadline_s
        self._tasks: asyncio.TaskGroup | None = None
        self._running = 0

    async def run(self) -> None:
        """Until cancelled; jobs that still run are cancelled with it."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                await asyncio.Event().wait()
        finally:
            self._tasks = None

    def enqueue(self, name: str, job: Callable[[], Awaitable[None]], tell: Tell) -> bool:
        """Starts the job; False when there are too many already, or the process is stopping."""
        if self._tasks is None or self._running >= self._most:
            log.error("slack-work-refused", job=name, running=self._running)
            return False
        self._running += 1
        self._tasks.create_task(self._guard(name, job, tell), name=name)
        return True

    async def _guard(self, name: str, job: Callable[[], Awaitable[None]], tell: Tell) -> None:
        """The boundary around one job: whatever goes wrong, the person is told and the others go on."""
        try:
            async with asyncio.timeout(self._deadline_s):
                await job()
        except ApidownError as error:
            log.warning("slack-work-failed", job=name, error=str(error))
            await tell(str(error))
        except TimeoutError:
            log.exception("slack-work-timed-out", job=name)
            await tell(f"That took longer than {self._deadline_s:.0f} s and was given up. Try again.")
        except Exception:
            log.exception("slack-work-broke", job=name)
            await tell("That failed because of a defect of apidown, which is in its log. Try again, or use the command line.")
        finally:
            self._running -= 1
