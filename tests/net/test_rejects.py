"""Rejections by a real packet filter, in a network namespace that ends with the process that made it."""

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

_NAMESPACE = ("unshare", "--user", "--map-root-user", "--net")

_LOOK = """
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


def _in_namespace(script: str, places: list[tuple[str, int]]) -> dict[str, dict]:
    for tool in ("unshare", "ip", "iptables", "ip6tables"):
        if shutil.which(tool) is None:
            missing("netns", f"no {tool} here")
    probe = subprocess.run([*_NAMESPACE, "iptables", "-L", "-n"], capture_output=True, text=True, timeout=20)
    if probe.returncode != 0:
        missing("netns", f"no namespace with a packet filter can be made here: {probe.stderr.strip()}")
    done = subprocess.run(
        [*_NAMESPACE, "sh", "-ec", f'{script}\nexec "$@"', "sh", sys.executable, "-c", _LOOK, json.dumps(places)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def test_who_rejects_is_told_from_a_closed_port() -> None:
    rules = "\n".join(f"iptables -A INPUT -p tcp --dport {port} -j REJECT --reject-with {how}" for port, how in _RULES.items())
    script = f"ip link set lo up\n{rules}\nip6tables -A INPUT -p tcp --dport 1007 -j REJECT --reject-with icmp6-adm-prohibited"
    places = [("127.0.0.1", port) for port in (*_RULES, 1008)] + [("::1", 1007), ("192.0.2.1", 1009)]

    seen = await asyncio.to_thread(_in_namespace, script, places)

    shown = {
        place: (one["failure"], one["reject"] and (one["reject"]["icmp_type"], one["reject"]["icmp_code"]))
        for place, one in seen.items()
    }
    assert shown == {
        "127.0.0.1 1001": ("connection-rejected", (3, 3)),
        "127.0.0.1 1002": ("connection-rejected", (3, 13)),
        "127.0.0.1 1003": ("connection-rejected", (3, 10)),
        "127.0.0.1 1004": ("host-unreachable", (3, 1)),
        "127.0.0.1 1005": ("network-unreachable", (3, 0)),
        "127.0.0.1 1006": ("connection-refused", None),
        "127.0.0.1 1008": ("connection-refused", None),
        "::1 1007": ("connection-rejected", (1, 1)),
        "192.0.2.1 1009": ("network-unreachable", None),
    }
    assert seen["127.0.0.1 1001"]["reject"]["offender"] == "127.0.0.1"
    assert seen["::1 1007"]["reject"]["offender"] == "::1"
