"""The short version of ``make reliability``: every named point once, SIGTERM, and some drawn runs with a bad Slack."""

from __future__ import annotations

import pytest

from tests.reliability.__main__ import campaign
from tests.reliability.plan import SHORT, drawn, frozen, named
from tests.reliability.replica import POINTS

SEED = 20261120
DRAWN = [plan for plan in (drawn(SEED, number) for number in range(13)) if plan.durations == SHORT]


@pytest.mark.timeout(240)
async def test_whenever_a_replica_dies_another_one_finishes_the_same_thread_and_nothing_is_lost_or_doubled() -> None:
    done = await campaign([*DRAWN, *named(SEED), *frozen(SEED)], jobs=4)
    wrong = {one.seen.plan.repeat: one.wrong for one in done if one.wrong}
    assert not wrong
    came = {point for one in done for point, _, _ in one.seen.ended}
    assert came >= set(POINTS), "an end that was planned did not come"
