"""The pieces around the rule: kubeconfigs taken apart, tools found, outputs kept, the document written."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import signal
from pathlib import Path

import pytest

from tests.lab.compare import document, kept, ours
from tests.lab.compare.asked import find, read_target, run_command, secrets
from tests.lab.compare.kept import Comparison, Seen, bounded
from tests.lab.compare.rule import Mark, judge
from tests.lab.compare.running import built, merged
from tests.lab.compare.tool import known
from tests.lab.judge import Judged
from tests.lab.kubeadm import kubeconfig
from tests.lab.processes import wait_until

SEEN = Seen(
    fault="gone",
    title="The name is gone.",
    causes=["dns-name-not-found"],
    acceptable=["dns-name-not-found"],
    tool="kubectl-get",
    output="lookup api.shop.test on 10.1.0.53:53: no such host",
    exits=[1],
    seconds=0.4,
    now="2026-05-04T12:00:00+00:00",
    words={"api.shop.test": "server", "10.1.0.53": "dns"},
    ports=[6443],
)
REFUSED = dataclasses.replace(
    SEEN, fault="down", title="The balancer is down.", causes=["lb-down"], acceptable=[], output="refused"
)
WELL = dataclasses.replace(
    SEEN, fault="healthy_one", title="All is well.", causes=["healthy"], acceptable=["healthy"], output="No resources", exits=[0]
)
COMPARISON = Comparison(
    seeds=[7],
    machine="a machine",
    began="2026-05-04T12:00:00+00:00",
    tools={"kubectl-get": "1.36.2"},
    seen=[SEEN, SEEN, REFUSED, WELL],
    failed={"both_this": "it was not in"},
)
VERDICT = Judged(
    name="gone",
    kind="single",
    truth=("dns-name-not-found",),
    vantage="bot",
    acceptable=("dns-name-not-found",),
    verdict="cause",
    named=(("dns-name-not-found", "high"),),
    tie=("dns-name-not-found",),
    rank=1,
    cause_first=1.0,
    cause_acceptable=True,
    cause_in_three=True,
    domain=True,
    wrong_high=(),
    healthy_right=True,
    high=True,
    first_verdict_s=0.2,
    verdict_s=1.2,
    requests=3,
)


def test_a_kubeconfig_is_taken_apart(tmp_path: Path) -> None:

    user = {"client-certificate-data": base64.b64encode(b"cert").decode(), "client-key-data": base64.b64encode(b"key").decode()}
    text = kubeconfig("https://api.shop.test:8443/", "-----CA-----", user, cluster="shop", more={"tls-server-name": "kubernetes"})
    target = read_target(json.loads(text), tmp_path)
    assert (target.url, target.host, target.port) == ("https://api.shop.test:8443", "api.shop.test", 8443)
    assert target.server_name == "kubernetes"
    assert target.authority is not None
    assert target.authority.read_text() == "-----CA-----"
    assert target.key is not None
    assert target.key.read_bytes() == b"key"
    assert target.key.stat().st_mode & 0o077 == 0
    assert list(secrets(text)) == [user["client-key-data"]]


def test_a_kubeconfig_without_credentials_has_none(tmp_path: Path) -> None:

    target = read_target(json.loads(kubeconfig("http://localhost", "CA", {}, cluster="shop")), tmp_path)
    assert (target.host, target.port) == ("localhost", 80)
    assert (target.certificate, target.key, target.token) == (None, None, None)


def test_every_tool_asks_without_writing_into_the_cluster(tmp_path: Path) -> None:

    target = read_target(json.loads(kubeconfig("https://api.shop.test", "CA", {"token": "t"}, cluster="shop")), tmp_path)
    for tool in known().values():
        for argv in tool.commands("/bin/tool", target):
            assert "/bin/tool" in argv
            assert "create" not in argv or "--dry-run=server" in argv


def test_what_was_built_is_found_before_what_is_on_the_path(tmp_path: Path) -> None:
    (tmp_path / "curl").write_text("#!/bin/sh\n")
    (tmp_path / "curl").chmod(0o755)
    nowhere = dataclasses.replace(known()["curl"], name="nowhere", binary="apidown-no-such-tool")
    found, missing = find([known()["curl"], nowhere], tmp_path)
    assert found == {"curl": tmp_path / "curl"}
    assert "apidown-no-such-tool" in missing["nowhere"]


def test_the_folder_of_built_tools_has_the_version_of_the_makefile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("APIDOWN_COMPARE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert built().parent == tmp_path / "apidown"
    assert built().name.startswith("compare-")


def test_a_long_output_keeps_both_ends() -> None:
    text = bounded("a" * kept.MOST_CHARACTERS + "b" * 10)
    assert len(text) <= kept.MOST_CHARACTERS
    assert (text[0], text[-10:]) == ("a", "b" * 10)


def test_what_is_kept_is_read_back(tmp_path: Path) -> None:
    COMPARISON.write(tmp_path / "build" / "kept.json")
    assert kept.read(tmp_path / "build" / "kept.json") == COMPARISON


def test_the_document_tells_each_tool_s_mark_and_what_failed() -> None:
    text = document.text(COMPARISON, {})
    assert "| `gone` | dns-name-not-found | names 0.4 s |" in text
    assert "| kubectl get nodes | 2 | 1 | 1 | 0 | 0 | 0 | 1 of 1 |" in text
    assert "- `both_this`: it was not in" in text
    assert "Each tool looks 2 times" in text


def test_the_document_has_apidown_s_verdict_where_there_is_a_scoreboard() -> None:
    text = document.text(COMPARISON, {"gone": VERDICT})
    assert "| `gone` | dns-name-not-found | dns-name-not-found (high) | names 1.2 s | names 0.4 s |" in text
    assert "| `down` | lb-down | - | - | separates 0.4 s |" in text


def test_apidown_misleads_with_one_cause_too_many() -> None:
    tied = dataclasses.replace(VERDICT, tie=("dns-name-not-found", "lb-down"))
    (mark,) = judge(kept.cases([SEEN]), ours.looks({"gone": tied}), ours.claims([tied], {}))
    assert (mark.mark, mark.says) == (Mark.MISLEADS, ("lb-down is the cause",))


def test_a_broader_cause_is_no_wrong_one() -> None:
    broader = dataclasses.replace(VERDICT, tie=("broad",))
    (mark,) = judge(kept.cases([SEEN]), ours.looks({"gone": broader}), ours.claims([broader], {"dns-name-not-found": "broad"}))
    assert mark.mark is Mark.SEPARATES


def test_a_tool_that_does_not_end_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    script = f"sleep 60 & echo $! > {tmp_path}/child; echo begun; wait"
    output, code = run_command(["sh", "-c", script], {"PATH": os.environ["PATH"]}, tmp_path / "output", 1.0)
    assert code == -signal.SIGKILL
    assert output.splitlines() == ["begun", "", "(still running after 1 s; ended)"]
    child = Path("/proc", (tmp_path / "child").read_text().strip())
    wait_until(lambda: not child.exists() or ") Z " in (child / "stat").read_text(), "its child is gone", within=10)


def test_both_streams_of_a_tool_and_its_exit_code_are_kept(tmp_path: Path) -> None:
    output, code = run_command(
        ["sh", "-c", "echo one; echo two >&2; exit 3"], {"PATH": os.environ["PATH"]}, tmp_path / "output", 10
    )
    assert (output, code) == ("one\ntwo\n", 3)


def test_parts_of_a_run_make_one() -> None:
    parts = [
        dataclasses.replace(COMPARISON, seen=[SEEN], began="2026-05-04T12:00:01+00:00"),
        dataclasses.replace(COMPARISON, seen=[WELL], failed={}),
    ]
    whole = merged(parts)
    assert (whole.seen, whole.failed, whole.began) == ([SEEN, WELL], COMPARISON.failed, COMPARISON.began)


def test_what_is_seen_anew_replaces_what_was_seen() -> None:
    newer = dataclasses.replace(SEEN, output="other words")
    whole = kept.renewed(COMPARISON, dataclasses.replace(COMPARISON, seen=[newer], failed={}, tools={"curl": "8"}))
    assert whole.seen == [REFUSED, WELL, newer]
    assert whole.tools == {"kubectl-get": "1.36.2", "curl": "8"}


def test_a_kubeconfig_s_proxy_is_the_tools_too(tmp_path: Path) -> None:
    text = kubeconfig("https://api.shop.test", "CA", {}, cluster="shop", more={"proxy-url": "http://proxy.shop.test:3128"})
    target = read_target(json.loads(text), tmp_path)
    for name in ("curl", "blackbox"):
        known()[name].commands("/bin/tool", target)
    assert "http://proxy.shop.test:3128" in known()["curl"].commands("/bin/tool", target)[0]
    assert json.loads((tmp_path / "blackbox.yml").read_text())["modules"]["http_2xx"]["http"]["proxy_url"] == target.proxy
