"""Secrets go, sentences stay. Every credential here was made up for this file."""

from __future__ import annotations

import ast
import base64
import json
import re
import time
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.demo.scenarios import SCENARIOS, rehearse
from bot.playbook import default_folder
from bot.redact import MARK, Redactor

BOT = Path(__file__).resolve().parent.parent / "bot"
JWT = "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.eyJzdWIiOiJzeXN0ZW06bm9kZSJ9.c2lnbmF0dXJlLWlzLWhlcmU"
PEM = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBkg\nAwEHoUQDQgAE\n-----END EC PRIVATE KEY-----"

SECRET = [
    (PEM, "MHcCAQEEIBkg"),
    (PEM[:50], "MHcCAQEEIBkg"),
    (PEM.replace("EC ", ""), "AwEHoUQDQgAE"),
    (f"unable to authenticate: {JWT}", JWT),
    (JWT.split(".")[0] + "...", JWT.split(".")[0]),
    ("Authorization: Bearer 0123456789abcdef", "0123456789abcdef"),
    ("authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    ("'Proxy-Authorization': 'Basic dXNlcjpwYXNz'", "dXNlcjpwYXNz"),
    ('{"authorization": "token 0123abc"}', "0123abc"),
    ("sent bearer sha256~kJ3xQ-abc_9", "sha256~kJ3xQ-abc_9"),
    ("Bearer abcdefghijklmnopqrstuvwx", "abcdefghijklmnopqrstuvwx"),
    ("the server got Basic dXNlcjpwYXNz, and refused it", "dXNlcjpwYXNz"),
    ("'Basic dXNlcjpwYXNzd29yZA=='", "dXNlcjpwYXNzd29yZA"),
    ("Basic YWRtaW46c2Vjcm...", "YWRtaW46c2Vjcm"),
    ("Bearer foo-bearer sEcr3t-123", "sEcr3t-123"),
    ("Bearer kJxQabCdeFgH is sent", "kJxQabCdeFgH"),
    ("Bearer swordfish#tuna", "swordfish"),
    ("using xoxb-123456789012-abcdefGHIJKL", "xoxb-123456789012-abcdefGHIJKL"),
    ("using xapp-1-A0123-456-abcdef", "xapp-1-A0123-456-abcdef"),
    ("POST https://hooks.slack.com/services/T000/B000/XXXXyyyy", "T000/B000/XXXXyyyy"),
    ("key AKIAIOSFODNN7EXAMPLE is used", "AKIAIOSFODNN7EXAMPLE"),
    ("AIzaSyA-1234567890abcdefghijklmnopqrstu", "AIzaSyA-1234567890abcdefghijklmnopqrstu"),
    ("ghp_abcdefghijklmnopqrst0123456789ABCDEF", "ghp_abcdefghijklmnopqrst0123456789ABCDEF"),
    ("github_pat_11ABCDEFG0123456789_abc", "github_pat_11ABCDEFG0123456789_abc"),
    ("glpat-abcdefghij0123456789", "glpat-abcdefghij0123456789"),
    ("    token: abcdefgh", "abcdefgh"),
    ("    client-key-data: LS0tLS1CRUdJTg==", "LS0tLS1CRUdJTg=="),
    ("- password: 'correct horse battery staple'", "correct horse"),
    ('"password": "swordfish"', "swordfish"),
    ("export DB_PASSWORD=swordfish", "swordfish"),
    ("connect with password=swordfish now", "swordfish"),
    ("password: Swordfish, user: root", "Swordfish"),
    ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG", "wJalrXUtnFEMI/K7MDENG"),
    ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG", "wJalrXUtnFEMI/K7MDENG"),
    ("client_secret=abc12345&grant_type=x", "abc12345"),
    ("?access_token=abc12345&user=ann", "abc12345"),
    ("apiKey: 0a1b2c3d4e", "0a1b2c3d4e"),
    ("refresh-token: 0a1b2c3d4e", "0a1b2c3d4e"),
    ("kubeadm join 10.0.0.1:6443 --token abcdef.0123456789abcdef --discovery", "abcdef.0123456789abcdef"),
    ("kubectl --token=abcdefghij get pods", "abcdefghij"),
    ('args: ["--client-secret", "hushhush"]', "hushhush"),
    ("- name: AWS_SESSION_TOKEN\n  value: short", "short"),
    ("redis://:pa55word@redis:6379/0", "pa55word"),
    ("https://ann:p@ss:word@proxy:3128", "p@ss:word"),
    ("https://0a1b2c3d4e5f60718293@git.example.com/x", "0a1b2c3d4e5f60718293"),
    ("logged in with sha256~kJ3xQ-abc_9kJ3xQ-abc_9kJ3xQ", "kJ3xQ-abc_9"),
    ("k8s-aws-v1.aHR0cHM6Ly9zdHMuYW1hem9uYXdzLmNvbS8", "aHR0cHM6Ly9zdHMuYW1hem9uYXdzLmNvbS8"),
    ("ya29.a0AfH6SMBxyz-ABCDEF_GH", "a0AfH6SMBxyz"),
    ("hvs.CAESIJabcdefghijklmnopqr", "CAESIJabcdefghijklmnopqr"),
    ("GET https://sts.example.com/?X-Amz-Signature=fe5f80f77d5fa3be&x=1", "fe5f80f77d5fa3be"),
    ("wss://wss-primary.example.com/link/?ticket=0a1b2c3d-4e5f&app_id=1", "0a1b2c3d-4e5f"),
]

SENTENCES = [
    "token: expired at 2026-11-20 14:05 UTC.",
    "The token: rejected by the API server.",
    "credentials: token, certificate, none",
    "It asks for a password: none was given.",
    "Bearer authentication is not offered.",
    "bearer tokens expire",
    "invalid bearer token",
    "Basic authentication was removed in 1.19.",
    "Copy it from *Basic Information* or _Basic Information_, App-Level Tokens.",
    "Bearer Authentication, or Basic Authentication (401)",
    "A bearer TokenReview is not asked for.",
    "BEARER AUTHENTICATION in-cluster; basic username/password",
    'Www-Authenticate: Bearer realm="kubernetes", or Basic authorization_uri="https://sso.example.com/"',
    "--authorization-mode=Node,RBAC",
    "--token-auth-file is not used",
    "authorization: denied",
    "10.0.0.1:6443 refuses connections: a reset came back in 0.7 ms.",
    "https://10.0.0.1:6443/livez?verbose at 12:00:00",
    "from 2001:db8::1 to [2001:db8::2]:6443 by ann@example.com",
    "at http://proxy:3128 and mail to ann@example.com: yes",
    "the certificate ends on 2026-11-20; serial 0A:1B:2C; the key is not shown",
    "the API key expired",
    "signature=sha256 is another matter, and so is the ticket of an issue",
    "https://a-rather-long-name.of-a-server.example.com:6443 as seen by ann@example.com",
    "secrets are never listed",
    "error: You must be logged in to the server (Unauthorized)",
    "kind: token, subject: system:node:a, not_after: 2026-11-20T14:05:00.000Z",
    "system:serviceaccount:kube-system:default",
    "sha256:0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f9",
]


@pytest.mark.parametrize(("text", "secret"), SECRET)
def test_what_has_the_form_of_a_credential_goes(text: str, secret: str) -> None:
    shown = Redactor().text(text)
    assert secret not in shown
    assert MARK in shown


@pytest.mark.parametrize("text", SENTENCES)
def test_what_only_speaks_of_one_stays(text: str) -> None:
    assert Redactor().text(text) == text


@given(
    user=st.text(min_size=1, max_size=20).filter(lambda user: ":" not in user),
    password=st.text(st.characters(exclude_categories=["Cs"]), min_size=5, max_size=40),
)
def test_a_login_in_base64_goes_whatever_it_looks_like(user: str, password: str) -> None:
    encoded = base64.b64encode(f"{user}:{password}".encode(errors="replace")).decode()
    assert encoded.rstrip("=") not in Redactor().text(f"it sent Basic {encoded}, as before")


@given(st.text("abcxyzABCXYZ0189-._~+/", min_size=12, max_size=60).map(lambda token: f"{token}7"))
def test_a_bearer_token_goes_whatever_stands_around_it(token: str) -> None:
    shown = Redactor().text(f"it sent 'bearer {token}' as before")
    assert token not in shown
    assert shown.endswith("' as before")


def test_every_sentence_of_this_program_stays() -> None:
    """Texts of the code as they are written; what is put into them is not known here."""
    redactor = Redactor()
    for path in BOT.glob("**/*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert redactor.text(node.value) == node.value, f"{path.relative_to(BOT)}:{node.lineno}"


def test_every_text_of_the_playbooks_and_causes_stays() -> None:
    redactor = Redactor()
    for path in default_folder().glob("**/*.yaml"):
        data = yaml.safe_load(path.read_text())
        assert redactor.value(data) == data, path.name


@pytest.mark.parametrize(
    "secret", ["s3cret/with+signs&more", 'quote"and\\slash', "ünïcödé-pass", "plainword", "new\nline-secret"]
)
def test_a_known_secret_goes_in_every_form(secret: str) -> None:
    redactor = Redactor([secret])
    encoded = base64.b64encode(f"user:{secret}".encode()).decode()
    forms = {
        "plain": secret,
        "quoted": quote(secret, safe=""),
        "quoted in lower case": re.sub("%..", lambda found: found[0].lower(), quote(secret, safe="")),
        "as a form": quote_plus(secret),
        "json": json.dumps(secret)[1:-1],
        "base64": base64.b64encode(secret.encode()).decode().rstrip("="),
        "base64 for URLs": base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="),
    }
    for name, form in forms.items():
        shown = redactor.text(f"before {form} after")
        assert form not in shown, name
        assert shown.startswith(f"before {MARK}"), name
    shown = redactor.text(f"header {encoded}")
    assert MARK in shown
    assert secret.encode()[2:-2] not in base64.b64decode(shown.split()[1].partition("[")[0] + "====")


def test_a_secret_that_contains_another_goes_whole() -> None:
    assert Redactor(["abcdef", "abcdef-ghijkl"]).text("x abcdef-ghijkl y") == f"x {MARK} y"


def test_what_is_too_short_to_be_a_secret_is_left() -> None:
    assert Redactor(["ab", ""]).text("cabbage") == "cabbage"


def test_values_keep_their_form_and_lose_their_secrets() -> None:
    given = {"a": ["hidden-one", 1, None, True, {"hidden-one": 2.5}], "b": ("hidden-one",), 3: "x"}
    assert Redactor(["hidden-one"]).value(given) == {"a": [MARK, 1, None, True, {MARK: 2.5}], "b": [MARK], "3": "x"}


def test_a_text_under_a_secrets_name_goes_whole_but_a_sentence_stays() -> None:
    given = {"password": "swordfish", "idToken": "abcdefgh", "token": "it expired at noon", "kind": "token", "tokens": "seven"}
    shown = Redactor().value(given)
    assert shown == {**given, "password": MARK, "idToken": MARK}


async def test_a_kubeconfig_loses_its_secrets_and_can_still_be_read() -> None:
    async with rehearse(SCENARIOS["refused"]) as rehearsal:
        config = json.loads(rehearsal.kubeconfig)
    config["users"][0]["user"] |= {
        "client-key-data": base64.b64encode(PEM.encode()).decode(),
        "password": "swordfish",
        "exec": {
            "command": "login",
            "args": ["--secret", "hushhush", "--verbose"],
            "env": [{"name": "APP_CLIENT_SECRET", "value": "hushhush-too"}],
        },
    }
    user = config["users"][0]["user"]
    secrets = [user["token"], user["client-key-data"], "swordfish", "hushhush", "hushhush-too"]
    server = config["clusters"][0]["cluster"]["server"]
    for text in (yaml.safe_dump(config, sort_keys=False), json.dumps(config), json.dumps(config, indent=2)):
        shown = Redactor().text(text)
        assert [secret for secret in secrets if secret in shown] == []
        assert server in shown
    assert "client-certificate" not in Redactor().text("")


PIECES = ["token", "password", ": ", "=", "Bearer ", "Authorization: ", "eyJ", "x" * 20, "A1b2C3d4", '"', "'", "\n", " ", "."]
PIECES += ["--", "://a:", "@", MARK, "-----BEGIN ", "PRIVATE KEY-----", "value: ", "secret", "hidden-one", "[", "]", ","]
HOSTILE = ["a", "a-", "a.", "eyJ-", "token ", "token:", "token\n", "token=", "://", "://a:", "-----BEGIN ", "bearer ", "bearer a"]
HOSTILE += ["-----BEGIN PRIVATE KEY-----", " ", "\n", "-", "--a", "--token ", "a_secret", "authorization: ", "_", "access-", "- "]
HOSTILE += ["=\t", 'token: "', "AKIA", "AIza", "gh", "xoxb-", "hooks.slack.com/", "name: token\nvalue: ", "\x00", "é"]


@settings(max_examples=400, deadline=None)
@given(text=st.text(max_size=80) | st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
@example(text="password=xoxb-123456789")
@example(text=f"token: {MARK} token=")
@example(text="https://a:b@c@d")
@example(text="token value: ''and more")
def test_applying_it_twice_changes_nothing_more(text: str) -> None:
    redactor = Redactor(["hidden-one"])
    once = redactor.text(text)
    assert redactor.text(once) == once


@pytest.mark.parametrize("unit", HOSTILE)
def test_long_hostile_texts_take_no_long_time(unit: str) -> None:
    """200 kB; a pattern that is not linear takes minutes for one of these, not seconds."""
    text = (unit * (200_000 // len(unit) + 1))[:200_000]
    began = time.monotonic()
    Redactor(["hidden-one"]).text(text)
    assert time.monotonic() - began < 20


def test_what_becomes_known_later_is_removed_from_then_on_beside_what_was_known() -> None:
    known: set[str] = set()
    redactor = Redactor(["first-value"]).also(lambda: known)
    assert redactor.text("first-value opaque-later") == f"{MARK} opaque-later"
    known.add("opaque-later")
    assert redactor.text("first-value opaque-later") == f"{MARK} {MARK}"
    known.clear()
    assert redactor.text("first-value opaque-later") == f"{MARK} opaque-later"
