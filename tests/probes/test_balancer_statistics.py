"""What is concluded of a balancer, each outcome, from a real HAProxy before servers that answer or not."""

from __future__ import annotations

import os
import socket
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.haproxy import HaproxyStatistics
from bot.errors import Unavailable
from bot.model.balancer import BalancerRow, BalancerStatistics, RowKind
from bot.model.finding import Finding, Status
from bot.model.observation import Failure
from bot.model.target import Balancer, Endpoint
from bot.ports import BalancerAccess, BalancerReads, StatisticsUnavailable
from bot.probes._shared.backends import changes
from tests.fakes.network import NOW
from tests.haproxy import Haproxy, Servers, haproxy, servers
from tests.lab.processes import wait_until
from tests.ports import free_port
from tests.probes.scene import ADDRESS, Scene
from tests.require import missing

CHECK = "  option httpchk GET /readyz\n"
PROBE = "balancer-statistics"


@dataclass(frozen=True)
class World:
    """One HAProxy with a backend for each case, and where its frontends are."""

    process: Haproxy
    ports: dict[str, int]

    def reads(self, *, backend: str | None, url: str | None = None) -> BalancerReads:
        balancer = Balancer(url=url or f"unix:{self.process.operator}", backend=backend)
        return HaproxyStatistics([BalancerAccess(balancer=balancer)])

    def rows(self) -> dict[str, list[str]]:
        """Check and status by backend and server, as the socket tells them."""
        lines = [line.split(",") for line in self.process.tell("show stat").splitlines()[1:] if line]
        return {f"{line[0]}/{line[1]}": [line[17], line[36].removeprefix("* ")] for line in lines}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    with ExitStack() as stack:
        given = stack.enter_context(servers())
        ports = {name: free_port() for name in ("open", "full", "queue", "unchecked", "refused")}
        sections = _sections(given, ports)
        process = stack.enter_context(haproxy(tmp_path_factory.mktemp("haproxy"), sections))
        made = World(process=process, ports=ports)
        wait_until(lambda: _settled(made), "every check has ended", within=20)
        yield made


def _settled(world: World) -> bool:
    rows = world.rows()
    return bool(rows) and not any(check in ("UNK", "INI") for _, check in rows.values()) and rows["agent/one"][0] != "UP"


def _backend(name: str, place: object, options: str = "check", more: str = "") -> str:
    return f"backend {name}\n{more}  server one 127.0.0.1:{place} {options}\n"


def _sections(given: Servers, ports: dict[str, int]) -> str:
    well, closed = given.status(200), ports["refused"]
    agent = given.saying(b"down\n", unasked=True)
    codes = (400, 401, 403, 404, 418, 429, 500, 502, 503)
    return "".join(
        (
            f"frontend open\n  bind 127.0.0.1:{ports['open']}\n  default_backend well\n",
            f"frontend narrow\n  bind 127.0.0.1:{ports['full']}\n  maxconn 1\n  default_backend taking\n",
            _backend("well", well, more=CHECK),
            _backend("accepts", well),
            _backend("taking", given.silent(), ""),
            *(_backend(f"says-{code}", given.status(code), more=CHECK) for code in codes),
            _backend("refused", closed, more=CHECK),
            _backend("silent", given.full()),
            _backend("tls-silent", given.silent(), "check check-ssl verify none", CHECK),
            _backend("tls-failed", given.saying(b"SSH-2.0-x\r\n"), "check check-ssl verify none", CHECK),
            _backend("check-silent", given.silent(), more=CHECK),
            _backend("not-http", given.saying(b"SSH-2.0-x\r\n"), more=CHECK),
            _backend("cut-off", given.answering(socket.socket.close), more=CHECK),
            _backend("recovering", given.first(500), "check rise 100000", CHECK),
            _backend("flapping", given.status(200, 500), "check inter 50ms", CHECK),
            _backend("disabled", well, "check disabled"),
            _backend("agent", well, f"check agent-check agent-port {agent} agent-inter 100ms"),
            _backend("weightless", well, "check weight 0"),
            _backend("stopping", given.status(404), more=f"{CHECK}  http-check disable-on-404\n"),
            "backend unresolved\n  server one nobody.invalid:1 check resolvers nobody init-addr none\n",
            _backend("tracking", well, "track refused/one"),
            f"listen queue\n  bind 127.0.0.1:{ports['queue']}\n  server one 127.0.0.1:{given.silent()} maxconn 1\n",
            f"listen unchecked\n  bind 127.0.0.1:{ports['unchecked']}\n  server one 127.0.0.1:{closed}\n",
            f"backend half\n{CHECK}  server one 127.0.0.1:{well} check\n  server two 127.0.0.1:{closed} check\n",
        )
    )


