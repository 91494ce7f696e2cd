"""Evidence as lines: what a person needs, and nothing that says nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bot.model.finding import Finding, Status
from bot.render.evidence import finding_lines


def finding(evidence: dict[str, Any], *, raw_error: str | None = None) -> Finding:
    return Finding(
        probe="tcp-connect",
        subject="10.0.0.1:6443",
        status=Status.PROBLEM,
        outcome="connection-refused",
        sentence="It refuses.",
        evidence=evidence,
        raw_error=raw_error,
        started_at=datetime(2026, 11, 20, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("duration_s", 0.000839),
        ("connect_duration_s", 1.5),
        ("proxied", False),
        ("chain", []),
        ("addresses", ()),
        ("phases", {}),
        ("answer", ""),
        ("issuer", None),
    ],
)
def test_what_says_nothing_is_left_out(key: str, value: Any) -> None:
    assert list(finding_lines(finding({key: value}))) == []
    assert list(finding_lines(finding({key: value, "alpn": "h2"}))) == ["10.0.0.1:6443  connection-refused", "  alpn: h2"]


def test_numbers_and_true_flags_stay_zero_included() -> None:
    shown = list(finding_lines(finding({"restarts": 0, "livez": 500, "proxied": True})))
    assert shown[1:] == ["  restarts: 0", "  livez: 500", "  proxied: yes"]


def test_the_raw_error_is_shown_without_evidence_too() -> None:
    assert list(finding_lines(finding({}, raw_error="errno 111")))[1:] == ["  error: errno 111"]


def test_a_certificates_names_are_shown_before_its_dates_and_a_row_each() -> None:
    leaf = {"subject": "CN=a", "serial": "1", "not_after": "2026", "names": ["a.example", "10.0.0.1"], "revoked": None}
    shown = list(finding_lines(finding({"chain": [leaf, {"subject": "CN=ca"}]})))
    assert shown[1:] == [
        "  chain 1: subject CN=a; names a.example, 10.0.0.1; serial 1; not after 2026",
        "  chain 2: subject CN=ca",
    ]
