"""What is promised of every run, held against what it left behind: the log, the thread and the store."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.demo.scenarios import SCENARIOS
from bot.model.diagnosis import Diagnosis, Verdict
from bot.model.events import Diagnosed, Event, EventType
from bot.model.investigation import Investigation
from bot.render import story, thread
from bot.slack.client import shorten
from tests.fakes.slack import Message, Version
from tests.reliability.plan import TERM
from tests.reliability.run import Seen

FINISHED_S = 15.0
"""From a replica's death to a thread that is complete."""
TROUBLED_S = 30.0
"""The same, when Slack fails meanwhile and is waited for."""
VERDICT_S = 10.0
"""From the command to the verdict in the root."""
HANDED_OVER_S = 2.0
"""From SIGTERM to another owner."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One run's figures and what is wrong with it. Seconds; None where there was nothing to measure."""

    seen: Seen
    wrong: tuple[str, ...]
    doubled: int
    lost: int
    takeover_s: float | None
    finished_s: float | None
    handed_over_s: float | None
    verdict_s: float | None
    undisturbed: bool
    """No replica died before the verdict was shown."""


def judge(seen: Seen) -> Judged:
    state = seen.state
    if state is None or not seen.thread:
        return Judged(
            seen=seen,
            wrong=(*seen.complaints, "there is no investigation or no thread"),
            doubled=0,
            lost=1,
            takeover_s=None,
            finished_s=None,
            handed_over_s=None,
            verdict_s=None,
            undisturbed=False,
        )
    posted = Counter(_key(message) for message in seen.thread)
    wanted = {message.key: message for message in thread.messages(state, now=state.last_event_at)}
    shown_at = _verdict_shown_at(seen)
    ends = [at for _, at, _ in seen.ended]
    kills = [at for point, at, _ in seen.ended if point != TERM]
    complete_at = max(message.edits[-1].at for message in seen.thread)
    verdict_s = shown_at - seen.typed_at if shown_at else None
    undisturbed = shown_at is not None and all(at > shown_at for at in ends)
    finished_s = complete_at - kills[-1] if kills and complete_at > kills[-1] else None
    handed_over_s = _next_owner_s(seen) if seen.ended and seen.ended[-1][0] == TERM else None
    wrong = [
        *seen.complaints,
        *_thread(seen, posted, set(wanted)),
        *_texts(seen, state),
        *_log(seen.events),
        *_verdict(seen, state),
    ]
    if finished_s is not None and finished_s > (TROUBLED_S if seen.faults else FINISHED_S):
        wrong.append(f"the thread was complete {finished_s:.1f} s after the kill")
    if handed_over_s is not None and handed_over_s > HANDED_OVER_S:
        wrong.append(f"handed over {handed_over_s:.1f} s after SIGTERM")
    if undisturbed and verdict_s is not None and verdict_s > VERDICT_S:
        wrong.append(f"the verdict was shown after {verdict_s:.1f} s")
    return Judged(
        seen=seen,
        wrong=tuple(wrong),
        doubled=sum(count - 1 for count in posted.values()),
        lost=len(wanted.keys() - posted.keys()),
        takeover_s=_next_owner_s(seen) if kills and seen.ended[-1][0] != TERM else None,
        finished_s=finished_s,
        handed_over_s=handed_over_s,
        verdict_s=verdict_s,
        undisturbed=undisturbed,
    )


def _thread(seen: Seen, posted: Counter[str], wanted: set[str]) -> Iterator[str]:
    if len(seen.roots) != 1 or seen.investigations != 1:
        yield f"there are {len(seen.roots)} roots and {seen.investigations} investigations"
    for key, count in posted.items():
        if count > 1:
            yield f"{key} is there {count} times"
    for key in sorted(wanted - posted.keys()):
        yield f"{key} is missing"
    for key in sorted(posted.keys() - wanted):
        yield f"{key} is not part of the thread"
    if _key(seen.thread[0]) != "root":
        yield "the root is not first"
    epochs = [_epoch(message) for message in seen.thread]
    if epochs != sorted(epochs):
        yield f"an owner posted after its successor: epochs {epochs}"
    if not any(kind.endswith("on chat.postMessage") for kind in seen.faults):
        yield from _planned_order(seen)
    if seen.active:
        yield f"still active: {seen.active}"


