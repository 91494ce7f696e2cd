from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import yaml

import commands
from bot.registry import Command, scan
from tests.render import scenarios
from tests.slack.conftest import Told

MANIFEST = yaml.safe_load((Path(__file__).parents[2] / "docs" / "slack-manifest.yaml").read_text())
SCOPES = MANIFEST["oauth_config"]["scopes"]["bot"]


def test_every_command_of_the_folder_is_in_the_manifest_and_no_other():
    declared = {entry["command"] for entry in MANIFEST["features"]["slash_commands"]}
    assert declared == {f"/{name}" for name in scan(commands, Command)}


def test_the_manifest_keeps_slacks_limits():
    assert len(MANIFEST["display_information"]["name"]) <= 35
    assert len(MANIFEST["display_information"]["description"]) <= 140
    for entry in MANIFEST["features"]["slash_commands"]:
        assert len(entry["command"]) <= 32
        assert len(entry["description"]) <= 2000
        assert len(entry["usage_hint"]) <= 1000


@pytest.mark.parametrize("channel", ["incidents", "private"])
async def test_the_manifests_scopes_are_enough_for_a_thread_with_doubts(store, client, slack, channel):
    slack.scopes.clear()
    slack.scopes.update(SCOPES)
    told = Told(store, client, slack, getattr(slack, channel))
    slack.fail("chat.postMessage", "reset_after", times=2)
    async with asyncio.timeout(30):
        await told.deliver_all(scenarios.tie().conclude().close())
    await told.shows_everything()
    assert not [call for call in slack.calls if call.error == "missing_scope"]
    assert (await client.members(slack.oncall)).ok
