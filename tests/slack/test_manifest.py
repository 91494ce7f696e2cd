from __future__ import annotations

import asyncio
import inspect
import re
from pathlib import Path

import pytest
import yaml

import commands
from bot.registry import Command, scan
from bot.slack import client as slack_client
from bot.slack.scopes import CHANNELS, GROUPS, PRIVATE, REQUIRED
from tests.fakes.slack_server import chat, conversations, files, people, views
from tests.render import scenarios
from tests.slack.conftest import Told

DOCS = Path(__file__).parents[2] / "docs"
MINIMAL, FULL = ((DOCS / name).read_text() for name in ("slack-manifest.yaml", "slack-manifest-full.yaml"))
MANIFEST, WHOLE = yaml.safe_load(MINIMAL), yaml.safe_load(FULL)
SCOPES = MANIFEST["oauth_config"]["scopes"]["bot"]


def test_the_minimal_manifest_asks_for_what_the_code_says_it_needs():
    assert [*REQUIRED, *PRIVATE, *GROUPS] == SCOPES


def test_every_call_that_the_client_makes_is_allowed_by_the_minimal_manifest():
    known = {**chat.METHODS, **conversations.METHODS, **files.METHODS, **people.METHODS, **views.METHODS}
    made = set(re.findall(r"self\.web\.([a-z]+_[A-Za-z_]+)", inspect.getsource(slack_client)))
    assert made
    for name in made - {"auth_test", "apps_connections_open"}:
        scope = known[name.replace("_", ".")].scope or ""
        kinds = ("channels", "groups") if "{kind}" in scope else ("",)
        needed = {scope.format(kind=kind) for kind in kinds} - {""}
        assert needed <= set(SCOPES) or needed == CHANNELS <= set(WHOLE["oauth_config"]["scopes"]["bot"]), name


def test_the_full_manifest_differs_by_scopes_alone():
    assert set(WHOLE["oauth_config"]["scopes"]["bot"]) > set(SCOPES)
    assert {**WHOLE, "oauth_config": MANIFEST["oauth_config"]} == MANIFEST


@pytest.mark.parametrize("text", [MINIMAL, FULL])
def test_every_scope_stands_below_its_reason(text):
    lines = [line.strip() for line in text.split("bot:\n")[1].split("\nsettings:")[0].splitlines() if line.strip()]
    assert lines[0].startswith("# ")
    assert all(line.startswith(("# ", "- ")) for line in lines)
    later = text is FULL
    assert len([line for line in lines if line.startswith("# ")]) >= (7 if later else len(SCOPES))


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