async def looked(reads: BalancerReads | None, *, scene: Scene | None = None, seconds: float = 0.5) -> dict[str, Finding]:
    scene = scene or Scene()
    scene.balancer = reads
    return {finding.subject: finding for finding in await scene.run(PROBE, seconds=seconds)}


CASES = [
    ("well", "server-healthy"),
    ("accepts", "server-accepts"),
    ("taking", "server-unchecked"),
    ("says-400", "server-check-bad-request"),
    ("says-401", "server-check-not-allowed"),
    ("says-403", "server-check-not-allowed"),
    ("says-404", "server-check-not-found"),
    ("says-418", "server-check-other-status"),
    ("says-429", "server-check-overloaded"),
    ("says-500", "server-check-failing"),
    ("says-502", "server-check-unavailable"),
    ("says-503", "server-check-unavailable"),
    ("refused", "server-refused"),
    ("silent", "server-silent"),
    ("tls-silent", "server-tls-silent"),
    ("tls-failed", "server-tls-failed"),
    ("check-silent", "server-check-silent"),
    ("not-http", "server-check-not-understood"),
    ("cut-off", "server-check-not-understood"),
    ("recovering", "server-recovering"),
    ("flapping", "server-flapping"),
    ("disabled", "server-in-maintenance"),
    ("agent", "server-in-maintenance"),
    ("weightless", "server-draining"),
    ("stopping", "server-draining"),
    ("unresolved", "server-unresolved"),
    ("tracking", "server-down"),
]


@pytest.mark.parametrize(("backend", "outcome"), CASES)
async def test_a_server_s_state_and_check_are_one_outcome(world: World, backend: str, outcome: str) -> None:
    seconds = 3.0 if backend == "flapping" else 0.1
    found = await looked(world.reads(backend=backend), seconds=seconds)
    assert found[f"{backend}/one"].outcome == outcome
    group = {"server-healthy": "all-up", "server-accepts": "all-up", "server-unchecked": "not-all-checked"}.get(
        outcome, "none-up"
    )
    assert found[backend].outcome == group


async def test_what_is_said_has_the_state_its_age_and_what_the_check_met(world: World) -> None:
    found = await looked(world.reads(backend="refused"), seconds=0)
    server, backend = found["refused/one"], found["refused"]
    assert server.sentence.startswith("Server refused/one is DOWN since 2026-11-20 ")
    assert server.sentence.endswith("): its check is refused (L4CON, Connection refused).")
    assert server.evidence["changed_at"].startswith("2026-11-20T")
    assert server.evidence["went_down"] == 1
    assert (server.status, backend.status) == (Status.PROBLEM, Status.PROBLEM)
    assert backend.sentence.startswith("Backend refused has none of 1 servers up since 2026-11-20 ")
    assert backend.evidence["changed_at"] == server.evidence["changed_at"]


async def test_one_of_two_that_is_down_is_a_warning_beside_the_problem(world: World) -> None:
    found = await looked(world.reads(backend="half"), seconds=0.1)
    assert [finding.outcome for finding in found.values()] == ["server-refused", "server-healthy", "some-down"]
    assert found["half"].warning == "Behind the balancer 1 of 2 API servers serve, without two: nobody notices until more fail."


async def test_a_balancer_that_does_not_check_is_warned_of(world: World) -> None:
    backend = (await looked(world.reads(backend="taking"), seconds=0))["taking"]
    assert (backend.status, backend.outcome) == (Status.OK, "not-all-checked")
    assert backend.warning == "The balancer does not check 1 of 1 API servers: when one of them fails, so do its connections."


async def test_a_frontend_that_leads_there_is_told_where_it_can_be_known(world: World) -> None:
    found = await looked(world.reads(backend="unchecked"), seconds=0)
    assert found["frontend unchecked"].outcome == "frontend-open"
    # Of two frontends of the backend's kind neither is known to lead there.
    assert not any(subject.startswith("frontend") for subject in await looked(world.reads(backend="well"), seconds=0))


async def test_a_frontend_at_its_limit_is_full(tmp_path: Path) -> None:
    port = free_port()
    with servers() as given, _one_frontend(tmp_path, port, given.silent()) as alone:
        assert (await looked(alone.reads(backend=None), seconds=0))["frontend narrow"].outcome == "frontend-open"
        with socket.create_connection(("127.0.0.1", port)):
            wait_until(lambda: alone.process.tell("show sess").count("fe=narrow"), "the session is there", within=10)
            full = (await looked(alone.reads(backend=None), seconds=0))["frontend narrow"]
        assert (full.status, full.outcome) == (Status.PROBLEM, "frontend-full")
        alone.process.tell("disable frontend narrow")
        assert (await looked(alone.reads(backend=None), seconds=0))["frontend narrow"].outcome == "frontend-stopped"


