"""The command line as its user has it: another process, its exit status, its two streams, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.demo.scenarios import SCENARIOS, rehearse
from bot.playbook import default_folder
from bot.render.report_form import Report
from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(__file__).parent / "testdata"
WITHIN_S = 60.0
MODULE = """\
import runpy, signal
signal.signal(signal.SIGINT, signal.{interrupt})
runpy.run_module("bot.cli", run_name="__main__", alter_sys=True)
"""
"""``python -m bot.cli`` with Ctrl-C as at a terminal, also where whoever runs the tests ignores it: ``make test &``, nohup."""


@dataclass(frozen=True, kw_only=True)
class Done:
    status: int
    out: str
    err: str


class Terminal:
    """Runs ``apidown`` with an environment and a home of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TMPDIR": str(home),
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
        }

    async def start(self, *words: str, interrupt: str = "default_int_handler", **environment: str) -> Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", MODULE.format(interrupt=interrupt), *words),
            cwd=self.home,
            env={**self.environment, **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
        )

    async def run(self, *words: str, **environment: str) -> Done:
        process = await self.start(*words, **environment)
        return await finish(process)


async def finish(process: Process) -> Done:
    async with asyncio.timeout(WITHIN_S):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Done(status=process.returncode, out=out.decode(), err=err.decode())


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


@asynccontextmanager
async def cluster(terminal: Terminal, scenario: str) -> AsyncGenerator[Mapping[str, str]]:
    """A rehearsal's kubeconfig in a file, as the environment that points to it."""
    async with rehearse(SCENARIOS[scenario]) as rehearsal:
        path = terminal.home / "kubeconfig"
        path.write_text(rehearsal.kubeconfig)
        yield {"KUBECONFIG": str(path)}


