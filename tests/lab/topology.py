"""The whole lab: clients outside, a router, and on one network a balancer, two control-plane nodes, a worker and a DNS server.

```text
client ──┐                       ┌── lb    HAProxy
         ├── router ── bridge ───┼── cp1   etcd, kube-apiserver
client2 ─┘                       ├── cp2   kube-apiserver
                                 ├── node  Prometheus
                                 └── dns   a DNS server
```

Each is a network namespace; the bridge is in the router's. What clients send to the servers is forwarded by the router, so a
filter there (chain FORWARD) is a firewall on the way, and one on a server (INPUT) is the server's own. Prometheus scrapes from
inside, past the router.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.demo.pki import Authority, Pair
from tests.lab.assets import find, watchers
from tests.lab.boxes import Box
from tests.lab.haproxy import Balancer
from tests.lab.kubeadm import Node, Pki, as_user
from tests.lab.nameserver import Nameserver
from tests.lab.network import Host, hosts, join, need
from tests.lab.planes import ApiServer, Etcd
from tests.lab.processes import wait_until
from tests.lab.prometheus import BEFORE_S, Prometheus
from tests.lab.seed import Draw, Names, draw_names

ROOT = Path(__file__).resolve().parents[2]
SERVERS = ("lb", "cp1", "cp2", "node", "dns")
_ROLES = ("router", "client", "client2", *SERVERS)


class Lab:
    """Everything of one lab that faults move and questions need. Made by ``running_lab``.

    A ``bare`` one is asked about without what Prometheus and the balancer's statistics know; it has no Prometheus.
    """

    def __init__(self, draw: Draw, folder: Path, machines: dict[str, Host], *, bare: bool = False) -> None:
        self.draw = draw
        self.names: Names = draw_names(draw.for_("lab"))
        self.folder = folder
        self.hosts = machines
        self.router, self.client, self.client2 = machines["router"], machines["client"], machines["client2"]
        self.lb, self.cp1, self.cp2 = machines["lb"], machines["cp1"], machines["cp2"]
        self.node, self.dns = machines["node"], machines["dns"]
        for role, host in machines.items():
            host.address = self.names.addresses[role]
        self.logs = folder / "logs"
        self.logs.mkdir()
        self.pki = Pki()
        self.admin: Pair = self.pki.authority.client(draw.for_("admin").person(), ["system:masters"])
        balanced = (self.names.api, self.lb.address)
        self._nodes = tuple(
            Node(folder / role, self.names.hosts[role], machines[role].address, balanced) for role in ("cp1", "cp2")
        )
        port = self.names.secure_port
        self.etcd = Etcd(self._nodes[0], self.cp1, self.logs)
        self.api1, self.api2 = (
            ApiServer(node, host, self.logs, port=port, etcd=self.etcd, pki=self.pki)
            for node, host in zip(self._nodes, (self.cp1, self.cp2), strict=True)
        )
        self.apis = (self.api1, self.api2)
        self.balancer = Balancer(
            self.lb,
            self.logs,
            port=self.names.port,
            servers={node.name: f"{node.address}:{port}" for node in self._nodes},
            page=(self.names.statistics, self.names.statistics_path),
        )
        self.bare = bare
        programs = None if bare else watchers()
        self.prometheus = (
            Prometheus(programs, self.node, self.logs, port=self.names.prometheus, jobs=self.names.jobs) if programs else None
        )
        """None where it is not wanted, or its programs are not there."""
        self.nameserver: Nameserver
        self.control: str = ""
        """``host:port`` of something outside the cluster that answers whatever happens to it."""
        self._shapes: dict[str, str] = {}
        self._asked = 0

    @property
    def url(self) -> str:
        """What people ask: the balancer, by its name."""
        return f"https://{self.names.api}:{self.names.port}"

    @property
    def authority(self) -> Authority:
        """The cluster's own, which signs serving and client certificates."""
        return self.pki.authority

    @property
    def user(self) -> dict[str, str]:
        """The administrator, as a kubeconfig's user."""
        return as_user(self.admin)

    def scratch(self) -> Path:
        """A new folder, removed with the lab."""
        return Path(tempfile.mkdtemp(dir=self.folder))

    def spare(self, index: int = 0) -> str:
        """An address of the servers' network that no machine has; there are four."""
        return self.names.unused[index]

    # Making it.

    def wire(self) -> None:
        """Links, addresses and routes."""
        names, router = self.names, self.router
        gateways = {}
        for role, device in (("client", "client"), ("client2", "client2")):
            subnet = names.clients if role == "client" else names.others
            gateways[role] = str(subnet.network_address + 1)
            join(self.hosts[role], "eth0", router, device)
            router.ip(f"address add {gateways[role]}/24 dev {device}", f"link set {device} up")
        router.ip("link add br0 type bridge forward_delay 0", f"address add {router.address}/24 dev br0", "link set br0 up")
        for role in SERVERS:
            gateways[role] = router.address
            join(self.hosts[role], "eth0", router, role)
            router.ip(f"link set {role} master br0", f"link set {role} up")
        for role, gateway in gateways.items():
            host = self.hosts[role]
            host.ip(f"address add {host.address}/24 dev eth0", "link set eth0 up", f"route add default via {gateway}")
        for host in self.hosts.values():
            # The kernel's budget of ICMP errors is a few a second for each peer: what one fault spends, the next one would lack.
            host.run("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0")
        # What is bridged between servers is not the router's to filter, whatever the machine's default.
        router.run(
            "sh",
            "-c",
            "echo 1 > /proc/sys/net/ipv4/ip_forward; ! cd /proc/sys/net/bridge 2>/dev/null || echo 0 > bridge-nf-call-iptables",
        )

    def write_files(self) -> None:
        """Each node's /etc/kubernetes; every host's resolver and hosts file."""
        for node, api in zip(self._nodes, self.apis, strict=True):
            node.write_pki(self.pki)
            node.write_kubeconfigs(self.pki, server=self.url, local=api.url)
        texts = {
            "/etc/resolv.conf": f"nameserver {self.dns.address}\n",
            "/etc/hosts": "127.0.0.1 localhost\n",
            "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
        }
        for path, text in texts.items():
            if Path(path).exists():
                source = self.folder / Path(path).name
                source.write_text(text)
                for role in ("client", "client2", "node"):
                    self.hosts[role].files[path] = source

    def start(self) -> None:
        """All servers; both API servers come up at the same time."""
        records = {self.names.api: [self.lb.address]}
        records |= {f"{node.name}.{self.names.zone}": [node.address] for node in self._nodes}
        self.nameserver = Nameserver(self.dns, records)
        if self.prometheus:
            self.prometheus.start(
                apis=self.apis,
                authority=self.authority.pem,
                etcd=self.etcd.metrics,
                balancer=self.balancer.metrics,
                machines=(self.cp1, self.cp2, self.lb, self.node),
            )
        self.etcd.start()
        self.balancer.start()
        self.etcd.wait_healthy()
        for api in self.apis:
            api.start()
        for api in self.apis:
            api.wait_ready()
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "kubeadm:cluster-admins"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "kubeadm:cluster-admins"}],
        }
        said = self.api1.ask("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", "POST", binding)
        assert said.status == 201, said.text
        if self.prometheus:
            self.prometheus.admit(self.api1)
        wait_until(lambda: self.balancer.up, "the balancer sees both", within=15)
        self._forget()
        self._shapes = {role: host.shape() for role, host in self.hosts.items()}

    def stop(self) -> None:
        if hasattr(self, "nameserver"):
            self.nameserver.stop()
        for server in (self.prometheus, self.balancer, *self.apis, self.etcd):
            if server is not None:
                server.kill()

    # Whether it is well.

    def unwell(self) -> list[str]:
        """What is not as it should be: empty when a fault may begin. Looks once."""
        return [*self._broken(), *(self.prometheus.unwell() if self.prometheus else [])]

    def scraped(self) -> None:
        """Waits until Prometheus has looked at everything from now on, where there is one."""
        if self.prometheus:
            self.prometheus.wait_scraped()

    def _broken(self) -> list[str]:
        wrong = [f"{api.host.name} is not ready" for api in self.apis if not api.is_ready()]
        # After an outage of etcd reads may hang for a while although /readyz is well.
        quorum = "/api/v1/namespaces/kube-system"
        wrong += [f"{api.host.name} does not read" for api in self.apis if api.status(quorum, timeout=1) != 200]
        if not self.balancer.up:
            wrong.append(f"the balancer sees {self.balancer.seen() or 'nothing'}")
        said = self.nameserver.ask(self.names.api, source=self.client)
        if said != [self.lb.address]:
            wrong.append(f"{self.names.api} is {said}")
        wrong += [
            f"links, routes or rules of {role} differ" for role, host in self.hosts.items() if host.shape() != self._shapes[role]
        ]
        host, _, port = self.control.rpartition(":")
        if self.client.dial(host, int(port), within=2) != "connected":
            wrong.append(f"the control {self.control} does not answer")
        return wrong

    def recover(self, within: float = 75) -> None:
        """Waits until it is well; starts what is dead, and thaws what is frozen, once. Fails when it stays unwell."""
        self.nameserver.reset()
        self.nameserver.start()
        for server in (self.etcd, *self.apis, self.balancer):
            if not server.running:
                server.start()
            server.thaw()
        last: list[str] = []

        def well() -> bool:
            # What takes longest and is looked at in a moment comes first, so that waiting takes little from who starts.
            last[:] = [f"{api.host.name} is not ready" for api in self.apis if not api.is_ready()] or self._broken()
            return not last

        try:
            wait_until(well, "the lab is well", within=within)
        except AssertionError as error:
            raise AssertionError(f"{error}: {'; '.join(last)}") from None
        self._forget()

    def _forget(self) -> None:
        """Those who watch the lab know of nothing that was before, and see that all is well now."""
        self.balancer.tell("clear counters all")
        prometheus = self.prometheus
        if prometheus is None:
            return
        prometheus.forget()
        begun = datetime.now(UTC)
        # It is asked again when it knows enough: until then nobody needs its answers.
        lately = begun + timedelta(seconds=BEFORE_S)
        try:
            wait_until(
                lambda: datetime.now(UTC) > lately and not prometheus.unwell(begun), "Prometheus sees that all is well", within=40
            )
        except AssertionError as error:
            raise AssertionError(f"{error}: {'; '.join(prometheus.unwell(begun))}") from None


