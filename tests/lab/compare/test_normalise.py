"""What is by chance goes; what a reader could use stays."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.lab.compare.normalise import Known, normalise

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
KNOWN = Known(
    words={"api.shop.test": "server", "10.1.0.20": "server", "10.1.0.53": "dns", "shop": "cluster"}, ports=(6443,), now=NOW
)


def only(text: str) -> str:
    (line,) = normalise(text, KNOWN)
    return line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("dial tcp 10.1.0.20:6443: connect: connection refused", "dial tcp <server>:<port>: connect: connection refused"),
        ("lookup api.shop.test on 10.1.0.53:53: no such host", "lookup <server> on <dns>:53: no such host"),
        ("dial tcp 10.9.9.9:6443: i/o timeout", "dial tcp <other address>:<port>: i/o timeout"),
        ("10.1.0.201:6443", "<other address>:<port>"),
        ("localhost:8080 was refused", "localhost:8080 was refused"),
        ("dial tcp 10.1.0.20:24816: refused", "dial tcp <server>:<other port>: refused"),
        ("read tcp 10.1.0.20:51234->10.1.0.20:6443", "read tcp <server>:<ephemeral port>-><server>:<port>"),
        (
            'E0504 12:00:01.123456    4711 memcache.go:265] "Unhandled Error"',
            '<log> memcache.go "Unhandled Error"',
        ),
        (
            "current time 2026-05-04T12:00:03Z is after 2026-05-01T00:00:00Z",
            "current time <now> is after <past>",
        ),
        (
            "current time 2026-05-04T12:00:03Z is before 2026-06-01T00:00:00Z",
            "current time <now> is before <later>",
        ),
        ("*  expire date: May  3 11:00:00 2026 GMT", "* expire date: <past>"),
        ("< date: Mon, 04 May 2026 12:00:00 GMT", "< date: <now>"),
        ("probe_ssl_earliest_cert_expiry 1.9e+09", "probe_ssl_earliest_cert_expiry <later>"),
        ("probe_ip_addr_hash 3.11378105e+09", "probe_ip_addr_hash <hash>"),
        ("probe_duration_seconds 0.0123", "probe_duration_seconds <short>"),
        ('probe_http_duration_seconds{phase="tls"} 4.99', 'probe_http_duration_seconds{phase="tls"} <long>'),
        ("msg=failed duration_seconds=5.019225012", "msg=failed duration_seconds=<long>"),
        ("probe_http_status_code 503", "probe_http_status_code 503"),
        ("probe_http_content_length 1831", "probe_http_content_length <some>"),
        ("< content-length: 0", "< content-length: 0"),
        ("timed out after 5002 milliseconds", "timed out after <long>"),
        ("after 3 ms: Couldn't connect", "after <short>: Couldn't connect"),
        ("api?timeout=5s", "api?timeout=<long>"),
        ("audit-id: 2f5c0d1e-7c1b-4f33-9a55-0123456789ab", "audit-id: <id>"),
        ("easy handle 0x55ed7653f7a0", "easy handle <id>"),
        ("HTTP/2 401", "HTTP/2 401"),
        ("subject: CN=kube-apiserver", "subject: CN=kube-apiserver"),
    ],
)
def test_a_line(text: str, line: str) -> None:
    assert only(text) == line


def test_order_and_repetition_do_not_matter() -> None:
    assert normalise("one\ntwo\ntwo\n\n", KNOWN) == normalise("two\n  one ", KNOWN) == {"one", "two"}


def test_a_word_inside_another_stays() -> None:
    assert only("workshop shops") == "workshop shops"
