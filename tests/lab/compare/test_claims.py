"""The claims speak of causes that there are, and the sentences of real tools make them."""

from __future__ import annotations

import pytest

from tests.lab.compare.claims import CLAIMS
from tests.lab.domains import DOMAINS

SENTENCES = [
    ("dial tcp: lookup <server> on <dns>:53: no such host", "the name does not exist"),
    ("curl: (6) Could not resolve host: <server>", "the name cannot be resolved"),
    ("lookup <server> on <dns>:53: server misbehaving", "the DNS server fails"),
    ("lookup <server>: i/o timeout", "the DNS server fails"),
    (
        "The connection to the server <server>:<port> was refused - did you specify the right host or port?",
        "the API server's address refuses connections",
    ),
    ("dial tcp <server>:<port>: connect: no route to host", "there is no route to the address"),
    (
        "x509: certificate has expired or is not yet valid: current time <now> is after <past>",
        "the served certificate has expired",
    ),
    (
        "x509: certificate has expired or is not yet valid: current time <now> is before <later>",
        "the served certificate is not valid yet",
    ),
    ("curl: (60) SSL certificate problem: certificate has expired", "the served certificate has expired"),
    ("x509: certificate is valid for kubernetes, not <server>", "the certificate is for another name"),
    ("x509: certificate signed by unknown authority", "an unknown authority signed the certificate"),
    ("remote error: tls: no application protocol", "the protocol offered in the handshake (ALPN) is turned down"),
    ("error: You must be logged in to the server (Unauthorized)", "the caller's credentials are rejected"),
    ("< HTTP/2 401", "the caller's credentials are rejected"),
    ('User "system:anonymous" cannot get path', "no credentials were sent"),
    ('nodes is forbidden: User "ci" cannot list resource', "the caller is not allowed to"),
    ("[-]etcd failed: reason withheld", "the API server cannot use etcd"),
    ("etcdserver: mvcc: database space exceeded", "etcd has no space"),
    ("Error from server (TooManyRequests): Too many requests, please try again later.", "the API server sheds requests"),
    ('failed calling webhook "policy"', "an admission webhook fails"),
    ("The connection to the server localhost:8080 was refused - did you specify", "the client is pointed at its own machine"),
]


@pytest.mark.parametrize(("sentence", "says"), SENTENCES)
def test_a_sentence_claims(sentence: str, says: str) -> None:
    assert says in [claim.says for claim in CLAIMS if claim.pattern.search(sentence)]


@pytest.mark.parametrize(
    "sentence",
    [
        "context deadline exceeded",
        "EOF",
        "dial tcp <server>:<port>: i/o timeout",
        "[+]etcd ok",
        "< HTTP/2 200",
        "connection reset by peer",
    ],
)
def test_what_only_happened_claims_nothing(sentence: str) -> None:
    assert [claim.says for claim in CLAIMS if claim.pattern.search(sentence)] == []


def test_every_cause_that_a_claim_speaks_of_is_one() -> None:
    unknown = {cause for claim in CLAIMS for cause in claim.true} - set(DOMAINS)
    assert unknown == set()
