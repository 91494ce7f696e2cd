"""Prometheus's scrapes: each outcome, from recorded answers of a real one, and which scrapes do not count."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bot.model.finding import Finding, Status
from bot.model.metrics import Monitoring, Role
from bot.model.observation import Failure
from bot.probes._shared import scrapes
from tests.fakes.network import LIVE, READY, VERSION
from tests.fakes.prometheus import Recorded, asked, target
from tests.probes.scene import ADDRESS, HOST, PROBES, Scene, StoppedClock

OK, PROBLEM, UNSURE, UNCHECKED = Status.OK, Status.PROBLEM, Status.INCONCLUSIVE, Status.NOT_CHECKED
ASKED, ONE, TWO = f"{ADDRESS}:6443", "10.0.0.11:6443", "10.0.0.12:6443"
OLD = {ASKED: 86_400.0, ONE: 86_400.0, TWO: 86_400.0}


def failing(failure: Failure = Failure.CONNECTION_REFUSED) -> Scene:
    """From here the address fails at ``NOW``."""
    scene = Scene(seconds=60)
    scene.network.connects(ADDRESS, failure=failure)
    return scene


async def look(
    scene: Scene,
    *targets: Any,
    fake: Recorded | None = None,
    then: Sequence[Any] | None = None,
    monitoring: Monitoring | None = None,
    seconds: float = 0,
) -> dict[str, Finding]:
    """The findings by their outcomes."""
    fake = fake or Recorded(ages_s=OLD)
    fake.looks = [list(targets), *([list(then)] if then is not None else [])]
    async with asked(fake, StoppedClock(), monitoring) as reads:
        scene.metrics = reads
        return {finding.outcome: finding for finding in await scene.run("prometheus-targets", seconds=seconds)}


BEHIND = [
    ("up", "apiserver-up", OK),
    ("refused", "apiserver-refused", PROBLEM),
    ("dropped", "apiserver-silent", PROBLEM),
    ("silent", "apiserver-silent", PROBLEM),
    ("no-route", "apiserver-no-route", PROBLEM),
    ("no-network", "apiserver-no-route", PROBLEM),
    ("eof", "apiserver-closed", PROBLEM),
    ("reset", "apiserver-closed", PROBLEM),
    ("500", "apiserver-failing", PROBLEM),
    ("503", "apiserver-failing", PROBLEM),
    ("429", "apiserver-shedding", PROBLEM),
    ("expired", "apiserver-certificate-expired", PROBLEM),
    ("401", "apiserver-answers", OK),
    ("403", "apiserver-answers", OK),
    ("no-metrics", "apiserver-answers", OK),
    ("no-name", "not-told", UNSURE),
    ("proxy", "not-told", UNSURE),
    ("other-name", "not-told", UNSURE),
    ("other-authority", "not-told", UNSURE),
]


@pytest.mark.parametrize(("ending", "outcome", "status"), BEHIND)
async def test_how_scrapes_of_all_servers_behind_an_address_end(ending: str, outcome: str, status: Status) -> None:
    found = await look(failing(), target(ending, ONE), target(ending, TWO))
    assert {name: one.status for name, one in found.items()} == {outcome: status}
    assert found[outcome].raw_error or ending in ("up", "401", "403", "no-metrics")


async def test_the_words_of_prometheus_stay_beside_the_finding() -> None:
    found = await look(failing(), target("refused", ONE))
    assert found["apiserver-refused"].raw_error == f'Get "http://{ONE}/metrics": dial tcp {ONE}: connect: connection refused'
    assert found["apiserver-refused"].subject == ONE
    assert found["apiserver-refused"].evidence["targets"][0]["scrape"] == "refused"


async def test_the_asked_address_answers_somebody_else() -> None:
    found = await look(failing(), target("up", ASKED), target("up", ONE))
    assert {name: one.status for name, one in found.items()} == {"asked-up": OK, "others-up": OK}


async def test_clients_ask_another_port_than_the_servers_own() -> None:
    found = await look(
        failing(), target("up", f"{ADDRESS}:6444"), target("up", ONE), fake=Recorded(ages_s=OLD | {f"{ADDRESS}:6444": 900.0})
    )
    assert {name: one.status for name, one in found.items()} == {"apiserver-at-other-port": OK}
    assert f"{ADDRESS}:6444 answers Prometheus, at the machine that clients ask" in found["apiserver-at-other-port"].sentence


async def test_the_asked_server_is_judged_apart_from_the_others() -> None:
    found = await look(failing(), target("refused", ASKED), target("up", ONE))
    assert {name: one.status for name, one in found.items()} == {"apiserver-refused": PROBLEM, "others-up": OK}
    assert found["apiserver-refused"].subject == ASKED


async def test_another_server_that_is_down_is_a_warning() -> None:
    found = await look(Scene(), target("up", ASKED), target("refused", ONE))
    assert set(found) == {"asked-up", "others-down"}
    assert ONE in (found["others-down"].warning or "")


async def test_one_of_two_behind_the_address_is_down() -> None:
    found = await look(Scene(), target("up", ONE), target("refused", TWO))
    assert {name: one.status for name, one in found.items()} == {"apiservers-differ": PROBLEM}
    assert found["apiservers-differ"].sentence == f"1 of 2 API servers cannot be scraped: {TWO} refuses connections."
    assert found["apiservers-differ"].warning


async def test_servers_that_fail_in_two_ways_are_down() -> None:
    assert set(await look(failing(), target("refused", ONE), target("silent", TWO))) == {"apiserver-down"}


# What counts


async def test_good_news_from_before_the_failure_says_nothing() -> None:
    """The trap: `up` is 1 until the next scrape, whatever has happened since."""
    found = await look(failing(), target("up", ASKED, ago_s=5))
    assert {name: one.status for name, one in found.items()} == {"stale": UNSURE}


async def test_a_scrape_that_is_due_is_waited_for() -> None:
    found = await look(failing(), target("up", ASKED, ago_s=29), then=[target("refused", ASKED, ago_s=-1)], seconds=20)
    assert set(found) == {"apiserver-refused"}


async def test_a_scrape_that_comes_too_late_is_not_waited_for() -> None:
    found = await look(failing(), target("up", ASKED, ago_s=5), then=[target("refused", ASKED)], seconds=20)
    assert set(found) == {"stale"}


async def test_a_target_that_is_scraped_no_more_is_not_waited_for() -> None:
    found = await look(failing(), target("up", ASKED, ago_s=900), seconds=50)
    assert set(found) == {"stale"}


async def test_one_that_was_never_scraped_says_nothing() -> None:
    assert set(await look(failing(), target("unscraped", ASKED))) == {"stale"}


async def test_while_nothing_fails_a_recent_scrape_will_do() -> None:
    assert set(await look(Scene(), target("up", ASKED, ago_s=20))) == {"asked-up"}
    assert set(await look(Scene(), target("up", ASKED, ago_s=900))) == {"stale"}


async def test_while_nothing_fails_a_bad_scrape_is_confirmed_first() -> None:
    """What restarts is not down."""
    assert set(await look(Scene(), target("refused", ASKED, ago_s=20))) == {"stale"}
    found = await look(Scene(seconds=60), target("refused", ASKED, ago_s=29), then=[target("up", ASKED)], seconds=20)
    assert set(found) == {"asked-up"}


async def test_a_process_that_began_after_the_failure_proves_that_there_was_one() -> None:
    found = await look(failing(), target("up", ASKED, ago_s=-10), fake=Recorded(ages_s={ASKED: 4.0}))
    assert {name: one.status for name, one in found.items()} == {"apiserver-restarted": PROBLEM}


async def test_a_process_of_unknown_age_answers_and_no_more() -> None:
    found = await look(failing(), target("up", ASKED), fake=Recorded())
    assert {name: one.status for name, one in found.items()} == {"apiserver-answers": OK}


async def test_what_was_down_all_day_says_nothing_about_now() -> None:
    found = await look(
        failing(),
        target("refused", ONE),
        target("refused", "10.0.0.11:2381", "etcd"),
        fake=Recorded(never=frozenset({"10.0.0.11:2381"})),
    )
    assert {name: one.status for name, one in found.items()} == {"never-up": UNSURE, "apiserver-refused": PROBLEM}


@pytest.mark.parametrize(
    "arrange",
    [
        lambda net: net.resolves(HOST, failure=Failure.NAME_NOT_FOUND),
        lambda net: net.hides_from_tls(ADDRESS, Failure.TLS_CLOSED),
        lambda net: [net.answers(ADDRESS, path, 500, "[-]etcd failed: reason withheld") for path in (LIVE, READY, VERSION)],
    ],
)
async def test_any_layer_that_fails_makes_older_scrapes_too_old(arrange: Any) -> None:
    scene = Scene()
    arrange(scene.network)
    assert set(await look(scene, target("up", ONE, ago_s=5))) == {"stale"}


# Machines, etcd, balancer


@pytest.mark.parametrize(
    ("api", "exporter", "outcome"),
    [
        ("refused", "up", "node-up"),
        ("silent", "up", "node-up"),
        ("silent", "refused", "node-up"),
        ("silent", "silent", "node-silent"),
        ("no-route", "no-route", "node-no-route"),
    ],
)
async def test_machines_of_api_servers(api: str, exporter: str, outcome: str) -> None:
    found = await look(failing(), target(api, ONE), target(exporter, "10.0.0.11:9100", "node-exporter"))
    assert outcome in found
    assert found[outcome].subject == "machine 10.0.0.11"


async def test_a_machine_is_gone_where_its_neighbours_are_found() -> None:
    """A way that is missing is missing to all of a network; a machine that is off is not."""
    gone = [target("no-route", ONE), target("no-route", "10.0.0.11:9100", "node")]
    near, far = target("up", "10.0.0.99:9100", "node"), target("up", "10.0.7.99:9100", "node")
    assert "node-gone" in await look(failing(), *gone, near)
    assert "node-no-route" in await look(failing(), *gone, far)


async def test_machines_that_differ_are_not_judged() -> None:
    found = await look(
        failing(),
        *(target("silent", one) for one in (ONE, TWO)),
        target("up", "10.0.0.11:9100", "node"),
        target("no-route", "10.0.0.12:9100", "node"),
    )
    assert set(found) == {"apiserver-silent", "not-told"}


async def test_a_workers_exporter_is_nobodys_business() -> None:
    assert set(await look(failing(), target("refused", ONE), target("silent", "10.0.0.99:9100", "node"))) == {"apiserver-refused"}


@pytest.mark.parametrize(("ending", "outcome"), [("up", "up"), ("silent", "silent"), ("no-route", "no-route")])
async def test_the_machine_that_is_asked(ending: str, outcome: str) -> None:
    found = await look(failing(Failure.CONNECT_TIMEOUT), target("up", ONE), target(ending, f"{ADDRESS}:9100", "node"))
    assert set(found) == {"apiserver-up", f"asked-host-{outcome}"}


async def test_an_address_that_nobody_watches_beside_one_that_is_watched() -> None:
    """Only where it takes no connection: what answers is nobody's old record."""
    stranger = "10.0.0.77"
    for failure, said in (
        (Failure.HOST_UNREACHABLE, {"asked-host-unknown"}),
        (Failure.NO_ADDRESS_FAMILY, set()),
        (None, set()),
    ):
        scene = Scene(seconds=60)
        scene.network.resolves("api.example.com", ADDRESS, stranger)
        scene.network.connects(stranger, failure=failure)
        found = await look(scene, target("up", ONE), target("up", f"{ADDRESS}:9100", "node"))
        assert set(found) & {"asked-host-unknown"} == said
        if said:
            assert found["asked-host-unknown"].subject == f"machine {stranger}"


