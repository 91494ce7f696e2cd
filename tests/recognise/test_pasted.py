from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.diagnosis.triage_rules import SYMPTOMS
from bot.model.diagnosis import Confidence
from bot.model.recognised import About
from bot.recognise import alerts, elsewhere, places, places_behind, routine
from bot.recognise.failures import FAILURES
from bot.recognise.form import Whose
from bot.recognise.pasted import recognise
from bot.recognise.statements import MOST_CHARACTERS, plain, statements

EXAMPLES = [json.loads(line) for line in (Path(__file__).parents[1] / "testdata" / "pasted.jsonl").read_text().splitlines()]
"""Written for these tests from what the tools print, and labelled before they were tried."""
PLACES = (
    *routine.ROUTINE,
    *elsewhere.SURE,
    *places_behind.WEBHOOKS,
    *elsewhere.LIKELY,
    *elsewhere.REQUESTS,
    *places_behind.BEHIND,
    *places_behind.DATASTORE,
    *places.API,
    *places.HINTS,
)
OURS = (About.API_SERVER, About.BEHIND)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: re.sub(r"\W+", "-", example["text"])[:60])
def test_what_people_paste_is_recognised(example):
    seen = recognise(example["text"])
    assert (seen.playbook or "none") in example["playbooks"]
    assert (seen.about in OURS) == example["about_api"]
    if "address" in example:
        assert seen.address == example["address"]


@pytest.mark.parametrize("form", [*FAILURES, *PLACES], ids=lambda form: form.name)
def test_each_form_fits_its_own_example(form):
    assert form.pattern.search(form.example)


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.name)
def test_each_example_of_a_failure_is_taken_for_that_failure(failure):
    assert next(each for each in FAILURES if each.pattern.search(failure.example)) is failure


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_each_example_of_a_place_is_taken_for_whose_it_is(place):
    seen = recognise(place.example)
    assert (seen.about is About.SOMETHING_ELSE) == (place.whose is Whose.ELSEWHERE)
    assert (seen.playbook is not None or seen.symptom is not None) == (place.whose is not Whose.ELSEWHERE)


def test_symptoms_are_the_words_of_triage():
    told = {failure.symptom for failure in FAILURES} | {alert.symptom for alert in alerts.KNOWN.values() if alert.symptom}
    told |= {seen.symptom for seen in (recognise(example["text"]) for example in EXAMPLES) if seen.symptom}
    assert told <= SYMPTOMS


def test_names_of_forms_are_told_apart():
    for forms in (FAILURES, PLACES):
        assert len({form.name for form in forms}) == len(forms)


@pytest.mark.parametrize(
    ("alert", "playbook", "about"),
    [
        ("KubeAPIDown", "connection-refused", About.API_SERVER),
        ("KubeletDown", "connection-refused", About.API_SERVER),
        ("KubeAPITerminatedRequests", "tcp-timeouts", About.API_SERVER),
        ("KubeAggregatedAPIDown", None, About.BEHIND),
        ("KubeClientCertificateExpiration", "network-connectivity", About.API_SERVER),
        ("KubePodNotReady", None, About.SOMETHING_ELSE),
    ],
)
@pytest.mark.parametrize(
    "shape", ["[FIRING:1] {} (prod critical)", "alertname: {}", '{{"labels":{{"alertname":"{}"}}}}', "Alert: {} in prod"]
)
def test_alerts_are_known_by_name_in_whatever_shape_they_are_pasted(alert, playbook, about, shape):
    seen = recognise(shape.format(alert))
    assert (seen.playbook, seen.about) == (playbook, about)
    assert alert in seen.why


@pytest.mark.parametrize("labels", ['long="3d", short="6h"', "long: 1d short: 2h", "<th>long</th>\n<td>6h</td>"])
def test_a_budget_that_shrinks_over_days_is_no_outage(labels):
    assert recognise(f"[FIRING:1] KubeAPIErrorBudgetBurn {labels}").about is About.SOMETHING_ELSE
    assert recognise("[FIRING:1] KubeAPIErrorBudgetBurn long=1h short=5m").about is About.API_SERVER


def test_an_api_server_that_is_refused_wins_over_what_else_the_text_complains_of():
    text = (
        'Error syncing pod: ErrImagePull\nThe connection to the server api.example:6443 was refused\nfailed calling webhook "x"'
    )
    assert recognise(text).playbook == "connection-refused"


def test_what_etcd_says_of_itself_explains_an_api_server_that_is_silent():
    silent = 'error retrieving resource lock a/b: Get "https://10.0.0.11:6443/api/v1/x": context deadline exceeded'
    assert recognise(silent).symptom == "http-silent"
    assert recognise(f'"msg":"slow fdatasync","took":"7s"\n{silent}').symptom == "etcd-check-failing"