@contextmanager
def _one_frontend(folder: Path, port: int, server: int) -> Generator[World]:
    sections = (
        f"frontend narrow\n  bind 127.0.0.1:{port}\n  maxconn 1\n  default_backend taking\n{_backend('taking', server, '')}"
    )
    with haproxy(folder, sections) as process:
        yield World(process=process, ports={})


async def test_sessions_that_wait_for_a_server_at_its_limit_are_told(world: World) -> None:
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(socket.create_connection(("127.0.0.1", world.ports["queue"]))).sendall(b"x")
        wait_until(lambda: world.process.tell("show sess").count("fe=queue") == 3, "three sessions are there", within=10)
        found = await looked(world.reads(backend="queue"), seconds=0)
    assert found["queue/one"].outcome == "server-full"
    assert "2 wait for one of its 1 sessions" in found["queue/one"].sentence


async def test_connections_that_fail_to_a_server_nobody_checks_are_seen_between_two_readings(world: World) -> None:
    reads = world.reads(backend="unchecked")

    class Between:
        """The same readings, with a connection through the balancer before each."""

        balancers = reads.balancers

        async def read(self, balancer: Balancer) -> BalancerStatistics:
            with socket.create_connection(("127.0.0.1", world.ports["unchecked"])) as link:
                link.settimeout(10)
                assert link.recv(1) == b""
            return await reads.read(balancer)

    assert (await looked(reads, seconds=0.1))["unchecked/one"].outcome == "server-unchecked"
    assert (await looked(Between(), seconds=0.1))["unchecked/one"].outcome == "server-failing-unchecked"


async def test_a_server_at_another_port_than_the_node_s_is_told(world: World) -> None:
    scene = Scene(nodes=(Endpoint(host="127.0.0.1", port=6443),))
    found = await looked(world.reads(backend="refused"), scene=scene, seconds=0)
    assert found["refused/one"].outcome == "server-at-other-port"
    assert f"asked at port {world.ports['refused']}, the API server of 127.0.0.1 is at 6443" in found["refused/one"].sentence
    # Who may not see addresses cannot compare them.
    blind = world.reads(backend="refused", url=f"unix:{world.process.user}")
    assert (await looked(blind, scene=scene, seconds=0))["refused/one"].outcome == "server-refused"


