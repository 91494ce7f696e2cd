"""What the doctor makes of answers: pure, on facts as servers give them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from bot.doctor import judge, rights
from bot.doctor.lines import Line, all_is_well, as_json, as_text, redacted
from bot.model.base import Json
from bot.model.finding import Finding, Status
from bot.redact import Redactor
from bot.render.terminal import no_paint

WANTED = {"commands": "hearing", "chat:write": "posting"}
ASKS = "apidown investigate --config x.yaml prod"
OPTIONAL = {"groups:history": "private channels"}
VALKEY: Json = {"redis_version": "7.2.4", "valkey_version": "9.1.2", "role": "master", "maxmemory": 0, "aof_enabled": 1}


def finding(status: Status, sentence: str = "It is so.", **more: str) -> Finding:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    return Finding(probe="x", subject="x", status=status, outcome="x", sentence=sentence, started_at=at, **more)


def line(status: Status, remedy: str = "") -> Line:
    return Line(check="one", status=status, sentence="It is so.", remedy=remedy)


def test_each_missing_scope_is_named_with_what_it_is_for() -> None:
    said = judge.scopes("commands", WANTED, OPTIONAL)
    assert said.status is Status.PROBLEM
    assert "chat:write is for posting" in said.sentence
    assert "commands" not in said.sentence
    assert "reinstall" in said.remedy


def test_a_scope_that_is_needed_for_something_optional_is_no_problem() -> None:
    said = judge.scopes("commands, chat:write", WANTED, OPTIONAL)
    assert said.status is Status.OK
    assert "groups:history (private channels)" in said.sentence
    assert not judge.scopes("commands,chat:write,groups:history", WANTED, OPTIONAL).sentence.count("groups:history")


def test_scopes_that_slack_does_not_tell_are_not_taken_for_granted() -> None:
    assert judge.scopes(None, WANTED, OPTIONAL).status is Status.INCONCLUSIVE


@pytest.mark.parametrize(
    ("facts", "statuses", "word"),
    [
        ({"maxmemory_policy": "noeviction"}, "ok ok ok", "Valkey 9.1.2"),
        ({"maxmemory_policy": "allkeys-lru"}, "ok ok ok", "without a memory limit"),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": 1 << 20}, "ok problem ok", "noeviction"),
        ({}, "ok inconclusive ok", "noeviction"),
        ({"maxmemory_policy": "noeviction", "aof_enabled": 0}, "ok ok inconclusive", "snapshots"),
        ({"maxmemory_policy": "noeviction", "aof_enabled": 0, "save": ""}, "ok ok problem", "appendonly yes"),
        ({"maxmemory_policy": "noeviction", "aof_enabled": 0, "save": "3600 1"}, "ok ok ok", "Snapshots"),
        (
            {"maxmemory_policy": "noeviction", "aof_enabled": 0, "save": "3600 1", "rdb_last_bgsave_status": "err"},
            "ok ok problem",
            "failed",
        ),
        ({"maxmemory_policy": "noeviction", "aof_last_write_status": "err"}, "ok ok problem", "disk"),
        ({"maxmemory_policy": "noeviction", "role": "slave"}, "problem ok ok", "primary"),
        ({"maxmemory_policy": "noeviction", "valkey_version": "", "redis_version": "5.0.14"}, "problem ok ok", "too old"),
    ],
)
def test_the_store_is_judged_by_what_it_says(facts: Json, statuses: str, word: str) -> None:
    lines = judge.store("redis:6379", VALKEY | facts)
    assert [one.status.value for one in lines] == statuses.split()
    assert word in " ".join(f"{one.sentence} {one.remedy}" for one in lines)
    assert all(bool(one.remedy) == (one.status is not Status.OK) for one in lines)


def test_the_worst_address_speaks_for_a_cluster_and_says_how_many_are_alike() -> None:
    bad = finding(Status.PROBLEM, "10.0.0.2 refuses.")
    said = judge.cluster_check("prod", "TCP", [finding(Status.OK), bad, bad], ASKS)
    assert (said.status, said.sentence) == (Status.PROBLEM, "10.0.0.2 refuses. The same at 1 more.")
    assert said.remedy == ASKS
    assert judge.cluster_check("prod", "TCP", [finding(Status.NOT_CHECKED, todo="Do this.")], ASKS).remedy == "Do this."
    assert judge.cluster_check("prod", "TCP", [], ASKS).status is Status.NOT_CHECKED
    assert not judge.cluster_check("prod", "TCP", [finding(Status.OK)], ASKS).remedy


def asked(outcome: str, right: str = "list nodes", sentence: str = "It is so.") -> Finding:
    return finding(Status.OK, sentence).model_copy(update={"subject": right, "outcome": outcome})


def test_each_missing_right_is_named_with_where_to_get_it() -> None:
    said = judge.reads("prod", [asked("given", "list pods"), asked("missing"), asked("missing", "list apiservices")], ASKS)
    assert said.status is Status.NOT_CHECKED
    assert "2 rights are missing" in said.sentence
    assert "list nodes; list apiservices" in said.sentence
    assert "list pods" not in said.sentence
    assert "docs/install.md" in said.remedy


def test_to_be_without_the_right_to_logs_is_said_and_is_well() -> None:
    said = judge.reads("prod", [asked("given"), asked("left-out", rights.LOGS)], ASKS)
    assert (said.status, said.remedy) == (Status.OK, "")
    assert rights.LOGS in said.sentence
    assert rights.LOGS in judge.reads("prod", [asked("missing"), asked("left-out", rights.LOGS)], ASKS).sentence
    assert rights.LOGS not in judge.reads("prod", [asked("given"), asked("given", rights.LOGS)], ASKS).sentence


def test_what_was_not_answered_is_not_taken_for_allowed_or_forbidden() -> None:
    silent = asked("unanswered", "list leases", "The API did not give leases within 5 s.")
    said = judge.reads("prod", [asked("given"), silent], ASKS)
    assert (said.status, said.remedy) == (Status.INCONCLUSIVE, ASKS)
    assert "within 5 s" in said.sentence
    both = judge.reads("prod", [asked("missing"), silent], ASKS)
    assert both.status is Status.NOT_CHECKED
    assert "list nodes" in both.sentence
    assert "within 5 s" in both.sentence
    late = asked("deadline-passed", "rights", "Not checked: the round's time was over before this answered.")
    assert judge.reads("prod", [asked("given"), late], ASKS).status is Status.INCONCLUSIVE
    assert judge.reads("prod", [], ASKS).status is Status.NOT_APPLICABLE


def test_an_administrators_identity_is_said_to_be_one() -> None:
    assert "system:masters" in judge.writes("prod", {"subject": "CN=kubernetes-admin,O=system:masters"}).sentence
    assert "asks as CN=apidown" in judge.writes("prod", {"subject": "CN=apidown"}).sentence
    assert "do not say who" in judge.writes("prod", {"kind": "token"}).sentence
    assert "no credentials" in judge.writes("prod", None).sentence


def test_only_what_was_looked_at_and_found_good_is_well() -> None:
    assert all_is_well([line(Status.OK), line(Status.NOT_APPLICABLE)])
    for status in (Status.PROBLEM, Status.INCONCLUSIVE, Status.NOT_CHECKED, Status.ERROR):
        assert not all_is_well([line(Status.OK), line(status)])


def test_every_line_shows_mark_word_and_remedy() -> None:
    said = as_text([line(Status.OK), line(Status.PROBLEM, "kubectl apply -f 'a file'")], paint=no_paint)
    assert "✓ ok" in said
    assert "✗ problem" in said
    assert "Next: kubectl apply -f 'a file'" in said
    assert said.splitlines()[-1].startswith("1 of 2 checks asks for something")
    assert as_json([line(Status.OK)])["ok"] is True


def test_nothing_secret_and_nothing_that_moves_a_cursor_is_shown() -> None:
    told = line(Status.PROBLEM, "send Authorization: Bearer abcdefgh12345678").model_copy(
        update={"sentence": "it says hunter2-hunter2 \x1b[2J"}
    )
    lines = redacted([told], Redactor(["hunter2-hunter2"]))
    shown = as_text(lines, paint=no_paint) + json.dumps(as_json(lines))
    assert "hunter2" not in shown
    assert "abcdefgh12345678" not in shown
    assert "\x1b" not in as_text(lines, paint=no_paint)
