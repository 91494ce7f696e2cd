"""The asker's VPN has a route for a range that the cluster's addresses lie in, and loses the packets."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import elsewhere
from tests.lab.network import hosts, join
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="client-route-wrong",
    acceptable={"bot": ("client-route-wrong", "firewall-drop", "node-down")},
    because="That the way leads through another interface is in the client's own route table; that it is the wrong way is not.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    near, far = list(elsewhere(lab, draw).hosts())[:2]
    with hosts("vpn") as (vpn,):
        join(lab.client, "tun0", vpn, "eth0")
        vpn.run("sysctl", "-qw", "net.ipv4.ip_forward=0")
        vpn.ip(f"address add {far}/30 dev eth0", "link set eth0 up", f"route add default via {near}")
        wide = lab.names.servers.supernet(new_prefix=16)
        try:
            lab.client.ip(f"address add {near}/30 dev tun0", "link set tun0 up", f"route add {wide} via {far}")
            with vpn.filter("-d", lab.lb.address, jump=["ACCEPT"], chain="PREROUTING", table="raw") as strayed:
                assert lab.client.dial(lab.lb.address, lab.balancer.port, within=2) == "silent"
                assert strayed.packets
                assert lab.client2.dial(lab.lb.address, lab.balancer.port, within=2) == "connected"
                proof = (
                    f"{strayed.packets} packets for the balancer arrived in the VPN, which has {wide}; another client connects"
                )
                yield Ask(proof=proof, server=f"https://{lab.lb.address}:{lab.balancer.port}")
        finally:
            lab.client.ip("link del tun0")
