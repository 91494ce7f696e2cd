"""Nothing answers the first packet. One vantage point cannot tell a rule from a machine that is off."""

from __future__ import annotations

from bot.model.diagnosis import Confidence, Verdict
from bot.model.playbook import Domain
from tests.diagnosis.facts import OUTSIDE, TWO, answer, climb, finding, ladder

DROPPED = ladder("tcp-connect", "connect-timeout", addresses=TWO)


def test_a_drop_is_tied_with_what_one_vantage_point_cannot_exclude():
    said = answer(DROPPED)
    assert said.diagnosis.verdict is Verdict.CAUSE
    assert said.triage.symptom == "connect-timeout"
    assert said.triage.domain is Domain.PATH
    assert said.first.id == "firewall-drop"
    assert said.best == {"firewall-drop", "node-down", "authorized-ip-ranges"}
    assert said.first.confidence is Confidence.MEDIUM
    assert said.first.separator is not None


def test_a_full_listen_queue_is_mentioned_below():
    said = answer(DROPPED)
    assert "listen-queue-overflow" in said.named
    assert "listen-queue-overflow" not in said.best


def test_no_process_is_accused_of_silence():
    said = answer(DROPPED)
    assert not [cause for cause in said.diagnosis.causes if cause.domain in (Domain.PROCESS, Domain.DATASTORE, Domain.TLS)]


def test_an_answer_elsewhere_excludes_the_machine():
    said = answer([*DROPPED, *ladder(addresses=TWO, vantage=OUTSIDE)])
    assert said.best == {"firewall-drop", "authorized-ip-ranges"}
    assert "node-down" not in said.named
    assert "From outside:laptop it is not so" in said.triage.sentence


def test_no_route_is_decisive_for_a_network_and_tied_for_a_host():
    network = answer(ladder("tcp-connect", "network-unreachable"))
    assert (network.first.id, network.first.confidence) == ("no-route", Confidence.HIGH)


def test_a_machine_that_is_not_found_is_off_or_elsewhere():
    said = answer(ladder("tcp-connect", "host-unreachable"))
    assert said.first.id == "node-down"
    assert said.best == {"node-down", "dns-wrong-address"}
    assert "no-route" in said.named


def test_one_dead_address_of_two_may_be_an_old_record_whatever_the_other_one_proves():
    found = [*ladder(addresses=TWO[:1]), *climb(TWO[1], "tcp-connect", "host-unreachable")]
    said = answer(found)
    assert said.best == {"lb-backend-down", "node-down", "dns-wrong-address"}


def test_an_address_that_was_given_cannot_be_a_wrong_record():
    found = [one for one in ladder("tcp-connect", "host-unreachable") if one.probe != "dns-lookup"]
    said = answer([*found, finding("dns-lookup", "address-given", "10.0.0.1")])
    assert said.best == {"node-down"}
    assert "dns-wrong-address" not in said.named


def test_without_controls_a_missing_route_may_be_this_machine_s_own_network():
    found = [one for one in ladder("tcp-connect", "no-local-route") if one.probe != "negative-control"]
    said = answer([*found, finding("negative-control", "no-controls", "controls")])
    assert said.best == {"no-route", "prober-cut-off"}
    assert "prober-cut-off" not in answer(ladder("tcp-connect", "no-local-route")).named


def test_an_allow_list_does_not_let_one_address_of_two_pass():
    said = answer([*ladder(addresses=TWO[:1]), *climb(TWO[1], "tcp-connect", "connect-timeout")])
    assert said.first.id == "lb-backend-down"
    assert said.best == {"lb-backend-down", "firewall-drop", "node-down"}
    assert "authorized-ip-ranges" not in said.named


def test_a_time_out_that_was_cut_short_is_no_drop():
    said = answer(ladder("tcp-connect", "deadline-capped"))
    assert said.diagnosis.verdict is Verdict.INCONCLUSIVE
    assert said.named == ()
    assert said.diagnosis.not_checked == ("tcp-connect at 10.0.0.1:6443: deadline-capped.",)
