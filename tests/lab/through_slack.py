"""Faults asked about in Slack: `/apidown` is typed in the strict fake, and the verdict is read from the thread, as people do.

The bot and the fake's connection are on the asking host of the lab; what the thread says is put into the form of the command
line's JSON, so that the same judge judges it.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from bot.app import build_registry
from bot.playbook import default_folder, load_library
from tests.fakes.slack import FakeSlack, Message
from tests.lab.asking import files, write_config
from tests.lab.bench import Row, bench, domains
from tests.lab.bot import serving
from tests.lab.fault import Ask, Fault
from tests.lab.topology import Lab

SIX = (
    "apiserver_killed",
    "etcd_killed",
    "path_dropped",
    "dns_nxdomain",
    "certificate_expired",
    "healthy_behind_balancer",
)
_PATIENCE_S = 60.0


_CAUSE = re.compile(r"^> +\*\d+\. (?P<title>.+)\* - (?P<confidence>\w+) confidence, ", re.M)
_TIED = re.compile(r"^> +\*Cannot be told apart from here:\* (?P<titles>.+)$", re.M)
_WORDS = {"Verdict": "cause", "Healthy": "healthy"}
_PLACE = re.compile(r"^> +_[\w-]+ from ([\w:.-]+) \|", re.M)


@dataclass(frozen=True)
class Thread:
    """What one command led to, and when it could be read, in seconds after it was typed."""

    transcript: str
    headline: str
    first_line_s: float
    verdict_s: float


def as_answer(thread: Thread) -> dict[str, Any]:
    """The thread in the form of the command line's JSON, as far as it says the same: verdict, causes, tie, confidence."""
    said = thread.transcript.rpartition("(also sent to the channel)")[2]
    ids = titles()
    tied = _TIED.search(said)
    tie = [ids[title] for title in tied["titles"].split("; ")] if tied else []
    named = {ids[found["title"]]: found["confidence"] for found in _CAUSE.finditer(said)}
    # Of a large tie only the first three are told at length; all of a tie have the confidence of its first.
    first = next(iter(named.values()), "low")
    every = {**named, **{cause: first for cause in tie if cause not in named}}
    causes = [
        {
            "id": cause,
            "domain": domains()[cause],
            "confidence": confidence,
            "tied_with": [other for other in tie if other != cause] if cause in tie else [],
        }
        for cause, confidence in every.items()
    ]
    places = {"bot", *_PLACE.findall(thread.transcript)}
    return {
        "verdict": _WORDS.get(thread.headline.split()[0].rstrip(":"), "inconclusive"),
        "causes": causes,
        "steps": [{"vantage": place, "started_at": "shown"} for place in sorted(places)],
        "first_verdict_s": thread.verdict_s,
        "duration_s": thread.verdict_s,
    }


@cache
def titles() -> Mapping[str, str]:
    """The id of each cause by the title that people read."""
    return {cause.title: cause.id for cause in load_library(default_folder(), build_registry()).causes.values()}


def threads(faults: Mapping[str, Fault], seed: int, rows: Mapping[str, Row], failed: list[str]) -> dict[str, dict[str, Any]]:
    """A thread for each of these faults, judged; ``rows`` are what the command line said of them. What cannot be tried is told in
    ``failed``."""
    found: dict[str, dict[str, Any]] = {}
    seen: list[Thread] = []

    def asking(lab: Lab, ask: Ask) -> dict[str, Any]:
        seen.append(asyncio.run(typed(lab, ask)))
        return as_answer(seen[-1])

    with bench(seed, asking) as made:
        for name, fault in faults.items():
            try:
                one = made.run(fault).judged
            except AssertionError as error:
                failed.append(f"{name}, through Slack: {error}")
                continue
            beside = rows[name].judged if name in rows else None
            found[name] = {
                "headline": seen[-1].headline,
                "first_line_s": round(seen[-1].first_line_s, 2),
                "verdict_s": round(seen[-1].verdict_s, 2),
                "right": one.right,
                # The thread is from another run of the same seed: the draws are the same, so is what is asked.
                "same": beside is not None and (one.verdict, {*one.tie}) == (beside.verdict, {*beside.tie}),
            }
            print(f"slack {'ok  ' if one.right else 'MISS'} {name}: {found[name]}", flush=True)
    return found


async def typed(lab: Lab, ask: Ask) -> Thread:
    """One command in a Slack of its own, to a bot of its own."""
    folder = lab.scratch()
    host = lab.hosts[ask.where]
    async with FakeSlack(listener=host.listening_socket(), echo=False) as slack:
        config = write_config(lab, ask, folder, channels={slack.incidents: {"cluster": lab.names.cluster}})
        with serving(folder, slack, config, host=host, files=files(ask, folder), environment=ask.environment) as process:
            try:
                await slack.wait_for(lambda: slack.connections, _PATIENCE_S, "the bot connects to Slack")
                thread = await _read(slack)
            except BaseException:
                print(process.tail(60))
                raise
        slack.assert_clean()
    return thread


async def _read(slack: FakeSlack) -> Thread:
    """Types the command and reads along until the verdict is broadcast and the root shows it."""
    asked = time.monotonic()
    ack = await slack.slash(slack.ann, slack.incidents, "")
    assert ack.error is None
    root = await slack.wait_for(lambda: next(iter(slack.roots(slack.incidents)), None), 20, "the root is posted")

    def replies() -> list[Message]:
        return slack.thread(slack.incidents, root.ts)[1:]

    await slack.wait_for(lambda: any(one.broadcast for one in replies()), _PATIENCE_S, "the verdict is broadcast")
    await slack.wait_for(lambda: "apidown.cancel" not in root.buttons, _PATIENCE_S, "the root shows the end")
    verdict = next(one for one in replies() if one.broadcast)
    headline = verdict.edits[0].text.partition(": ")[2][:30]
    shown = next(version.at for version in root.edits if headline in version.text)
    return Thread(
        transcript=slack.transcript(slack.incidents, root.ts),
        headline=verdict.edits[0].text,
        first_line_s=replies()[0].edits[0].at - asked,
        verdict_s=shown - asked,
    )
