"""What people answer, weighed; what a revision has new; what would break next."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.diagnosis.rank import diagnose
from bot.diagnosis.revision import MOST, what_is_new
from bot.diagnosis.warnings import next_to_break
from bot.model.answer import Answer, ManualAnswered, finding_of
from bot.model.diagnosis import Confidence, Diagnosis, Verdict
from bot.model.finding import Finding, Status
from bot.model.playbook import Cause, Domain, EvidenceLine, Weight
from bot.model.vantage import VantageKind
from tests.diagnosis.facts import AT, CLUSTER, ONSET, finding, ladder, library

REFUSED = [finding("tcp-connect", "connection-refused")]
STEP = "kubelet-state"
BY_HAND = {STEP: "The kubelet runs", "listener": "It listens"}


def answer(said: Answer, *, step: str = STEP, note: str = "") -> Finding:
    return finding_of(ManualAnswered(step=step, answer=said, who="U0USER0001", name="ann", note=note), round=1, at=AT)


def asks(said: str, weight: Weight = Weight.STRONG, *, step: str = STEP) -> EvidenceLine:
    return EvidenceLine(step=step, answer=said, weight=weight, says=f"{step} {said}.")


def refuses(weight: Weight = Weight.STRONG) -> EvidenceLine:
    return EvidenceLine(probe="tcp-connect", outcomes=("connection-refused",), weight=weight, says="It refuses.")


def cause(id: str, *lines: EvidenceLine, against: tuple[EvidenceLine, ...] = ()) -> Cause:
    return Cause(id=id, domain=Domain.NODE, title=id, sentence=id, evidence_for=lines, evidence_against=against)


def rank(*causes: Cause, findings: list[Finding], before: Diagnosis | None = None) -> Diagnosis:
    return diagnose(
        causes={one.id: one for one in causes},
        findings=findings,
        correlations=(),
        onset=ONSET,
        cluster=CLUSTER,
        revision=1 if before is None else before.revision + 1,
        by_hand=BY_HAND,
        before=before,
        final=True,
    )


DOWN = cause("down", refuses(Weight.WEAK), asks("found", Weight.DECISIVE), against=(asks("looks-ok"),))
STOPPED = cause("stopped", refuses())


def test_a_find_is_weighed_like_a_probes_outcome_and_quotes_the_person() -> None:
    said = rank(DOWN, STOPPED, findings=[*REFUSED, answer(Answer.FOUND, note="it is masked.")])
    assert (said.causes[0].id, said.causes[0].score, said.causes[0].confidence) == ("down", 9.0, Confidence.HIGH)
    assert said.causes[0].evidence_for == ("It refuses.", "kubelet-state found. (ann found: it is masked)")


def test_looks_ok_speaks_against_and_skipped_is_neither() -> None:
    assert [one.id for one in rank(DOWN, STOPPED, findings=[*REFUSED, answer(Answer.LOOKS_OK)]).causes] == ["stopped"]
    skipped = rank(DOWN, STOPPED, findings=[*REFUSED, answer(Answer.SKIPPED)])
    assert [(one.id, one.score) for one in skipped.causes] == [("stopped", 3.0), ("down", 1.0)]


def test_an_answer_to_another_step_says_nothing_here() -> None:
    said = rank(DOWN, findings=[*REFUSED, answer(Answer.FOUND, step="listener")])
    assert said.causes[0].score == 1.0


def test_a_step_that_somebody_can_be_asked_is_named_and_one_of_another_playbook_is_not() -> None:
    elsewhere = asks("found", step="not-in-this-round")
    said = rank(cause("down", refuses(), asks("found"), elsewhere), findings=REFUSED)
    assert said.causes[0].unchecked == ("For a person: the kubelet runs",)
    assert said.ask == (STEP,)
    assert rank(cause("down", refuses(), asks("found")), findings=[*REFUSED, answer(Answer.LOOKS_OK)]).ask == ()


def test_what_most_causes_wait_for_is_asked_first() -> None:
    causes = [cause("a", refuses(), asks("found")), cause("b", refuses(), asks("found", step="listener"))]
    causes.append(cause("c", refuses(), asks("looks-ok", step="listener")))
    assert rank(*causes, findings=REFUSED).ask == ("listener", STEP)


def test_a_long_note_is_cut_in_the_evidence() -> None:
    said = rank(DOWN, findings=[*REFUSED, answer(Answer.FOUND, note="x" * 1000)])
    assert len(said.causes[0].evidence_for[1]) < 300


def test_a_find_is_no_all_clear_though_every_layer_passes() -> None:
    known = library().causes
    calm = diagnose(causes=known, findings=ladder(), correlations=(), onset=None, cluster=CLUSTER, revision=1, final=True)
    assert calm.verdict is Verdict.HEALTHY
    found = [*ladder(), answer(Answer.FOUND, step="nobody-weighs-this", note="half of it is down")]
    said = diagnose(causes=known, findings=found, correlations=(), onset=None, cluster=CLUSTER, revision=2, final=True)
    assert said.verdict is not Verdict.HEALTHY
    assert "ann found: half of it is down" in said.headline


@pytest.mark.parametrize(
    ("step", "outcome", "named"),
    [
        ("kubelet-state", "connection-refused", "kubelet-down"),
        ("certificate-dates", "connection-refused", "internal-certificate-expired"),
        ("allow-list", "connect-timeout", "authorized-ip-ranges"),
    ],
)
def test_a_find_that_can_mean_one_cause_only_names_it(step: str, outcome: str, named: str) -> None:
    failing = ladder("tcp-connect", outcome)
    found = [*failing, answer(Answer.FOUND, step=step)]
    known = library().causes
    before = diagnose(causes=known, findings=failing, correlations=(), onset=ONSET, cluster=CLUSTER, revision=1, final=True)
    after = diagnose(
        causes=known,
        findings=found,
        correlations=(),
        onset=ONSET,
        cluster=CLUSTER,
        revision=2,
        before=before,
        by_hand=BY_HAND,
        final=True,
    )
    assert before.causes[0].id != named
    assert (after.causes[0].id, after.causes[0].confidence) == (named, Confidence.HIGH)
    assert after.revised


def test_a_revision_says_what_it_was_and_what_is_new() -> None:
    before = rank(DOWN, STOPPED, findings=REFUSED)
    after = rank(DOWN, STOPPED, findings=[*REFUSED, answer(Answer.FOUND)], before=before)
    assert after.revised == (
        "It was: stopped, medium confidence",
        "kubelet-state found. (ann looked, and it is not so)",
    )


def test_what_speaks_against_the_one_that_led_is_said() -> None:
    leads = cause("leads", refuses(), refuses(Weight.WEAK), against=(asks("looks-ok"),))
    before = rank(leads, STOPPED, findings=REFUSED)
    after = rank(leads, STOPPED, findings=[*REFUSED, answer(Answer.LOOKS_OK)], before=before)
    assert after.causes[0].id == "stopped"
    assert "Against leads: kubelet-state looks-ok. (ann looked, and it is so)" in after.revised


def test_nothing_new_is_no_revision_and_what_was_new_last_is_kept() -> None:
    before = rank(DOWN, STOPPED, findings=REFUSED)
    assert rank(DOWN, STOPPED, findings=REFUSED, before=before).revised == ()
    after = rank(DOWN, STOPPED, findings=[*REFUSED, answer(Answer.FOUND)], before=before)
    assert rank(DOWN, STOPPED, findings=[*REFUSED, answer(Answer.FOUND)], before=after).revised == after.revised


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(list(Answer)[:3]), max_size=4), st.lists(st.sampled_from(list(Answer)[:3]), max_size=4))
def test_a_revision_is_short_and_of_equal_facts_says_nothing(earlier: list[Answer], later: list[Answer]) -> None:
    def said(answers: list[Answer]) -> Diagnosis:
        steps = [answer(one, step=f"s{number}") for number, one in enumerate(answers)]
        lines = [asks("found", step=f"s{number}") for number in range(4)]
        return rank(
            *(cause(f"c{number}", refuses(Weight.WEAK), one) for number, one in enumerate(lines)), findings=REFUSED + steps
        )

    before, after = said(earlier), said(later)
    assert len(what_is_new(before, after)) <= MOST
    if earlier == later:
        assert what_is_new(before, after) == ()


def warned(status: Status, warning: str | None, *, subject: str = "10.0.0.1:6443") -> Finding:
    return finding("tls-handshake", "verified", subject, status=status).model_copy(update={"warning": warning})


def test_warnings_are_listed_once_what_is_not_well_first_and_doubt_warns_of_nothing() -> None:
    found = [
        warned(Status.OK, "It ends in 12 days."),
        warned(Status.OK, None),
        warned(Status.OK, "It ends in 12 days.", subject="10.0.0.2:6443"),
        warned(Status.PROBLEM, "The other one carries everything."),
        warned(Status.INCONCLUSIVE, "Nobody knows."),
        warned(Status.NOT_CHECKED, "Nobody looked."),
    ]
    assert [one.sentence for one in next_to_break(found)] == ["The other one carries everything.", "It ends in 12 days."]
    assert [one.sentence for one in next_to_break(found, besides_a_cause=True)] == ["It ends in 12 days."]


def test_a_place_that_is_cut_off_warns_of_nothing() -> None:
    failing = finding("negative-control", "controls-unreachable", "controls")
    assert next_to_break([failing, warned(Status.OK, "It ends in 12 days.")]) == ()


def test_a_warning_changes_no_verdict() -> None:
    plain = ladder()
    told = [one.model_copy(update={"warning": "It breaks."}) if one.status is Status.OK else one for one in plain]
    known = library().causes

    def said(findings: list[Finding]) -> Diagnosis:
        return diagnose(causes=known, findings=findings, correlations=(), onset=None, cluster=CLUSTER, revision=1, final=True)

    assert said(told) == said(plain)


def test_a_person_is_a_place_of_their_own() -> None:
    assert answer(Answer.FOUND).vantage.kind is VantageKind.PERSON
