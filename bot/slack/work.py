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
GRACE_S = 3.0
"""How long jobs may go on once the process is told to stop: Slack has been told that they were heard, and tells nobody else."""

Tell = Callable[[str], Awaitable[None]]
"""Shows a plain text to the person who asked; never raises."""


class Work:
    """The jobs of one process. ``run`` owns them; jobs enqueued while it does not run are refused."""

    def __init__(self, *, most: int = MOST_AT_ONCE, deadline_s: float = DEADLINE_S, grace_s: float = GRACE_S) -> None:
        self._most = most
        self._deadline_s = deadline_s
        self._grace_s = grace_s
        self._tasks: asyncio.TaskGroup | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled; jobs that run then are let finish for a moment."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                await asyncio.Event().wait()
            finally:
                self._tasks = None
                if self._running:
                    await asyncio.wait(self._running, timeout=self._grace_s)

    def enqueue(self, name: str, job: Callable[[], Awaitable[None]], tell: Tell) -> bool:
        """Starts the job; False when there are too many already, or the process is stopping."""
        if self._tasks is None or len(self._running) >= self._most:
            log.error("slack-work-refused", job=name, running=len(self._running))
            return False
        task = self._tasks.create_task(self._guard(name, job, tell), name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
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
