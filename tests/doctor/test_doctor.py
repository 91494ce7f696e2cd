"""The doctor on real sockets: the strict fake Slack, a real store, a loopback cluster with and without a fault."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.clock import SystemClock
from bot.config import Config, ad_hoc
from bot.demo.pki import Authority
from bot.demo.scenarios import SCENARIOS, rehearse
from bot.demo.server import Behaviour, api_server
from bot.doctor import clusters, machine
from bot.doctor.lines import Line, all_is_well, as_text
from bot.doctor.run import examine
from bot.doctor.slack import way_to_socket
from bot.model.finding import Status
from bot.model.target import Cluster
from bot.ports import ClusterAccess
from bot.render.terminal import no_paint
from tests.fakes.redis_server import find_redis, redis_server
from tests.fakes.slack import FakeSlack
from tests.haproxy import haproxy, servers
from tests.lab.processes import wait_until
from tests.ports import free_port
from tests.require import missing

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("APIDOWN_", "SLACK_", "KUBE")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("APIDOWN_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
async def slack(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[FakeSlack]:
    async with FakeSlack() as fake:
        monkeypatch.setenv("SLACK_BOT_TOKEN", fake.bot_token)
        monkeypatch.setenv("SLACK_APP_TOKEN", fake.app_token)
        monkeypatch.setenv("APIDOWN_SLACK_BASE_URL", fake.base_url)
        yield fake


def configuration(folder: Path, monkeypatch: pytest.MonkeyPatch, kubeconfig: str = "", **more: Any) -> None:
    clusters: dict[str, Any] = {}
    if kubeconfig:
        (folder / "kubeconfig").write_text(kubeconfig)
        clusters["lab"] = {"kubeconfig": "kubeconfig"}
    (folder / "apidown.yaml").write_text(json.dumps({"clusters": clusters, **more}))
    monkeypatch.setenv("APIDOWN_CONFIG", str(folder / "apidown.yaml"))


def by_title(lines: list[Line]) -> dict[str, Line]:
    found = {line.title: line for line in lines}
    assert len(found) == len(lines)
    return found


async def test_a_complete_installation_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slack: FakeSlack) -> None:
    async with rehearse(SCENARIOS["healthy"]) as rehearsal:
        channels = {slack.incidents: {"cluster": "lab"}, slack.private: {}}
        may_start = {"groups": [slack.oncall]}
        configuration(tmp_path, monkeypatch, rehearsal.kubeconfig, channels=channels, may_start=may_start)
        lines = await examine(None)
    found = by_title(lines)
    assert all_is_well(lines), [line for line in lines if line.remedy]
    assert "1 cluster, 2 channels" in found["configuration"].sentence
    assert set(found) >= {
        *("Slack bot token", "Slack scopes", "Slack app token", "Slack socket", "store", "store eviction"),
        *(f"lab: {check}" for check in ("files", "address", "TCP", "TLS", "credentials", "optional reads", "may write")),
        *(f"{one}: in Slack" for one in (slack.incidents, slack.private, slack.oncall)),
    }
    assert found["lab: credentials"].status is Status.OK
    assert not slack.connections, "a doctor who connects takes the running bot's commands"
    slack.assert_clean()


@pytest.mark.parametrize(
    ("scenario", "check"),
    [("refused", "TCP"), ("certificate-expired", "TLS"), ("unknown-ca", "TLS"), ("unauthorized", "credentials")],
)
async def test_a_clusters_fault_is_at_its_own_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scenario: str, check: str
) -> None:
    async with rehearse(SCENARIOS[scenario]) as rehearsal:
        configuration(tmp_path, monkeypatch, rehearsal.kubeconfig)
        found = by_title(await examine(None))
    ladder = ["address", "TCP", "TLS", "credentials"]
    assert found[f"lab: {check}"].status is Status.PROBLEM
    assert found[f"lab: {check}"].remedy
    for below in ladder[: ladder.index(check)]:
        assert found[f"lab: {below}"].status in (Status.OK, Status.NOT_APPLICABLE)
    assert found["lab: optional reads"].status is Status.NOT_APPLICABLE
    assert "no code that writes" in found["lab: may write"].sentence


async def test_members_of_etcd_are_a_line_where_they_are_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etcd-ca.crt").write_text("no certificate")
    members = [f"127.0.0.1:{free_port()}"]
    kinds = {"gone": {"endpoints": members}, "broken": {"endpoints": members, "ca": "etcd-ca.crt"}}
    known = {name: {"server": "https://127.0.0.1:1", "etcd": etcd} for name, etcd in kinds.items()}
    (tmp_path / "apidown.yaml").write_text(json.dumps({"clusters": {**known, "without": {"server": "https://127.0.0.1:1"}}}))
    monkeypatch.setenv("APIDOWN_CONFIG", str(tmp_path / "apidown.yaml"))
    found = by_title(await examine(None))
    assert found["gone: etcd"].status is Status.PROBLEM
    assert found["gone: etcd"].sentence == f"Member {members[0]} of etcd refuses connections."
    assert found["broken: etcd"].status is Status.NOT_CHECKED
    assert "etcd-ca.crt cannot be used (it is no certificate)" in found["broken: etcd"].sentence
    assert "without: etcd" not in found


async def test_a_balancer_that_tells_of_itself_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with servers() as given, haproxy(tmp_path, f"backend kube\n  server cp1 127.0.0.1:{given.silent()} check\n") as balancer:
        wait_until(lambda: "L4OK" in balancer.tell("show stat"), "the check has ended", within=10)
        places = [f"unix:{balancer.user}", f"http://127.0.0.1:{balancer.page_port}/stats", f"tcp://127.0.0.1:{free_port()}"]
        kinds = {
            name: {"server": "https://127.0.0.1:1", "balancer": {"haproxy": place}}
            for name, place in zip("abc", places, strict=True)
        }
        (tmp_path / "apidown.yaml").write_text(json.dumps({"clusters": {**kinds, "d": {"server": "https://127.0.0.1:1"}}}))
        monkeypatch.setenv("APIDOWN_CONFIG", str(tmp_path / "apidown.yaml"))
        found = by_title(await examine(None))
    for name in "ab":
        assert found[f"{name}: balancer"].status is Status.OK
        assert found[f"{name}: balancer"].sentence == "Backend kube has every server up: 1."
    assert found["c: balancer"].status is Status.PROBLEM
    assert "refuses" in found["c: balancer"].sentence
    assert found["c: balancer"].remedy
    assert "d: balancer" not in found


async def test_a_sick_server_is_not_asked_for_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rehearse(SCENARIOS["etcd-failing"]) as rehearsal:
        configuration(tmp_path, monkeypatch, rehearsal.kubeconfig)
        found = by_title(await examine(None))
    assert found["lab: credentials"].status is Status.INCONCLUSIVE
    assert found["lab: optional reads"].status is Status.NOT_APPLICABLE


async def test_without_slack_it_says_what_is_missing_and_what_works_without() -> None:
    found = by_title(await examine(None))
    for name in ("bot", "app"):
        line = found[f"Slack {name} token"]
        assert line.status is Status.NOT_CHECKED
        assert f"SLACK_{name.upper()}_TOKEN" in line.sentence
        assert "apidown investigate" in line.remedy
    assert found["store"].status is Status.OK
    assert "apidown init" in found["configuration"].remedy


async def test_each_missing_scope_and_each_channel_without_the_bot_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slack: FakeSlack
) -> None:
    slack.scopes.discard("chat:write")
    slack.scopes.discard("usergroups:read")
    configuration(
        tmp_path,
        monkeypatch,
        clusters={"one": {"server": "https://127.0.0.1:1", "incident_channel": slack.incidents}},
        channels={slack.elsewhere: {}, "C0NOSUCH": {}},
        may_start={"groups": [slack.oncall]},
    )
    found = by_title(await examine(None))
    scopes = found["Slack scopes"]
    assert scopes.status is Status.PROBLEM
    assert "chat:write is for posting" in scopes.sentence
    assert "usergroups:read is for" in scopes.sentence
    assert found[f"{slack.elsewhere}: in Slack"].status is Status.PROBLEM
    assert "/invite @apidown" in found[f"{slack.elsewhere}: in Slack"].remedy
    assert found[f"{slack.incidents}: in Slack"].status is Status.OK
    assert "does not exist" in found["C0NOSUCH: in Slack"].sentence
    assert found[f"{slack.oncall}: in Slack"].status is Status.PROBLEM


@pytest.mark.parametrize("scopes", [set(), {"channels:read"}], ids=["seen", "asked"])
async def test_a_channel_that_is_archived_is_no_good_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slack: FakeSlack, scopes: set[str]
) -> None:
    slack.scopes -= {"channels:read", "groups:read"} - scopes
    slack.archive(slack.incidents)
    configuration(tmp_path, monkeypatch, channels={slack.incidents: {}, slack.private: {}})
    found = by_title(await examine(None))
    archived = found[f"{slack.incidents}: in Slack"]
    assert archived.status is Status.PROBLEM
    assert "archived" in archived.sentence
    assert archived.remedy
    assert found[f"{slack.private}: in Slack"].status is Status.OK
    assert [call.method for call in slack.calls].count("conversations.info") == (2 if scopes else 0)


async def test_tokens_that_slack_refuses_are_told_apart(slack: FakeSlack) -> None:
    slack.break_token(slack.bot_token, "token_revoked")
    slack.break_token(slack.app_token, "invalid_auth")
    found = by_title(await examine(None))
    assert "token_revoked" in found["Slack bot token"].sentence
    assert "invalid_auth" in found["Slack app token"].sentence
    assert "connections:write under App-Level Tokens" in found["Slack app token"].remedy
    assert "redacted" not in found["Slack app token"].remedy
    assert "Slack scopes" not in found


async def test_wrong_settings_configuration_and_playbooks_are_lines_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    playbooks = tmp_path / "own"
    playbooks.mkdir()
    (playbooks / "mine.yaml").write_text("id: mine\ntitel: wrong\n")
    configuration(tmp_path, monkeypatch, playbooks="own")
    assert by_title(await examine(None))["playbooks"].status is Status.PROBLEM
    (tmp_path / "apidown.yaml").write_text("clusters:\n  prod: {kubecofnig: x}\n")
    line = by_title(await examine(None))["configuration"]
    assert line.status is Status.PROBLEM
    assert "apidown.yaml:2" in line.sentence
    monkeypatch.setenv("APIDOWN_HEALTH_PORT", "many")
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xapp-swapped")
    found = by_title(await examine(None))
    assert found["settings"].status is Status.PROBLEM
    assert "APIDOWN_HEALTH_PORT" in found["settings"].sentence
    assert "SLACK_BOT_TOKEN" in found["settings"].sentence, "each mistake is told"
    assert "store" not in found
    assert "is not set" not in found["configuration"].sentence, "it is set, and nobody looked"


async def test_what_was_not_looked_at_because_of_another_mistake_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.yaml").write_text("id: mine\ntitel: wrong\n")
    configuration(tmp_path, monkeypatch, playbooks="own", clusters={"one": {"server": "https://127.0.0.1:1"}})
    found = by_title(await examine(None))
    assert found["clusters"].status is Status.NOT_CHECKED
    assert found["playbooks"].remedy == f"mend it, then apidown playbooks check {tmp_path / 'own'}"
    (tmp_path / "apidown.yaml").write_text("clustrs: {}\nmay_strat: {}\n")
    found = by_title(await examine(None))
    assert found["clusters, channels"].status is Status.NOT_CHECKED
    assert "apidown.yaml:1:1" in found["configuration"].sentence
    assert "apidown.yaml:2:1" in found["configuration"].sentence
    (tmp_path / "apidown.yaml").unlink()
    assert "apidown init --output" in by_title(await examine(None))["configuration"].remedy
    monkeypatch.setenv("APIDOWN_LOG_LEVEL", "loud")
    assert by_title(await examine(None))["store, Slack, clusters"].status is Status.NOT_CHECKED


async def test_what_to_run_next_has_the_configuration_that_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration(tmp_path, monkeypatch, clusters={"one": {"server": f"https://127.0.0.1:{free_port()}"}})
    monkeypatch.delenv("APIDOWN_CONFIG")
    file = tmp_path / "apidown.yaml"
    assert by_title(await examine(file))["one: TCP"].remedy == f"apidown investigate --config {file} one"


async def test_a_store_password_without_a_store_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APIDOWN_REDIS_PASSWORD", "right-password")
    found = by_title(await examine(None))
    assert found["store password"].status is Status.PROBLEM
    assert "right-password" not in str(found)


async def test_a_store_that_is_away_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    place = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("APIDOWN_REDIS_URL", f"redis://{place}")
    line = by_title(await examine(None))["store"]
    assert line.status is Status.PROBLEM
    assert line.sentence.startswith(f"{place}: the store cannot be reached")


async def test_files_that_are_missing_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration(tmp_path, monkeypatch, clusters={"gone": {"kubeconfig": "no-such-file"}})
    line = by_title(await examine(None))["gone: files"]
    assert line.status is Status.PROBLEM
    assert "no-such-file" in line.sentence
    assert line.remedy
    down = {"server": f"https://127.0.0.1:{free_port()}"}
    clusters = {"token": {**down, "token_file": "no-token"}, "pair": {**down, "client_certificate": "no-pair", "client_key": "k"}}
    configuration(tmp_path, monkeypatch, clusters=clusters)
    found = by_title(await examine(None))
    assert found["token: files"].status is found["pair: files"].status is Status.PROBLEM, "though the server is down"
    assert "no-token" in found["token: files"].sentence
    assert "no-pair: No such file" in found["pair: files"].sentence


async def test_a_kubeconfig_that_skips_verification_says_what_to_put_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rehearse(SCENARIOS["healthy"]) as rehearsal:
        body = json.loads(rehearsal.kubeconfig)
        body["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True
        configuration(tmp_path, monkeypatch, json.dumps(body))
        found = by_title(await examine(None))
    assert "certificate-authority" in found["lab: files"].remedy


async def test_the_way_to_slack_leads_through_the_proxy_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority()
    (tmp_path / "ca.crt").write_text(authority.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.crt"))
    server = Behaviour(serving=authority.server(["localhost"]), client_ca=authority.pem, token="t")
    async with api_server(server) as port, connect_proxy(port) as proxy:
        way = await way_to_socket("wss://localhost:1/link", proxy, SystemClock(), within_s=10)
        assert way.status is Status.OK
        assert "through the proxy" in way.sentence
        away = f"http://127.0.0.1:{free_port()}"
        way = await way_to_socket("wss://localhost:1/link", away, SystemClock(), within_s=10)
    assert way.status is Status.PROBLEM
    assert "HTTPS_PROXY" in way.remedy


@asynccontextmanager
async def connect_proxy(port: int) -> AsyncGenerator[str]:
    """An HTTP proxy that takes every CONNECT to one port of this machine."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"CONNECT localhost:1 ")
        there, thither = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pump(reader, thither), pump(there, writer))

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