def stores_of(home: Path) -> list[str]:
    """Command lines of store servers whose files are below this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(home) in line and ("valkey" in line or "redis" in line):
            found.append(line)
    return found


def assert_four_parts(done: Done, *parts: str) -> None:
    assert done.status == 3
    assert done.out == ""
    assert "Traceback" not in done.err
    for part in parts:
        assert part in done.err


async def test_healthy_is_0(terminal: Terminal) -> None:
    async with cluster(terminal, "healthy") as environment:
        done = await terminal.run("investigate", **environment)
    assert (done.status, done.err) == (0, "")
    assert "Healthy" in done.out


async def test_a_named_cause_is_1(terminal: Terminal) -> None:
    done = await terminal.run("investigate", f"https://127.0.0.1:{free_port()}")
    assert (done.status, done.err) == (1, "")
    assert "Verdict: " in done.out
    assert "The API server is not running" in done.out


async def test_all_of_a_report_is_there_when_it_is_asked_for(terminal: Terminal) -> None:
    short, full = await asyncio.gather(terminal.run("demo"), terminal.run("demo", "--full"))
    assert "run the same with --full" in short.out
    for heading in ("Causes", "Steps", "What changed", "Words"):
        assert f"\n{heading}\n" in full.out
        assert f"\n{heading}\n" not in short.out
    # What could not be checked is named in both; what people can look at is counted in one, and all there in the other.
    assert "Clients use the right endpoint, address and port" in " ".join(short.out.split())
    people = re.search(r"\? (\d+) steps for a person; these would tell most:", short.out)
    assert people
    assert f"{people[1]} for a person" in full.out
    assert "Static pod manifests are as the records say" in " ".join(full.out.split())
    assert "sha256sum" in full.out
    assert "sha256sum" not in short.out


async def test_inconclusive_is_2(terminal: Terminal) -> None:
    """With causes that nothing supports, nothing can be named."""
    folder = terminal.home / "playbooks" / "causes"
    folder.mkdir(parents=True)
    for path in (default_folder() / "causes").glob("*.yaml"):
        (folder / path.name).write_text(
            f"id: {path.stem}\ndomain: process\ntitle: X\nsentence: X.\n"
            "evidence:\n  for: [{change: static-pod-manifest, weight: weak, says: X.}]\n"
        )
    (terminal.home / "config.yaml").write_text("playbooks: playbooks\n")
    done = await terminal.run("investigate", f"https://127.0.0.1:{free_port()}", "--config", "config.yaml")
    assert (done.status, done.err) == (2, "")
    assert "not an all-clear" in done.out


async def test_an_error_line_that_was_seen_is_understood(terminal: Terminal) -> None:
    line = f"The connection to the server 127.0.0.1:{free_port()} was refused - did you specify the right host or port?"
    done = await terminal.run("investigate", line)
    assert done.status == 1


async def test_json_is_the_published_form_and_nothing_else(terminal: Terminal) -> None:
    done = await terminal.run("investigate", f"https://127.0.0.1:{free_port()}", "--output", "json", "--since", "30m")
    assert (done.status, done.err) == (1, "")
    report = json.loads(done.out)
    assert Report.model_validate_json(done.out).model_dump(mode="json", by_alias=True) == report
    assert report["schema"] == "apidown/v1"
    assert report["verdict"] == "cause"
    assert report["onset"]["source"] != "unknown"


async def test_markdown_can_be_pasted(terminal: Terminal) -> None:
    done = await terminal.run("investigate", f"https://127.0.0.1:{free_port()}", "--output", "markdown")
    assert done.status == 1
    assert done.out.startswith("#")


async def test_a_pipe_gets_no_escape_codes_and_reading_less_is_no_verdict(terminal: Terminal) -> None:
    done = await terminal.run("demo")
    assert "\x1b" not in done.out
    process = await terminal.start("playbooks", "list")
    assert process.stdout is not None
    process.stdout._transport.close()  # type: ignore[attr-defined]
    async with asyncio.timeout(WITHIN_S):
        assert process.stderr is not None
        err = await process.stderr.read()
        status = await process.wait()
    assert (status, err) == (141, b"")


async def test_secrets_of_a_kubeconfig_are_nowhere_in_the_output(terminal: Terminal) -> None:
    async with cluster(terminal, "unauthorized") as environment:
        config = json.loads(Path(environment["KUBECONFIG"]).read_text())
        done = await terminal.run("investigate", "--output", "json", APIDOWN_LOG_LEVEL="debug", **environment)
    assert done.status == 1
    assert config["users"][0]["user"]["token"] not in done.out + done.err


@pytest.mark.parametrize("scenario", ["refused", "healthy", "etcd-failing"])
async def test_a_rehearsal_succeeds_when_its_fault_is_named(terminal: Terminal, scenario: str) -> None:
    done = await terminal.run("demo", scenario)
    assert (done.status, done.err) == (0, "")
    assert "as it should" in done.out
    assert stores_of(terminal.home) == []


async def test_rehearsals_are_listed(terminal: Terminal) -> None:
    done = await terminal.run("demo", "list")
    assert done.status == 0
    assert [line.split()[0] for line in done.out.splitlines()] == list(SCENARIOS)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["demo", "refuse"], ["there is no scenario 'refuse'", "did you mean 'refused'?", "Next: apidown demo list"]),
        (["investigate", "--since", "soon"], ["--since soon is not a time", "Next: type 30m"]),
        (["investigate", "--outpt", "json"], ["--outpt", "Next: apidown investigate --help"]),
        (["investigate", "--output", "jsn"], ["'--output': 'jsn' is not one of 'text'", "Next: apidown investigate --help"]),
        (["doctor", "--config"], ["'--config' requires an argument", "Next: apidown doctor --help"]),
        (["playbooks", "show", "x", "--folder"], ["requires an argument", "Next: apidown playbooks show --help"]),
        (["playbooks", "shw"], ["shw", "Next: apidown playbooks --help"]),
        (["investigte"], ["investigte", "Next: apidown --help"]),
        (["investigate", "--cluster", "prod"], ["there is no cluster 'prod'", "Next: give the --config FILE it is in"]),
        (["investigate", "--cluster", "a", "--server", "https://b"], ["name two clusters", "Next: leave --server out"]),
        (["investigate", "--server", "https://a", "https://b"], ["--server and 'https://b' name two clusters", "Next: leave"]),
        (["investigate", "--server", "https://a", "--context", "b"], ["name two clusters", "Next: leave --context out"]),
        (["investigate", "--server", "ftp://a"], ["'ftp://a' is not the URL of an API server", "https://api.example.com:6443"]),
        (["investigate", "--server", "https://a:pw12345@b"], ["user name or password", "Next: give the URL without them"]),
        (["investigate", "https://127.0.0.1:1", "--playbook", "conection-refused"], ["did you mean 'connection-refused'?"]),
        (
            ["investigate", "https://127.0.0.1:1", "--playbook", "triage"],
            ["'triage' runs in every", "can be named are cannot-access-api, connection"],
        ),
        (["investigate", "https://127.0.0.1:1", "--folder", "gone"], ["gone", "no folder of playbooks", "Next: give a folder"]),
        (["investigate", "--kubeconfig", "gone"], ["gone", "Next: apidown investigate https://HOST:6443"]),
        (
            ["investigate", "--config", "gone.yaml"],
            ["gone.yaml", "or --config, or write the file: apidown init --output gone.yaml"],
        ),
        (["investigate"], [".kube/config", "Next: apidown investigate https://HOST:6443, or give --kubeconfig FILE"]),
        (["investigate", "prod"], ["there is no cluster 'prod'", "Next: apidown investigate https://HOST:6443"]),
        (
            ["investigate", 'Failed to pull image "web:1": connection refused'],
            ["not about reaching an API server", "pulling an image", "Next: to look anyway: apidown investigate"],
        ),
        (
            ["investigate", "Unable to connect to the server: EOF"],
            ["this text names no server", "Next: apidown investigate https:"],
        ),
        (["playbooks", "show", "conection-refused"], ["did you mean 'connection-refused'?", "Next: apidown playbooks list"]),
        (["playbooks", "list", "--folder", "gone"], ["gone", "no folder of playbooks", "Next: give a folder"]),
        (["serve"], ["SLACK_BOT_TOKEN and SLACK_APP_TOKEN", "is not set", "Next: without Slack: apidown investigate"]),
    ],
)
async def test_what_is_wrong_says_where_what_the_nearest_and_what_next(
    terminal: Terminal, words: list[str], parts: list[str]
) -> None:
    done = await terminal.run(*words)
    assert_four_parts(done, *parts)
    assert "pw12345" not in done.err


async def test_several_clusters_are_listed_when_none_is_named(terminal: Terminal) -> None:
    (terminal.home / "config.yaml").write_text(
        "clusters: {a: {server: 'https://127.0.0.1:1'}, b: {server: 'https://127.0.0.1:2'}}"
    )
    done = await terminal.run("investigate", "--config", "config.yaml")
    assert_four_parts(done, "which cluster?", "the clusters are a, b", "Next: apidown investigate a")


async def test_host_and_port_are_a_server(terminal: Terminal) -> None:
    place = f"127.0.0.1:{free_port()}"
    for words in ([place], ["--server", place]):
        done = await terminal.run("investigate", *words)
        assert (done.status, done.err) == (1, "")
        assert f"https://{place}, asked for by" in done.out


async def test_own_playbooks_are_tried_without_a_configuration(terminal: Terminal) -> None:
    text = (
        (default_folder() / "connection-refused.yaml")
        .read_text()
        .replace("title: Connection refused - control plane", "title: Ours")
    )
    (terminal.home / "own").mkdir()
    (terminal.home / "own" / "connection-refused.yaml").write_text(text)
    done, rehearsed = await asyncio.gather(
        terminal.run("investigate", f"https://127.0.0.1:{free_port()}", "--folder", "own"),
        terminal.run("demo", "--folder", "own"),
    )
    assert "playbook Ours: " in done.out
    assert "playbook Ours: " in rehearsed.out


async def test_the_version_is_told(terminal: Terminal) -> None:
    done = await terminal.run("--version")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("apidown")


async def test_a_wrong_setting_is_named(terminal: Terminal) -> None:
    wrong = {"APIDOWN_LOG_LEVEL": "loud", "APIDOWN_SLACK_BASE_URLL": "x", "APIDOWN_WEBHOOK_TOKEN": "short"}
    for command in ("demo", "serve"):
        done = await terminal.run(command, **wrong)
        assert_four_parts(
            done, *wrong, "did you mean 'APIDOWN_SLACK_BASE_URL'?", "\n  Next: correct the variable; docs/settings.md"
        )
        assert "](" not in done.err, "a link of the documents is of no use here"


@pytest.mark.parametrize("words", [["serve"], ["investigate", "prod"]])
async def test_a_configuration_that_cannot_be_used_says_who_names_it_and_what_to_do(terminal: Terminal, words: list[str]) -> None:
    given = {"APIDOWN_CONFIG": "my file.yaml", "SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}
    done = await terminal.run(*words, **given)
    assert_four_parts(done, "cannot be read", "\n  Next: correct APIDOWN_CONFIG or", "apidown init --output 'my file.yaml'")
    (terminal.home / "my file.yaml").write_text("clustrs: {}\nmay_strat: {}\n")
    done = await terminal.run(*words, **given)
    assert_four_parts(done, "my file.yaml:1:1", "my file.yaml:2:1", "docs/configuration.md", "doctor --config 'my file.yaml'")
    assert done.err.count("Next: ") == 1
    (terminal.home / "own").mkdir()
    (terminal.home / "own" / "mine.yaml").write_text("id: mine\ntitel: wrong\n")
    (terminal.home / "my file.yaml").write_text("playbooks: own\nclusters: {prod: {server: 'https://127.0.0.1:1'}}\n")
    done = await terminal.run(*words, **given)
    assert_four_parts(done, "mine.yaml:2:1", f"\n  Next: mend it, then apidown playbooks check {terminal.home / 'own'}\n")


async def test_playbooks_are_listed_checked_and_shown(terminal: Terminal) -> None:
    listed, checked, shown, cause = await asyncio.gather(
        terminal.run("playbooks", "list"),
        terminal.run("playbooks", "check"),
        terminal.run("playbooks", "show", "connection-refused"),
        terminal.run("playbooks", "show", "apiserver-not-running"),
    )
    assert {done.status for done in (listed, checked, shown, cause)} == {0}
    assert "connection-refused" in listed.out
    assert "(always)" in listed.out
    assert checked.out.endswith("are valid.\n")
    assert "API server pods run" in shown.out
    assert "{port}" in shown.out
    assert "{{" not in shown.out
    assert "The API server is not running" in cause.out


async def test_every_mistake_of_a_playbook_is_listed_at_once(terminal: Terminal) -> None:
    folder = terminal.home / "own"
    folder.mkdir()
    (folder / "three-mistakes.yaml").write_text((DATA / "playbooks" / "three-mistakes.yaml").read_text())
    done = await terminal.run("playbooks", "check", "own")
    assert_four_parts(done, "three-mistakes.yaml", "\n  Next: mend it, then apidown playbooks check own\n")
    assert done.err.count("three-mistakes.yaml:") >= 3


async def in_the_middle(process: Process) -> None:
    """Of a rehearsal that takes five seconds by itself."""
    assert process.stdout is not None
    async with asyncio.timeout(WITHIN_S):
        while b"accepts connections, in" not in await process.stdout.readline():
            assert not process.stdout.at_eof()


@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_being_told_to_stop_ends_quickly_and_leaves_nothing(terminal: Terminal, how: signal.Signals, status: int) -> None:
    process = await terminal.start("demo", "tls-silent")
    await in_the_middle(process)
    assert len(stores_of(terminal.home)) == 1
    process.send_signal(how)
    done = await finish(process)
    assert done.status == status
    assert done.err == ("Interrupted; nothing is left behind.\n" if how is signal.SIGINT else "")
    assert "Verdict" not in done.out
    assert stores_of(terminal.home) == []
    assert [path.name for path in terminal.home.iterdir() if path.name.startswith("apidown")] == []


async def test_an_interrupt_that_was_ignored_before_stays_ignored(terminal: Terminal) -> None:
    """As Unix has it: what a shell started in the background is not meant by its Ctrl-C."""
    process = await terminal.start("demo", "tls-silent", interrupt="SIG_IGN")
    await in_the_middle(process)
    process.send_signal(signal.SIGINT)
    done = await finish(process)
    assert (done.status, done.err) == (0, "")
    assert "Verdict" in done.out


async def test_a_defect_is_no_verdict_and_is_redacted(terminal: Terminal) -> None:
    program = (
        "import sys\nfrom bot import cli\nsys.argv[1:] = ['boom']\n"
        "@cli.app.command()\ndef boom() -> None:\n    raise RuntimeError('redis://:pa55word@redis and xoxb-1-very-own')\n"
        "cli.main()\n"
    )
    environment = {**terminal.environment, "SLACK_BOT_TOKEN": "xoxb-1-very-own"}
    done = await finish(
        await asyncio.create_subprocess_exec(sys.executable, "-c", program, env=environment, stdout=PIPE, stderr=PIPE)
    )
    assert (done.status, done.out) == (70, "")
    assert "RuntimeError" in done.err
    assert done.err.endswith("apidown itself failed: please report what is above.\n")
    assert "pa55word" not in done.err
    assert "very-own" not in done.err


async def piped(terminal: Terminal, text: bytes, *words: str, **environment: str) -> Done:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot.cli", *words),
        cwd=ROOT,
        env={**terminal.environment, **environment},
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )
    async with asyncio.timeout(WITHIN_S):
        out, err = await process.communicate(text)
    assert process.returncode is not None
    return Done(status=process.returncode, out=out.decode(), err=err.decode())


async def test_a_text_on_stdin_is_recognised_as_one_json_line(terminal: Terminal) -> None:
    text = b"$ kubectl get nodes\n\xff\nThe connection to the server api.example:6443 was refused - did you specify it?\n"
    done = await piped(terminal, text, "recognise")
    assert (done.status, done.err) == (0, "")
    told = json.loads(done.out)
    assert list(told) == ["playbook", "symptom", "address", "confidence", "why"]
    assert [*told.values()][:4] == ["connection-refused", "connection-refused", "api.example:6443", "high"]
    assert "was refused" in told["why"]


async def test_json_lines_are_recognised_each_and_a_bad_one_loses_none_of_the_others(terminal: Terminal) -> None:
    lines = [
        json.dumps({"id": "a", "text": "dial tcp 10.0.0.1:6443: connect: connection refused", "more": 1}),
        "{not json",
        "",
        json.dumps({"id": 4, "text": None}),
        json.dumps({"id": None, "text": "Failed to pull image web"}),
        "[" * 100_000,
        json.dumps({"text": "\ud800 hello"}),
        '{"id": NaN, "text": "hello"}',
    ]
    done = await piped(terminal, "\n".join(lines).encode(), "recognise", "--jsonl")
    told = [json.loads(line, parse_constant=pytest.fail) for line in done.out.splitlines()]
    assert [one.get("playbook") for one in told] == ["connection-refused", None, None, "none", None, "none", None]
    assert [one.get("line") for one in told] == [None, 2, 4, None, 6, None, 8]
    assert [one.get("id", "-") for one in told] == ["a", "-", 4, None, "-", "-", "-"]
    assert done.status == 3
    assert "line 2: this is not JSON" in done.err
    assert "line 4: " in done.err
    assert "4 of the lines could not be read" in done.err


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
async def test_a_terminal_that_lacks_a_sign_is_no_defect(terminal: Terminal, encoding: str) -> None:
    text = f"dial tcp 10.0.0.1:6443: i/o timeout {'and more of it ' * 20}".encode()
    done = await piped(terminal, text, "recognise", PYTHONIOENCODING=encoding)
    assert (done.status, done.err) == (0, "")
    assert json.loads(done.out)["why"].endswith('?".')


async def test_who_types_at_a_terminal_is_told_to_paste_and_how_to_end(terminal: Terminal) -> None:
    ours, theirs = os.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot.cli", "recognise"),
            cwd=ROOT,
            env=terminal.environment,
            stdin=theirs,
            stdout=PIPE,
            stderr=PIPE,
        )
        assert process.stderr is not None
        async with asyncio.timeout(WITHIN_S):
            assert await process.stderr.readline() == b"Paste the text, then press Ctrl-D.\n"
        os.write(ours, b"dial tcp 10.0.0.1:6443: connect: connection refused\n\x04")
        done = await finish(process)
    finally:
        os.close(ours)
        os.close(theirs)
    assert (done.status, json.loads(done.out)["playbook"]) == (0, "connection-refused")


async def test_nothing_on_stdin_is_wrong_usage(terminal: Terminal) -> None:
    done = await piped(terminal, b" \n", "recognise")
    assert_four_parts(done, "there is no text on stdin", "Next: ")


async def test_a_pasted_error_is_said_to_be_recognised_and_names_the_playbook_on_a_clean_ladder(terminal: Terminal) -> None:
    async with cluster(terminal, "healthy") as environment:
        pasted = "Unable to connect to the server: x509: certificate has expired or is not yet valid"
        done = await terminal.run("investigate", pasted, **environment)
    assert "Pasted text: certificate-expired. It is about the API server that kubectl asks" in " ".join(done.out.split())
    assert "and the pasted text shows certificate-expired" in " ".join(done.out.split())
