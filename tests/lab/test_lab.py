"""The lab itself: what it promises to faults, and that nothing of it outlives its test, however that ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import dns.message
import pytest

from tests.lab.asking import write_config
from tests.lab.assets import Watchers, watchers
from tests.lab.bench import Bench
from tests.lab.fault import Ask, Fault, Truth
from tests.lab.network import hosts, join, need
from tests.lab.processes import dying_with_us, wait_until
from tests.lab.prometheus import Prometheus
from tests.lab.seed import Draw, draw_names
from tests.lab.topology import ROOT, Lab, running_lab
from tests.require import missing

pytestmark = [pytest.mark.lab, pytest.mark.netns]

# A lab in the middle of an investigation, with a load, a rule and a frozen server; it says where it is, and is then killed.
_VICTIM = """
from tests.lab.asking import investigate
from tests.lab.fault import Ask
from tests.lab.load import load
from tests.lab.topology import running_lab

with running_lab(11) as lab, lab.api2.frozen(), load(lab, "/version", at_once=2), lab.router.filter(
    "-p", "tcp", "-d", lab.lb.address, jump=["DROP"], chain="FORWARD"
):
    print(*(f"{host.inode}:{host.anchor}" for host in lab.hosts.values()), flush=True)
    while True:
        investigate(lab, Ask(proof="none"))
