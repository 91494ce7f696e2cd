"""The judge of verdicts: each written rule, on made-up truths and answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.lab.domains import DOMAINS
from tests.lab.fault import Truth
from tests.lab.judge import Judged, broken_gates, judge, percentile, totals, worse

KILLED = Truth(
    cause="apiserver-not-running",
    acceptable={"bot": ("apiserver-not-running", "firewall-reject"), "bot+control-plane": ("apiserver-not-running",)},
    because="a reset is a reset",
)
HIDDEN = Truth(cause="etcd-no-space", acceptable={"bot": ("healthy",)}, because="only writes fail")
BEHIND = Truth(cause="etcd-unavailable", acceptable={"bot": ("lb-no-healthy-backend",)}, because="nothing is seen through it")
EXPIRED = Truth(cause="client-certificate-expired", acceptable={"bot": ("client-certificate-expired",)})
HEALTHY = Truth(cause="healthy", acceptable={"bot": ("healthy",)})
BOTH = Truth(
    cause="etcd-unavailable",
    also=("serving-certificate-expired",),
    acceptable={"bot": ("etcd-unavailable", "serving-certificate-expired")},
)


def said(*causes: str, tie: int = 1, verdict: str | None = None, vantage: str = "bot", **more: Any) -> dict[str, Any]:
    """An answer: ``id`` or ``id!`` (high confidence); the first ``tie`` of them are tied."""
    names = [cause.rstrip("!") for cause in causes]
    rows = [
        {
            "id": name,
            "domain": DOMAINS[name],
            "confidence": "high" if cause.endswith("!") else "medium",
            "tied_with": [other for other in names[:tie] if other != name] if place < tie else [],
            "refines": "bot-credentials-rejected" if name == "client-certificate-expired" else None,
        }
        for place, (name, cause) in enumerate(zip(names, causes, strict=True))
    ]
    ends = verdict or ("inconclusive" if not rows else "healthy" if names[0] == "healthy" else "cause")
    steps = [{"vantage": place, "started_at": "2026-11-20T12:00:00Z"} for place in vantage.split("+")]
    return {
        "verdict": ends,
        "causes": rows,
        "steps": steps,
        "first_verdict_s": 1.0,
        "duration_s": 2.0,
        "requests": 3,
        **more,
    }


def judged(truth: Truth, answer: dict[str, Any], kind: str | None = None) -> Judged:
    kind = kind or ("healthy" if truth.cause == "healthy" else "both" if truth.also else "single")
    return judge("one", kind, truth, answer, domains=DOMAINS)


def test_the_one_true_cause_is_right_in_every_respect() -> None:
    one = judged(KILLED, said("apiserver-not-running!"))
    assert (one.cause_first, one.cause_acceptable, one.cause_in_three, one.domain, one.wrong_high) == (1, True, True, True, ())
    assert (one.rank, one.high, one.healthy_right, one.right) == (1, True, True, True)
    assert (one.first_verdict_s, one.verdict_s, one.requests) == (1, 2, 3)


def test_a_tie_of_k_with_the_truth_in_it_counts_one_kth() -> None:
    one = judged(KILLED, said("firewall-reject", "apiserver-not-running", tie=2))
    assert (one.cause_first, one.cause_acceptable, one.domain, one.rank, one.high) == (0.5, True, True, 2, None)


def test_a_tie_with_one_that_is_not_acceptable_is_not() -> None:
    one = judged(KILLED, said("apiserver-not-running", "firewall-reject", "lb-down", tie=3))
    assert (one.cause_first, one.cause_acceptable, one.domain, one.right) == (0.333, False, False, False)


def test_what_is_behind_the_tie_does_not_count_as_first() -> None:
    one = judged(KILLED, said("firewall-reject", "lb-down", "apiserver-not-running"))
    assert (one.cause_first, one.cause_acceptable, one.cause_in_three, one.rank) == (0, True, True, 3)
    assert judged(KILLED, said("firewall-reject", "lb-down", "no-route", "apiserver-not-running")).cause_in_three is False


def test_fewer_are_acceptable_where_more_is_seen() -> None:
    answer = said("firewall-reject", vantage="bot+control-plane")
    assert judged(KILLED, answer).cause_acceptable is False
    assert judged(KILLED, said("firewall-reject", vantage="bot+outside")).cause_acceptable is True


def test_a_step_that_did_not_begin_is_no_vantage_point() -> None:
    answer = said("firewall-reject")
    answer["steps"].append({"vantage": "control-plane:cp1", "started_at": None})
    assert judged(KILLED, answer).vantage == "bot"


def looked(answer: dict[str, Any], probe: str, status: str, **more: Any) -> dict[str, Any]:
    """The answer with one more step."""
    step = {"vantage": "bot", "started_at": "2026-11-20T12:00:00Z", "probe": probe, "status": status, "outcome": "…", **more}
    return {**answer, "steps": [*answer["steps"], step]}


@pytest.mark.parametrize(
    ("steps", "vantage"),
    [
        ([("balancer-statistics", "ok")], "bot+load-balancer"),
        ([("prometheus-targets", "problem")], "bot+metrics"),
        ([("prometheus-history", "ok"), ("balancer-statistics", "problem")], "bot+load-balancer+metrics"),
        ([("prometheus-targets", "not-checked"), ("balancer-statistics", "error")], "bot"),
        ([("prometheus-targets", "inconclusive"), ("balancer-statistics", "not-applicable")], "bot"),
        ([("tcp-connect", "problem")], "bot"),
    ],
)
def test_who_answered_looked_and_who_could_not_be_asked_did_not(steps: list[tuple[str, str]], vantage: str) -> None:
    answer = said("firewall-reject")
    for probe, status in steps:
        answer = looked(answer, probe, status)
    assert judged(KILLED, answer).vantage == vantage


def test_statistics_that_are_refused_saw_nothing() -> None:
    answer = looked(said("firewall-reject"), "balancer-statistics", "problem", outcome="statistics-refused")
    assert judged(KILLED, answer).vantage == "bot"


def test_what_is_written_for_the_most_of_those_that_looked_holds() -> None:
    truth = Truth(
        cause="etcd-unavailable",
        acceptable={
            "bot": ("lb-no-healthy-backend",),
            "bot+load-balancer": ("etcd-unavailable", "apiserver-checks-failing"),
            "bot+load-balancer+metrics": ("etcd-unavailable",),
        },
        because="more is seen from there",
    )
    answer = said("apiserver-checks-failing")
    assert judged(truth, looked(answer, "balancer-statistics", "problem")).cause_acceptable is True
    both = looked(looked(answer, "balancer-statistics", "problem"), "prometheus-targets", "ok")
    assert judged(truth, both).cause_acceptable is False
    assert judged(truth, looked(answer, "prometheus-targets", "ok")).acceptable == ("lb-no-healthy-backend",)


EARLY = Truth(
    cause="lb-backend-down",
    acceptable={"bot": ("lb-backend-down", "healthy"), "bot+load-balancer": ("lb-backend-down",)},
    because="nobody in front of the balancer notices",
    warned_by=("balancer-statistics",),
)


def test_healthy_with_a_warning_names_what_breaks_nothing_yet() -> None:
    one = judged(EARLY, looked(said("healthy!"), "balancer-statistics", "ok", warning="cp-2 is down, and one is left."))
    assert (one.cause_first, one.cause_acceptable, one.cause_in_three, one.domain, one.rank) == (1, True, True, True, 1)
    assert (one.healthy_right, one.wrong_high, one.right, one.warned, one.high) == (True, (), True, True, None)


@pytest.mark.parametrize(
    "step",
    [
        {"probe": "balancer-statistics", "status": "ok"},
        {"probe": "balancer-statistics", "status": "ok", "warning": None},
    ],
)
def test_healthy_without_a_warning_is_wrong_where_it_could_be_seen(step: dict[str, Any]) -> None:
    one = judged(EARLY, looked(said("healthy!"), **step))
    assert (one.cause_acceptable, one.healthy_right, one.wrong_high, one.warned) == (False, False, ("healthy",), False)
    elsewhere = judged(EARLY, looked(said("healthy!"), "nodes", "ok", warning="a node has little memory."))
    assert (elsewhere.cause_first, elsewhere.healthy_right, elsewhere.warned) == (0, True, False)


def test_an_early_truth_may_be_named_as_the_cause() -> None:
    assert judged(EARLY, looked(said("lb-backend-down"), "balancer-statistics", "ok", warning="…")).cause_first == 1


def test_an_acceptable_stand_in_is_acceptable_and_not_first() -> None:
    one = judged(BEHIND, said("lb-no-healthy-backend"))
    assert (one.cause_first, one.cause_acceptable, one.domain, one.right, one.high) == (0, True, True, True, None)


def test_no_cause_is_right_in_no_respect_and_accuses_nobody() -> None:
    one = judged(KILLED, said())
    assert (one.cause_first, one.cause_acceptable, one.cause_in_three, one.domain) == (0, False, False, False)
    assert (one.wrong_high, one.healthy_right, one.rank) == ((), True, None)


def test_the_right_domain_with_the_wrong_cause_is_the_right_domain() -> None:
    one = judged(KILLED, said("apiserver-hung"))
    assert (one.domain, one.cause_acceptable) == (True, False)


@pytest.mark.parametrize(
    ("truth", "causes", "wrong"),
    [
        (KILLED, ["apiserver-not-running!", "firewall-reject!"], ("firewall-reject",)),
        (KILLED, ["apiserver-not-running", "firewall-reject"], ()),
        (BEHIND, ["lb-no-healthy-backend!"], ("lb-no-healthy-backend",)),
        (BOTH, ["serving-certificate-expired!", "etcd-unavailable!"], ()),
        (EXPIRED, ["client-certificate-expired!", "bot-credentials-rejected!"], ()),
        (EXPIRED, ["client-certificate-expired!", "token-rejected!"], ("token-rejected",)),
        (HEALTHY, ["overloaded!"], ("overloaded",)),
        (KILLED, ["healthy!"], ("healthy",)),
        (HIDDEN, ["healthy!"], ()),
    ],
)
def test_high_confidence_in_what_is_not_true_is_an_accusation(truth: Truth, causes: list[str], wrong: tuple[str, ...]) -> None:
    assert judged(truth, said(*causes)).wrong_high == wrong


def test_a_broader_form_may_be_forbidden_by_the_truth() -> None:
    strict = replace(EXPIRED, never_high=("bot-credentials-rejected",))
    answer = said("client-certificate-expired!", "bot-credentials-rejected!")
    assert judged(strict, answer).wrong_high == ("bot-credentials-rejected",)


def test_a_broader_form_is_known_from_the_catalogue_too() -> None:
    truth = Truth(cause="apiserver-crash-looping", acceptable={"bot": ("apiserver-crash-looping",)})
    answer = said("apiserver-not-running!")
    refines = {"apiserver-crash-looping": "apiserver-not-running"}
    assert judge("one", "single", truth, answer, domains=DOMAINS, refines=refines).wrong_high == ()
    assert judge("one", "single", truth, answer, domains=DOMAINS).wrong_high == ("apiserver-not-running",)


@pytest.mark.parametrize(
    ("truth", "causes", "right"),
    [
        (HEALTHY, ["healthy!"], True),
        (HEALTHY, ["overloaded"], False),
        (HEALTHY, [], False),
        (KILLED, ["healthy!"], False),
        (HIDDEN, ["healthy!"], True),
        (HIDDEN, ["etcd-no-space!"], True),
    ],
)
def test_healthy_ends_healthy_and_what_can_be_seen_does_not(truth: Truth, causes: list[str], right: bool) -> None:
    assert judged(truth, said(*causes)).healthy_right is right


def test_of_a_combination_any_truth_may_be_first_and_both_are_in_three() -> None:
    assert judged(BOTH, said("serving-certificate-expired!")).cause_first == 1
    assert judged(BOTH, said("serving-certificate-expired!")).cause_in_three is False
    one = judged(BOTH, said("serving-certificate-expired", "etcd-unavailable", tie=2))
    assert (one.cause_first, one.cause_in_three, one.cause_acceptable) == (1, True, True)


def test_only_a_single_fault_with_one_right_cause_counts_for_the_high_share() -> None:
    assert judged(KILLED, said("apiserver-not-running")).high is False
    assert judged(KILLED, said("firewall-reject!")).high is None
    assert judged(BOTH, said("etcd-unavailable!")).high is None
    assert judged(HEALTHY, said("healthy!")).high is None


def test_the_totals_are_shares_of_the_faults_and_healthy_kinds_stand_apart() -> None:
    rows = [
        judged(KILLED, said("apiserver-not-running!", first_verdict_s=4.0, requests=9)),
        judged(KILLED, said("firewall-reject", "apiserver-not-running", tie=2)),
        judged(KILLED, said("lb-down!")),
        judged(BOTH, said("etcd-unavailable")),
        judged(HEALTHY, said("healthy!")),
    ]
    figures = totals(rows)
    assert figures == {
        "faults": 4,
        "single": 3,
        "combinations": 1,
        "healthy": 1,
        "cause_first": 0.625,
        "cause_acceptable": 0.75,
        "cause_in_three": 0.5,
        "domain": 0.75,
        "wrong_high": 1,
        "healthy_right": 1.0,
        "high_share": 1.0,
        "first_verdict_p95_s": 4.0,
        "first_verdict_max_s": 4.0,
        "verdict_p50_s": 2.0,
        "verdict_p95_s": 2.0,
        "requests_max": 9,
    }
    assert broken_gates(figures) == ["domain is 0.75, not >= 0.85", "wrong_high is 1, not <= 0"]


def test_a_fault_that_ends_healthy_breaks_the_healthy_gate() -> None:
    figures = totals([judged(HEALTHY, said("healthy!")), judged(KILLED, said("healthy"))])
    assert figures["healthy_right"] == 0.5


def test_the_totals_of_nothing_break_no_gate() -> None:
    assert broken_gates(totals([])) == []


@pytest.mark.parametrize(("share", "value"), [(0.5, 2), (0.95, 4), (1, 4), (0, 1)])
def test_a_percentile_is_one_of_the_values(share: float, value: float) -> None:
    assert percentile([3, 1, 4, 2], share) == value


@pytest.mark.parametrize(
    ("before", "now", "lost"),
    [
        (["apiserver-not-running!"], ["apiserver-not-running"], []),
        (["firewall-reject"], ["apiserver-not-running!"], []),
        (["apiserver-not-running"], ["firewall-reject"], ["the truth has 0.00 of the first place; it had 1.00"]),
        (
            ["firewall-reject"],
            ["lb-down"],
            ["lb-down is not acceptable; firewall-reject was", "the domain is wrong; it was right"],
        ),
        (["lb-down"], ["lb-down!"], ["lb-down is named with high confidence and is not true"]),
        (["lb-down!"], ["lb-down!"], []),
        (["lb-down"], ["healthy"], ["the verdict is healthy; it was cause"]),
    ],
)
def test_worse_is_what_was_right_and_is_not_any_more(before: list[str], now: list[str], lost: list[str]) -> None:
    assert worse(judged(KILLED, said(*before)), judged(KILLED, said(*now))) == lost


def test_a_judgement_is_the_same_after_it_was_written_and_read() -> None:
    one = judged(KILLED, said("firewall-reject", "apiserver-not-running", tie=2))
    assert Judged.from_json({**one.as_json(), "proof": "and more"}) == one


@pytest.mark.parametrize(
    "given",
    [
        {"acceptable": {}},
        {"acceptable": {"bot": ("a", "b", "c", "d")}, "because": "why"},
        {"acceptable": {"bot": ("another",)}},
    ],
)
def test_a_truth_keeps_to_its_form(given: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        Truth(cause="a", **given)