def test_a_failure_that_names_nobody_is_taken_with_its_neighbours():
    assert recognise("net/http: TLS handshake timeout").about is About.UNCLEAR
    seen = recognise("$ kubectl get nodes\nnet/http: TLS handshake timeout")
    assert (seen.about, seen.symptom, seen.confidence) == (About.API_SERVER, "tls-silent", Confidence.MEDIUM)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("see https://docs.example/x - the connection to the server api.example:6443 was refused", "api.example:6443"),
        ('Get "https://api.example/version?timeout=32s": dial tcp 10.1.1.1:443: i/o timeout', "api.example:443"),
        ("dial tcp [fd00::1]:6443: connect: no route to host", "[fd00::1]:6443"),
        ("reflector.go:147] failed to list *v1.Pod: Get https://10.0.0.11:6443/api/v1/pods: EOF", "10.0.0.11:6443"),
        ("Unable to connect to the server: Post https://oauth2.googleapis.com/token: dial tcp: i/o timeout", None),
        ("Unable to connect to the server: net/http: TLS handshake timeout", None),
        ("$ curl -k https://10.0.0.11:6443/livez\ncurl: (35) OpenSSL SSL_connect: SSL_ERROR_SYSCALL", "10.0.0.11:6443"),
        ("Unable to connect to the server: EOF\nFailed to pull image https://registry.example/v2/: i/o timeout", None),
        ("Unable to connect to the server: EOF\nsee https://docs.example/kubectl", None),
        ("[FIRING:1] KubeAPIDown\nsource: http://prometheus.example:9090/graph", None),
        ("[FIRING:1] KubeAPIInstanceUnreachable instance=10.0.0.12:6443", "10.0.0.12:6443"),
    ],
)
def test_the_address_is_of_what_was_asked(text, address):
    assert recognise(text).address == address


def test_logs_in_logs_and_terminals_frames_are_read_like_the_message_in_them():
    message = 'Get "https://api.example:6443/api/v1/nodes": x509: certificate is valid for a, b,\n  not api.example'
    for text in (
        message,
        json.dumps({"log": message}),
        "\n".join(f"│ {line}" for line in message.splitlines()),
        f"<td>{message}</td>",
    ):
        assert recognise(text).symptom == "certificate-name-mismatch"


def test_why_quotes_what_decided_without_secrets():
    seen = recognise(
        "Unable to connect to the server: Authorization: Bearer abcdefghijklmnopqrstuvwx0123: x509: certificate has expired"
    )
    assert "certificate" in seen.why
    assert "abcdefghijklmnop" not in seen.model_dump_json()
    assert seen.why.count("\n") == 0
    assert len(seen.why) < 400


@pytest.mark.parametrize(
    "text", ["", " \n\t ", "prod", "hello, is anybody there?", "\x00\x1b[31m", "the rollout of web takes long today"]
)
def test_what_says_nothing_is_unclear(text):
    seen = recognise(text)
    assert (seen.about, seen.playbook, seen.symptom, seen.confidence) == (About.UNCLEAR, None, None, Confidence.LOW)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from([word for example in EXAMPLES for word in example["text"].split(" ")]) | st.text(max_size=12), max_size=60
    )
)
def test_any_text_is_answered_in_one_sentence(words):
    seen = recognise(" ".join(words))
    assert seen.why.endswith(".")
    assert "\n" not in seen.why
    assert seen == recognise(" ".join(words))
    assert seen.about in OURS or (seen.playbook, seen.symptom) == (None, None)


@pytest.mark.parametrize("seed", range(8))
def test_long_texts_are_read_at_both_ends_and_never_whole(seed):
    """Repeated pieces of every form, 100 kB of them: a pattern that is not linear would not come back."""
    pieces = [example["text"] for example in EXAMPLES][seed::8]
    for piece in (
        *pieces,
        random.Random(seed).choice(' \n\\"/.:<[aé1') * 10,
        "lookup ",
        "certificate is valid for ",
        "https://a/",
    ):
        text = piece * (100_000 // len(piece))
        recognise(text)
        assert len(plain(text)) < 2 * MOST_CHARACTERS
    noise = "nothing to see\n" * 10_000
    assert recognise(f"{noise}The connection to the server api.example:6443 was refused").playbook == "connection-refused"
    assert recognise(f"The connection to the server api.example:6443 was refused\n{noise}").playbook == "connection-refused"


def test_a_secret_is_not_cut_in_two():
    text = f"{'x' * (MOST_CHARACTERS // 2 - 20)} Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.{'a' * 9000} {'y' * MOST_CHARACTERS}"
    assert "eyJ" not in plain(text)


def test_an_indented_line_goes_on_with_the_one_before_unless_it_is_an_event():
    assert list(statements("a\n  b\nc")) == ["a b", "c"]
    assert list(statements("Events:\n  Warning  Failed x\n  Normal  Pulled y")) == [
        "Events:",
        "Warning  Failed x",
        "Normal  Pulled y",
    ]