"""


def running_in(namespaces: set[int]) -> list[str]:
    """The command lines of everything that runs in these namespaces."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.stat(entry / "ns/net").st_ino in namespaces:
                found.append((entry / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def test_a_lab_whose_test_is_killed_leaves_no_process_namespace_link_or_rule() -> None:
    need("haproxy")
    with hosts("watcher") as (watcher,):
        victim = subprocess.Popen(
            dying_with_us([sys.executable, "-c", _VICTIM]),
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        try:
            assert victim.stdout is not None
            places = dict(map(int, place.split(":")) for place in victim.stdout.readline().split())
            assert len(places) == 8
            # A link into each namespace: the kernel removes it only with the whole namespace, its rules and its routes.
            for number, anchor in enumerate(places.values()):
                ends = ["link", "add", f"w{number}", "netns", str(watcher.anchor), "type", "veth"]
                subprocess.run(["ip", *ends, "peer", "name", "watched", "netns", str(anchor)], check=True, timeout=20)
            wait_until(lambda: any("valkey" in line for line in running_in(set(places))), "an investigation runs", within=60)
            names = " ".join(running_in(set(places)))
            assert all(name in names for name in ("kube-apiserver", "etcd", "haproxy", "tests.lab.load", "bot.cli"))
            watching = watchers()
            assert watching is None or all(str(program) in names for program in (watching.prometheus, watching.node_exporter))
        finally:
            victim.send_signal(signal.SIGKILL)
            victim.wait(timeout=10)
            if victim.stdout is not None:
                victim.stdout.close()
        wait_until(lambda: not running_in(set(places)), "no process is left", within=60)
        wait_until(lambda: "w0" not in watcher.run("ip", "-o", "link"), "the links are gone", within=60)
        wait_until(lambda: "veth" not in watcher.run("ip", "-d", "-o", "link"), "all of them are gone", within=60)


def test_two_labs_with_the_same_addresses_do_not_disturb_each_other() -> None:
    with running_lab(12) as one, running_lab(12) as other:
        assert one.lb.address == other.lb.address
        with one.router.filter("-p", "tcp", jump=["DROP"], chain="FORWARD"), one.api1.killed(), one.nameserver.stopped():
            assert one.client.dial(one.lb.address, one.balancer.port) == "silent"
            assert other.unwell() == []
        assert other.api1.requests_by("lab") > 0


@pytest.fixture(scope="module")
def lab() -> Generator[Lab]:
    with running_lab(13) as made:
        yield made


def test_a_lab_that_is_well_has_all_that_people_use(lab: Lab) -> None:
    assert lab.unwell() == []
    for client in (lab.client, lab.client2, lab.node):
        assert lab.nameserver.ask(lab.names.api, source=client) == [lab.lb.address]
        assert client.dial(lab.lb.address, lab.balancer.port) == "connected"
        assert client.dial(lab.cp2.address, lab.api2.port) == "connected"
    assert lab.nameserver.ask(f"nobody.{lab.names.zone}", source=lab.client) == ["NXDOMAIN"]
    assert lab.client.dial(lab.cp1.address, 2380, within=0.3) == "connected"
    assert lab.api1.ask("/api/v1/namespaces", source=lab.client2).status == 200
    assert lab.api1.ask("/api/v1/namespaces", user="nobody").status == 403
    for name in ("admin.conf", "kubelet.conf", "manifests/kube-apiserver.yaml", "pki/apiserver.crt", "pki/etcd/server.crt"):
        assert (lab.api1.node.folder / name).exists()


def test_what_a_fault_leaves_behind_is_noticed(lab: Lab) -> None:
    with lab.cp2.filter("-p", "udp", jump=["DROP"]):
        assert lab.unwell() == ["links, routes or rules of cp2 differ"]
    with lab.client.changed(["link set eth0 mtu 900"], ["link set eth0 mtu 1500"]):
        assert lab.unwell() == ["links, routes or rules of client differ"]
    with lab.nameserver.saying({lab.names.api: [lab.spare()]}):
        assert lab.unwell() == [f"{lab.names.api} is ['{lab.spare()}']"]
    lab.balancer.kill()
    assert "the balancer sees nothing" in lab.unwell()
    lab.recover()
    lab.api2.freeze()
    assert "cp2 is not ready" in lab.unwell()
    lab.recover()
    assert lab.unwell() == []


def test_prometheus_sees_every_target_and_forgets(lab: Lab) -> None:
    prometheus = _prometheus(lab)
    machines = {f"{host.address}:9100" for host in (lab.cp1, lab.cp2, lab.lb, lab.node)}
    places = {
        "apiserver": {f"{api.host.address}:{api.port}" for api in lab.apis},
        lab.names.jobs["node"]: machines,
        lab.names.jobs["etcd"]: {lab.etcd.metrics},
        **({"haproxy": {lab.balancer.metrics}} if lab.balancer.metrics else {}),
    }
    seen = prometheus.targets()
    assert {job: {one.place for one in seen if one.job == job} for job in places} == places
    assert len(seen) == sum(map(len, places.values()))
    assert prometheus.unwell() == []
    families = ("process_open_fds", "apiserver_request_total", "etcd_server_has_leader", "node_netstat_TcpExt_ListenOverflows")
    assert all(prometheus.ask(f"count({name})") for name in families)
    assert lab.client.dial(lab.node.address, prometheus.port) == "connected"
    begun = prometheus.ask('count_over_time(up{job="apiserver"}[1h])')
    lab.scraped()
    prometheus.forget()
    lab.scraped()
    assert max(count for _, count in prometheus.ask('count_over_time(up{job="apiserver"}[1h])')) <= max(c for _, c in begun)


def test_prometheus_has_looked_at_a_fault_before_the_question(lab: Lab) -> None:
    prometheus = _prometheus(lab)
    with lab.api2.killed(), lab.balancer.killed():
        lab.scraped()
        down = {one.place: one.error for one in prometheus.targets() if not one.up}
        assert "connection refused" in down.pop(f"{lab.cp2.address}:{lab.api2.port}")
        assert lab.balancer.metrics is None or "connection refused" in down.pop(lab.balancer.metrics)
        assert not down
        assert any("apiserver" in text for text in lab.unwell())
    lab.recover()
    assert lab.unwell() == []
    assert all(value == 1 for _, value in prometheus.ask("min_over_time(up[1h])"))


def _prometheus(lab: Lab) -> Prometheus:
    if lab.prometheus is None:
        missing("prometheus", "Prometheus is not here. Next: make lab-prometheus")
    return lab.prometheus


def test_the_statistics_page_is_what_a_client_reads(lab: Lab) -> None:
    def read() -> str:
        with urllib.request.urlopen(f"{lab.balancer.page};csv", timeout=5) as answer:
            return answer.read().decode()

    assert lab.client.here(read).startswith("# pxname,svname")


@pytest.mark.parametrize(
    ("ask", "keys"),
    [
        (Ask(proof="-"), {"kubeconfig", "prometheus", "balancer"}),
        (Ask(proof="-", server="https://192.0.2.1:6443"), {"kubeconfig", "prometheus"}),
        (Ask(proof="-", server="https://192.0.2.1:6443", balancer=True), {"kubeconfig", "prometheus", "balancer"}),
        (Ask(proof="-", prometheus=False, balancer=False), {"kubeconfig"}),
    ],
)
def test_who_is_configured_is_who_is_there(lab: Lab, ask: Ask, keys: set[str]) -> None:
    _prometheus(lab)
    config = json.loads(write_config(lab, ask, lab.scratch()).read_text())
    assert config["clusters"][lab.names.cluster].keys() == keys


def test_a_lab_without_prometheus_is_a_lab() -> None:
    with running_lab(15, bare=True) as bare:
        assert bare.prometheus is None
        bare.scraped()
        assert bare.unwell() == []
        assert json.loads(write_config(bare, Ask(proof="-"), bare.scratch()).read_text())["clusters"][
            bare.names.cluster
        ].keys() == {"kubeconfig"}


def test_prometheus_may_be_missing_unless_it_is_required(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("APIDOWN_PROMETHEUS", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("APIDOWN_REQUIRE", raising=False)
    assert watchers() is None
    monkeypatch.setenv("APIDOWN_REQUIRE", "lab,prometheus")
    with pytest.raises(pytest.fail.Exception, match="make lab-prometheus"):
        watchers()
    for name in ("prometheus", "node_exporter"):
        (tmp_path / name).touch(mode=0o755)
    assert watchers() == Watchers(tmp_path / "prometheus", tmp_path / "node_exporter")


@contextmanager
def _never_undone(lab: Lab, draw: Draw) -> Generator[Ask]:
    lab.client2.ip("link set eth0 mtu 1000")
    yield Ask(proof="the link's MTU is 1000")


def test_a_fault_that_cannot_be_undone_gets_the_next_one_a_new_lab() -> None:
    truth = Truth(cause="mtu-black-hole", acceptable={"bot": ("mtu-black-hole",)})
    bench = Bench(14, patience=1)
    try:
        first = bench.lab
        row = bench.run(Fault(name="never_undone", title="", truth=truth, begin=_never_undone))
        # Now, because the kernel gives the new lab's namespaces the numbers of the old one's.
        assert not running_in({host.inode for host in first.hosts.values()})
        assert row.judged.verdict == "healthy"
        assert len(bench.rebuilt) == 1
        assert "links, routes or rules of client2 differ" in bench.rebuilt[0]
        assert bench.lab is not first
        assert bench.lab.unwell() == []
    finally:
        bench.close()


def test_the_nameserver_speaks_tcp_too(lab: Lab) -> None:
    query = dns.message.make_query(lab.names.api, "A").to_wire()
    with lab.client.here(lambda: socket.create_connection((lab.dns.address, 53), timeout=5)) as link:
        link.sendall(struct.pack("!H", len(query)) + query)
        with link.makefile("rb") as answer:
            (length,) = struct.unpack("!H", answer.read(2))
            said = dns.message.from_wire(answer.read(length))
    assert lab.lb.address in str(said.answer[0])


@pytest.mark.parametrize(("how", "said"), [({"rcode": "SERVFAIL"}, "SERVFAIL"), ({"silent": True}, "silent")])
def test_the_nameserver_fails_as_told(lab: Lab, how: dict[str, object], said: str) -> None:
    with lab.nameserver.saying(**how):  # type: ignore[arg-type]
        assert lab.nameserver.ask(lab.names.api, source=lab.client, within=0.3) == [said]
    with lab.nameserver.stopped():
        assert lab.nameserver.ask(lab.names.api, source=lab.client) == ["refused"]
    assert lab.nameserver.ask(lab.names.api, source=lab.client) == [lab.lb.address]


def test_a_seed_draws_the_same_again_and_another_something_else() -> None:
    one, again, other = (draw_names(Draw(seed).for_("lab")) for seed in (1, 1, 2))
    assert one == again
    assert one.addresses != other.addresses
    for seed in range(200):
        names = draw_names(Draw(seed).for_("lab"))
        assert len({*names.addresses.values(), *names.unused}) == len(names.addresses) + len(names.unused)
        assert len(set(names.hosts.values())) == len(names.hosts)


def test_links_join_two_hosts_and_vanish_with_either() -> None:
    need()
    with hosts("stays") as (stays,):
        with hosts("goes") as (goes,):
            join(stays, "eth0", goes, "eth0")
            assert "eth0" in stays.run("ip", "-o", "link")
        wait_until(lambda: "eth0" not in stays.run("ip", "-o", "link"), "the link is gone", within=20)