async def test_where_no_address_is_watched_none_is_a_stranger() -> None:
    scene = failing(Failure.HOST_UNREACHABLE)
    scene.network.resolves("api.example.com", ADDRESS, "10.0.0.77")
    assert "asked-host-unknown" not in await look(scene, target("up", ONE))


ETCD = [
    (("up", "up", "up"), "etcd-up", OK),
    (("refused",), "etcd-refused", PROBLEM),
    (("silent", "silent", "up"), "etcd-silent", PROBLEM),
    (("no-route", "up"), "etcd-no-route", PROBLEM),
    (("refused", "silent", "up"), "etcd-down", PROBLEM),
    (("up", "refused", "up"), "etcd-member-down", PROBLEM),
    (("other-name", "up", "up"), "not-told", UNSURE),
]


@pytest.mark.parametrize(("endings", "outcome", "status"), ETCD)
async def test_members_of_etcd(endings: tuple[str, ...], outcome: str, status: Status) -> None:
    members = [target(ending, f"10.0.0.{11 + number}:2381", "kube-etcd") for number, ending in enumerate(endings)]
    found = await look(failing(), target("up", ONE), *members)
    assert found[outcome].status is status
    assert bool(found[outcome].warning) is (outcome == "etcd-member-down")


async def test_an_etcd_of_something_else_is_left_out() -> None:
    elsewhere = target("refused", "10.7.0.1:2379", "etcd")
    assert set(await look(failing(), target("up", ONE), elsewhere)) == {"apiserver-up"}
    named = Monitoring(jobs={Role.ETCD: ("etcd",)})
    assert set(await look(failing(), target("up", ONE), elsewhere, monitoring=named)) == {"apiserver-up", "etcd-refused"}


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        ("up", "balancer-up"),
        ("503", "balancer-up"),
        ("refused", "balancer-refused"),
        ("silent", "balancer-silent"),
        ("no-route", "balancer-no-route"),
        ("proxy", "not-told"),
    ],
)
async def test_the_balancers_own_metrics(ending: str, outcome: str) -> None:
    found = await look(failing(), target("up", ONE), target(ending, f"{ADDRESS}:8405", "haproxy"))
    assert outcome in found


