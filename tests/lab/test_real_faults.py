"""Real faults on a real control plane, judged as an engineer on call would: the truth is named or among the tied, what looks
different is not, and nothing is certain that one place cannot know.

The bot is the command line as people run it, in a network of its own; it sees the cluster from outside only. Every fault
is seen to work on the server's side before or after the verdict is read.
"""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.demo.pki import Authority, Pair
from tests.lab.asking import investigate
from tests.lab.boxes import Handle, box, by_turns, intercepting, refuses_alpn
from tests.lab.fault import Ask
from tests.lab.processes import wait_until
from tests.lab.topology import Lab, running_lab

pytestmark = [pytest.mark.lab, pytest.mark.netns]

Fault = Callable[[Lab], AbstractContextManager[Ask]]


# Faults


def direct(lab: Lab, **given: Any) -> Ask:
    """The API server of one node, asked without a balancer."""
    return Ask(**{"proof": "", "server": lab.api1.url, **given})


@contextmanager
def nothing(lab: Lab) -> Generator[Ask]:
    yield direct(lab)


@contextmanager
def killed(lab: Lab) -> Generator[Ask]:
    with lab.api1.killed():
        yield direct(lab)


def restarted(*flags: str, serving: Callable[[Lab], Pair] | None = None) -> Fault:
    """The API server with other flags or another certificate; up again as it was afterwards."""

    @contextmanager
    def fault(lab: Lab) -> Generator[Ask]:
        with lab.api1.restarted(*flags, serving=serving(lab) if serving else None):
            yield direct(lab)

    return fault


def expired(lab: Lab) -> Pair:
    end = datetime.now(UTC) - timedelta(hours=3)
    return lab.authority.server([lab.cp1.address, "127.0.0.1"], not_before=end - timedelta(days=365), not_after=end)


@contextmanager
def frozen(lab: Lab) -> Generator[Ask]:
    with lab.api1.frozen():
        yield direct(lab)


@contextmanager
def etcd_frozen(lab: Lab) -> Generator[Ask]:
    with lab.etcd.frozen():
        wait_until(lambda: lab.api1.status("/livez") == 500, "/livez fails", within=20)
        yield direct(lab)


def filtered(*rule: str, chain: str = "INPUT", sent: str = "--dport", match: tuple[str, ...] = ()) -> Fault:
    """A packet filter's rule on the server's machine, whose counter shows that it was met."""

    @contextmanager
    def fault(lab: Lab) -> Generator[Ask]:
        with lab.cp1.filter("-p", "tcp", sent, str(lab.api1.port), *match, jump=rule, chain=chain) as placed:
            yield direct(lab)
            assert placed.packets > 0

    return fault


def behind(make: Callable[[Lab], Handle]) -> Fault:
    """A box in front of the API server, which the client meets instead."""

    @contextmanager
    def fault(lab: Lab) -> Generator[Ask]:
        with box(lab.cp1, make(lab)) as made:
            yield direct(lab, server=f"https://{made.place}")
            assert made.seen > 0

    return fault


def upstream(lab: Lab) -> tuple[str, int]:
    return lab.cp1.address, lab.api1.port


def corporate(lab: Lab) -> ssl.SSLContext:
    pair = Authority("Corp TLS Inspection CA").server([lab.cp1.address], common_name=lab.cp1.address)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair.write(lab.scratch(), "box"))
    return context


def named(*, rcode: str | None = None) -> Fault:
    """The server by a name, which the lab's DNS server answers like this: an address that nobody has, or a code."""

    @contextmanager
    def fault(lab: Lab) -> Generator[Ask]:
        with lab.nameserver.saying({lab.names.api: [lab.spare()]}, rcode=rcode):
            yield direct(lab, server=lab.url)

    return fault


@contextmanager
def cut_off(lab: Lab) -> Generator[Ask]:
    """The bot's own machine loses its network; the cluster is well."""
    with lab.client.filter("-o", "eth0", jump=["DROP"], chain="OUTPUT"):
        yield direct(lab, controls=(f"{lab.spare()}:443", "192.0.2.1:443"))


def asking(**given: Any) -> Fault:
    """A healthy API server that is asked in a wrong way."""

    @contextmanager
    def fault(lab: Lab) -> Generator[Ask]:
        yield direct(lab, **{key: value(lab) if callable(value) else value for key, value in given.items()})

    return fault


# Verdicts