async def test_a_store_that_keeps_nothing_or_refuses_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = find_redis()
    if binary is None:
        missing("redis", "redis-server is not installed")
    with redis_server(tmp_path, binary=binary, password="right-password") as server:
        monkeypatch.setenv("APIDOWN_REDIS_URL", server.url)
        assert by_title(await examine(None))["store"].status is Status.OK
        monkeypatch.setenv("APIDOWN_REDIS_URL", server.url.replace("right-password", "wrong-password"))
        line = by_title(await examine(None))["store"]
        assert line.status is Status.PROBLEM
        assert "wrong-password" not in str(line)
        assert line.remedy
        monkeypatch.setenv("APIDOWN_REDIS_URL", server.url.replace(":right-password@", ""))
        monkeypatch.setenv("APIDOWN_REDIS_PASSWORD", "right-password")
        assert by_title(await examine(None))["store"].status is Status.OK


async def test_it_ends_in_time_when_nothing_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slack, the store and two clusters take connections and say nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
        monkeypatch.setenv("SLACK_APP_TOKEN", "xapp-1")
        monkeypatch.setenv("APIDOWN_SLACK_BASE_URL", f"http://{place}/api/")
        monkeypatch.setenv("APIDOWN_REDIS_URL", f"redis://{place}/0")
        clusters = {name: {"server": f"https://{place}"} for name in ("one", "two")}
        configuration(tmp_path, monkeypatch, clusters=clusters)
        async with asyncio.timeout(15):
            found = by_title(await examine(None))
    for title in ("store", "Slack bot token", "Slack app token", "one: TLS", "two: TLS"):
        assert found[title].status is Status.PROBLEM, title
        assert found[title].remedy


