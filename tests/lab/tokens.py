"""Service account tokens, signed with the lab's own key: good ones, and each kind of bad one, without waiting."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.lab.topology import Lab

ISSUER = "https://kubernetes.default.svc.cluster.local"
NAMESPACE = "kube-system"


@dataclass(frozen=True)
class Account:
    """A service account that exists, or did: ``uid`` is what its tokens are bound to."""

    name: str
    uid: str


def account(lab: Lab, name: str) -> Account:
    """Makes a service account in kube-system. The lab's next fault sees it too, so its name is drawn."""
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
    said = lab.api1.ask(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", "POST", body)
    assert said.status == 201, said.text
    return Account(name, said.json["metadata"]["uid"])


def remove(lab: Lab, one: Account) -> None:
    """Deletes the account; its tokens are worth nothing from then on."""
    said = lab.api1.ask(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{one.name}", "DELETE")
    assert said.status == 200, said.text


def token(
    lab: Lab,
    one: Account,
    *,
    expires_in: timedelta = timedelta(hours=1),
    valid_in: timedelta = timedelta(minutes=-5),
    audience: str = ISSUER,
    issuer: str = ISSUER,
    key: str | None = None,
    more: Mapping[str, object] | None = None,
) -> str:
    """A signed token. A negative ``expires_in`` is one that expired, a positive ``valid_in`` one that is not valid yet; ``key``
    is another private key's PEM, for a signature that does not fit."""
    now = datetime.now(UTC)
    claims = {
        "iss": issuer,
        "sub": f"system:serviceaccount:{NAMESPACE}:{one.name}",
        "aud": [audience],
        "iat": int((now + valid_in).timestamp()),
        "nbf": int((now + valid_in).timestamp()),
        "exp": int((now + expires_in).timestamp()),
        "kubernetes.io": {"namespace": NAMESPACE, "serviceaccount": {"name": one.name, "uid": one.uid}},
        **(more or {}),
    }
    private = serialization.load_pem_private_key((key or lab.pki.accounts.key).encode(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    signed = b".".join([_b64({"alg": "ES256", "typ": "JWT"}), _b64(claims)])
    r, s = decode_dss_signature(private.sign(signed, ec.ECDSA(hashes.SHA256())))
    signature = base64.urlsafe_b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).rstrip(b"=")
    return b".".join([signed, signature]).decode()


def _b64(data: object) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=")
