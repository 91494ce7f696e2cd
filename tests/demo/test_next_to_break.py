"""A healthy cluster on its last weeks, through the real command line: healthy, status 0, and what would break next."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.demo.pki import Authority, Pair
from bot.demo.scenarios import Scenario, rehearse

RUN = "from bot.cli import main; main()"
ROOT = Path(__file__).resolve().parents[2]


def _ends_soon(authority: Authority) -> Pair:
    now = datetime.now(UTC)
    return authority.server(["127.0.0.1", "localhost"], not_before=now - timedelta(days=353), not_after=now + timedelta(days=12))


ENDING = Scenario(name="ending", title="the serving certificate ends in 12 days", cause="healthy", serving=_ends_soon)


async def investigate(kubeconfig: Path, *options: str) -> tuple[int | None, str]:
    arguments = ("-c", RUN, "investigate", "--kubeconfig", str(kubeconfig), *options)
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(90):
        out, _ = await process.communicate()
    return process.returncode, out.decode()


async def test_a_certificate_that_ends_soon_is_told_and_is_no_outage(tmp_path: Path) -> None:
    async with rehearse(ENDING) as rehearsal:
        path = tmp_path / "kubeconfig"
        path.write_text(rehearsal.kubeconfig)
        status, text = await investigate(path)
        json_status, shown = await investigate(path, "--output", "json")
    assert (status, json_status) == (0, 0)
    assert "✓ Healthy: " in text
    head, _, rest = text.rpartition("Next to break (nothing of it is broken now)")
    assert head
    assert "certificate" in rest.partition("\n\n")[0]
    report = json.loads(shown)
    assert report["verdict"] == "healthy"
    assert [one["probe"] for one in report["next_to_break"]][:1] == ["tls-handshake"]
