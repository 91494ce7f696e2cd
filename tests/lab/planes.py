"""A real etcd and real kube-apiservers on hosts of the lab, with the flags and files that kubeadm gives them."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import ssl
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.demo.pki import Pair
from tests.lab.assets import find
from tests.lab.kubeadm import Node, Pki
from tests.lab.network import Host
from tests.lab.processes import Process, wait_until

READY_S = 90.0


class Server:
    """One process of the control plane: what can be done to it from outside."""

    def __init__(self, host: Host, name: str, logs: Path) -> None:
        self.host = host
        self.name = name
        self.log = logs / f"{name}-{host.name}.log"
        self._process: Process | None = None

    @property
    def process(self) -> Process:
        """The newest one, dead or alive."""
        assert self._process is not None, f"{self.name} on {self.host.name} was never started"
        return self._process

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    def kill(self) -> None:
        """SIGKILL; it is gone when this returns."""
        if self._process is not None:
            self._process.kill()

    def freeze(self) -> None:
        """SIGSTOP; it is stopped when this returns."""
        self.process.signal(signal.SIGSTOP)
        wait_until(lambda: self.process.state == "T", f"{self.name} is stopped", within=5)

    def thaw(self) -> None:
        self.process.signal(signal.SIGCONT)

    def said(self, text: str) -> bool:
        """Whether its log of this and earlier runs has this text."""
        return self.log.exists() and text in self.log.read_text(errors="replace")

    def _launch(self, command: list[str]) -> None:
        self._process = self.host.start(f"{self.name} on {self.host.name}", *command, log=self.log)


class Etcd(Server):
    """The one member, on a control-plane node, with TLS for clients and peers; health and metrics without TLS at 2381, as who
    scrapes them from elsewhere has it."""

    def __init__(self, node: Node, host: Host, folder: Path) -> None:
        super().__init__(host, "etcd", folder)
        self.node = node
        self._data = folder / "etcd-data"

    @property
    def url(self) -> str:
        return f"https://{self.host.address}:2379"

    @property
    def metrics(self) -> str:
        """host:port of its metrics."""
        return f"{self.host.address}:2381"

    def command(self, **changed: str | None) -> list[str]:
        """Its flags; those of ``changed`` (with ``_`` for ``-``) replace the usual, None leaves one out."""
        pki = self.node.pki / "etcd"
        flags: dict[str, str | None] = {
            "name": self.node.name,
            "data-dir": str(self._data),
            "listen-client-urls": f"https://127.0.0.1:2379,{self.url}",
            "advertise-client-urls": self.url,
            "listen-peer-urls": f"https://{self.host.address}:2380",
            "initial-advertise-peer-urls": f"https://{self.host.address}:2380",
            "initial-cluster": f"{self.node.name}=https://{self.host.address}:2380",
            "listen-metrics-urls": f"http://127.0.0.1:2381,http://{self.metrics}",
            "cert-file": str(pki / "server.crt"),
            "key-file": str(pki / "server.key"),
            "trusted-ca-file": str(pki / "ca.crt"),
            "client-cert-auth": "true",
            "peer-cert-file": str(pki / "peer.crt"),
            "peer-key-file": str(pki / "peer.key"),
            "peer-trusted-ca-file": str(pki / "ca.crt"),
            "peer-client-cert-auth": "true",
            "unsafe-no-fsync": "true",
            # The gateway would ask this very member with its serving certificate, which is for servers only.
            "enable-grpc-gateway": "false",
            "log-level": "warn",
        }
        return [str(find("etcd")), *_as_argv(flags, changed)]

    def start(self, **changed: str | None) -> None:
        """Starts it and does not wait."""
        command = self.command(**changed)
        self.node.write_manifest("etcd", command)
        self._launch(command)

    def health(self) -> str:
        """What ``/health`` says at the metrics port: empty when it says nothing."""
        try:
            with self.host.here(lambda: _connect("127.0.0.1", 2381, 1)) as plain:
                plain.sendall(b"GET /health HTTP/1.0\r\n\r\n")
                with plain.makefile("rb") as answer:
                    return answer.read().partition(b"\r\n\r\n")[2].decode()
        except OSError:
            return ""

    def wait_healthy(self) -> None:
        wait_until(lambda: '"true"' in self.health(), "etcd is healthy", within=READY_S, process=self.process)

    @contextmanager
    def killed(self) -> Generator[None]:
        """Dead until the block is left, then started again on the same data."""
        self.kill()
        try:
            yield
        finally:
            self.start()
            self.wait_healthy()

    @contextmanager
    def frozen(self) -> Generator[None]:
        """Stopped by SIGSTOP until the block is left."""
        self.freeze()
        try:
            yield
        finally:
            self.thaw()


@dataclass(frozen=True)
class Answer:
    """What an API server said."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class ApiServer(Server):
    """One kube-apiserver. ``port`` is where it listens when it is well."""

    def __init__(self, node: Node, host: Host, folder: Path, *, port: int, etcd: Etcd, pki: Pki) -> None:
        super().__init__(host, "kube-apiserver", folder)
        self.node = node
        self.port = port
        self.audit_log = folder / f"audit-{host.name}.log"
        self._counted: dict[str, tuple[int, int]] = {}
        self._etcd = etcd
        self._pki = pki
        self._policy = folder / "audit-policy.yaml"
        # Of the requests, only that there were any, once each, by whom.
        self._policy.write_text(
            'apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: ["RequestReceived"]\nrules: [{level: Metadata}]\n'
        )
        self._admin = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._admin.check_hostname = False
        self._admin.verify_mode = ssl.CERT_NONE
        self._nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._nobody.check_hostname = False
        self._nobody.verify_mode = ssl.CERT_NONE
        self._admin.load_cert_chain(*pki.authority.client("lab", ["system:masters"]).write(folder, f"harness-{host.name}"))

    @property
    def url(self) -> str:
        """Where it is asked directly."""
        return f"https://{self.host.address}:{self.port}"

    def command(self, *extra: str) -> list[str]:
        """Its flags as kubeadm gives them. ``extra`` are ``--flag=value``, which replace, or ``--flag=`` with nothing
        after it, which leaves one out."""
        pki = self.node.pki
        flags: dict[str, str | None] = {
            "advertise-address": self.host.address,
            "allow-privileged": "true",
            "authorization-mode": "Node,RBAC",
            "client-ca-file": str(pki / "ca.crt"),
            "enable-admission-plugins": "NodeRestriction",
            "enable-bootstrap-token-auth": "true",
            "etcd-cafile": str(pki / "etcd" / "ca.crt"),
            "etcd-certfile": str(pki / "apiserver-etcd-client.crt"),
            "etcd-keyfile": str(pki / "apiserver-etcd-client.key"),
            "etcd-servers": self._etcd.url,
            "kubelet-client-certificate": str(pki / "apiserver-kubelet-client.crt"),
            "kubelet-client-key": str(pki / "apiserver-kubelet-client.key"),
            "kubelet-preferred-address-types": "InternalIP,ExternalIP,Hostname",
            "proxy-client-cert-file": str(pki / "front-proxy-client.crt"),
            "proxy-client-key-file": str(pki / "front-proxy-client.key"),
            "requestheader-allowed-names": "front-proxy-client",
            "requestheader-client-ca-file": str(pki / "front-proxy-ca.crt"),
            "requestheader-extra-headers-prefix": "X-Remote-Extra-",
            "requestheader-group-headers": "X-Remote-Group",
            "requestheader-username-headers": "X-Remote-User",
            "secure-port": str(self.port),
            "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
            "service-account-key-file": str(pki / "sa.pub"),
            "service-account-signing-key-file": str(pki / "sa.key"),
            "service-cluster-ip-range": "10.96.0.0/16",
            "tls-cert-file": str(pki / "apiserver.crt"),
            "tls-private-key-file": str(pki / "apiserver.key"),
            "audit-policy-file": str(self._policy),
            "audit-log-path": str(self.audit_log),
        }
        changed = {name.removeprefix("--"): value or None for name, _, value in (flag.partition("=") for flag in extra)}
        return [str(find("kube-apiserver")), *_as_argv(flags, changed)]

    def start(
        self, *extra: str, serving: Pair | None = None, open_files: int | None = None, address_space: int | None = None
    ) -> None:
        """Starts it and does not wait. ``serving`` becomes the certificate of the folder too; ``open_files`` and
        ``address_space`` (in bytes) are its limits."""
        pair = serving or self._pki.authority.server(self.node.serving_names)
        pair.write(self.node.pki, "apiserver")
        command = self.command(*extra)
        self.node.write_manifest("kube-apiserver", command)
        limits = [f"--{name}={most}:{most}" for name, most in (("nofile", open_files), ("as", address_space)) if most]
        self._launch([*(["prlimit", *limits, "--"] if limits else []), *command])

    def restart(self, *extra: str, serving: Pair | None = None, open_files: int | None = None) -> None:
        """Kills it and starts it with other flags; does not wait."""
        self.kill()
        self.start(*extra, serving=serving, open_files=open_files)

    def wait_ready(self) -> None:
        wait_until(self.is_ready, f"{self.host.name} is ready", within=READY_S, process=self.process)

    def is_ready(self) -> bool:
        """Whether it says so itself on its own host, whatever certificate it shows."""
        return self.status("/readyz") == 200

    @contextmanager
    def killed(self) -> Generator[None]:
        """Dead until the block is left. Its harness waits until it is well again."""
        self.kill()
        wait_until(lambda: not self.host.listens(self.port), "nothing listens", within=5)
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def frozen(self) -> Generator[None]:
        """Stopped by SIGSTOP until the block is left: the kernel still accepts its connections."""
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    @contextmanager
    def restarted(
        self, *extra: str, serving: Pair | None = None, open_files: int | None = None, ready: bool = True, port: int | None = None
    ) -> Generator[None]:
        """Runs with other flags, another certificate or a limit of open files until the block is left, then as it was.

        Waits until it is ready by its own word on 127.0.0.1 (at ``port`` where that is another), unless ``ready`` is False.
        """
        self.restart(*extra, serving=serving, open_files=open_files)
        try:
            if ready:
                wait_until(
                    lambda: self.status("/readyz", port=port) == 200, "it is ready again", within=READY_S, process=self.process
                )
            yield
        finally:
            self.restart()

    def status(self, path: str, *, port: int | None = None, user: str = "admin", timeout: float = 5) -> int | None:
        """The HTTP status of one GET from its own host; None when it cannot be had. ``user`` as in ``ask``."""
        try:
            return self.ask(path, port=port, user=user, timeout=timeout).status
        except (OSError, http.client.HTTPException):
            return None

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: object = None,
        *,
        user: str = "admin",
        port: int | None = None,
        source: Host | None = None,
        timeout: float = 10,
        content: str = "application/json",
    ) -> Answer:
        """One request to it, unverified, from its own host or from ``source``. ``user`` is admin, nobody, or a bearer token."""
        asker, address = (source, self.host.address) if source else (self.host, "127.0.0.1")
        number = port or self.port
        connection = http.client.HTTPConnection(address, number, timeout=timeout)
        plain = asker.here(lambda: _connect(address, number, timeout))
        try:
            connection.sock = (self._admin if user == "admin" else self._nobody).wrap_socket(plain)
            headers = {"Content-Type": content, "User-Agent": "lab", "Connection": "close"}
            if user not in ("admin", "nobody"):
                headers["Authorization"] = f"Bearer {user}"
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return Answer(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read().decode())
        finally:
            connection.close()
            plain.close()

    def requests_by(self, agent: str) -> int:
        """How many requests of this user agent it has answered, by its audit log. Reads on from where it was last time: the
        balancer's checks fill the log."""
        if not self.audit_log.exists():
            return 0
        offset, count = self._counted.get(agent, (0, 0))
        with self.audit_log.open("rb") as log:
            log.seek(offset)
            # Of a line that is being written the rest is read next time.
            whole = log.read().rpartition(b"\n")[0] + b"\n"
        mark = f'"userAgent":"{agent}'.encode()
        count += sum(mark in row and _is_answer(row) for row in whole.splitlines())
        self._counted[agent] = (offset + (len(whole) if whole != b"\n" else 0), count)
        return count


def _is_answer(row: bytes) -> bool:
    """Each request has one such row: its completed answer, or the begun one where it was not let in."""
    return b'"stage":"ResponseComplete"' in row or (b'"stage":"ResponseStarted"' in row and b'"code":401' in row)


def _connect(address: str, port: int, timeout: float) -> socket.socket:
    return socket.create_connection((address, port), timeout=timeout)


def _as_argv(flags: dict[str, str | None], changed: Mapping[str, str | None]) -> list[str]:
    merged = {**flags, **{name.replace("_", "-"): value for name, value in changed.items()}}
    return [f"--{name}={value}" for name, value in merged.items() if value is not None]