def check_needs() -> None:
    """Skips the test, saying why, where a lab cannot be had."""
    need("haproxy", "prlimit")
    find("kube-apiserver")
    find("etcd")
    watchers()


def _sweep() -> None:
    """Removes the files of labs whose test was killed: the kernel takes back all but those."""
    for folder in Path(tempfile.gettempdir()).glob("lab-*-*"):
        pid = folder.name.split("-")[1]
        if pid.isdigit() and not Path("/proc", pid).exists():
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_lab(seed: int, *, bare: bool = False) -> Generator[Lab]:
    """A lab that is well; gone afterwards, and gone too when this process is killed. ``bare`` as in ``Lab``."""
    check_needs()
    with ExitStack() as stack:
        _sweep()
        folder = Path(tempfile.mkdtemp(prefix=f"lab-{os.getpid()}-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        machines = stack.enter_context(hosts(*_ROLES))
        lab = Lab(Draw(seed), folder, dict(zip(_ROLES, machines, strict=True)), bare=bare)
        lab.wire()
        lab.write_files()
        stack.callback(lab.stop)
        gateway = str(lab.names.clients.network_address + 1)
        outside = Box(lab.router.here(lambda: socket.create_server((gateway, 0), backlog=64)), lambda connection: None)
        stack.callback(outside.close)
        lab.control = outside.place
        lab.start()
        yield lab