async def test_a_balancer_is_gone_where_its_machine_answers() -> None:
    balancer, exporter = target("refused", f"{ADDRESS}:8405", "haproxy"), target("up", f"{ADDRESS}:9100", "node")
    assert "balancer-gone" in await look(failing(), target("up", ONE), balancer, exporter)


async def test_a_balancer_of_something_else_is_left_out() -> None:
    assert set(await look(failing(), target("up", ONE), target("refused", "10.7.0.9:8405", "haproxy"))) == {"apiserver-up"}


# What there is to ask


async def test_two_jobs_that_scrape_the_same_server_are_one_look() -> None:
    found = await look(failing(), target("other-name", ONE, "kube-apiserver"), target("up", ONE, "apiserver"))
    assert set(found) == {"apiserver-up"}


async def test_no_api_server_is_scraped() -> None:
    found = await look(failing(), target("up", "10.0.0.50:9100", "node"))
    assert {name: one.status for name, one in found.items()} == {"no-such-target": UNSURE}
    assert "jobs" in (found["no-such-target"].todo or "")


async def test_several_clusters_need_a_label() -> None:
    both = [target("up", ONE, cluster="prod"), target("refused", TWO, cluster="dev")]
    found = await look(failing(), *both)
    assert {name: one.status for name, one in found.items()} == {"clusters-mixed": UNSURE}
    assert set(await look(failing(), *both, monitoring=Monitoring(match={"cluster": "dev"}))) == {"apiserver-refused"}


