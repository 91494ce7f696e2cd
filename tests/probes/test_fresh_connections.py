"""Fresh connections: what a row of results means, in which order, and the same over real sockets."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import groupby, permutations
from pathlib import Path

import pytest

from bot.clock import SystemClock
from bot.demo.pki import Authority, Pair
from bot.model.finding import Finding, Status
from bot.model.observation import Failure, Handshake, PresentedCertificate
from bot.net.certificates import parse_certificate
from bot.net.round import RoundNetwork
from bot.probes._shared.fresh import OUTCOMES, Try, judge
from tests.fakes.network import NOW, ScriptedNetwork, certificate
from tests.ports import free_port
from tests.probes.scene import ADDRESS, Scene, StoppedClock, target

REFUSED, RESET = Failure.CONNECTION_REFUSED, Failure.TLS_RESET
GOOD = certificate()
OTHER = certificate(serial="02", fingerprint_sha256="cd" * 32)
EXPIRED = certificate(serial="0e", fingerprint_sha256="ee" * 32, not_after=NOW - timedelta(days=3))
EARLY = certificate(serial="0f", fingerprint_sha256="0f" * 32, not_before=NOW + timedelta(days=3))
MISNAMED = certificate(serial="0d", fingerprint_sha256="dd" * 32, dns_names=("old.example.com",))

Result = Failure | PresentedCertificate


def tries(*results: Result) -> list[Try]:
    return [
        Try(
            ended_at=NOW + timedelta(seconds=index),
            failure=result.value if isinstance(result, Failure) else None,
            chain=() if isinstance(result, Failure) else (result,),
        )
        for index, result in enumerate(results)
    ]


TABLE: list[tuple[str, str, list[Result]]] = [
    ("steady", "all of 5 fresh handshakes", [GOOD] * 5),
    ("steady", "2 certificates answer: serial 01 3 times, serial 02 2 times", [GOOD, OTHER, GOOD, OTHER, GOOD]),
    ("steadily-failing", "fails all of 4 fresh connections (connection-refused)", [REFUSED] * 4),
    ("steadily-failing", "connection-refused 2 times, tls-reset 1 times", [REFUSED, REFUSED, RESET]),
    ("steadily-failing", "which has expired", [EXPIRED] * 4),
    ("comes-and-goes", "fails 1 of 4 fresh connections (connection-refused)", [GOOD, REFUSED, GOOD, GOOD]),
    ("comes-and-goes", "fails 2 of 5", [REFUSED, GOOD, GOOD, RESET, GOOD]),
    ("comes-and-goes", "strictly by turns", [GOOD, REFUSED, GOOD, REFUSED, GOOD]),
    ("comes-and-goes", "serial 0e 2 times, which has expired", [EXPIRED, REFUSED, EXPIRED, REFUSED]),
    ("recovered", "failed the first 2 of 5 fresh connections (connection-refused)", [REFUSED, REFUSED, GOOD, GOOD, GOOD]),
    ("recovered", "works since 2026-11-20 12:00:01 UTC", [RESET, GOOD, GOOD]),
    ("broke", "completed the first 2 of 4", [GOOD, GOOD, REFUSED, REFUSED]),
    ("broke", "fails since 2026-11-20 12:00:03 UTC (tls-reset)", [GOOD, GOOD, GOOD, RESET]),
    ("one-certificate-expired", "serial 0e 1 times, which has expired", [GOOD, GOOD, EXPIRED]),
    ("one-certificate-not-yet-valid", "serial 0f 2 times, which is not valid yet", [EARLY, GOOD, EARLY]),
    ("one-certificate-misnamed", "serial 0d 1 times, which is for other names", [GOOD, MISNAMED, GOOD]),
    ("certificates-differ", "several authorities", [GOOD, certificate(issuer="CN=x", fingerprint_sha256="11" * 32), GOOD]),
    ("deadline-capped", "completed 2 fresh handshakes", [GOOD] * 2),
    ("deadline-capped", "had answered no fresh connection", []),
]


@pytest.mark.parametrize(("outcome", "words", "results"), TABLE)
def test_a_row_of_results_has_one_meaning(outcome: str, words: str, results: list[Result]) -> None:
    verdict = judge(tries(*results), target(), NOW)
    assert verdict.outcome == outcome
    assert words in verdict.says
    assert outcome in OUTCOMES


ORDERED = {"comes-and-goes", "recovered", "broke"}


@pytest.mark.parametrize(
    "results",
    [
        [GOOD, GOOD, REFUSED, RESET],
        [GOOD, REFUSED, REFUSED, REFUSED],
        [GOOD, OTHER, EXPIRED, EXPIRED],
        [GOOD, OTHER, GOOD, OTHER],
        [EXPIRED, EXPIRED, REFUSED, RESET],
        [REFUSED, RESET, REFUSED, RESET],
    ],
)
def test_the_order_decides_between_recovered_broke_and_comes_and_goes_only(results: list[Result]) -> None:
    by_order = {judge(tries(*row), target(), NOW).outcome for row in permutations(results)}
    assert by_order == ORDERED or len(by_order) == 1
    for row in permutations(results):
        spells = [good for good, _ in groupby(not isinstance(one, Failure) for one in row)]
        expected = {(False, True): "recovered", (True, False): "broke"}.get(tuple(spells), "comes-and-goes")
        assert judge(tries(*row), target(), NOW).outcome == (expected if len(spells) > 1 else next(iter(by_order)))


def test_an_authority_is_another_one_by_its_name_or_by_its_key() -> None:
    ours, rebuilt = Authority("kubernetes"), Authority("kubernetes")
    good, wrong = (on_the_wire(authority.server(["api.example.com"])) for authority in (ours, rebuilt))
    seen = judge(tries(good, wrong, good), target(ca_pem=ours.pem), datetime.now(UTC))
    assert seen.outcome == "one-certificate-untrusted"
    assert [one["flaw"] for one in seen.evidence["certificates"]] == [None, "certificate-unknown-authority"]


def on_the_wire(pair: Pair) -> PresentedCertificate:
    found = parse_certificate(ssl.PEM_cert_to_DER_cert(pair.certificate))
    assert found is not None
    return found


# The probe, over a network in memory.

NOT_SHARED: list[tuple[str, Status, list[Failure | PresentedCertificate | None]]] = [
    ("steady", Status.OK, [None]),
    ("comes-and-goes", Status.PROBLEM, [None, RESET, None, None, RESET, None]),
    ("recovered", Status.PROBLEM, [RESET, RESET, None]),
    ("broke", Status.PROBLEM, [None, RESET]),
    ("steadily-failing", Status.NOT_APPLICABLE, [RESET]),
    ("one-certificate-expired", Status.PROBLEM, [None, EXPIRED]),
    ("certificates-differ", Status.INCONCLUSIVE, [None, certificate(issuer="CN=x", fingerprint_sha256="11" * 32)]),
    ("deadline-capped", Status.INCONCLUSIVE, [None, Failure.DEADLINE_CAPPED]),
    ("local-failure", Status.ERROR, [Failure.LOCAL_FAILURE]),
]


@pytest.mark.parametrize(("outcome", "status", "results"), NOT_SHARED)
async def test_every_outcome_has_its_status(
    outcome: str, status: Status, results: list[Failure | PresentedCertificate | None]
) -> None:
    scene = Scene()
    scene.network.answers_in_turn(ADDRESS, *results)
    found = await scene.one("fresh-connections", seconds=0)
    assert (found.outcome, found.status) == (outcome, status)


async def test_ten_connections_are_made_to_each_of_four_addresses_at_most() -> None:
    scene = Scene()
    scene.network.resolves("api.example.com", *(f"10.0.0.{number}" for number in range(1, 8)))
    found = await scene.run("fresh-connections", seconds=0)
    made = [key for key in scene.network.done if key[0] == "fresh"]
    assert sorted(one.subject for one in found) == [f"10.0.0.{number}:6443" for number in range(1, 5)]
    assert len(made) == 40


class Counting(ScriptedNetwork):
    """Notes how many fresh connections to one address are under way at once."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way: Counter[str] = Counter()
        self.most = 0

    async def fresh_handshake(
        self, address: str, port: int, *, server_name: str, sample: int, proxy_url: str | None = None
    ) -> Handshake:
        self.under_way[address] += 1
        self.most = max(self.most, self.under_way[address])
        try:
            return await super().fresh_handshake(address, port, server_name=server_name, sample=sample, proxy_url=proxy_url)
        finally:
            self.under_way[address] -= 1


