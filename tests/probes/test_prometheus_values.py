"""Prometheus's values and its hour of history: each outcome, and that what is from before says nothing about now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.model.finding import Finding, Status
from bot.model.observation import Failure
from bot.render.chart import chart_lines
from tests.fakes.prometheus import Recorded, asked, target
from tests.probes.scene import ADDRESS, PROBES, Scene, StoppedClock

OK, PROBLEM, UNSURE, UNCHECKED, NOTHING = (
    Status.OK,
    Status.PROBLEM,
    Status.INCONCLUSIVE,
    Status.NOT_CHECKED,
    Status.NOT_APPLICABLE,
)
API, ETCD = f"{ADDRESS}:6443", f"{ADDRESS}:2381"
SERIES = {"job": "apiserver", "instance": API}
FILES, STARTS, KILLED = "max(last_over_time(process_open_fds", "max(changes(", "max(increase(container_oom"
LEADER, SPACE, DISK, WATCHES = (
    "min(etcd_server_has_leader",
    "max(last_over_time(etcd_mvcc",
    "max(rate(etcd_disk",
    "etcd_debugging_mvcc_watcher_total",
)


async def run(probe: str, fake: Recorded, scene: Scene | None = None, *, servers: int = 1, **params: Any) -> dict[str, Finding]:
    """The findings by their outcomes; the API servers and etcd are scraped."""
    scene = scene or Scene()
    targets = [target("up", f"10.0.0.{number}:6443") for number in range(1, servers + 1)]
    fake.looks = fake.looks or [[*targets, target("up", ETCD, "etcd")]]
    async with asked(fake, StoppedClock()) as reads:
        scene.metrics = reads
        return {finding.outcome: finding for finding in await scene.run(probe, **params)}


def value(words: str, number: float) -> Recorded:
    return Recorded(values={words: [({}, number)]})


VALUES = [
    (FILES, 0.02, "files-free", OK),
    (FILES, 0.97, "files-near-limit", PROBLEM),
    (STARTS, 0, "running-through", OK),
    (STARTS, 1, "restarted-once", OK),
    (STARTS, 4, "restarting", PROBLEM),
    (KILLED, 1, "out-of-memory", PROBLEM),
    (LEADER, 1, "etcd-led", OK),
    (LEADER, 0, "etcd-without-leader", PROBLEM),
    (SPACE, 0.1, "etcd-has-space", OK),
    (SPACE, 0.85, "etcd-nearly-full", OK),
    (SPACE, 0.99, "etcd-full", PROBLEM),
    (DISK, 0.4, "etcd-disk-slow", PROBLEM),
]


@pytest.mark.parametrize(("words", "number", "outcome", "status"), VALUES)
async def test_values_and_what_they_mean(words: str, number: float, outcome: str, status: Status) -> None:
    found = await run("prometheus-signals", value(words, number))
    assert {name: one.status for name, one in found.items()} == {outcome: status}
    assert bool(found[outcome].warning) is (outcome in ("etcd-nearly-full", "etcd-full"))


@pytest.mark.parametrize(("words", "number"), [(FILES, 0.7), (KILLED, 0.2), (DISK, 0.002)])
async def test_values_in_between_are_not_told(words: str, number: float) -> None:
    found = await run("prometheus-signals", value(words, number))
    assert {name: one.status for name, one in found.items()} == {"not-told": UNSURE}


async def test_only_this_clusters_members_are_read() -> None:
    fake = value(LEADER, 0)
    fake.looks = [[target("up", API), target("up", "10.7.0.1:2379", "etcd")]]
    assert set(await run("prometheus-signals", fake)) == {"not-told"}
    assert not any("etcd_server" in query.get("query", "") for _, query in fake.asked)


# A dead process takes its watches at etcd with it


def watched(now: float | None, *, before: float = 200) -> Recorded:
    after = [] if now is None else [(-1.0, now)]
    return Recorded(courses={WATCHES: [({"instance": ETCD}, [(90.0, before), (60.0, before), (30.0, before), *after])]})


def refused() -> Scene:
    scene = Scene(seconds=60)
    scene.network.connects(ADDRESS, failure=Failure.CONNECTION_REFUSED)
    return scene


@pytest.mark.parametrize(
    ("servers", "now", "outcome"),
    [
        (1, 198, "etcd-watched-as-before"),
        (1, 0, "etcd-watched-less"),
        (1, 100, "not-told"),
        (2, 195, "etcd-watched-as-before"),
        (2, 104, "etcd-watched-less"),
        (2, 150, "not-told"),
        (3, 134, "etcd-watched-less"),
    ],
)
async def test_watches_at_etcd(servers: int, now: float, outcome: str) -> None:
    found = await run("prometheus-signals", watched(now), refused(), servers=servers, seconds=0)
    assert set(found) == {outcome}


@pytest.mark.parametrize(
    ("servers", "now", "outcome"),
    [(1, 0, "processes-gone"), (2, 104, "processes-gone"), (1, 200, "processes-alive"), (2, 199, "processes-alive")],
)
async def test_watches_of_a_server_that_refuses(servers: int, now: float, outcome: str) -> None:
    """What clients ask refuses Prometheus, too; whether its process is gone is seen at etcd."""
    fake = watched(now)
    others = [target("up", f"10.0.0.{number}:6443") for number in range(2, servers + 1)]
    fake.looks = [[target("refused", API), *others, target("up", ETCD, "etcd")]]
    assert set(await run("prometheus-signals", fake, refused(), seconds=0)) == {outcome}


async def test_files_are_exhausted_only_where_something_fails() -> None:
    assert set(await run("prometheus-signals", value(FILES, 1.0))) == {"files-near-limit"}
    assert set(await run("prometheus-signals", value(FILES, 1.0), refused(), seconds=0)) == {"files-exhausted"}


async def test_watches_from_before_the_failure_say_nothing() -> None:
    assert set(await run("prometheus-signals", watched(None), refused(), seconds=0)) == {"not-told"}


async def test_watches_are_not_counted_while_nothing_fails() -> None:
    assert set(await run("prometheus-signals", watched(0))) == {"not-told"}


async def test_few_watches_are_no_measure() -> None:
    assert set(await run("prometheus-signals", watched(0, before=12), refused(), seconds=0)) == {"not-told"}


# A full queue is counted by the kernel


@pytest.mark.parametrize(("grown", "outcome"), [(12, "listen-queue-overflowing"), (0, "not-told"), (-40, "not-told")])
async def test_connections_that_overflow_a_queue(grown: float, outcome: str) -> None:
    exporter = target("up", f"{ADDRESS}:9100", "node")
    counted = [({"instance": f"{ADDRESS}:9100"}, [(60.0, 40.0), (30.0, 40.0), (1.0, 40.0), (-1.0, 40.0 + grown)])]
    fake = Recorded(courses={"node_netstat_TcpExt_ListenOverflows": counted})
    fake.looks = [[target("up", API), exporter]]
    assert set(await run("prometheus-signals", fake, refused(), seconds=0)) == {outcome}


# The hour before


def up(*points: tuple[float, float]) -> Recorded:
    return Recorded(courses={f'up{{job=~"{JOBS}': [(SERIES, list(points))]})


JOBS = "apiserver"


async def test_every_scrape_went_well() -> None:
    found = await run("prometheus-history", up(*((float(ago_s), 1.0) for ago_s in range(1800, 0, -30))))
    assert {name: one.status for name, one in found.items()} == {"scraped-steadily": OK}


async def test_scrapes_fail_since_a_moment_that_is_known() -> None:
    """The good scrape before and the bad one after are the onset, to within one interval."""
    found = await run("prometheus-history", up((90, 1), (60, 1), (30, 0), (0, 0)), refused())
    (one,) = found.values()
    assert (one.outcome, one.status) == ("scraped-no-more", PROBLEM)
    assert (one.evidence["last_good"], one.evidence["first_bad"]) == ("2026-11-20T11:59:00.000Z", "2026-11-20T11:59:30.000Z")


async def test_scrapes_failed_and_go_well_again() -> None:
    found = await run("prometheus-history", up((90, 1), (60, 0), (30, 1), (0, 1)))
    assert {name: one.status for name, one in found.items()} == {"scraped-again": PROBLEM}


def course(words: str, number: float) -> dict[str, Any]:
    return {words: [({}, [(float(ago_s), number) for ago_s in range(3480, -1, -120)])]}


@pytest.mark.parametrize(("seconds", "outcome", "status"), [(0.2, "quick", OK), (4.5, "slow", PROBLEM)])
async def test_latency_of_the_slowest_of_a_hundred(seconds: float, outcome: str, status: Status) -> None:
    fake = up((30, 1), (0, 1))
    fake.courses |= course("histogram_quantile(0.99", seconds)
    found = await run("prometheus-history", fake)
    assert found[outcome].status is status


@pytest.mark.parametrize(("errors", "outcome", "status"), [(0.1, "errors-few", OK), (20.0, "errors-many", PROBLEM)])
async def test_share_of_server_errors(errors: float, outcome: str, status: Status) -> None:
    fake = up((30, 1), (0, 1))
    fake.courses |= {**course('sum(rate(apiserver_request_total{job=~"', 100.0)}
    failed = course("", errors)[""]
    fake.failing = failed
    found = await run("prometheus-history", fake)
    assert found[outcome].status is status


async def test_the_hour_is_a_chart_that_views_can_draw() -> None:
    fake = up((30, 1), (0, 1))
    fake.courses |= course("100 * avg(up", 100.0) | course("histogram_quantile(0.99", 0.25)
    found = await run("prometheus-history", fake)
    lines = chart_lines(found["scraped-steadily"].evidence["chart"])
    assert [line.split()[0] for line in lines[:2]] == ["up", "p99"]
    assert "last 250 ms" in lines[1]


@pytest.mark.parametrize("probe", ["prometheus-signals", "prometheus-history"])
async def test_there_is_none_or_it_is_down(probe: str) -> None:
    found = await Scene().one(probe)
    assert (found.status, found.outcome) == (NOTHING, "not-configured")
    scene = Scene()
    async with asked(Recorded(), StoppedClock()) as reads:
        pass
    scene.metrics = reads
    found = await scene.one(probe)
    await reads.aclose()
    assert (found.status, found.outcome) == (UNCHECKED, "not-answered")


async def test_no_history_of_this_cluster() -> None:
    assert set(await run("prometheus-history", Recorded())) == {"not-told"}


@pytest.mark.parametrize("probe", ["prometheus-signals", "prometheus-history"])
def test_every_outcome_has_a_test_here(probe: str) -> None:
    text = Path(__file__).read_text()
    assert {name for name in PROBES[probe].outcomes if f'"{name}"' not in text} == set()
