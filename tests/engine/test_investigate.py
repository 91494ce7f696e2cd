"""An investigation from its trigger to its end: what is in the log, in which order, and each fact once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from bot.engine.investigate import plainest
from bot.errors import ConfigError, UsageError
from bot.model.base import Json
from bot.model.diagnosis import CorrelationResult, Verdict
from bot.model.events import EventType
from bot.model.finding import Finding, Status
from bot.model.investigation import Investigation, Progress, State
from bot.model.playbook import Step
from bot.model.target import Cluster
from bot.model.vantage import Vantage, VantageKind
from bot.playbook import Library
from bot.ports import ClusterAccess
from tests.engine.desk import (
    HEALTHY,
    LADDER,
    LIBRARY,
    QUICK,
    REFUSED,
    REFUSES,
    A,
    Desk,
    KnownCluster,
    ScriptedVantage,
    after,
    found,
    request,
    says,
    settled,
)


def concluded(state: Investigation) -> bool:
    return state.state is State.CONCLUDED


def closed(state: Investigation) -> bool:
    return state.state is State.CLOSED


async def test_the_log_tells_the_round_in_order_and_every_step_is_finished(desk: Desk) -> None:
    desk.watch = timedelta(0)
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        state = await desk.reached(opening.ref, closed)
        await settled(desk)
    events = await desk.events(opening.ref)
    assert len({event.id for event in events}) == len(events)
    types = [event.type for event in events]
    landmarks = ["opened", "round-started", "triaged", "playbook-selected", "onset-established", "correlation-evaluated"]
    landmarks += ["diagnosed", "concluded", "closed"]
    assert [one for one in types if one in landmarks] == landmarks
    assert [event.id for event in events if event.type == "round-started"] == ["round-started/1"]
    for step in state.steps:
        own = [event.id.split("/")[0] for event in events if event.data.get("step") == step.plan.id]
        assert own == (["step-started", "step-finished"] if step.plan.probe else ["step-finished"])
        assert step.progress is Progress.FINISHED
    assert state.closed is not None
    assert state.closed.reason == "completed"
    assert desk.vantage.open == 0


async def test_the_symptom_selects_the_playbook_and_steps_share_what_they_both_ask_for(desk: Desk) -> None:
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        state = await desk.reached(opening.ref, concluded)
    assert state.playbook is not None
    assert state.playbook.playbook == "refused"
    assert "connection-refused" in state.playbook.reason
    assert desk.vantage.runs == {"tcp-connect": 1, "apiserver-health": 1, "apiserver-pods": 1, "cluster-endpoint": 1}
    pods, restarts = state.step("pods"), state.step("restarts")
    assert pods is not None
    assert restarts is not None
    assert pods.findings == restarts.findings
    assert len(pods.findings) == 1
    assert state.correlations[0].result is CorrelationResult.NOT_CHECKED
    assert state.diagnosis is not None
    assert (state.diagnosis.verdict, state.diagnosis.causes[0].id) == (Verdict.CAUSE, "down")


async def test_a_step_for_a_person_waits_for_nobody_and_is_no_all_clear(desk: Desk) -> None:
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        state = await desk.reached(opening.ref, concluded)
    step = state.step("network-team")
    assert step is not None
    assert (step.status, step.sentence, step.plan.run) == (Status.NOT_CHECKED, "Ask about 10.0.0.1.", "ping 10.0.0.1")
    assert state.diagnosis is not None
    assert "Nobody works on the balancer" in state.diagnosis.not_checked


async def test_a_named_playbook_is_followed_whatever_the_ladder_shows(desk: Desk) -> None:
    desk.vantage = ScriptedVantage(HEALTHY)
    async with desk.replica() as replica:
        opening = await replica.intake.start(request(playbook="refused"))
        state = await desk.reached(opening.ref, closed)
    assert state.playbook is not None
    assert (state.playbook.playbook, state.playbook.reason) == ("refused", "Connection refused was asked for")
    assert desk.vantage.runs["apiserver-pods"] == 1


async def test_an_unknown_playbook_is_refused_before_anything_is_opened(desk: Desk) -> None:
    async with desk.replica() as replica:
        with pytest.raises(UsageError, match="no playbook 'refuse'") as refusal:
            await replica.intake.start(request(playbook="refuse"))
    assert refusal.value.nearest == "did you mean 'refused'?"
    assert await desk.store.active() == []


async def test_a_playbook_that_is_gone_meanwhile_is_replaced_by_the_one_that_fits(desk: Desk) -> None:
    desk.library = Library(playbooks={**LIBRARY.playbooks, "old": REFUSED.model_copy(update={"id": "old"})})
    async with desk.replica("older", scan_every_s=60.0) as older:
        await older.stop()
        opening = await older.intake.start(request(playbook="old"))
    desk.library = LIBRARY
    async with desk.replica("newer"):
        state = await desk.reached(opening.ref, concluded)
    assert state.playbook is not None
    assert state.playbook.playbook == "refused"


async def test_without_a_playbook_for_the_symptom_the_ladder_alone_is_judged(desk: Desk) -> None:
    desk.vantage = ScriptedVantage({**REFUSES, "tcp-connect": says("tcp-connect", Status.PROBLEM, "connect-timeout")})
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        state = await desk.reached(opening.ref, concluded)
    assert state.playbook is not None
    assert (state.playbook.playbook, state.playbook.reason) == (None, "no playbook is for connect-timeout")
    assert [step.plan.id for step in state.steps] == ["tcp", "http"]
    assert state.diagnosis is not None
    assert state.diagnosis.verdict is Verdict.INCONCLUSIVE


async def test_what_nobody_can_look_at_from_there_is_not_checked(desk: Desk) -> None:
    async with desk.replica() as replica:
        opening = await replica.intake.start(request(playbook="agents"))
        state = await desk.reached(opening.ref, concluded)
    both, node = state.step("both"), state.step("node")
    assert both is not None
    assert node is not None
    assert [str(finding.vantage) for finding in both.findings] == ["bot"]
    assert [str(finding.vantage) for finding in node.findings] == ["node"]
    assert node.sentence == "Not checked: no agent on a node is connected."
    assert desk.vantage.runs["apiserver-pods"] == 1


async def test_every_vantage_point_that_is_asked_looks_for_itself(desk: Desk) -> None:
    here = Vantage(kind=VantageKind.NODE, name="cp-1")
    desk.extra = (ScriptedVantage(REFUSES, vantage=here),)
    async with desk.replica() as replica:
        opening = await replica.intake.start(request(playbook="agents"))
        state = await desk.reached(opening.ref, concluded)
    both, node = state.step("both"), state.step("node")
    assert both is not None
    assert node is not None
    assert {str(finding.vantage) for finding in both.findings} == {"bot", "node:cp-1"}
    assert [str(finding.vantage) for finding in node.findings] == ["node:cp-1"]
    assert desk.extra[0].runs == {"apiserver-pods": 1}
    assert desk.vantage.runs["apiserver-pods"] == 1


async def test_a_probe_that_never_ends_is_given_up_and_said_so(desk: Desk) -> None:
    desk.bounds = QUICK
    never = asyncio.Event()
    desk.vantage.script["apiserver-pods"] = after(never, desk.vantage.script["apiserver-pods"])
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        state = await desk.reached(opening.ref, concluded)
    pods = state.step("pods")
    assert pods is not None
    assert (pods.progress, pods.status) == (Progress.FINISHED, Status.NOT_CHECKED)
    assert pods.sentence.startswith("Not checked: ")
    types = await desk.types(opening.ref)
    assert types.count("diagnosed") == 2
    assert state.diagnosis is not None
    assert state.diagnosis.final
    assert not state.diagnosis.still_running
    assert desk.vantage.open == 0


async def test_what_was_found_before_giving_up_still_counts(desk: Desk) -> None:
    desk.bounds = QUICK
    never = asyncio.Event()

    async def half(round: int, params: Json) -> AsyncIterator[Finding]:
        yield found("apiserver-pods", Status.PROBLEM, "crash-looping", subject="pod-1", params=params, round=round)
        await never.wait()

    desk.vantage.script["apiserver-pods"] = half
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        state = await desk.reached(opening.ref, concluded)
    pods = state.step("pods")
    assert pods is not None
    assert pods.status is Status.PROBLEM
    assert pods.sentence.startswith("pod-1: crash-looping. The rest did not finish")


async def test_slow_evidence_revises_the_verdict_in_sight(desk: Desk) -> None:
    desk.bounds = QUICK
    slow = asyncio.Event()
    crash = says("apiserver-pods", Status.PROBLEM, "crash-looping", subject="pod-1")
    desk.vantage.script["apiserver-pods"] = after(slow, crash)
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        first = await desk.reached(opening.ref, lambda state: state.diagnosis is not None)
        slow.set()
        last = await desk.reached(opening.ref, concluded)
    assert first.diagnosis is not None
    assert last.diagnosis is not None
    assert (first.diagnosis.revision, first.diagnosis.final) == (1, False)
    assert first.diagnosis.still_running == ("API server pods run", "They do not restart")
    assert (last.diagnosis.revision, last.diagnosis.final, last.diagnosis.still_running) == (2, True, ())
    assert last.diagnosis.causes[0].score > first.diagnosis.causes[0].score
    assert last.concluded is not None
    assert last.concluded.first_verdict_s < last.concluded.duration_s


async def test_the_first_verdict_waits_for_nothing_that_runs_beside_the_ladder(desk: Desk) -> None:
    beside = Step(id="fresh", title="Fresh connections work", probe="fresh-connections", beside=True)
    ladder = LADDER.model_copy(update={"steps": (*LADDER.steps, beside)})
    desk.library = Library(playbooks={**LIBRARY.playbooks, ladder.id: ladder}, causes=LIBRARY.causes)
    gate = asyncio.Event()
    desk.vantage.script["fresh-connections"] = after(gate, says("fresh-connections", Status.PROBLEM, "recovered"))
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        first = await desk.reached(opening.ref, lambda state: state.diagnosis is not None)
        # Nothing opens the gate before the verdict stands.
        gate.set()
        last = await desk.reached(opening.ref, concluded)
    assert first.diagnosis is not None
    assert last.diagnosis is not None
    assert first.playbook is not None
    assert (first.diagnosis.final, first.diagnosis.still_running) == (False, ("Fresh connections work",))
    assert (last.diagnosis.revision, last.diagnosis.final) == (2, True)
    step = last.step("fresh")
    assert step is not None
    assert step.status is Status.PROBLEM


async def test_a_ladder_that_hangs_does_not_hold_up_the_first_verdict(desk: Desk) -> None:
    desk.bounds = QUICK
    gate = asyncio.Event()
    desk.vantage.script["apiserver-health"] = after(gate, says("apiserver-health", Status.OK, "healthy"))
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        state = await desk.reached(opening.ref, lambda state: state.diagnosis is not None)
    assert state.diagnosis is not None
    assert state.diagnosis.still_running == ("The API server answers",)
    assert state.diagnosis.causes[0].id == "down"


async def test_problems_with_the_clusters_files_are_listed_as_unchecked(desk: Desk) -> None:
    desk.directory = KnownCluster(problems=["The CA cannot be used."])
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        state = await desk.reached(opening.ref, concluded)
    assert state.diagnosis is not None
    assert "The CA cannot be used." in state.diagnosis.not_checked


async def test_files_that_give_no_server_end_the_round_with_what_to_do_next(desk: Desk) -> None:
    for error in (
        ConfigError("there is no such file", where="/etc/kube/prod.yaml", nearest="did you mean prod.yml?", next="ls /etc/kube"),
        UsageError("there is no such file", where="/etc/kube/prod.yaml", nearest="did you mean prod.yml?", next="ls /etc/kube"),
    ):
        directory = desk.directory = KnownCluster(error)
        desk.watch = timedelta(0)
        async with desk.replica() as replica:
            opening = await replica.intake.start(request())
            state = await desk.reached(opening.ref, closed)
            await settled(desk)
        assert state.diagnosis is not None
        assert state.diagnosis.verdict is Verdict.INCONCLUSIVE
        assert state.diagnosis.headline == (
            "Inconclusive: apidown's own configuration: prod.yaml: there is no such file. Nobody looked at the cluster."
        )
        assert state.diagnosis.notes == ("did you mean prod.yml?", "Next: ls /etc/kube")
        assert state.diagnosis.final
        assert state.steps == ()
        assert state.closed is not None
        assert state.closed.reason == "completed"
        assert await desk.types(opening.ref) == ["opened", "round-started", "diagnosed", "concluded", "closed"]
        assert directory.asked == 1


async def test_files_mended_meanwhile_are_read_by_the_next_round(desk: Desk) -> None:
    directory = desk.directory = KnownCluster(ConfigError("there is no such file"))
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        await desk.reached(opening.ref, concluded)
        directory.error = None
        assert await replica.intake.rerun(opening.ref, who="ann")
        state = await desk.reached(opening.ref, lambda state: state.round == 2 and concluded(state))
    assert state.diagnosis is not None
    assert state.diagnosis.causes[0].id == "down"


async def test_a_defect_is_said_once_and_nobody_runs_into_it_again(desk: Desk) -> None:
    class Broken(ScriptedVantage):
        def open_round(self, *args: object, **kwargs: object) -> None:  # type: ignore[override]
            self.open += 1
            raise RuntimeError("token=hunter2hunter2 in a defect")

    desk.vantage = broken = Broken(REFUSES)
    desk.watch = timedelta(0)
    with capture_logs() as logged:
        async with desk.replica() as replica:
            opening = await replica.intake.start(request())
            state = await desk.reached(opening.ref, closed)
            await settled(desk)
    assert broken.open == 1
    assert state.diagnosis is not None
    assert state.diagnosis.verdict is Verdict.INCONCLUSIVE
    assert "apidown itself failed (RuntimeError)" in state.diagnosis.headline
    assert "hunter2" not in str(await desk.events(opening.ref))
    failures = [entry for entry in logged if entry["log_level"] in ("error", "critical")]
    assert [entry["event"] for entry in failures] == ["round-failed"]
    assert isinstance(plainest(failures[0]["exc_info"]), RuntimeError)


async def test_a_defect_after_the_first_verdict_withdraws_it_and_keeps_what_was_seen(desk: Desk) -> None:
    desk.bounds = QUICK
    slow = asyncio.Event()

    async def breaks(round: int, params: Json) -> AsyncIterator[Finding]:
        await slow.wait()
        raise RuntimeError("a defect")
        yield

    desk.vantage.script["apiserver-pods"] = breaks
    with capture_logs():
        async with desk.replica() as replica:
            opening = await replica.intake.start(request())
            first = await desk.reached(opening.ref, lambda state: state.diagnosis is not None)
            slow.set()
            state = await desk.reached(opening.ref, concluded)
    assert first.diagnosis is not None
    assert first.diagnosis.verdict is Verdict.CAUSE
    assert state.diagnosis is not None
    assert (state.diagnosis.verdict, state.diagnosis.revision, state.diagnosis.final) == (Verdict.INCONCLUSIVE, 2, True)
    assert [cause.id for cause in state.diagnosis.causes] == ["down"]
    tcp = state.step("tcp")
    assert tcp is not None
    assert tcp.findings[0].subject == A
    assert EventType.CONCLUDED in await desk.types(opening.ref)


async def test_the_onset_is_at_the_latest_when_it_was_first_asked_about(desk: Desk) -> None:
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        await desk.reached(opening.ref, concluded)
        await replica.intake.rerun(opening.ref, who="ann")
        state = await desk.reached(opening.ref, lambda state: state.round == 2 and concluded(state))
    assert state.onset is not None
    assert state.onset.first_bad == state.opened_at


class WithCredentials(KnownCluster):
    """A directory whose cluster has a token that is read during the round."""

    def __init__(self) -> None:
        super().__init__()
        self.read: set[str] = set()

    async def access(self, cluster: Cluster) -> ClusterAccess:
        return replace(await super().access(cluster), secrets=lambda: frozenset(self.read))


async def test_what_a_probe_saw_of_the_clusters_own_token_reaches_no_log(desk: Desk) -> None:
    directory = desk.directory = WithCredentials()

    async def echoing(round: int, params: Json) -> AsyncIterator[Finding]:
        directory.read.add("opaque-token")
        yield found("tcp-connect", Status.PROBLEM, "connection-refused", raw_error="the proxy says: opaque-token")

    desk.vantage.script["tcp-connect"] = echoing
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        state = await desk.reached(opening.ref, lambda state: state.state is State.CONCLUDED)
    assert "the proxy says: [redacted]" in [finding.raw_error for finding in state.findings]
    assert "opaque-token" not in "".join(event.model_dump_json() for event in await desk.events(opening.ref))


async def test_what_is_beside_the_ladder_has_the_rounds_time(desk: Desk) -> None:
    """It may wait for what is due in half a minute; the ladder has nine seconds."""
    beside = Step(id="fresh", title="Fresh connections work", probe="fresh-connections", beside=True)
    ladder = LADDER.model_copy(update={"steps": (*LADDER.steps, beside)})
    desk.library = Library(playbooks={**LIBRARY.playbooks, ladder.id: ladder}, causes=LIBRARY.causes)
    desk.vantage.script["fresh-connections"] = says("fresh-connections", Status.OK, "steady")
    async with desk.replica() as replica:
        opening = await replica.intake.start(request())
        await desk.reached(opening.ref, concluded)
    deadlines = desk.vantage.deadlines
    assert deadlines["fresh-connections"] - deadlines["tcp-connect"] == pytest.approx(desk.bounds.round_s - desk.bounds.ladder_s)
