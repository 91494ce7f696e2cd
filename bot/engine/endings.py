"""How a round ends that could not be carried out: in words like any other, so that nobody waits for it for ever.

There are two ways: the cluster's files say nothing to look at, which a person mends, and a defect of apidown itself. Both
are an inconclusive verdict, and the investigation is concluded, watched and closed as usual.
"""

from __future__ import annotations

import re

from bot.engine.journal import Journal
from bot.errors import ApidownError
from bot.model.base import Value
from bot.model.diagnosis import Diagnosis, Verdict
from bot.model.events import Concluded, Diagnosed, EventType, RoundStarted
from bot.model.investigation import Investigation


class Ending(Value):
    """What is said of a round that could not be carried out: the verdict's line, and what to do next."""

    headline: str
    notes: tuple[str, ...] = ()


def unreadable(error: ApidownError) -> Ending:
    """The cluster cannot be looked at, because what says how to reach it cannot be read or used."""
    place = f"{_FOLDERS.sub('', error.where)}: " if error.where else ""
    headline = f"Inconclusive: apidown's own configuration: {place}{error.what}. Nobody looked at the cluster."
    notes = [error.nearest, f"Next: {error.next or 'mend it, then ask again; apidown doctor checks the whole configuration'}"]
    return Ending(headline=headline, notes=tuple(note for note in notes if note))


_FOLDERS = re.compile(r"(?:[^\s,:/]*/)+")
"""What stands before a file's name: a thread's readers know the file, and need not know where the bot keeps it."""


def defect(error: BaseException) -> Ending:
    """Apidown failed. The exception itself is in its log: a reader of the thread cannot use it."""
    return Ending(
        headline=f"Inconclusive: apidown itself failed ({type(error).__name__}). This says nothing about the cluster.",
        notes=("What is above was seen before that and holds.", "Next: ask again; apidown's log has the whole error."),
    )


async def conclude(journal: Journal, state: Investigation, ending: Ending, *, reason: str, took_s: float) -> None:
    """Ends the journal's round this way. ``state`` is all that the log says by now; what it says already stays."""
    before = state.diagnosis if state.round == journal.round else None
    last = before or Diagnosis(revision=0, verdict=Verdict.INCONCLUSIVE, headline=ending.headline)
    verdict = last.model_copy(
        update={
            "revision": last.revision + 1,
            "verdict": Verdict.INCONCLUSIVE,
            "headline": ending.headline,
            "notes": (*ending.notes, *last.notes),
            "still_running": (),
            "final": True,
        }
    )
    await journal.write(EventType.ROUND_STARTED, data=RoundStarted(reason=reason, steps=()))
    await journal.write(EventType.DIAGNOSED, "instead", data=Diagnosed(diagnosis=verdict))
    await journal.write(EventType.CONCLUDED, data=Concluded(first_verdict_s=round(took_s, 3), duration_s=round(took_s, 3)))