def _planned_order(seen: Seen) -> Iterator[str]:
    """Where no post was in doubt, an owner's messages are in the thread in the order it planned them."""
    place = {event.data["message"]: index for index, event in enumerate(seen.events) if event.type == EventType.DELIVERY_PLANNED}
    by = {event.data["message"]: event.epoch for event in seen.events if event.type == EventType.DELIVERY_PLANNED}
    for epoch in set(by.values()):
        own = [_key(message) for message in seen.thread if _epoch(message) == epoch == by.get(_key(message))]
        if own != sorted(own, key=lambda key: place[key]):
            yield f"epoch {epoch} planned its messages in another order than {own}"


def _texts(seen: Seen, state: Investigation) -> Iterator[str]:
    """What is shown last is the end of the log."""
    texts = {_key(message): message.text for message in seen.thread}
    for message in thread.messages(state, now=state.last_event_at):
        noted = state.messages.get(message.key)
        if noted is None:
            yield f"{message.key} was never noted as delivered"
        elif noted.digest != message.digest or texts.get(message.key) != shorten(message.text):
            yield f"{message.key} shows something old: {texts.get(message.key, '')[:80]!r}"


def _log(events: Sequence[Event]) -> Iterator[str]:
    for name, count in Counter(event.id for event in events).items():
        if count > 1:
            yield f"the log has {name} {count} times"
    finished: set[object] = set()
    for event in events:
        step = (event.round, event.data.get("step"))
        if event.type == EventType.STEP_FINISHED:
            if step in finished:
                yield f"step {step} finished twice"
            finished.add(step)
        elif event.type == EventType.STEP_STARTED and step in finished:
            yield f"finished step {step} ran again"
    epochs = [event.epoch for event in events if event.epoch]
    if epochs != sorted(epochs):
        yield "an owner wrote after its successor"


def _verdict(seen: Seen, state: Investigation) -> Iterator[str]:
    wanted = SCENARIOS[seen.plan.scenario].cause
    diagnosis = state.diagnosis
    if diagnosis is None:
        yield "there is no verdict"
        return
    named = "healthy" if diagnosis.verdict is Verdict.HEALTHY else next((cause.id for cause in diagnosis.causes), "none")
    if named != wanted:
        yield f"the verdict is {named}, not {wanted}"
    if not _shows(seen.thread[0].edits[-1], diagnosis):
        yield "the root does not show the verdict"
    shown = [_shows(version, diagnosis) for version in seen.thread[0].edits]
    if shown != sorted(shown):
        yield "the root showed the verdict and then something older"


def _verdict_shown_at(seen: Seen) -> float | None:
    """When the root first showed a verdict."""
    told = [json.dumps(event.data) for event in seen.events if event.type == EventType.DIAGNOSED]
    diagnoses = [Diagnosed.model_validate_json(data).diagnosis for data in told]
    return next((version.at for version in seen.thread[0].edits if any(_shows(version, one) for one in diagnoses)), None)


def _shows(version: Version, diagnosis: Diagnosis) -> bool:
    return story.headline(diagnosis)[:60] in html.unescape(version.text)


def _next_owner_s(seen: Seen) -> float | None:
    """From the last end to the next owner's first word."""
    _, at, victim = seen.ended[-1]
    changes = [event for event in seen.events if event.type == EventType.OWNER_CHANGED and event.by != victim]
    return next((seen.moment(event) - at for event in changes if seen.moment(event) > at), None)


def _key(message: Message) -> str:
    return str(_payload(message).get("message"))


def _epoch(message: Message) -> int:
    return int(str(_payload(message).get("epoch", 0)))


def _payload(message: Message) -> dict[str, object]:
    return dict((message.metadata or {}).get("event_payload") or {})