async def test_what_is_not_over_in_time_is_said_to_be_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        configuration(tmp_path, monkeypatch, clusters={"one": {"server": f"https://127.0.0.1:{silent.getsockname()[1]}"}})
        found = by_title(await examine(None, bound_s=0.5))
    assert found["one: time"].status is Status.NOT_CHECKED
    assert found["one: TCP"].status is Status.OK


async def test_the_output_in_the_documents_is_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slack: FakeSlack
) -> None:
    """The example: all is well, but the bot was not invited."""
    async with rehearse(SCENARIOS["healthy"]) as rehearsal:
        (tmp_path / "kubeconfig").write_text(rehearsal.kubeconfig)
        clusters = {"prod": {"kubeconfig": "kubeconfig", "channels": [slack.elsewhere]}}
        configuration(tmp_path, monkeypatch, clusters=clusters)
        printed = as_text(await examine(None), paint=no_paint)
    shown = re.search(r"```text\n(  . ok .*?)```", (DOCS / "install.md").read_text(), re.S)
    assert shown, printed
    assert _plain(shown[1]) == _plain(printed), printed


def _plain(text: str) -> set[str]:
    """The lines without what differs from machine to machine: places, versions, names, wrapping, and what only the real Slack
    and a real API server say."""
    text = re.sub(r"\n {6,}", " ", text.strip())
    for pattern, word in (
        (r"(?<= )/\S+", "PATH"),
        (r"apidown \(.*\) runs", "apidown 0 runs"),
        (r"\bC0[0-9A-Z]+", "CHANNEL"),
        (r"\d+\.\d+\.\d+\.\d+(:\d+)?", "PLACE"),
        (r"(Slack knows it as \w+ in) .*", r"\1 TEAM"),
        (r"(Slack socket +).* can be reached.*", r"\1PLACE"),
        (r"(accepts|does not reject) the credentials.*", "takes the credentials"),
        (r"[\d.]+", "0"),
    ):
        text = re.sub(pattern, word, text)
    return {" ".join(line.split()) for line in text.splitlines() if line.strip()}


class SaysTooMuch:
    """Files whose problem repeats a credential, which no form gives away."""

    async def access(self, cluster: Cluster) -> ClusterAccess:
        return ClusterAccess(cluster=cluster, problems=("The token is hunter-two.",), secrets=lambda: frozenset({"hunter-two"}))


async def test_no_line_has_the_value_of_a_clusters_credentials() -> None:
    core, _ = machine.playbooks(Config.empty(), ())
    assert core is not None
    lines: list[Line] = []
    asked = ad_hoc(f"https://127.0.0.1:{free_port()}")
    await clusters.look(core, SaysTooMuch(), asked, lines.append, asks="apidown investigate lab", within_s=5)
    assert "The token is [redacted]." in lines[0].sentence
    assert "hunter-two" not in "".join(line.sentence + line.remedy for line in lines)
