"""Each rehearsed fault through the whole product, but for Slack: the verdict names it first, and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import os
from dataclasses import replace
from pathlib import Path

import pytest

from bot.adapters.kubeconfig.access import from_kubeconfig
from bot.app import Core, build_core, investigate_once
from bot.demo.scenarios import SCENARIOS, rehearse
from bot.model.diagnosis import Verdict
from bot.model.events import Event, Trigger
from bot.model.investigation import Investigation, State
from bot.model.target import Endpoint
from bot.settings import Settings

FIRST_VERDICT_S = 10.0
TRIGGER = Trigger(kind="command-line", who="ann")


@pytest.fixture(scope="module")
def core() -> Core:
    return build_core()


def processes() -> set[str]:
    """The children of this process, ended ones that nobody waited for included."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


@pytest.mark.parametrize("name", SCENARIOS)
async def test_the_verdict_names_the_rehearsed_fault_first(name: str, core: Core, tmp_path: Path) -> None:
    scenario = SCENARIOS[name]
    children, files = processes(), set(os.listdir("/proc/self/fd"))
    seen: list[Event] = []

    def on_event(event: Event, state: Investigation) -> None:
        seen.append(event)

    async with rehearse(scenario) as rehearsal:
        path = tmp_path / "kubeconfig"
        path.write_text(rehearsal.kubeconfig)
        access = from_kubeconfig(path, None, Settings())
        control = Endpoint(host="127.0.0.1", port=rehearsal.control_port)
        access = replace(access, cluster=access.cluster.model_copy(update={"controls": (control,)}))
        state = await investigate_once(core, access, trigger=TRIGGER, on_event=on_event)
    assert state.diagnosis is not None
    assert state.diagnosis.causes[0].id == scenario.cause
    assert state.diagnosis.verdict is (Verdict.HEALTHY if scenario.cause == "healthy" else Verdict.CAUSE)
    assert state.state is State.CLOSED
    assert state.concluded is not None
    assert state.concluded.first_verdict_s < FIRST_VERDICT_S
    assert all(step.status is not None for step in state.steps)
    assert [event.type for event in seen][:2] == ["opened", "round-started"]
    assert seen[-1].type == "closed"
    assert len({event.id for event in seen}) == len(seen)
    assert access.credentials is not None
    token = (await access.credentials.headers())["Authorization"].removeprefix("Bearer ")
    assert token not in "".join(event.model_dump_json() for event in seen)
    await asyncio.sleep(0)
    gc.collect()
    assert processes() - children == set()
    assert set(os.listdir("/proc/self/fd")) - files == set()
    assert asyncio.all_tasks() == {asyncio.current_task()}
