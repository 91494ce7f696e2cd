"""The rule: what one tool's outputs are worth, on made-up cases."""

from __future__ import annotations

import re

import pytest

from tests.lab.compare.rule import Case, Claim, Judged, Look, Mark, judge

CLAIMS = (
    Claim(
        pattern=re.compile("no such host"),
        says="the name does not exist",
        points=frozenset({"dns-name-not-found"}),
        true=frozenset({"dns-name-not-found", "dns-split-horizon"}),
    ),
    Claim(
        pattern=re.compile("refused"),
        says="the address refuses",
        points=frozenset(),
        true=frozenset({"apiserver-not-running", "lb-down"}),
    ),
    Claim(
        pattern=re.compile("not allowed"),
        says="the caller is not allowed to",
        points=frozenset({"permission-denied"}),
        true=frozenset({"permission-denied", "healthy"}),
    ),
    Claim(
        pattern=re.compile("one of many"),
        says="one of many",
        points=frozenset("abcd"),
        true=frozenset("abcd"),
    ),
)
WELL = Case(fault="healthy_single", causes=("healthy",))


def case(fault: str, *causes: str, acceptable: tuple[str, ...] = ()) -> Case:
    return Case(fault=fault, causes=causes, acceptable=frozenset(acceptable))


def complaint(*lines: str, seconds: float = 1.0) -> Look:
    return Look(lines=frozenset(lines), complains=True, seconds=seconds)


def silence(*lines: str) -> Look:
    return Look(lines=frozenset(lines), complains=False, seconds=1.0)


def marks(cases: list[Case], looks: dict[str, list[Look]]) -> dict[str, Judged]:
    return {one.case.fault: one for one in judge(cases, looks, CLAIMS)}


def test_an_output_of_its_own_that_points_to_the_cause_names_it() -> None:
    cases = [case("gone", "dns-name-not-found"), case("cut", "firewall-drop")]
    found = marks(cases, {"gone": [complaint("no such host")], "cut": [complaint("time-out")]})
    assert found["gone"].mark is Mark.NAMES
    assert found["gone"].says == ("the name does not exist",)
    assert found["cut"].mark is Mark.SEPARATES


def test_the_same_output_for_neighbours_tells_neither_apart() -> None:
    cases = [case("etcd", "etcd-unavailable"), case("hung", "apiserver-hung")]
    found = marks(cases, {"etcd": [complaint("EOF")], "hung": [complaint("EOF")]})
    assert [one.mark for one in found.values()] == [Mark.SEES, Mark.SEES]
    assert found["etcd"].same_as == ("hung",)


def test_faults_of_one_cause_need_not_be_told_apart() -> None:
    cases = [
        case("killed", "etcd-unavailable"),
        case("frozen", "etcd-unavailable"),
        case("both", "node-down", "etcd-unavailable"),
    ]
    found = marks(cases, {fault: [complaint("500")] for fault in ("killed", "frozen", "both")})
    assert {one.mark for one in found.values()} == {Mark.SEPARATES}


@pytest.mark.parametrize("swapped", [False, True])
def test_what_nobody_can_tell_apart_from_there_need_not_be(swapped: bool) -> None:
    first = case("dropped", "firewall-drop", acceptable=("firewall-drop", "node-down"))
    cases = [first, case("off", "node-down")]
    found = marks(cases[::-1] if swapped else cases, {"dropped": [complaint("time-out")], "off": [complaint("time-out")]})
    assert {one.mark for one in found.values()} == {Mark.SEPARATES}


def test_two_causes_that_only_share_a_third_are_neighbours() -> None:
    cases = [case("a", "firewall-drop", acceptable=("node-down",)), case("b", "lb-down", acceptable=("node-down",))]
    found = marks(cases, {"a": [complaint("time-out")], "b": [complaint("time-out")]})
    assert {one.mark for one in found.values()} == {Mark.SEES}


def test_a_claim_that_is_not_so_misleads_even_where_another_is_right() -> None:
    found = marks([case("silent", "dns-server-failing")], {"silent": [complaint("was refused", "also this")]})
    assert found["silent"].mark is Mark.MISLEADS
    assert found["silent"].says == ("the address refuses",)


def test_a_claim_that_one_look_makes_is_made() -> None:
    found = marks([case("silent", "dns-server-failing")], {"silent": [complaint("time-out"), complaint("time-out", "refused")]})
    assert found["silent"].mark is Mark.MISLEADS


def test_a_claim_that_is_so_without_pointing_to_the_cause_does_not_name_it() -> None:
    found = marks([case("killed", "apiserver-not-running")], {"killed": [complaint("refused")]})
    assert found["killed"].mark is Mark.SEPARATES


def test_a_claim_that_points_everywhere_names_nothing() -> None:
    assert marks([case("any", "a")], {"any": [complaint("one of many")]})["any"].mark is Mark.SEPARATES


def test_what_only_one_look_shows_separates_nothing() -> None:
    cases = [case("a", "firewall-drop"), case("b", "lb-down")]
    looks = {"a": [complaint("EOF", "id 1"), complaint("EOF", "id 2")], "b": [complaint("EOF", "id 3"), complaint("EOF", "id 4")]}
    assert {one.mark for one in marks(cases, looks).values()} == {Mark.SEES}


def test_an_output_without_a_steady_line_is_no_sign() -> None:
    found = marks([case("a", "firewall-drop")], {"a": [complaint("this"), complaint("that")]})
    assert found["a"].mark is Mark.SEES
    assert found["a"].same_as == ()


def test_a_tool_that_does_not_complain_is_blind_to_a_fault() -> None:
    cases = [WELL, case("no-space", "etcd-no-space")]
    found = marks(cases, {"healthy_single": [silence("200")], "no-space": [silence("200", "more")]})
    assert found["no-space"].mark is Mark.BLIND
    assert found["healthy_single"].mark is Mark.WELL


def test_a_complaint_of_a_healthy_cluster_misleads() -> None:
    assert marks([WELL], {"healthy_single": [silence("200"), complaint("time-out")]})["healthy_single"].mark is Mark.MISLEADS


def test_seconds_are_those_of_the_slower_look() -> None:
    found = marks([case("a", "lb-down")], {"a": [complaint("x", seconds=1.5), complaint("x", seconds=4.0)]})
    assert found["a"].seconds == 4.0


def test_a_fault_that_was_not_looked_at_is_left_out() -> None:
    assert marks([case("a", "lb-down")], {}) == {}


def test_a_complaint_of_what_is_so_does_not_mislead_about_a_healthy_cluster() -> None:
    assert marks([WELL], {"healthy_single": [complaint("not allowed")]})["healthy_single"].mark is Mark.WELL
    both = marks([WELL], {"healthy_single": [complaint("not allowed", "no such host")]})
    assert both["healthy_single"].mark is Mark.MISLEADS