async def test_no_way_to_a_server_is_told_from_a_refusal(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        missing("netns", "root is needed for a namespace without routes")
    section = f"backend kube\n{CHECK}  server one 10.255.255.1:6443 check\n"
    with haproxy(tmp_path, section, before=("unshare", "--net")) as process:
        apart = World(process=process, ports={})
        wait_until(lambda: apart.rows()["kube/one"][0] == "DOWN", "the check has ended", within=10)
        found = await looked(apart.reads(backend=None), seconds=0.1)
    assert found["kube/one"].outcome == "server-no-route"


def row(**given: Any) -> BalancerRow:
    values: dict[str, Any] = {"proxy": "kube", "name": "one", "kind": RowKind.SERVER, "status": "DOWN", **given}
    return BalancerRow(**values)


class Recorded:
    """Readings one after another, the last one again and again."""

    def __init__(self, *rows: BalancerRow, uptime_s: int | None = None) -> None:
        self.balancers = (Balancer(url="tcp://10.0.0.5:9999"),)
        self._rows = list(rows)
        self._uptime_s = uptime_s
        self.made = 0

    async def read(self, balancer: Balancer) -> BalancerStatistics:
        self.made += 1
        return BalancerStatistics(rows=(self._rows[min(self.made, len(self._rows)) - 1],), uptime_s=self._uptime_s)


async def test_another_reason_not_to_connect_is_said_as_such() -> None:
    reads = Recorded(row(check="L4CON", said="Operation not permitted"))
    assert (await looked(reads))["kube/one"].outcome == "server-not-connected"


async def test_a_reason_that_is_not_told_while_the_next_check_runs_is_waited_for_and_kept() -> None:
    running, told = row(check="L7STS", checking=True), row(check="L7STS", code=500, said="Internal Server Error")
    late = Recorded(running, running, told, running)
    assert (await looked(late))["kube/one"].outcome == "server-check-failing"
    assert late.made == 3
    early = Recorded(row(check="L7STS", code=401, status="UP 1/3"), row(check="L7STS", checking=True))
    assert (await looked(early, seconds=0.1))["kube/one"].outcome == "server-check-not-allowed"


async def test_who_goes_down_again_and_again_is_warned_of() -> None:
    reads = Recorded(row(status="UP", check="L7OK", went_down=9, changed_s=40), uptime_s=3600)
    found = (await looked(reads, seconds=0))["kube/one"]
    assert (found.outcome, found.status) == ("server-healthy", Status.OK)
    assert found.warning == "Server kube/one went down 9 times since the balancer started, 60 min ago."
    for calm in (row(status="UP", check="L7OK", went_down=9, changed_s=4000), row(status="UP", check="L7OK", went_down=2)):
        assert (await looked(Recorded(calm, uptime_s=3600), seconds=0))["kube/one"].warning is None


@pytest.mark.parametrize(
    ("before", "after", "downs", "number"),
    [
        ("UP", "UP", 0, 0),
        ("UP", "DOWN", 1, 1),
        ("DOWN", "UP", 0, 1),
        ("UP", "UP", 1, 2),
        ("DOWN", "UP", 1, 3),
        ("DOWN", "DOWN", 1, 2),
    ],
)
def test_the_changes_between_two_readings_are_counted(before: str, after: str, downs: int, number: int) -> None:
    assert changes(row(status=before, went_down=4), row(status=after, went_down=4 + downs)) == number


async def test_a_backend_that_is_not_told_is_not_checked_and_says_which_there_are(world: World) -> None:
    (found,) = (await looked(world.reads(backend="kube"))).values()
    assert (found.status, found.outcome) == (Status.NOT_CHECKED, "backend-not-told")
    assert "it has no backend 'kube'; its backends are accepts, agent, check-silent" in found.sentence
    assert "backend" in (found.todo or "")
    blind = world.reads(backend=None, url=f"unix:{world.process.user}")
    (found,) = (await looked(blind)).values()
    assert found.outcome == "backend-not-told"


# A balancer that tells nothing


async def test_a_balancer_that_is_not_configured_is_not_checked_with_what_to_run() -> None:
    (found,) = (await looked(None)).values()
    assert (found.status, found.outcome) == (Status.NOT_CHECKED, "none-configured")
    assert (found.todo or "").startswith("echo 'show stat' | socat ")


def refusing(failure: Failure | None) -> Scene:
    scene = Scene()
    scene.network.connects(ADDRESS, failure=failure)
    return scene


async def test_statistics_that_are_refused_mean_something_only_where_the_address_refuses_as_well() -> None:
    reads = HaproxyStatistics([BalancerAccess(balancer=Balancer(url=f"http://127.0.0.1:{free_port()}/stats"))])
    (well,) = (await looked(reads, scene=refusing(None))).values()
    assert (well.status, well.outcome) == (Status.NOT_CHECKED, "statistics-unreachable")
    (gone,) = (await looked(reads, scene=refusing(Failure.CONNECTION_REFUSED))).values()
    assert (gone.status, gone.outcome) == (Status.PROBLEM, "statistics-refused")
    assert "Connection refused" in (gone.raw_error or "")


@pytest.mark.parametrize("scheme", ["http", "https", "tcp"])
async def test_statistics_that_are_silent_mean_something_only_where_the_address_is_silent_as_well(scheme: str) -> None:
    with servers() as given:
        port = given.silent()
        url = f"{scheme}://127.0.0.1:{port}"
        reads = HaproxyStatistics([BalancerAccess(balancer=Balancer(url=url))], timeout_s=0.5)
        (well,) = (await looked(reads)).values()
        assert (well.status, well.outcome) == (Status.NOT_CHECKED, "statistics-unreachable")
        scene = Scene()
        scene.network.handshakes(ADDRESS, failure=Failure.TLS_TIMEOUT)
        (lost,) = (await looked(reads, scene=scene)).values()
        assert lost.outcome == "statistics-unreachable", "plain text is answered, so the way loses what is large, or is TLS"
        scene = Scene()
        scene.network.handshakes(ADDRESS, failure=Failure.TLS_TIMEOUT)
        scene.network.says_in_plain(ADDRESS, failure=Failure.HTTP_TIMEOUT)
        (hangs,) = (await looked(reads, scene=scene)).values()
    assert (hangs.status, hangs.outcome) == (Status.PROBLEM, "statistics-silent")


async def test_a_reading_that_fails_later_takes_nothing_from_the_first() -> None:
    class Once(Recorded):
        async def read(self, balancer: Balancer) -> BalancerStatistics:
            if self.made:
                raise StatisticsUnavailable("it is gone")
            return await super().read(balancer)

    found = await looked(Once(row(status="UP", check="L7OK")), seconds=0.1)
    assert found["kube/one"].outcome == "server-healthy"


async def test_two_balancers_are_told_apart(world: World) -> None:
    places = [Balancer(url=f"unix:{world.process.user}", backend="well"), Balancer(url=f"tcp://127.0.0.1:{free_port()}")]
    found = await looked(HaproxyStatistics([BalancerAccess(balancer=one) for one in places]), seconds=0)
    assert [finding.outcome for finding in found.values()] == ["server-healthy", "all-up", "statistics-unreachable"]
    assert f"{world.process.user} well/one" in found


def test_a_failure_to_read_is_one_of_what_is_unavailable() -> None:
    assert issubclass(StatisticsUnavailable, Unavailable)
    assert NOW.tzinfo is not None
