"""Runs the campaign and writes down what came of it: ``make reliability RUNS=200 SEED=1``."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.reliability.judge import FINISHED_S, HANDED_OVER_S, TROUBLED_S, VERDICT_S, Judged, judge
from tests.reliability.plan import FROZEN, PRODUCTION, SHORT, TERM, Plan, drawn, frozen, named
from tests.reliability.run import SLACK_TIMEOUT_S, WATCH_S, run, targets

FILE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"


async def campaign(plans: Sequence[Plan], jobs: int) -> list[Judged]:
    """Runs the plans, some at once; failures are told as they come, with the way to repeat them."""
    done: list[Judged] = []
    ahead = iter(plans)
    async with targets() as known:

        async def work() -> None:
            for plan in ahead:
                seen, logs = await run(plan, known)
                judged = judge(seen)
                done.append(judged)
                for sentence in judged.wrong:
                    print(f"run {plan.number} ({plan.scenario}): {sentence}")
                if judged.wrong:
                    print(f"  {plan}\n  repeat it: {plan.repeat}")
                if judged.wrong and len(plans) == 1:
                    print(logs, *_story(judged), sep="\n")

        async with asyncio.TaskGroup() as tasks:
            for _ in range(jobs):
                tasks.create_task(work())
    return done


def _story(judged: Judged) -> list[str]:
    seen = judged.seen
    lines = [f"{at - seen.typed_at:7.2f} {point} ends {replica}" for point, at, replica in seen.ended]
    lines += [f"{seen.moment(event) - seen.typed_at:7.2f} {event.epoch} {event.by} {event.id}" for event in seen.events]
    for message in seen.thread:
        shown = ", ".join(f"{version.at - seen.typed_at:.2f}" for version in message.edits)
        lines.append(f"{message.metadata} at {shown}: {message.text[:100]}")
    return lines


def _spread(values: Sequence[float | None]) -> str:
    found = sorted(value for value in values if value is not None)
    if not found:
        return "- | - | - | 0"
    p95 = found[min(len(found) - 1, round(0.95 * len(found)))]
    return f"{statistics.median(found):.1f} | {p95:.1f} | {found[-1]:.1f} | {len(found)}"


HEAD = """# Reliability

Written by `make reliability`; see `tests/reliability/`. Each run is a store, the strict fake Slack, and two replicas of the bot,
each a process. `/apidown` is typed; a replica is killed with SIGKILL at a named point or at a random moment, or told to stop by
SIGTERM, or stopped for longer than its lease and let go on. Slack fails as the dice say. The other replica finishes the thread.
In a quarter of the runs a third replica is started, the successor is killed, too, and whoever is left finishes.

{runs} runs from seed {seed}, {date}, {jobs} at once, {minutes:.0f} minutes on a machine with {machine}.

| promise | result |
| --- | --- |
| runs without any fault of ours | {good} of {runs} |
| messages in the threads | {messages} |
| messages doubled | {doubled} |
| messages lost | {lost} |
| verdict in the root within {verdict_limit:.0f} s, where no replica ended before it | {on_time} of {undisturbed} |
| thread complete within {finished_limit:.0f} s of the last kill, where Slack did not fail | {in_time} of {calm} |
| thread complete within {troubled_limit:.0f} s of the last kill, where Slack failed | {in_more_time} of {troubled} |
| another owner within {handed_limit:.0f} s of SIGTERM | {handed_over} of {terminated} |
| commands that had to be typed again | {again} |

A run is without fault when there is one root; every message of the final state is there once, in order, and shows the end of the
log; the verdict names the scenario's cause; no event is in the log twice, no finished step ran again, no owner wrote after its
successor; nothing is left on the active set; and the fake saw nothing that Slack or its users would mind.

A command is typed again when its replica died between acknowledging it and writing it down. Slack wants the acknowledgement
within three seconds and sends an acknowledged command to nobody else, so this gap cannot be closed.

## Seconds

| what | median | 95 of 100 | longest | runs |
| --- | --- | --- | --- | --- |
| from the last kill to the next owner, lease of {long_lease:.0f} s | {takeover_long} |
| from the last kill to the complete thread, lease of {long_lease:.0f} s | {finished_long} |
| from the last kill to the next owner, lease of {short_lease:.0f} s | {takeover_short} |
| from the last kill to the complete thread, lease of {short_lease:.0f} s | {finished_short} |
| from SIGTERM to the next owner | {handed} |
| from the command to the verdict in the root, no replica ended before it | {verdict} |
| the same, a replica ended before it | {late} |

Every tenth run, and every run with SIGTERM, has production's durations: a lease of {long_lease:.0f} s, renewed every
3 s and looked for every {scan:.0f} s; Slack is at its best then. The others have a lease of {short_lease:.0f} s, so that more
of them fit into the time. In all runs a replica waits {slack:.0f} s for Slack instead of 10 s, and a concluded
investigation is watched for {watch:.0f} s instead of 15 minutes. Posts have production's pace.

