"""What a real packet filter and a real resolver do, in namespaces that end with the process that made them."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.require import missing

pytestmark = pytest.mark.netns

_RULES = {
    1001: "icmp-port-unreachable",
    1002: "icmp-admin-prohibited",
    1003: "icmp-host-prohibited",
    1004: "icmp-host-unreachable",
    1005: "icmp-net-unreachable",
    1006: "tcp-reset",
}

_NAMESPACE = ("unshare", "--user", "--map-root-user", "--net", "--mount")

_CONNECT = """
import asyncio, json, sys
from bot.clock import SystemClock
from bot.net.tcp import connect

async def main():
    seen = {}
    for address, port in json.loads(sys.argv[1]):
        seen[f"{address} {port}"] = (await connect(address, port, clock=SystemClock())).model_dump(mode="json")
    print(json.dumps(seen))

asyncio.run(main())
"""


_LOOKUP = """
import asyncio, json, sys
from bot.clock import SystemClock
from bot.net.dns import SystemResolver, lookup_system

async def main():
    resolver = SystemResolver()
    seen = await lookup_system(json.loads(sys.argv[1]), clock=SystemClock(), resolver=resolver)
    print(seen.model_dump_json(), flush=True)

asyncio.run(main())
"""


def _in_namespace(setup: str, program: str, argument: object, *, timeout: float = 60) -> dict:
    """Runs the program, alone in new namespaces, after the commands of ``setup``; what it prints."""
    for tool in ("unshare", "ip", "iptables", "ip6tables"):
        if shutil.which(tool) is None:
            missing("netns", f"no {tool} here")
    probe = subprocess.run([*_NAMESPACE, "iptables", "-L", "-n"], capture_output=True, text=True, timeout=20)
    if probe.returncode != 0:
        missing("netns", f"no namespace with a packet filter can be made here: {probe.stderr.strip()}")
    done = subprocess.run(
        [*_NAMESPACE, "sh", "-ec", f'{setup}\nexec "$@"', "sh", sys.executable, "-c", program, json.dumps(argument)],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def test_who_rejects_is_told_from_a_closed_port() -> None:
    rules = "\n".join(f"iptables -A INPUT -p tcp --dport {port} -j REJECT --reject-with {how}" for port, how in _RULES.items())
    up = "ip link set lo up\nip address add 198.51.100.7/32 dev lo"
    script = f"{up}\n{rules}\nip6tables -A INPUT -p tcp --dport 1007 -j REJECT --reject-with icmp6-adm-prohibited"
    places = [("127.0.0.1", port) for port in (*_RULES, 1008)] + [("::1", 1007), ("192.0.2.1", 1009), ("2001:db8::1", 1010)]

    seen = await asyncio.to_thread(_in_namespace, script, _CONNECT, places)

    shown = {
        place: (one["failure"], one["reject"] and (one["reject"]["icmp_type"], one["reject"]["icmp_code"]))
        for place, one in seen.items()
    }
    assert shown == {
        "127.0.0.1 1001": ("connection-rejected", (3, 3)),
        "127.0.0.1 1002": ("connection-rejected", (3, 13)),
        "127.0.0.1 1003": ("connection-rejected", (3, 10)),
        "127.0.0.1 1004": ("connection-rejected", (3, 1)),
        "127.0.0.1 1005": ("connection-rejected", (3, 0)),
        "127.0.0.1 1006": ("connection-refused", None),
        "127.0.0.1 1008": ("connection-refused", None),
        "::1 1007": ("connection-rejected", (1, 1)),
        "192.0.2.1 1009": ("network-unreachable", None),
        "2001:db8::1 1010": ("no-address-family", None),
    }
    assert seen["127.0.0.1 1001"]["reject"]["offender"] == "127.0.0.1"
    assert seen["::1 1007"]["reject"]["offender"] == "::1"


async def test_a_missing_address_family_is_told_from_a_missing_route() -> None:
    """IPv6 alone, without a route; addresses of the loopback and of the link do not make a family."""
    script = "ip link set lo up\nip address add 2001:db8::7/128 dev lo"
    places = [("2001:db8:1::1", 1001), ("192.0.2.1", 1002), ("127.0.0.1", 1003)]
    seen = await asyncio.to_thread(_in_namespace, script, _CONNECT, places)
    assert {place: one["failure"] for place, one in seen.items()} == {
        "2001:db8:1::1 1001": "network-unreachable",
        "192.0.2.1 1002": "no-address-family",
        "127.0.0.1 1003": "connection-refused",
    }


async def test_this_machine_s_own_refusal_is_told_from_a_router_s_and_a_dead_neighbour_s() -> None:
    """An address on the own link that nobody has, one with an unreachable route, and one without any route."""
    script = (
        "ip link set lo up\nip link add eth0 type veth peer name far0\nip link set eth0 up\n"
        "ip link set far0 up\nip address add 10.1.0.2/24 dev eth0\n"
        "ip route add unreachable 10.2.0.0/16\nip route add 10.3.0.0/16 via 10.1.0.1"
    )
    places = [("10.2.0.1", 1001), ("10.4.0.1", 1002), ("10.1.0.9", 1003)]
    seen = await asyncio.to_thread(_in_namespace, script, _CONNECT, places)
    assert {place: one["failure"] for place, one in seen.items()} == {
        "10.2.0.1 1001": "local-route-refuses",
        "10.4.0.1 1002": "network-unreachable",
        "10.1.0.9 1003": "host-unreachable",
    }


_WAYS = """
import json, sys
from bot.net.routes import usual_way, way_to

