"""The grid in one sentence."""

from __future__ import annotations

from string import Formatter

from bot.diagnosis.triage import triage
from bot.diagnosis.triage_rules import CONTROL_RULES, RULES
from bot.model.diagnosis import Layer, Verdict
from bot.model.finding import Status
from bot.model.playbook import Domain, Playbook, Selects, Step
from tests.diagnosis.facts import CLUSTER, ONE, OUTSIDE, THREE, answer, climb, ladder


def book(id: str, *symptoms: str) -> Playbook:
    step = Step(id="look", title="Look", manual="Look.")
    return Playbook(id=id, title=id, meaning="", impact="", selects=Selects(symptoms=symptoms), steps=(step,))


def test_the_grid_has_a_cell_for_each_layer_and_address_and_vantage_point():
    grid = answer([*ladder("tls-handshake", "tls-closed", addresses=THREE), *ladder(addresses=ONE, vantage=OUTSIDE)]).triage.cells
    assert len(grid) == (1 + 4 * 3) + (1 + 4)
    assert [cell.layer for cell in grid if cell.vantage == "outside:laptop"] == list(Layer)


def test_a_cell_that_was_not_reached_has_no_outcome():
    grid = {cell.layer: cell for cell in answer(ladder("tcp-connect", "connection-refused")).triage.cells}
    assert grid[Layer.TCP].outcome == "connection-refused"
    assert (grid[Layer.TLS].status, grid[Layer.TLS].outcome) == (Status.NOT_APPLICABLE, None)


def test_the_symptom_is_what_explains_the_most_addresses():
    found = [*climb(THREE[0], "tls-handshake", "tls-closed"), *climb(THREE[1], "tls-handshake", "tls-closed")]
    said = answer([*found, *climb(THREE[2], "tcp-connect", "connection-refused")]).triage
    assert said.symptom == "tls-closed"
    assert "at 2 of 3 addresses" in said.sentence


def test_of_two_that_explain_as_many_the_lower_layer_is_the_symptom():
    said = answer([*climb(THREE[0], "tls-handshake", "tls-closed"), *climb(THREE[1], "tcp-connect", "connection-refused")]).triage
    assert said.symptom == "connection-refused"


def test_a_doubt_never_outweighs_a_fault():
    doubts = [cell for address in THREE[:2] for cell in climb(address, "tcp-connect", "deadline-capped")]
    assert answer([*doubts, *climb(THREE[2], "apiserver-health", "starting")]).triage.symptom == "starting"


def test_an_address_that_clients_pass_over_keeps_nothing_from_being_well():
    said = answer([*climb(ONE[0], None, ""), *climb("[2001:db8::1]:6443", "tcp-connect", "no-address-family")])
    assert (said.triage.domain, said.diagnosis.verdict) == (Domain.HEALTHY, Verdict.HEALTHY)
    assert "at its address" in said.triage.sentence


def test_an_address_that_clients_use_and_that_was_not_looked_at_is_not_well():
    said = answer([*climb(ONE[0], None, ""), *climb(THREE[2], "tcp-connect", "no-address")])
    assert said.diagnosis.verdict is not Verdict.HEALTHY


def test_the_playbook_is_the_one_that_names_the_symptom():
    books = [book("other", "tls-silent"), book("exact", "tls-closed", "connection-refused")]
    refused = ladder("tcp-connect", "connection-refused")
    assert triage(cluster=CLUSTER, findings=refused, playbooks=books).playbook == "exact"
    assert triage(cluster=CLUSTER, findings=ladder(), playbooks=books).playbook is None


def test_what_is_wrong_with_the_access_goes_with_the_grid():
    refused = ladder("tcp-connect", "connection-refused")
    assert triage(cluster=CLUSTER, findings=refused, playbooks=(), notes=["The CA cannot be used."]).notes == (
        "The CA cannot be used.",
    )


def test_every_sentence_uses_only_values_that_are_filled_in():
    for rule in (*RULES.values(), *CONTROL_RULES.values()):
        assert {name for _, name, _, _ in Formatter().parse(rule.sentence) if name} <= {
            "name",
            "proxy",
            "port",
            "server_name",
            "where",
        }


def test_no_rule_calls_a_failing_layer_healthy():
    assert all(rule.domain is not Domain.HEALTHY for rule in RULES.values())
