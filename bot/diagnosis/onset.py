"""Since when does it fail? One onset is chosen from what is known, and says where it is known from.

An alert's time is when it fired, and the moment of asking is later still, so the sources are ranked: what was measured
comes before what was said, and both before what is merely now.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from bot.model.alert import SOURCE
from bot.model.change import Onset

HEARTBEAT = "heartbeat"
STATED = "stated"
ALERT = SOURCE
ASKED = "asked"

RANK = MappingProxyType({HEARTBEAT: 0, STATED: 1, ALERT: 3, ASKED: 9})
"""Lower is better. A source that is not listed stands between what people say and what alerts say."""
_UNLISTED = 2


def establish(*, asked_at: datetime, since: datetime | None = None, others: Sequence[Onset] = ()) -> Onset:
    """The onset to compare changes with.

    ``since`` is what the person said (a time that lies ahead is taken for now); ``others`` come from sources such as the
    heartbeat. Of equally good sources the one that knows the interval's start wins, then the earlier one.
    """
    known = [*others, from_trigger(asked_at=asked_at, since=since)]
    return min(known, key=lambda onset: (RANK.get(onset.source, _UNLISTED), onset.last_good is None, onset.first_bad))


def from_alerts(onsets: Sequence[Onset], *, about: datetime) -> list[Onset]:
    """Those that are of one outage, which began ``about`` then. An alert that has fired for days is about something else."""
    return [onset for onset in onsets if abs(onset.first_bad - about) <= _ONE_OUTAGE]


_ONE_OUTAGE = timedelta(hours=1)
"""How far apart the alerts of one outage say that it began, at most."""


def from_trigger(*, asked_at: datetime, since: datetime | None = None) -> Onset:
    """The onset that needs no source: the time that was stated, else the moment of asking."""
    if since is None:
        return Onset(first_bad=asked_at, source=ASKED)
    return Onset(first_bad=min(since, asked_at), source=STATED)


def is_measured_or_stated(onset: Onset | None) -> bool:
    """Whether "no change fits" can be said at all. The moment of asking only bounds the onset from above."""
    return onset is not None and onset.source != ASKED
