"""How fast Slack lets us talk, and how we stay below it.

A channel takes about one post a second with short bursts; edits are counted for the whole workspace. One ``Pace`` is shared
by every delivery of the process. It only says how long to wait and remembers what was done: it never sleeps, so a test
drives it with a clock of its own.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from bot.clock import Clock


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Every duration of the delivery, in seconds. ``scaled`` shrinks all of them together, for tests and rehearsals."""

    post_interval_s: float = 1.0
    post_burst: int = 3
    edit_interval_s: float = 3.0
    edit_window_s: float = 60.0
    edits_per_window: int = 40
    urgent_edits_per_window: int = 48  # Slack's own limit is 50
    read_back_pause_s: float = 1.0
    retry_first_s: float = 0.5
    retry_most_s: float = 15.0
    refresh_s: float = 30.0  # the root's elapsed time moves although nothing happened
    give_up_s: float = 24 * 3600.0

    def scaled(self, factor: float) -> Timing:
        """The same timing, ``factor`` times as long."""
        return replace(self, **{name: value * factor for name, value in vars(self).items() if name.endswith("_s")})


class Pace:
    """A token bucket for each channel, and one budget of edits for the workspace.

    ``wait_*`` answer in seconds, 0 meaning now; the caller sleeps, asks again, and then takes.
    """

    def __init__(self, clock: Clock, timing: Timing | None = None) -> None:
        self._clock = clock
        self._timing = timing or Timing()
        self._full_at: dict[str, float] = {}
        self._posts_held: dict[str, float] = {}
        self._edits: deque[float] = deque()
        self._edits_held = 0.0
        self._last_edit: dict[str, float] = {}

    def wait_post(self, channel: str) -> float:
        """Seconds until this channel has room for a post."""
        now = self._clock.monotonic()
        # The bucket is kept as the moment it will be full again; it holds a token unless that is a whole bucket away.
        slack = (self._timing.post_burst - 1) * self._timing.post_interval_s
        free = self._full_at.get(channel, now) - slack
        return max(0.0, free - now, self._posts_held.get(channel, now) - now)

    def take_post(self, channel: str) -> None:
        now = self._clock.monotonic()
        self._full_at[channel] = max(now, self._full_at.get(channel, now)) + self._timing.post_interval_s
        self._forget(now)

    def hold_posts(self, channel: str, seconds: float) -> None:
        """Slack said to wait: nothing is posted to this channel before."""
        self._posts_held[channel] = max(self._posts_held.get(channel, 0.0), self._clock.monotonic() + seconds)

    def wait_edit(self, investigation: str, *, urgent: bool, coalesced: bool = True) -> float:
        """Seconds until an edit for this investigation is due. Urgent ones, and with less of the budget those that are not
        coalesced, wait for Slack only."""
        now = self._clock.monotonic()
        budget = self._timing.urgent_edits_per_window if urgent else self._timing.edits_per_window
        wait = max(0.0, self._edits_held - now, self._window(now, budget))
        if coalesced and not urgent and investigation in self._last_edit:
            wait = max(wait, self._last_edit[investigation] + self._timing.edit_interval_s - now)
        return wait

    def take_edit(self, investigation: str) -> None:
        now = self._clock.monotonic()
        self._edits.append(now)
        self._last_edit[investigation] = now
        self._forget(now)

    def hold_edits(self, seconds: float) -> None:
        """Slack said to wait: nothing is edited in this workspace before."""
        self._edits_held = max(self._edits_held, self._clock.monotonic() + seconds)

    def _window(self, now: float, budget: int) -> float:
        recent = [moment for moment in self._edits if moment > now - self._timing.edit_window_s]
        if len(recent) < budget:
            return 0.0
        return recent[len(recent) - budget] + self._timing.edit_window_s - now

    def _forget(self, now: float) -> None:
        while self._edits and self._edits[0] <= now - self._timing.edit_window_s:
            self._edits.popleft()
        for moments in (self._full_at, self._posts_held):
            for name in [name for name, moment in moments.items() if moment <= now]:
                del moments[name]
        old = now - self._timing.edit_interval_s
        for name in [name for name, moment in self._last_edit.items() if moment <= old]:
            del self._last_edit[name]
