"""`/apidown lab`, typed in Slack, while a real kube-apiserver is well, dead, or behind a firewall that drops.

The bot is a process, Slack is the strict fake over HTTP and WebSockets, the cluster is real and in network namespaces: the bot
sees it from outside only.
"""

from __future__ import annotations

import functools
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.slack import FakeSlack, Message
from tests.lab.bot import bot
from tests.lab.control_plane import ControlPlane, control_plane
from tests.lab.network import Network, namespaces

pytestmark = [pytest.mark.lab, pytest.mark.netns, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def network() -> Generator[Network]:
    with namespaces() as made:
        yield made


@pytest.fixture(scope="module")
def plane(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Generator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("plane"), network.control_plane) as made:
        yield made


@dataclass
class Seen:
    """What one command led to, and when it could be read, in seconds after it was typed."""

    root: Message
    transcript: str
    first_line_s: float
    verdict_in_root_s: float


@asynccontextmanager
async def running_bot(folder: Path, network: Network, plane: ControlPlane) -> AsyncGenerator[FakeSlack]:
    async with FakeSlack(listener=network.client.listening_socket()) as slack:
        with bot(folder, slack, plane, host=network.client) as process:
            try:
                await slack.wait_for(lambda: slack.connections, 30, "the bot connects to Slack")
                yield slack
            except BaseException:
                print(process.tail(60))
                raise
        slack.assert_clean()


async def ask(slack: FakeSlack, text: str = "lab") -> Seen:
    """Types the command and reads along until the verdict is broadcast and the root shows the end."""
    before = len(slack.roots(slack.incidents))
    asked = time.monotonic()
    ack = await slack.slash(slack.ann, slack.incidents, text)
    assert ack.error is None
    root = await slack.wait_for(lambda: next(iter(slack.roots(slack.incidents)[before:]), None), 10, "the root is posted")

    def replies() -> list[Message]:
        return slack.thread(slack.incidents, root.ts)[1:]

    await slack.wait_for(lambda: any(one.broadcast for one in replies()), 40, "the verdict is broadcast")
    # A healthy one closes at once and has no button then; one that is watched can be run again.
    await slack.wait_for(lambda: "apidown.cancel" not in root.buttons and len(root.edits) > 1, 40, "the root shows the end")
    verdict = next(one for one in replies() if one.broadcast)
    assert len([one for one in replies() if one.broadcast]) == 1
    headline = verdict.edits[0].text.partition(": ")[2][:30]
    shown = next(version.at for version in root.edits if headline in version.text)
    print(slack.transcript(slack.incidents, root.ts))
    print(f"first line {replies()[0].edits[0].at - asked:.2f} s, verdict in the root {shown - asked:.2f} s")
    return Seen(
        root=root,
        transcript=slack.transcript(slack.incidents, root.ts),
        first_line_s=replies()[0].edits[0].at - asked,
        verdict_in_root_s=shown - asked,
    )


async def test_a_healthy_cluster_is_healthy_and_says_what_was_not_checked(
    network: Network, plane: ControlPlane, tmp_path: Path
) -> None:
    async with running_bot(tmp_path, network, plane) as slack:
        seen = await ask(slack)
    assert "healthy" in seen.root.text
    assert "Writes were not tried" in seen.transcript
    in_time(seen)


async def test_a_killed_api_server_is_a_process_that_does_not_run_or_what_looks_the_same(
    network: Network, plane: ControlPlane, tmp_path: Path
) -> None:
    async with running_bot(tmp_path, network, plane) as slack:
        plane.kill_apiserver()
        try:
            seen = await ask(slack)
        finally:
            plane.start_apiserver()
    assert "Verdict:* The API server is not running" in seen.transcript
    assert "Look at the API server's process first" in seen.transcript
    # A reset cannot exclude these from one place outside, and the verdict says so.
    assert "Cannot be told apart from here" in seen.transcript
    assert "The API server listens at another address or port" in seen.transcript
    assert "ss -ltnp" in seen.transcript
    assert "high confidence" not in seen.transcript
    in_time(seen)


async def test_dropped_packets_lead_to_the_firewall_and_to_what_one_place_cannot_exclude(
    network: Network, plane: ControlPlane, tmp_path: Path
) -> None:
    rule = ["INPUT", "-i", "eth0", "-p", "tcp", "--dport", "6443", "-j", "DROP"]
    async with running_bot(tmp_path, network, plane) as slack:
        network.control_plane.run("iptables", "-A", *rule)
        try:
            seen = await ask(slack)
        finally:
            network.control_plane.run("iptables", "-D", *rule)
    assert "Verdict:* A firewall drops the packets" in seen.transcript
    assert "The control-plane node is off or unreachable" in seen.transcript
    assert "The allow-list does not contain the caller" in seen.transcript
    assert "high confidence" not in seen.transcript
    in_time(seen)


async def test_a_second_outage_of_the_same_cluster_in_the_watching_time_is_a_round_of_the_same_thread(
    network: Network, plane: ControlPlane, tmp_path: Path
) -> None:
    async with running_bot(tmp_path, network, plane) as slack:
        plane.kill_apiserver()
        try:
            first = await ask(slack)
            await slack.click(slack.ann, slack.incidents, first.root.ts, "apidown.rerun")
            await slack.wait_for(lambda: "round 2" in slack.transcript(slack.incidents, first.root.ts), 60, "round 2 is shown")
            # Who asks while it runs joins it; only then is there a third round.
            shown = functools.partial(slack.transcript, slack.incidents, first.root.ts)
            await slack.wait_for(lambda: shown().count("final for this round") == 2, 40, "round 2 is over")
        finally:
            plane.start_apiserver()
        await slack.slash(slack.ann, slack.incidents, "lab")
        await slack.wait_for(lambda: "healthy" in first.root.text, 60, "the root says that it is healthy again")
        assert len(slack.roots(slack.incidents)) == 1


def in_time(seen: Seen) -> None:
    """The promise to whoever types the command; the machine's own noise is well inside it."""
    assert seen.first_line_s < 1
    assert seen.verdict_in_root_s < 10
