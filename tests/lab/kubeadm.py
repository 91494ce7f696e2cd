"""What kubeadm leaves on a control-plane node: certificates, kubeconfigs and manifests, at the usual places below one folder."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bot.demo.pki import Authority, Pair, private_pem


def signing_key() -> Pair:
    """A bare key pair, for service account tokens: ``certificate`` holds the public key."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Pair(certificate=public.decode(), key=private_pem(key))


@dataclass(frozen=True)
class Pki:
    """A cluster's authorities and its key for service account tokens, shared by all of its control-plane nodes."""

    authority: Authority = field(default_factory=Authority)
    etcd: Authority = field(default_factory=lambda: Authority("etcd-ca"))
    front_proxy: Authority = field(default_factory=lambda: Authority("front-proxy-ca"))
    accounts: Pair = field(default_factory=signing_key)


@dataclass(frozen=True)
class Node:
    """One control-plane node's ``/etc/kubernetes``, under ``folder``."""

    folder: Path
    name: str
    address: str
    names: tuple[str, ...]
    """The further names and addresses in its serving certificate."""

    @property
    def pki(self) -> Path:
        return self.folder / "pki"

    @property
    def manifests(self) -> Path:
        return self.folder / "manifests"

    @property
    def serving_names(self) -> list[str]:
        service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
        return [self.name, *service, "localhost", "10.96.0.1", self.address, "127.0.0.1", *self.names]

    def write_pki(self, pki: Pki) -> None:
        """All certificates and keys, new ones where they are this node's own."""
        (self.pki / "etcd").mkdir(parents=True, exist_ok=True)
        (self.pki / "ca.crt").write_text(pki.authority.pem)
        (self.pki / "front-proxy-ca.crt").write_text(pki.front_proxy.pem)
        (self.pki / "etcd" / "ca.crt").write_text(pki.etcd.pem)
        (self.pki / "sa.pub").write_text(pki.accounts.certificate)
        (self.pki / "sa.key").write_text(pki.accounts.key)
        pki.authority.server(self.serving_names).write(self.pki, "apiserver")
        pki.authority.client("kube-apiserver-kubelet-client", ["kubeadm:cluster-admins"]).write(
            self.pki, "apiserver-kubelet-client"
        )
        pki.front_proxy.client("front-proxy-client").write(self.pki, "front-proxy-client")
        pki.etcd.client("kube-apiserver-etcd-client").write(self.pki, "apiserver-etcd-client")
        local = [self.name, "localhost", self.address, "127.0.0.1"]
        for purpose in ("server", "peer"):
            pki.etcd.server(local, common_name=self.name).write(self.pki / "etcd", purpose)
        pki.etcd.client("kube-etcd-healthcheck-client").write(self.pki / "etcd", "healthcheck-client")

    def write_kubeconfigs(self, pki: Pki, *, server: str, local: str) -> None:
        """``admin.conf`` and its like; the kubelet and the controllers ask ``local``, people ask ``server``."""
        people = {
            "admin": ("kubernetes-admin", "kubeadm:cluster-admins"),
            "super-admin": ("kubernetes-super-admin", "system:masters"),
        }
        parts = {
            "controller-manager": ("system:kube-controller-manager", ""),
            "scheduler": ("system:kube-scheduler", ""),
            "kubelet": (f"system:node:{self.name}", "system:nodes"),
        }
        for name, (user, group) in {**people, **parts}.items():
            pair = pki.authority.client(user, [group] if group else [])
            url = server if name in people else local
            (self.folder / f"{name}.conf").write_text(kubeconfig(url, pki.authority.pem, as_user(pair), name=user))

    def write_manifest(self, name: str, command: Sequence[str]) -> None:
        """The static pod as the kubelet would read it."""
        self.manifests.mkdir(parents=True, exist_ok=True)
        container = {"name": name, "image": f"registry.example.com/{name}:v1.36.2", "command": list(command)}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "kube-system", "labels": {"component": name, "tier": "control-plane"}},
            "spec": {"hostNetwork": True, "priorityClassName": "system-node-critical", "containers": [container]},
        }
        # JSON is YAML.
        (self.manifests / f"{name}.yaml").write_text(json.dumps(pod, indent=2) + "\n")


def as_user(pair: Pair) -> dict[str, str]:
    """A kubeconfig's user with this client certificate."""
    return {"client-certificate-data": b64(pair.certificate), "client-key-data": b64(pair.key)}


def kubeconfig(
    server: str,
    authority: str | None,
    user: Mapping[str, object],
    *,
    name: str = "me",
    cluster: str = "kubernetes",
    more: Mapping[str, object] | None = None,
) -> str:
    """A kubeconfig's text. ``authority`` is the CA's PEM; ``more`` are further fields of its cluster."""
    described = {"server": server, **({"certificate-authority-data": b64(authority)} if authority else {}), **(more or {})}
    context = f"{name}@{cluster}"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [{"name": cluster, "cluster": described}],
        "users": [{"name": name, "user": dict(user)}],
        "contexts": [{"name": context, "context": {"cluster": cluster, "user": name}}],
    }
    return json.dumps(document, indent=2) + "\n"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
