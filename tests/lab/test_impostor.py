"""Credentials on a real control plane: an impostor is given none, and rejected ones do not hide that the API server is well."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from bot.demo.pki import Authority, Pair
from tests.lab.asking import investigate
from tests.lab.boxes import box
from tests.lab.fault import Ask
from tests.lab.topology import Lab, running_lab

pytestmark = [pytest.mark.lab, pytest.mark.netns]


@pytest.fixture(scope="module")
def lab() -> Generator[Lab]:
    with running_lab(4) as made:
        yield made


def direct(lab: Lab, **given: Any) -> Ask:
    """The API server of one node, asked without a balancer."""
    return Ask(**{"proof": "", "server": lab.api1.url, **given})


def test_rejected_credentials_do_not_hide_that_the_api_server_is_well(lab: Lab) -> None:
    said = investigate(lab, direct(lab, user={"token": "no-token-at-all"}))
    outcomes = {step["probe"]: step["outcome"] for step in said["steps"]}
    assert (outcomes["apiserver-health"], outcomes["apiserver-auth"]) == ("healthy", "token-rejected")


TOKEN = "the-token-that-must-not-leave"
_ANSWERS = {"/livez": "[+]ping ok\nlivez check passed\n", "/readyz": "[+]ping ok\nreadyz check passed\n"}
_OBJECT = '{"kind":"Status","gitVersion":"v1.36.2","items":[],"versions":["v1"]}'


@dataclass
class Impostor:
    """Answers like an API server, asks for a client certificate, and remembers everything that it is told."""

    context: ssl.SSLContext
    decrypted: list[bytes] = field(default_factory=list)
    certificates: list[bytes] = field(default_factory=list)

    def handle(self, connection: Any) -> None:
        with self.context.wrap_socket(connection, server_side=True) as tls:
            while data := tls.recv(65536):
                self.decrypted.append(data)
                if certificate := tls.getpeercert(binary_form=True):
                    self.certificates.append(certificate)
                path = data.split(b" ", 2)[1].decode() if data.startswith(b"GET ") else "/"
                body = _ANSWERS.get(path.partition("?")[0], _OBJECT).encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                tls.sendall(head.encode() + body)


@contextmanager
def impostor(lab: Lab, serving: Pair, version: ssl.TLSVersion) -> Generator[tuple[Impostor, str]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(*serving.write(lab.scratch(), "impostor"))
    # It names the real authority as the one whose certificates it takes, so that nothing keeps a client from presenting one.
    context.load_verify_locations(cadata=lab.authority.pem)
    context.verify_mode = ssl.CERT_OPTIONAL
    made = Impostor(context)
    with box(lab.cp1, made.handle) as met:
        yield made, f"https://{met.place}"


def everything(lab: Lab) -> dict[str, str]:
    """A user with a token and with a client certificate."""
    certificate, key = (base64.b64encode(text.encode()).decode() for text in (lab.admin.certificate, lab.admin.key))
    return {"token": TOKEN, "client-certificate-data": certificate, "client-key-data": key}


# The playbook that reads objects through the API as well.
READS = ("--playbook", "connection-refused")

VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@VERSIONS
@pytest.mark.parametrize("flaw", ["authority", "name"])
def test_neither_token_nor_client_certificate_ever_reaches_an_impostor(lab: Lab, version: ssl.TLSVersion, flaw: str) -> None:
    authority = Authority() if flaw == "authority" else lab.authority
    serving = authority.server([lab.cp1.address if flaw == "authority" else "another.example.com"])
    with impostor(lab, serving, version) as (seen, url):
        said = investigate(lab, direct(lab, server=url, user=everything(lab), more=READS))
    told = b"".join(seen.decrypted)
    assert b"GET /livez?verbose" in told
    assert b"authorization" not in told.lower()
    assert TOKEN.encode() not in told
    assert seen.certificates == []
    assert said["verdict"] == "cause"
    assert TOKEN not in json.dumps(said)


@VERSIONS
def test_the_same_server_with_the_right_certificate_is_given_both(lab: Lab, version: ssl.TLSVersion) -> None:
    """So that the impostor is known to notice what it would be told."""
    with impostor(lab, lab.authority.server([lab.cp1.address]), version) as (seen, url):
        investigate(lab, direct(lab, server=url, user=everything(lab), more=READS))
    told = b"".join(seen.decrypted)
    assert b"Bearer " + TOKEN.encode() in told
    assert b"GET /api/v1/namespaces/kube-system/pods" in told
    assert seen.certificates