## Runs with a fault

{wrong}

## Ends

{ends}

A planned end that is not listed did not come: the investigation was over before.

## Faults of Slack's that happened

{faults}
"""


def _wrong(one: Judged) -> str:
    return f"- run {one.seen.plan.number}: {'; '.join(sentence.splitlines()[0] for sentence in one.wrong)}"


def _within(limit_s: float, killed: Sequence[Judged]) -> int:
    return sum(one.finished_s is not None and one.finished_s <= limit_s for one in killed)


def _table(head: str, counts: Counter[str]) -> str:
    rows = [f"| {name} | {count} |" for name, count in sorted(counts.items())]
    return "\n".join([f"| {head} | times |", "| --- | --- |", *rows])


def report(done: Sequence[Judged], *, seed: int, jobs: int, took_s: float) -> str:
    killed = [one for one in done if one.finished_s is not None]
    terminated = [one for one in done if one.handed_over_s is not None]
    undisturbed = [one for one in done if one.undisturbed]
    long = [one for one in done if one.seen.plan.durations == PRODUCTION]
    short = [one for one in done if one.seen.plan.durations == SHORT]
    disturbed = [one.verdict_s for one in done if not one.undisturbed]
    return HEAD.format(
        runs=len(done),
        seed=seed,
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        jobs=jobs,
        minutes=took_s / 60,
        machine=f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}",
        good=sum(not one.wrong for one in done),
        messages=sum(len(one.seen.thread) for one in done),
        doubled=sum(one.doubled for one in done),
        lost=sum(one.lost for one in done),
        verdict_limit=VERDICT_S,
        finished_limit=FINISHED_S,
        handed_limit=HANDED_OVER_S,
        on_time=sum((one.verdict_s or 99) <= VERDICT_S for one in undisturbed),
        undisturbed=len(undisturbed),
        in_time=_within(FINISHED_S, [one for one in killed if not one.seen.faults]),
        calm=sum(not one.seen.faults for one in killed),
        troubled_limit=TROUBLED_S,
        in_more_time=_within(TROUBLED_S, [one for one in killed if one.seen.faults]),
        troubled=sum(bool(one.seen.faults) for one in killed),
        handed_over=sum((one.handed_over_s or 99) <= HANDED_OVER_S for one in terminated),
        terminated=len(terminated),
        again=sum(max(0, one.seen.typed - 1) for one in done),
        long_lease=PRODUCTION.lease_s,
        short_lease=SHORT.lease_s,
        takeover_long=_spread([one.takeover_s for one in long]),
        finished_long=_spread([one.finished_s for one in long]),
        takeover_short=_spread([one.takeover_s for one in short]),
        finished_short=_spread([one.finished_s for one in short]),
        handed=_spread([one.handed_over_s for one in terminated]),
        verdict=_spread([one.verdict_s for one in undisturbed]),
        late=_spread(disturbed),
        scan=PRODUCTION.scan_every_s,
        slack=SLACK_TIMEOUT_S,
        watch=WATCH_S,
        wrong="\n".join(_wrong(one) for one in done if one.wrong) or "None.",
        ends=_table("end", Counter(_end(point) for one in done for point, _, _ in one.seen.ended)),
        faults=_table("fault", sum((Counter(one.seen.faults) for one in done), Counter())),
    )


def _end(point: str) -> str:
    return {TERM: "SIGTERM at a random moment", FROZEN: "SIGSTOP, and SIGCONT after the lease"}.get(point, f"SIGKILL, {point}")


def main() -> int:
    arguments = argparse.ArgumentParser(prog="make reliability")
    arguments.add_argument("--runs", type=int, default=200)
    arguments.add_argument("--seed", type=int, default=None)
    arguments.add_argument("--only", type=int, default=None, help="one run's number, to repeat it; nothing is written down")
    arguments.add_argument("--jobs", type=int, default=max(2, 2 * (os.cpu_count() or 1)))
    given = arguments.parse_args()
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    fixed = [*named(seed), *frozen(seed)]
    plans = [*fixed, *(drawn(seed, number) for number in range(max(0, given.runs - len(fixed))))]
    if given.only is not None:
        plans = [plan for plan in [*fixed, drawn(seed, max(0, given.only))] if plan.number == given.only]
    print(f"{len(plans)} runs from seed {seed}, {given.jobs} at once")
    began = time.monotonic()
    done = asyncio.run(campaign(plans, given.jobs))
    text = report(done, seed=seed, jobs=given.jobs, took_s=time.monotonic() - began)
    print(text)
    if given.only is None:
        FILE.write_text(text)
    return 1 if any(one.wrong for one in done) else 0


if __name__ == "__main__":
    sys.exit(main())