print(json.dumps([way and way.model_dump() for a in json.loads(sys.argv[1]) for way in (way_to(a), usual_way(a))]))
"""


async def test_the_way_that_the_kernel_takes_is_told_with_its_rules_and_its_default() -> None:
    script = (
        "ip link set lo up\nip link add eth0 type veth peer name far0\nip link set eth0 up\n"
        "ip link set far0 up\nip address add 10.1.0.2/24 dev eth0\n"
        "ip link add eth1 type veth peer name far1\nip link set eth1 up\n"
        "ip link set far1 up\nip address add 10.8.0.2/24 dev eth1\n"
        "ip route add default via 10.1.0.1\nip route add 10.9.0.0/16 via 10.8.0.1\n"
        "ip rule add to 10.7.0.0/16 table 7\nip route add 10.7.0.0/16 via 10.8.0.7 table 7\n"
        "ip route add unreachable 10.2.0.0/16"
    )
    said = await asyncio.to_thread(_in_namespace, script, _WAYS, ["10.9.0.1", "10.7.0.1", "10.1.0.9", "10.2.0.1", "::1"])
    usual = {"interface": "eth0", "tunnel": False, "source": "10.1.0.2", "gateway": "10.1.0.1"}
    beside = {"interface": "eth1", "tunnel": False, "source": "10.8.0.2"}
    assert said[0::2][:4] == [
        {**beside, "gateway": "10.8.0.1"},
        {**beside, "gateway": "10.8.0.7"},
        {**usual, "gateway": None},
        None,
    ]
    assert said[1::2] == [usual, usual, usual, usual, None]
    assert said[8]["interface"] == "lo"


@pytest.mark.parametrize(
    ("rule", "failure"),
    [
        ("DROP", "resolver-timeout"),
        ("REJECT --reject-with icmp-port-unreachable", "resolver-failing"),
    ],
)
async def test_a_resolver_that_hangs_keeps_nobody_from_ending(tmp_path: Path, rule: str, failure: str) -> None:
    """The system would try for minutes; the lookup and the process end long before."""
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.53\noptions timeout:30 attempts:5\n")
    (tmp_path / "nsswitch.conf").write_text("hosts: files dns\n")
    script = (
        "ip link set lo up\n"
        f"iptables -A INPUT -p udp --dport 53 -j {rule}\n"
        f"mount --bind {tmp_path}/resolv.conf /etc/resolv.conf\n"
        f"[ ! -e /etc/nsswitch.conf ] || mount --bind {tmp_path}/nsswitch.conf /etc/nsswitch.conf\n"
    )
    seen = await asyncio.to_thread(_in_namespace, script, _LOOKUP, "api.example.test", timeout=30)

    assert seen["failure"] == failure
    assert seen["addresses"] == []