@dataclass(frozen=True, kw_only=True)
class Expected:
    """``truth`` is the cause, first or tied; ``alike`` are the only others that may be tied with it. ``sure``: it is certain."""

    truth: str
    alike: frozenset[str] = frozenset()
    sure: bool = False


def certain(truth: str) -> Expected:
    return Expected(truth=truth, sure=True)


def tied(truth: str, *alike: str) -> Expected:
    return Expected(truth=truth, alike=frozenset(alike))


REFUSED = ("apiserver-not-running", "apiserver-wrong-bind-address", "firewall-reject", "lb-down")
SILENT = ("firewall-drop", "node-down", "authorized-ip-ranges")
LARGE = ("-m", "length", "--length", "601:65535")

FAULTS: dict[str, tuple[Fault, Expected]] = {
    "nothing": (nothing, certain("healthy")),
    "killed": (killed, tied("apiserver-not-running", *REFUSED)),
    "bound to loopback": (restarted("--bind-address=127.0.0.1"), tied("apiserver-wrong-bind-address", *REFUSED)),
    "frozen": (frozen, tied("apiserver-hung", "file-descriptors-exhausted", "etcd-unavailable")),
    "etcd frozen": (etcd_frozen, certain("etcd-unavailable")),
    "dropped": (filtered("DROP"), tied("firewall-drop", *SILENT)),
    "rejected": (filtered("REJECT", "--reject-with", "icmp-port-unreachable"), certain("firewall-reject")),
    "rejected as if unreachable": (filtered("REJECT", "--reject-with", "icmp-net-unreachable"), certain("firewall-reject")),
    "rejected by a reset": (filtered("REJECT", "--reject-with", "tcp-reset"), tied("firewall-reject", *REFUSED)),
    "large packets lost": (filtered("DROP", chain="OUTPUT", sent="--sport", match=LARGE), certain("mtu-black-hole")),
    "no such machine": (asking(server=lambda lab: f"https://{lab.spare()}:6443"), tied("node-down", "no-route")),
    "a record that leads nowhere": (named(), tied("dns-wrong-address", "node-down", "no-route")),
    "a resolver that fails": (named(rcode="SERVFAIL"), certain("dns-server-failing")),
    "certificate expired": (restarted(serving=expired), certain("serving-certificate-expired")),
    "cluster rebuilt": (asking(authority=lambda lab: Authority()), certain("ca-mismatch")),
    "another cluster": (
        asking(authority=lambda lab: Authority(), server_name="api.prod.example"),
        tied("wrong-cluster-answers", "ca-mismatch"),
    ),
    "garbage for a token": (asking(user={"token": "no-token-at-all"}), certain("token-rejected")),
    "plain http": (asking(server=lambda lab: lab.api1.url.replace("https", "http")), certain("client-misconfigured")),
    "intercepted": (behind(lambda lab: intercepting(corporate(lab), upstream(lab))), certain("tls-intercepted")),
    "ALPN refused": (behind(lambda lab: refuses_alpn(upstream(lab))), certain("alpn-blocked")),
    "one of two dead": (behind(lambda lab: by_turns(upstream(lab))), tied("lb-backend-down")),
    "the bot cut off": (cut_off, certain("prober-cut-off")),
}


@pytest.fixture(scope="module")
def lab() -> Generator[Lab]:
    with running_lab(4) as made:
        yield made


@pytest.mark.parametrize(("fault", "expected"), FAULTS.values(), ids=FAULTS)
def test_a_real_fault_is_judged_as_far_as_one_place_can_see(lab: Lab, fault: Fault, expected: Expected) -> None:
    try:
        with fault(lab) as ask:
            said = investigate(lab, ask)
    finally:
        lab.recover()
    causes = {cause["id"]: cause["confidence"] for cause in said["causes"]}
    first = said["causes"][0]
    best = {first["id"], *first["tied_with"]}
    assert expected.truth in best
    assert best <= {expected.truth, *expected.alike}
    assert {name for name, confidence in causes.items() if confidence == "high"} == ({expected.truth} if expected.sure else set())
    assert said["verdict"] == ("healthy" if expected.truth == "healthy" else "cause")
    assert said["first_verdict_s"] <= 10


def test_rejected_credentials_do_not_hide_that_the_api_server_is_well(lab: Lab) -> None:
    said = investigate(lab, direct(lab, user={"token": "no-token-at-all"}))
    outcomes = {step["probe"]: step["outcome"] for step in said["steps"]}
    assert (outcomes["apiserver-health"], outcomes["apiserver-auth"]) == ("healthy", "token-rejected")


# Credentials


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
