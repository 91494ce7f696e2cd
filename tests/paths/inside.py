"""Runs one probe with the real network where this process is, and prints its findings as JSON.

The argument is JSON: ``probe``, ``url``, ``ca`` (PEM), ``params``, ``seconds`` (of the round), ``first`` (probes whose findings
are not printed, but whose operations the round shares), ``nodes`` and ``configured``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from typing import Any

from bot.clock import SystemClock
from bot.config_form import parse_endpoint
from bot.net.round import RoundNetwork
from tests.probes.scene import Scene, target


async def main(asked: dict[str, Any]) -> None:
    scene = Scene(
        target=target(asked["url"], ca_pem=asked.get("ca")),
        configured=asked.get("configured", True),
        nodes=tuple(map(parse_endpoint, asked.get("nodes", ()))),
        now=datetime.now(UTC),
        seconds=asked.get("seconds", 12.0),
    )
    async with RoundNetwork(clock=SystemClock(), deadline=time.monotonic() + scene.seconds) as network:
        first = [asyncio.create_task(scene.run(probe, network=network)) for probe in asked.get("first", ())]
        found = await scene.run(asked["probe"], network=network, **asked.get("params", {}))
        await asyncio.gather(*first)
    print(json.dumps([finding.model_dump(mode="json") for finding in found]))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
