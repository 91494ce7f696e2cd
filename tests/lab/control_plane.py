"""A real etcd and a real kube-apiserver with its own authority, on loopback or in a network namespace."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bot.demo.pki import Authority, Pair, private_pem
from tests.lab.assets import find
from tests.lab.network import Host
from tests.lab.processes import Process, wait_until
from tests.ports import free_port


@dataclass
class ControlPlane:
    """The running pair. ``host`` is None on loopback."""

    folder: Path
    address: str
    port: int
    host: Host | None = None
    authority: Authority = field(default_factory=Authority)
    etcd: Process | None = None
    apiserver: Process | None = None
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.admin = self.authority.client("lab-admin", ["system:masters"])
        self.admin.write(self.folder, "admin")
        self._etcd_port = free_port()
        self._peer_port = free_port()

    @property
    def url(self) -> str:
        return f"https://{self.address}:{self.port}"

    def kubeconfig(self, *, user: Pair | None = None) -> Path:
        """A kubeconfig with a client certificate, as kubeadm writes it."""
        user = user or self.admin
        path = self.folder / "kubeconfig"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "lab",
            "clusters": [
                {"name": "lab", "cluster": {"server": self.url, "certificate-authority-data": _b64(self.authority.pem)}}
            ],
            "users": [
                {"name": "admin", "user": {"client-certificate-data": _b64(user.certificate), "client-key-data": _b64(user.key)}}
            ],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "admin"}}],
        }
        path.write_text(json.dumps(document))
        return path

    def start(self) -> None:
        self.start_etcd()
        self.start_apiserver()

    def start_etcd(self) -> None:
        url = f"http://127.0.0.1:{self._etcd_port}"
        peer = f"http://127.0.0.1:{self._peer_port}"
        self.etcd = self._run(
            "etcd",
            str(find("etcd")),
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        )

    def start_apiserver(self, *extra: str, serving: Pair | None = None, wait: bool = True) -> None:
        """Starts it and waits until it is ready, or at once with ``wait`` False. ``serving`` replaces its certificate."""
        pki = self.folder
        own = [self.address, "127.0.0.1", "localhost", "kubernetes", "kubernetes.default.svc"]
        certificate, key = (serving or self.authority.server(own)).write(pki, "apiserver")
        tokens = _signing_key().write(pki, "sa")
        (pki / "ca.crt").write_text(self.authority.pem)
        self.apiserver = self._run(
            "kube-apiserver",
            str(find("kube-apiserver")),
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            f"--secure-port={self.port}",
            f"--bind-address={'0.0.0.0' if self.host else self.address}",
            f"--advertise-address={self.address if self.host else '127.0.0.1'}",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
            f"--client-ca-file={pki / 'ca.crt'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={tokens[0]}",
            f"--service-account-signing-key-file={tokens[1]}",
            "--authorization-mode=Node,RBAC",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--endpoint-reconciler-type=none",
            "--v=1",
            *self.flags,
            *extra,
        )
        if wait:
            wait_until(lambda: self.status("/readyz") == 200, "/readyz 200", within=60, process=self.apiserver)

    def status(self, path: str, method: str = "GET", body: object = None) -> int | None:
        """The HTTP status of one request as the administrator, from the API server's own host; None when it cannot be had."""
        if self.host is not None:
            return self._status_in_namespace(path)
        try:
            return self.request(path, method, body)[0]
        except (OSError, http.client.HTTPException):
            return None

    def request(self, path: str, method: str = "GET", body: object = None) -> tuple[int, str]:
        context = ssl.create_default_context(cadata=self.authority.pem)
        context.load_cert_chain(self.folder / "admin.crt", self.folder / "admin.key")
        connection = http.client.HTTPSConnection(self.address, self.port, context=context, timeout=5)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, body=payload, headers={"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def is_ready(self) -> bool:
        """Whether it says so itself on its own host, whatever certificate it shows."""
        return self.host is not None and self._status_in_namespace("/readyz", "unverified") == 200

    def _status_in_namespace(self, path: str, verification: str = "verified") -> int | None:
        assert self.host is not None
        script = (
            "import ssl,sys,urllib.request as u,urllib.error as e\n"
            "c=ssl.create_default_context(cafile=sys.argv[1]);c.load_cert_chain(sys.argv[2],sys.argv[3])\n"
            "if sys.argv[5]=='unverified': c.check_hostname=False;c.verify_mode=ssl.CERT_NONE\n"
            "try: print(u.urlopen(sys.argv[4],context=c,timeout=5).status)\n"
            "except e.HTTPError as x: print(x.code)\n"
            "except OSError: pass\n"
        )
        files = [str(self.folder / name) for name in ("ca.crt", "admin.crt", "admin.key")]
        out = self.host.run(sys.executable, "-c", script, *files, f"https://127.0.0.1:{self.port}{path}", verification)
        return int(out) if out.strip() else None

    def kill_apiserver(self) -> None:
        assert self.apiserver is not None
        self.apiserver.kill()

    def stop(self) -> None:
        for process in (self.apiserver, self.etcd):
            if process is not None:
                process.kill()

    def _run(self, name: str, *argv: str) -> Process:
        command: Sequence[str] = argv if self.host is None else self.host.command(*argv)
        return Process(name, command, log=self.folder / f"{name}.log")


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@contextmanager
def control_plane(folder: Path, host: Host | None = None, flags: tuple[str, ...] = ()) -> Iterator[ControlPlane]:
    """A healthy control plane; gone afterwards whatever happened."""
    find("kube-apiserver")
    find("etcd")
    address = host.address if host else "127.0.0.1"
    plane = ControlPlane(folder=folder, address=address, port=6443 if host else free_port(), host=host, flags=flags)
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()


def _signing_key() -> Pair:
    """A bare key pair, for service account tokens: ``certificate`` holds the public key."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Pair(certificate=public.decode(), key=private_pem(key))