async def test_an_address_is_never_asked_twice_at_the_same_time() -> None:
    network = Counting()
    network.resolves("api.example.com", "10.0.0.1", "10.0.0.2")
    await Scene(network=network).run("fresh-connections", seconds=0)
    assert network.most == 1


async def test_what_leads_to_a_forbidden_address_is_tried_once() -> None:
    scene = Scene()
    scene.network.connects(ADDRESS, failure=Failure.ADDRESS_FORBIDDEN)
    assert (await scene.one("fresh-connections", seconds=0)).outcome == "steadily-failing"
    assert sum(key[0] == "fresh" for key in scene.network.done) == 1


async def test_the_ladders_own_connection_that_failed_counts_as_the_first() -> None:
    scene = Scene()
    scene.network.connects(ADDRESS, failure=REFUSED)
    scene.network.answers_in_turn(ADDRESS, None)
    found = await scene.one("fresh-connections", seconds=0)
    assert found.outcome == "recovered"
    assert found.evidence["order"] == "-" + "+" * 10


async def test_without_addresses_and_without_tls_there_is_nothing_to_compare() -> None:
    scene = Scene()
    scene.network.resolves("api.example.com")
    assert (await scene.one("fresh-connections")).outcome == "not-reached"
    plain = Scene(target=target("http://api.example.com:6443"))
    assert (await plain.one("fresh-connections")).outcome == "plain-http-target"
    assert not any(key[0] == "fresh" for key in plain.network.done)