async def test_jobs_may_have_other_names() -> None:
    named = Monitoring(jobs={Role.APISERVER: ("mine-*",)})
    assert set(await look(failing(), target("refused", ONE, "mine-1"), monitoring=named)) == {"apiserver-refused"}


async def test_without_a_list_of_targets_there_are_no_reasons() -> None:
    """As Mimir has it: the series, and nothing that says why."""
    fake = Recorded(values={"up{": [({"job": "apiserver", "instance": ONE}, 0.0)]})
    assert set(await look(Scene(), fake=fake)) == {"apiserver-down"}


async def test_no_prometheus_is_configured() -> None:
    found = await Scene().one("prometheus-targets")
    assert (found.status, found.outcome) == (UNCHECKED, "not-configured")
    assert "prometheus:" in (found.todo or "")


async def test_a_prometheus_that_is_down_itself() -> None:
    scene = failing()
    async with asked(Recorded(), StoppedClock()) as reads:
        pass
    scene.metrics = reads
    found = await scene.one("prometheus-targets")
    await reads.aclose()
    assert (found.status, found.outcome) == (UNCHECKED, "not-answered")
    assert found.sentence.startswith("Not checked: Prometheus at http://127.0.0.1:")


def test_every_outcome_has_a_test_here() -> None:
    text = Path(__file__).read_text()
    made = {f"asked-host-{kind}" for kind in ("up", "silent", "no-route")}
    assert {name for name in PROBES["prometheus-targets"].outcomes if name not in made and f'"{name}"' not in text} == set()
    assert set(scrapes.OUTCOMES) == set(PROBES["prometheus-targets"].outcomes)
