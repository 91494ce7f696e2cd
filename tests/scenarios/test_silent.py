"""TCP is accepted and TLS stalls: four faults that three experiments tell apart."""

from __future__ import annotations

from bot.model.diagnosis import Confidence
from bot.model.playbook import Domain
from tests.diagnosis.facts import answer, ladder


def test_total_silence_is_a_hung_process_tied_with_its_look_alikes():
    said = answer(ladder("tls-handshake", "tls-silent"))
    assert said.triage.domain is Domain.PROCESS
    assert said.first.id == "apiserver-hung"
    assert said.best == {"apiserver-hung", "file-descriptors-exhausted", "etcd-unavailable"}
    assert said.first.confidence is not Confidence.HIGH
    assert said.first.separator is not None
    assert not {"mtu-black-hole", "firewall-drop", "apiserver-not-running"} & set(said.named)


def test_small_segments_that_pass_are_decisive_for_the_mtu():
    said = answer(ladder("tls-handshake", "tls-large-packets-lost"))
    assert said.named == ("mtu-black-hole",)
    assert said.first.confidence is Confidence.HIGH


def test_plain_text_that_passes_clears_the_process():
    said = answer(ladder("tls-handshake", "tls-silent-but-listening"))
    assert said.first.id == "firewall-drop"
    assert said.first.confidence is Confidence.MEDIUM
    assert "apiserver-hung" not in said.named


def test_plain_text_that_passes_beside_handshakes_that_are_reset_is_somebody_on_the_way():
    said = answer(ladder("tls-handshake", "tls-reset-but-listening"))
    assert said.first.id == "firewall-reject"
    assert said.first.confidence is Confidence.MEDIUM
    assert not {"lb-no-healthy-backend", "apiserver-not-running"} & set(said.named)


def test_alpn_is_named_when_it_is_the_difference():
    said = answer(ladder("tls-handshake", "alpn-rejected"))
    assert said.named == ("alpn-blocked",)
    assert said.first.confidence is Confidence.HIGH


def test_http_silence_after_tls_is_a_stuck_process():
    said = answer(ladder("apiserver-health", "http-silent"))
    assert said.first.id == "apiserver-hung"
    assert "file-descriptors-exhausted" not in said.named
