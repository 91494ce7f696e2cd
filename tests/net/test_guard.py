from __future__ import annotations

import time
from itertools import cycle

import pytest

from bot.clock import SystemClock
from bot.model.observation import Failure
from bot.model.target import Target
from bot.net.dns import SystemResolver
from bot.net.guard import dial_for, forbidden, forbidden_host
from bot.net.round import RoundNetwork
from tests.net.servers import OK, answering, serving

GUARDED = {"authority_known": False, "guarded": True}


class Rebinding(SystemResolver):
    """A name whose owner gives another address each time he is asked."""

    def __init__(self, *addresses: str) -> None:
        super().__init__()
        self._next = cycle(addresses)

    async def addresses(self, name: str) -> tuple[str, ...]:
        return (next(self._next),)


def pasted(url: str) -> Target:
    return Target.from_url(url).model_copy(update=GUARDED)


def network_for(target: Target, resolver: SystemResolver | None = None) -> RoundNetwork:
    return RoundNetwork(clock=SystemClock(), deadline=time.monotonic() + 60, resolver=resolver, dial=dial_for(target))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.10",
        "0.0.0.0",
        "0.1.2.3",
        "169.254.1.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "2001:db8::5efe:127.0.0.1",
        "2002:7f00:1::",
    ],
)
def test_this_machine_and_its_link_are_forbidden_in_every_form(address: str) -> None:
    assert forbidden(address)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "::ffff:a9fe:a9fe",
        "64:ff9b::169.254.169.254",
        "64:ff9b:1::169.254.169.254",
        "2001:db8::200:5efe:169.254.169.254",
        "2002:a9fe:a9fe::1",
        "fd00:ec2::254",
        "FD00:0EC2:0:0:0:0:0:254",
        "fd20:ce::254",
        "100.100.100.200",
        "168.63.129.16",
    ],
)
def test_metadata_services_are_forbidden_by_their_name(address: str) -> None:
    assert forbidden(address) == "a cloud's metadata service"


@pytest.mark.parametrize(
    "address", ["10.0.0.11", "172.16.5.4", "192.168.1.1", "100.64.0.1", "203.0.113.7", "fd12:3456::1", "2001:db8::1"]
)
def test_private_and_public_networks_are_where_api_servers_are(address: str) -> None:
    assert forbidden(address) is None


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST.", "api.localhost", "metadata.google.internal", "Metadata.Google.Internal.", "127.0.0.1"]
)
def test_names_that_only_mean_such_an_address_are_known(host: str) -> None:
    assert forbidden_host(host)


def test_other_names_are_judged_by_their_addresses() -> None:
    assert forbidden_host("api.example.com") is None


async def test_no_operation_of_a_pasted_url_reaches_this_machine() -> None:
    async with serving(answering(OK)) as server:
        target = pasted(f"http://api.example.test:{server.port}")
        async with network_for(target) as network:
            seen = [
                await network.connect("127.0.0.1", server.port),
                await network.handshake("127.0.0.1", server.port, server_name="x", ca_pem=None),
                await network.plaintext("127.0.0.1", server.port),
                await network.request("127.0.0.1", target, "/livez", verify=False),
            ]
            assert network.requests_made() == 0
    assert {one.failure for one in seen} == {Failure.ADDRESS_FORBIDDEN}
    assert all("this machine itself" in (one.raw_error or "") for one in seen)
    assert server.connections == 0


async def test_a_name_that_is_rebound_to_this_machine_is_not_followed() -> None:
    async with serving(answering(OK)) as server:
        target = pasted(f"http://rebound.example.test:{server.port}")
        resolver = Rebinding("203.0.113.7", "127.0.0.1", "::ffff:127.0.0.1")
        tried = []
        for _ in range(3):
            async with network_for(target, resolver) as network:
                found = await network.lookup(target.host)
                if found.addresses != ("203.0.113.7",):
                    tried.append((await network.connect(found.addresses[0], server.port)).failure)
    assert tried == [Failure.ADDRESS_FORBIDDEN] * 2
    assert server.connections == 0


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "localhost"])
async def test_an_address_that_the_system_reads_in_its_own_way_is_not_followed(host: str) -> None:
    async with serving(answering(OK)) as server:
        target = pasted(f"http://{host}:{server.port}")
        async with network_for(target) as network:
            found = await network.lookup(target.host)
            seen = [await network.connect(address, server.port) for address in found.addresses]
    assert found.addresses
    assert {one.failure for one in seen} == {Failure.ADDRESS_FORBIDDEN}
    assert server.connections == 0


async def test_a_configured_cluster_may_be_on_loopback() -> None:
    async with serving(answering(OK)) as server:
        target = Target.from_url(f"http://127.0.0.1:{server.port}")
        async with network_for(target) as network:
            answer = await network.request("127.0.0.1", target, "/livez", verify=False)
    assert answer.status == 200
    assert server.connections == 1
