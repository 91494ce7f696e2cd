"""The boundary around every probe: what it gets, how long it may take, and that nothing it does gets out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

from pydantic import Field
from structlog.testing import capture_logs

from bot.clock import SystemClock
from bot.model.base import Json, Value
from bot.model.finding import Finding, Status
from bot.model.target import Cluster, CredentialKind, Target
from bot.ports import ClusterAccess
from bot.registry import NoParams, Probe, ProbeContext
from bot.vantage.local import LocalRound, LocalVantage
from tests.fakes.network import ScriptedNetwork

CLUSTER = Cluster(name="prod", target=Target.from_url("https://10.0.0.1:6443"), configured=True)
OUTCOMES = {"good": "it is good", "bad": "it is bad"}


class Network(ScriptedNetwork):
    closed = 0

    async def aclose(self) -> None:
        self.closed += 1


class Reads:
    def __init__(self) -> None:
        self.closed = 0

    async def aclose(self) -> None:
        self.closed += 1

    def requests_made(self) -> int:
        return 3

    async def list_pods(self, namespace: str, *, label_selector: str | None = None, limit: int = 50) -> list[Any]:
        return []

    async def list_endpoint_addresses(self, namespace: str, service: str) -> list[Any]:
        return []

    async def get_config_map(self, namespace: str, name: str) -> None:
        return None


class Token:
    kind = CredentialKind.TOKEN

    async def headers(self) -> dict[str, str]:
        return {}

    def load_client_certificate(self, context: object) -> None:
        return

    def describe(self) -> Json:
        return {}


class Params(Value):
    count: int = Field(default=1, ge=1)


Function = Callable[[ProbeContext, Any], AsyncGenerator[Finding, None]]


def place(
    function: Function, *, needs: tuple[str, ...] = (), params: type[Value] = NoParams
) -> tuple[LocalVantage, Network, Reads]:
    network, reads = Network(), Reads()
    probe = Probe(id="one", run=function, params=params, outcomes=OUTCOMES, needs=needs)
    made = LocalVantage(
        probes={"one": probe},
        clock=SystemClock(),
        make_network=lambda target, deadline: network,
        make_api=lambda target, credentials: reads,
    )
    return made, network, reads


def opened(made: LocalVantage, *, credentials: Token | None = None) -> LocalRound:
    return made.open_round(ClusterAccess(cluster=CLUSTER, credentials=credentials), round=2, ladder_deadline=0.0)


async def results(round: LocalRound, params: Json | None = None, *, within: float = 30.0, probe: str = "one") -> list[Finding]:
    return [finding async for finding in round.run(probe, params or {}, deadline=SystemClock().monotonic() + within)]


async def test_findings_come_through_as_they_are_made() -> None:
    async def probe(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
        yield ctx.finding("a", Status.OK, "good", "It is good.")
        yield ctx.finding("b", Status.PROBLEM, "bad", "It is bad.")

    found = await results(opened(place(probe)[0]))
    assert [(finding.subject, finding.outcome, finding.round) for finding in found] == [("a", "good", 2), ("b", "bad", 2)]


async def test_an_exception_is_a_finding_and_what_came_before_it_stands() -> None:
    async def probe(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
        yield ctx.finding("a", Status.OK, "good", "It is good.")
        raise ValueError("boom")

    with capture_logs() as logged:
        first, second = await results(opened(place(probe)[0]))
    assert first.outcome == "good"
    assert (second.status, second.outcome, second.raw_error) == (Status.ERROR, "probe-error", "ValueError('boom')")
    assert "says nothing about the cluster" in second.sentence
    assert [entry["event"] for entry in logged] == ["probe-failed"]


async def test_wrong_parameters_are_a_finding() -> None:
    async def probe(ctx: ProbeContext, params: Params) -> AsyncGenerator[Finding, None]:
        yield ctx.finding("a", Status.OK, "good", "It is good.")

    with capture_logs():
        (only,) = await results(opened(place(probe, params=Params)[0]), {"count": 0})
    assert only.outcome == "probe-error"
    assert only.params == {"count": 0}


async def test_an_outcome_that_is_not_declared_is_our_defect() -> None:
    async def probe(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
        yield ctx.finding("a", Status.OK, "splendid", "It is splendid.")
        raise AssertionError("it is not asked again")

    with capture_logs() as logged:
        (only,) = await results(opened(place(probe)[0]))
    assert (only.status, only.outcome) == (Status.ERROR, "probe-error")
    assert "splendid" in only.sentence
    assert [entry["event"] for entry in logged] == ["undeclared-outcome"]


async def test_the_deadline_ends_a_probe_and_is_no_all_clear() -> None:
    ended = asyncio.Event()

    async def probe(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
        yield ctx.finding("a", Status.OK, "good", "It is good.")
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    first, second = await results(opened(place(probe)[0]), within=0.05)
    assert first.outcome == "good"
    assert (second.status, second.outcome) == (Status.NOT_CHECKED, "deadline-passed")
    assert ended.is_set()


async def test_a_deadline_that_is_over_already_leaves_no_time_to_look() -> None:
    async def probe(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
        await asyncio.sleep(30)
        yield ctx.finding("a", Status.OK, "good", "It is good.")

    (only,) = await results(opened(place(probe)[0]), within=-10.0)
    assert only.outcome == "deadline-passed"


async def test_a_time_out_of_the_probes_own_is_its_defect_and_not_the_rounds_end() -> None:
    async def probe(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
        raise TimeoutError("a library's")
        yield

    with capture_logs():
        (only,) = await results(opened(place(probe)[0]))
    assert only.outcome == "probe-error"


async def test_cancelling_passes_and_the_probe_can_clean_up() -> None:
    started, ended = asyncio.Event(), asyncio.Event()

    async def probe(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
        try:
            started.set()
            await asyncio.Event().wait()
            yield ctx.finding("a", Status.OK, "good", "It is good.")
        finally:
            ended.set()

    task = asyncio.create_task(results(opened(place(probe)[0])), name="probing")
    await started.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert ended.is_set()


async def test_a_reader_that_leaves_early_ends_the_probe_and_hears_nothing_of_its_defects() -> None:
    ended = asyncio.Event()

    async def probe(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
        try:
            yield ctx.finding("a", Status.OK, "good", "It is good.")
            yield ctx.finding("b", Status.OK, "good", "It is good.")
        finally:
            ended.set()
            raise RuntimeError("on the way out")

    with capture_logs() as logged:
        run = opened(place(probe)[0]).run("one", {}, deadline=SystemClock().monotonic() + 30)
        assert (await anext(run)).subject == "a"
        await run.aclose()  # type: ignore[attr-defined]
    assert ended.is_set()
    assert [entry["event"] for entry in logged] == ["probe-failed"]


async def test_a_probe_that_is_not_here_is_not_checked() -> None:
    async def probe(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
        yield ctx.finding("a", Status.OK, "good", "It is good.")

    (only,) = await results(opened(place(probe)[0]), probe="two")
    assert (only.status, only.sentence) == (Status.NOT_CHECKED, "Not checked: no probe two here.")


async def test_a_probe_gets_only_the_ports_it_declares() -> None:
    seen: list[ProbeContext] = []

    async def probe(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
        seen.append(ctx)
        yield ctx.finding("a", Status.OK, "good", "It is good.")

    await results(opened(place(probe)[0], credentials=Token()))
    await results(opened(place(probe, needs=("api",))[0], credentials=Token()))
    await results(opened(place(probe, needs=("api",))[0]))
    assert [ctx.api is not None for ctx in seen] == [False, True, False]


async def test_everything_of_a_round_is_closed_with_it_and_counted() -> None:
    async def probe(ctx: ProbeContext, params: NoParams) -> AsyncGenerator[Finding, None]:
        yield ctx.finding("a", Status.OK, "good", "It is good.")

    made, network, reads = place(probe)
    opening = opened(made, credentials=Token())
    assert opening.requests_made() == 3
    await opening.aclose()
    assert (network.closed, reads.closed) == (1, 1)
