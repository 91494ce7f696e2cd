"""The scoring rules, on small artificial causes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.diagnosis.rank import MAX_CAUSES, TIE, diagnose
from bot.model.diagnosis import Confidence, Correlation, CorrelationResult, Diagnosis, Verdict
from bot.model.finding import Finding, Status
from bot.model.playbook import Cause, Domain, EvidenceLine, Match, NextStep, Separation, Weight
from bot.model.target import Cluster, Target
from tests.diagnosis.facts import CLUSTER, ONSET, correlation, finding


def line(outcome: str = "connection-refused", *, weight: Weight = Weight.STRONG, match: Match = Match.ANY) -> EvidenceLine:
    return EvidenceLine(probe="tcp-connect", outcomes=(outcome,), match=match, weight=weight, says=f"{match.value} {outcome}.")


def change(kind: str, result: str = "match", *, weight: Weight = Weight.STRONG) -> EvidenceLine:
    return EvidenceLine(change=kind, result=result, weight=weight, says=f"{kind} {result}.")


def cause(
    id: str,
    *lines: EvidenceLine,
    against: tuple[EvidenceLine, ...] = (),
    domain: Domain = Domain.PROCESS,
    refines: str | None = None,
    separations: tuple[Separation, ...] = (),
    next: tuple[NextStep, ...] = (),
) -> Cause:
    return Cause(
        id=id,
        domain=domain,
        title=id,
        sentence=id,
        refines=refines,
        evidence_for=lines,
        evidence_against=against,
        separations=separations,
        next=next,
    )


def rank(
    *causes: Cause, findings: list[Finding], correlations: tuple[Correlation, ...] = (), cluster: Cluster = CLUSTER
) -> Diagnosis:
    return diagnose(
        causes={one.id: one for one in causes},
        findings=findings,
        correlations=correlations,
        onset=ONSET,
        cluster=cluster,
        revision=1,
        final=True,
    )


REFUSED = [finding("tcp-connect", "connection-refused")]
DECISIVE, STRONG, WEAK = (line(weight=weight) for weight in (Weight.DECISIVE, Weight.STRONG, Weight.WEAK))


def test_points_for_minus_points_against():
    said = rank(cause("a", DECISIVE, against=(STRONG, WEAK)), findings=REFUSED)
    assert said.causes[0].score == 4.0
    assert said.causes[0].evidence_against == ("any connection-refused.", "any connection-refused.")


def test_a_cause_that_comes_to_nothing_is_not_shown():
    said = rank(cause("a", STRONG, against=(STRONG,)), cause("b", line("connected")), findings=REFUSED)
    assert said.causes == ()
    assert said.verdict is Verdict.INCONCLUSIVE
    assert "connection-refused at 10.0.0.1:6443" in said.headline


def test_high_needs_decisive_evidence_and_nothing_strong_against_it():
    assert rank(cause("a", DECISIVE), findings=REFUSED).causes[0].confidence is Confidence.HIGH
    assert rank(cause("a", DECISIVE, against=(WEAK,)), findings=REFUSED).causes[0].confidence is Confidence.HIGH
    assert rank(cause("a", DECISIVE, against=(STRONG,)), findings=REFUSED).causes[0].confidence is Confidence.MEDIUM
    assert rank(cause("a", STRONG, STRONG, STRONG), findings=REFUSED).causes[0].confidence is Confidence.MEDIUM
    assert rank(cause("a", WEAK), findings=REFUSED).causes[0].confidence is Confidence.LOW


def test_a_tie_is_never_called_high():
    said = rank(cause("a", DECISIVE), cause("b", DECISIVE), findings=REFUSED)
    assert [one.confidence for one in said.causes] == [Confidence.MEDIUM, Confidence.MEDIUM]
    assert "tied with b" in said.headline


def test_equal_scores_stand_in_the_declared_order_of_domains_then_by_id():
    said = rank(
        cause("a", STRONG, domain=Domain.NODE),
        cause("z", STRONG, domain=Domain.PROCESS),
        cause("c", STRONG, domain=Domain.PATH),
        cause("b", STRONG, domain=Domain.PATH),
        findings=REFUSED,
    )
    assert [one.id for one in said.causes] == ["z", "b", "c", "a"]


def test_a_refinement_replaces_the_broader_cause_when_it_is_supported_as_well():
    said = rank(cause("broad", STRONG), cause("fine", STRONG, refines="broad"), findings=REFUSED)
    assert [(one.id, one.refines) for one in said.causes] == [("fine", "broad")]


def test_a_weaker_refinement_stands_below_and_is_no_rival():
    said = rank(cause("broad", STRONG, WEAK), cause("fine", STRONG, refines="broad"), findings=REFUSED)
    assert [one.id for one in said.causes] == ["broad", "fine"]
    assert all(one.tied_with == () for one in said.causes)


def test_the_separation_comes_from_either_side_with_this_cluster_s_values():
    apart = Separation(others=("a",), check="Ask {cluster}", run="curl {server} {address}:{port} --context {context} {{}}")
    said = rank(cause("a", STRONG), cause("b", STRONG, separations=(apart,)), findings=REFUSED)
    for one in said.causes:
        assert one.separator is not None
        assert set(one.separator.between) == {"a", "b"}
        assert one.separator.check == "Ask prod"
        assert one.separator.run == "curl https://api.prod.example:6443 10.0.0.1:6443 --context prod-admin {}"


def test_next_steps_are_filled_in_and_a_hostile_name_is_not():
    steps = (NextStep(say="Connect.", run="nc {host} {port}"),)
    said = rank(cause("a", STRONG, next=steps), findings=REFUSED)
    assert said.causes[0].next == (NextStep(say="Connect.", run="nc api.prod.example 6443"),)
    hostile = CLUSTER.model_copy(update={"target": Target.from_url("https://$(reboot):6443")})
    said = rank(cause("a", STRONG, next=steps), findings=REFUSED, cluster=hostile)
    assert said.causes[0].next == (NextStep(say="Connect.", run="nc <host> 6443"),)


def test_a_widened_match_weighs_half():
    kinds = cause("a", change("pod-restart"))
    found = rank(kinds, findings=REFUSED, correlations=(correlation("pod-restart", CorrelationResult.MATCH),))
    widened = rank(kinds, findings=REFUSED, correlations=(correlation("pod-restart", CorrelationResult.MATCH_AFTER_WIDENING),))
    assert (found.causes[0].score, widened.causes[0].score) == (3.0, 1.5)


def test_a_line_that_was_not_checked_is_named_and_counts_for_nothing():
    unsure = correlation("pod-restart", CorrelationResult.NOT_CHECKED).model_copy(update={"todo": "Record pods."})
    lines = (STRONG, change("pod-restart"), line("x").model_copy(update={"probe": "apiserver-pods", "says": "Pods crash."}))
    said = rank(cause("a", *lines), findings=REFUSED, correlations=(unsure,))
    assert said.causes[0].score == 3.0
    assert said.causes[0].unchecked == ("Record pods.", "Not looked at: whether pods crash (apiserver-pods)")


def test_a_layer_that_was_not_reached_is_explained_and_not_missing():
    tls = line("verified").model_copy(update={"probe": "tls-handshake"})
    said = rank(cause("a", STRONG, tls), findings=[*REFUSED, finding("tls-handshake", "not-reached")])
    assert said.causes[0].unchecked == ()


def test_match_words_count_conclusive_findings_only():
    two = [*REFUSED, finding("tcp-connect", "connected", "10.0.0.2:6443")]
    capped = [*REFUSED, finding("tcp-connect", "deadline-capped", "10.0.0.2:6443")]
    every, none, mixed = (cause(m.value, line(match=m)) for m in (Match.ALL, Match.NONE, Match.MIXED))
    assert [one.id for one in rank(every, none, mixed, findings=two).causes] == ["mixed"]
    assert [one.id for one in rank(every, none, mixed, findings=capped).causes] == ["all"]
    assert [one.id for one in rank(every, none, mixed, findings=two[1:]).causes] == ["none"]


def test_nothing_matched_is_a_note_only_where_something_was_looked_at():
    no = correlation("pod-restart", CorrelationResult.NO_MATCH)
    yes = correlation("config-map", CorrelationResult.MATCH)
    unsure = correlation("route", CorrelationResult.NOT_CHECKED)
    assert "1 of 2 diagnosis lines" in rank(cause("a", STRONG), findings=REFUSED, correlations=(no, unsure)).notes[0]
    assert rank(cause("a", STRONG), findings=REFUSED, correlations=(no, yes)).notes == ()
    assert rank(cause("a", STRONG), findings=REFUSED, correlations=(unsure,)).notes == ()


def test_running_steps_are_passed_on_and_a_first_verdict_says_so():
    said = diagnose(
        causes={}, findings=[], correlations=(), onset=None, cluster=CLUSTER, revision=3, running=["Pods run"], final=False
    )
    assert (said.revision, said.still_running, said.final) == (3, ("Pods run",), False)
    assert said.headline == "Inconclusive so far: no check has ended yet."


OUTCOMES = ("connection-refused", "connect-timeout", "connected", "deadline-capped", "local-failure", "no-address")
outcomes = st.lists(st.sampled_from(OUTCOMES), max_size=6)
lines = st.builds(
    line, st.sampled_from(OUTCOMES[:3]), weight=st.sampled_from(list(Weight)), match=st.sampled_from([Match.ANY, Match.MIXED])
)
libraries = st.lists(st.tuples(st.lists(lines, min_size=1, max_size=3), st.lists(lines, max_size=2)), min_size=1, max_size=8)


def _causes(library: list[tuple[list[EvidenceLine], list[EvidenceLine]]]) -> list[Cause]:
    return [cause(f"c{index}", *supporting, against=tuple(against)) for index, (supporting, against) in enumerate(library)]


def _findings(said: list[str]) -> list[Finding]:
    return [finding("tcp-connect", outcome, f"10.0.0.{index}:6443") for index, outcome in enumerate(said)]


@settings(max_examples=150, deadline=None)
@given(libraries, outcomes)
def test_ties_are_symmetric_and_close_and_the_order_is_fixed(library, said):
    findings = _findings(said)
    result = rank(*_causes(library), findings=findings)
    again = rank(*reversed(_causes(library)), findings=findings[::-1])
    assert result == again
    assert len(result.causes) <= MAX_CAUSES
    by_id = {one.id: one for one in result.causes}
    for one in result.causes:
        assert one.score > 0
        assert one.evidence_for
        for other in one.tied_with:
            assert one.id in by_id[other].tied_with
            assert abs(one.score - by_id[other].score) <= TIE
        assert not (one.tied_with and one.confidence is Confidence.HIGH)


@settings(max_examples=150, deadline=None)
@given(libraries, outcomes, outcomes)
def test_what_was_not_conclusively_seen_never_counts(library, said, more):
    doubtful = [one for one in _findings(more) if one.status not in (Status.OK, Status.PROBLEM)]
    plain = rank(*_causes(library), findings=_findings(said))
    noisy = rank(*_causes(library), findings=[*_findings(said), *doubtful])
    assert [(one.id, one.score) for one in plain.causes] == [(one.id, one.score) for one in noisy.causes]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(OUTCOMES[:3]), max_size=4), st.sampled_from(OUTCOMES[:3]), st.sampled_from(list(Weight)))
def test_more_evidence_for_a_cause_never_lowers_its_score(said, more, weight):
    one = cause("a", line(weight=weight), line("connect-timeout"))
    before = rank(one, findings=_findings(said)).causes
    after = rank(one, findings=_findings([*said, more])).causes
    assert (after[0].score if after else 0) >= (before[0].score if before else 0)
