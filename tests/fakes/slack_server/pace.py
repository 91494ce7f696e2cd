"""Slack's rate limits: a bucket for posts in each channel and in the workspace, a sliding window for each other method."""

from __future__ import annotations

import math
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field

TIER_CALLS = {1: 1, 2: 20, 3: 50, 4: 100}
WORKSPACE_POSTS = 300
SPECIAL_CALLS = 600


@dataclass
class _Bucket:
    tokens: float
    at: float


@dataclass(kw_only=True)
class Pace:
    """Answers, for each call, how many real seconds its caller has to wait; 0 lets it through and counts it."""

    window: float
    post_interval: float
    post_burst: int
    tier_burst: float
    _buckets: dict[str, _Bucket] = field(default_factory=dict)
    _calls: defaultdict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def post(self, channel: str) -> int:
        """One post in a channel: a bucket that fills at one post an interval, below a cap for the workspace."""
        now = time.monotonic()
        bucket = self._buckets.setdefault(channel, _Bucket(self.post_burst, now))
        bucket.tokens = min(self.post_burst, bucket.tokens + (now - bucket.at) / self.post_interval)
        bucket.at = now
        if bucket.tokens < 1:
            return _whole_seconds((1 - bucket.tokens) * self.post_interval)
        wait = self._window("posts of the workspace", WORKSPACE_POSTS, now)
        bucket.tokens -= 0 if wait else 1
        return wait

    def call(self, method: str, tier: int | None) -> int:
        """One call of any other method; no tier means one of the special ones."""
        calls = SPECIAL_CALLS if tier is None else math.floor(TIER_CALLS[tier] * self.tier_burst)
        return self._window(method, calls, time.monotonic())

    def _window(self, name: str, calls: int, now: float) -> int:
        past = self._calls[name]
        while past and past[0] <= now - self.window:
            past.popleft()
        if len(past) >= calls:
            return _whole_seconds(past[0] + self.window - now) if past else _whole_seconds(self.window)
        past.append(now)
        return 0


def _whole_seconds(wait: float) -> int:
    return max(1, math.ceil(wait))
