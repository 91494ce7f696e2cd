"""Ways, ports beside the asked one and nodes past the balancer: each outcome, and what is not asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.clock import SystemClock
from bot.demo.pki import Authority
from bot.demo.server import Behaviour, api_server
from bot.model.finding import Status
from bot.model.observation import Failure, Way
from bot.model.target import Endpoint
from bot.net.round import RoundNetwork
from tests.fakes.network import LIVE, READY, VERSION
from tests.ports import free_port
from tests.probes.scene import ADDRESS, HOST, PROBES, Scene, target

Arrange = Callable[[Scene], None]
Row = tuple[str, Status, Arrange]
OK, PROBLEM, UNSURE, NOTHING = Status.OK, Status.PROBLEM, Status.INCONCLUSIVE, Status.NOT_APPLICABLE

USUAL = Way(interface="eth0", source="10.1.0.2", gateway="10.1.0.1")
VPN = Way(interface="vpn0", source="10.8.0.2", gateway="10.8.0.1")
CONTROL = Endpoint(host="192.0.2.7", port=443)


def nameless(scene: Scene) -> None:
    scene.network.resolves(HOST, failure=Failure.NAME_NOT_FOUND)


def proxied(scene: Scene) -> None:
    scene.target = target(proxy_url="http://proxy.example.com:3128")


# Ways


def goes(way: Way | None, *, control: Way | None = None, control_fails: bool = False) -> Arrange:
    def arrange(scene: Scene) -> None:
        scene.network.connects(ADDRESS, failure=Failure.CONNECT_TIMEOUT, way=way, usual_way=USUAL)
        if control is not None:
            scene.controls = (CONTROL,)
            failure = Failure.CONNECT_TIMEOUT if control_fails else None
            scene.network.connects(CONTROL.host, port=CONTROL.port, failure=failure, way=control, usual_way=USUAL)

    return arrange


def is_one_of_them(*, signed: Failure | None = None, listens: bool = True, silent: bool = True) -> Arrange:
    """This machine has what may be an API server of the cluster at its own address, at one of the usual ports."""

    def arrange(scene: Scene) -> None:
        scene.target = target(ca_pem=Authority().pem)
        failure = Failure.CONNECT_TIMEOUT if silent else None
        scene.network.connects(ADDRESS, failure=failure, way=USUAL, usual_way=USUAL)
        for port in (6443, 443, 8443, 9443, 16443):
            refused = None if listens and port == 8443 else Failure.CONNECTION_REFUSED
            scene.network.connects(USUAL.source or "", port=port, failure=refused)
        scene.network.handshakes(USUAL.source or "", failure=signed)

    return arrange


WAYS: list[Row] = [
    ("asks-itself", PROBLEM, is_one_of_them()),
    ("asks-itself", PROBLEM, is_one_of_them(signed=Failure.CERTIFICATE_NAME_MISMATCH)),
    ("usual-way", OK, is_one_of_them(signed=Failure.CERTIFICATE_UNKNOWN_AUTHORITY)),
    ("usual-way", OK, is_one_of_them(listens=False)),
    ("usual-way", OK, is_one_of_them(silent=False)),
    ("usual-way", OK, goes(USUAL)),
    ("usual-way", OK, goes(VPN.model_copy(update={"gateway": None}))),
    ("usual-way", OK, goes(VPN, control=VPN)),
    ("other-way", OK, goes(VPN)),
    ("other-way", OK, goes(VPN, control=USUAL)),
    ("other-way", OK, goes(VPN, control=VPN, control_fails=True)),
    ("other-way", OK, goes(Way(interface="wg0", tunnel=True))),
    ("way-not-told", UNSURE, goes(None)),
    ("way-not-told", NOTHING, proxied),
    ("no-address", NOTHING, nameless),
]


# Ports


def refuses(port: int, *, beside: Failure | None = None, known: bool = True) -> Arrange:
    def arrange(scene: Scene) -> None:
        scene.target = target(f"https://{HOST}:{port}").model_copy(update={"authority_known": known})
        scene.network.connects(ADDRESS, port=port, failure=Failure.CONNECTION_REFUSED)
        scene.network.handshakes(ADDRESS, failure=beside)

    return arrange


def refuses_a_stranger(scene: Scene) -> None:
    refuses(9443)(scene)
    scene.target = scene.target.model_copy(update={"guarded": True})


PORTS: list[Row] = [
    ("answers-beside", PROBLEM, refuses(9443)),
    ("nothing-beside", OK, refuses(9443, beside=Failure.CONNECTION_REFUSED)),
    ("nothing-beside", OK, refuses(9443, beside=Failure.CERTIFICATE_UNKNOWN_AUTHORITY)),
    ("nothing-beside", OK, refuses(9443, known=False)),
    ("deadline-capped", UNSURE, refuses(9443, beside=Failure.DEADLINE_CAPPED)),
    ("port-not-doubted", NOTHING, refuses(6443)),
    ("port-not-doubted", NOTHING, refuses_a_stranger),
    ("port-not-doubted", NOTHING, proxied),
    ("port-not-doubted", NOTHING, lambda scene: None),
    ("no-address", NOTHING, nameless),
]


# Nodes

NODE = "10.0.0.11"


def node(arrange: Arrange = lambda scene: None) -> Arrange:
    def with_node(scene: Scene) -> None:
        scene.nodes = (Endpoint(host=NODE, port=6443),)
        arrange(scene)

    return with_node


def connects(failure: Failure) -> Arrange:
    return node(lambda scene: scene.network.connects(NODE, failure=failure))


def shakes_hands(failure: Failure) -> Arrange:
    return node(lambda scene: scene.network.handshakes(NODE, failure=failure))


def says(status: int, body: str = "") -> Arrange:
    def arrange(scene: Scene) -> None:
        for path in (LIVE, READY):
            scene.network.answers(NODE, path, status, body)

    return node(arrange)


def is_a_web_server(scene: Scene) -> None:
    for path in (LIVE, READY, VERSION):
        scene.network.answers(NODE, path, 404, "<html>")


def keeps_silent(scene: Scene) -> None:
    for path in (LIVE, READY, VERSION):
        scene.network.answers(NODE, path, failure=Failure.HTTP_TIMEOUT)


def one_that_is_asked_anyway(scene: Scene) -> None:
    scene.nodes = (Endpoint(host=ADDRESS, port=6443),)


NODES: list[Row] = [
    ("answers", OK, node()),
    ("answers", OK, shakes_hands(Failure.CERTIFICATE_NAME_MISMATCH)),
    ("answers-without-health", UNSURE, says(403, '{"kind": "Status"}')),
    ("refused", PROBLEM, connects(Failure.CONNECTION_REFUSED)),
    ("rejected", PROBLEM, connects(Failure.CONNECTION_REJECTED)),
    ("silent", PROBLEM, connects(Failure.CONNECT_TIMEOUT)),
    ("unreachable", PROBLEM, connects(Failure.HOST_UNREACHABLE)),
    ("tls-silent", PROBLEM, shakes_hands(Failure.TLS_TIMEOUT)),
    ("tls-failing", PROBLEM, shakes_hands(Failure.TLS_RESET)),
    ("http-silent", PROBLEM, node(keeps_silent)),
    ("etcd-check-failing", PROBLEM, says(500, "[+]ping ok\n[-]etcd failed: reason withheld\n")),
    ("checks-failing", PROBLEM, says(500, "[+]ping ok\n[-]informer-sync failed: reason withheld\n")),
    ("another-server", PROBLEM, node(is_a_web_server)),
    ("another-server", PROBLEM, shakes_hands(Failure.CERTIFICATE_UNKNOWN_AUTHORITY)),
    ("not-looked-at", UNSURE, connects(Failure.DEADLINE_CAPPED)),
    ("none-configured", NOTHING, lambda scene: None),
    ("none-configured", NOTHING, one_that_is_asked_anyway),
    ("none-configured", NOTHING, node(proxied)),
]

TABLES = {"own-route": WAYS, "usual-ports": PORTS, "control-plane-nodes": NODES}


@pytest.mark.parametrize(
    ("probe", "outcome", "status", "arrange"), [(probe, *row) for probe, table in TABLES.items() for row in table]
)
async def test_each_outcome(probe: str, outcome: str, status: Status, arrange: Arrange) -> None:
    scene = Scene()
    arrange(scene)
    finding = await scene.one(probe)
    assert (finding.outcome, finding.status) == (outcome, status)


@pytest.mark.parametrize("probe", TABLES)
def test_every_declared_outcome_has_a_scene(probe: str) -> None:
    assert {outcome for outcome, _, _ in TABLES[probe]} == set(PROBES[probe].outcomes)


async def test_five_nodes_at_most_are_asked_and_none_gets_credentials() -> None:
    scene = Scene()
    scene.nodes = tuple(Endpoint(host=f"10.0.1.{number}", port=6443) for number in range(1, 8))
    found = await scene.run("control-plane-nodes")
    assert [finding.subject for finding in found] == [f"10.0.1.{number}:6443" for number in range(1, 6)]
    assert scene.network.with_credentials == []


async def test_a_real_server_beside_a_closed_port_and_past_a_balancer_is_found() -> None:
    authority = Authority()
    behaviour = Behaviour(serving=authority.server(["127.0.0.1"]), client_ca=authority.pem, token="not-a-real-token")
    async with api_server(behaviour) as port, RoundNetwork(clock=SystemClock()) as network:
        scene = Scene(target=target(f"https://127.0.0.1:{free_port()}", ca_pem=authority.pem))
        scene.nodes = (Endpoint(host="127.0.0.1", port=port), Endpoint(host="127.0.0.1", port=free_port()))
        found = await scene.run("control-plane-nodes", network=network)
    assert [finding.outcome for finding in found] == ["answers", "refused"]
    assert found[0].evidence["verified"] is True