# The same over real sockets.


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def context(pair: Pair, folder: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    folder.mkdir()
    made.load_cert_chain(*pair.write(folder, "serving"))
    return made


@asynccontextmanager
async def server(answer: Callable[[int], ssl.SSLContext | None]) -> AsyncGenerator[tuple[int, list[int]]]:
    """Answers the nth connection with this context, and closes it at once where there is none. Yields its port, and the
    numbers of the connections so far."""
    taken: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(len(taken))
        try:
            found = answer(taken[-1])
            if found is not None:
                await writer.start_tls(found)
                await reader.read()
        except (OSError, ssl.SSLError):
            return
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1], taken
    finally:
        listening.close()
        await listening.wait_closed()


async def look(port: int, authority: Authority, *, seconds: float = 0.0) -> Finding:
    scene = Scene(target=target(f"https://127.0.0.1:{port}", ca_pem=authority.pem), now=datetime.now(UTC))
    async with RoundNetwork(clock=SystemClock(), deadline=time.monotonic() + 60) as network:
        (found,) = await scene.run("fresh-connections", network=network, seconds=seconds)
    return found


async def test_a_healthy_server_is_steady_in_ten_connections(authority: Authority, tmp_path: Path) -> None:
    good = context(authority.server(["127.0.0.1"]), tmp_path / "good")
    async with server(lambda number: good) as (port, taken):
        found = await look(port, authority)
    assert (found.outcome, found.status) == ("steady", Status.OK)
    # One more is the ladder's own connect, which every probe shares.
    assert len(taken) == 11


async def test_one_dead_server_of_two_comes_and_goes_by_turns(authority: Authority, tmp_path: Path) -> None:
    good = context(authority.server(["127.0.0.1"]), tmp_path / "good")
    async with server(lambda number: good if number % 2 else None) as (port, _):
        found = await look(port, authority)
    assert found.outcome == "comes-and-goes"
    assert found.evidence["failures"].keys() <= {"tls-closed", "tls-reset"}
    assert found.evidence["by_turns"] or "+-" in found.evidence["order"]


@pytest.mark.parametrize(("first", "outcome"), [(False, "recovered"), (True, "broke")])
async def test_a_server_that_changes_once_is_told_with_its_direction(
    authority: Authority, tmp_path: Path, first: bool, outcome: str
) -> None:
    good = context(authority.server(["127.0.0.1"]), tmp_path / "good")
    async with server(lambda number: good if (number < 5) is first else None) as (port, _):
        found = await look(port, authority)
    assert found.outcome == outcome
    assert "UTC" in found.sentence


async def test_a_listener_that_begins_late_has_recovered(authority: Authority, tmp_path: Path) -> None:
    """Refused first: it costs the server nothing, and what listens later is seen."""
    good, port = context(authority.server(["127.0.0.1"]), tmp_path / "good"), free_port()
    clock = StoppedClock(datetime.now(UTC))
    scene = Scene(target=target(f"https://127.0.0.1:{port}", ca_pem=authority.pem), now=clock.now())
    async with RoundNetwork(clock=SystemClock(), deadline=time.monotonic() + 60) as network:
        refused = await network.connect("127.0.0.1", port)
        listening = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", port, ssl=good)
        async with listening:
            (found,) = await scene.run("fresh-connections", network=network, seconds=0)
    assert refused.failure is REFUSED
    assert (found.outcome, found.evidence["order"]) == ("recovered", "-" + "+" * 10)


async def test_a_closed_port_fails_steadily(authority: Authority) -> None:
    found = await look(free_port(), authority)
    assert (found.outcome, found.status) == ("steadily-failing", Status.NOT_APPLICABLE)
    assert found.evidence["failures"] == {"connection-refused": 11}


async def test_one_expired_certificate_of_two_is_named_by_its_serial(authority: Authority, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    old = authority.server(["127.0.0.1"], not_before=now - timedelta(days=9), not_after=now - timedelta(hours=1))
    both = [context(authority.server(["127.0.0.1"]), tmp_path / "good"), context(old, tmp_path / "old")]
    async with server(lambda number: both[number % 2]) as (port, _):
        found = await look(port, authority)
    assert found.outcome == "one-certificate-expired"
    (expired,) = (one for one in found.evidence["certificates"] if one["flaw"] == "certificate-expired")
    assert f"serial {expired['serial'][:16]} {expired['times']} times, which has expired" in found.sentence


async def test_one_server_of_another_authority_is_named(authority: Authority, tmp_path: Path) -> None:
    pairs = [one.server(["127.0.0.1"]) for one in (authority, Authority())]
    both = [context(pair, tmp_path / str(number)) for number, pair in enumerate(pairs)]
    async with server(lambda number: both[number % 2]) as (port, _):
        assert (await look(port, authority)).outcome == "one-certificate-untrusted"
