"""What Slack says of the two tokens, their scopes, the way to its sockets, and the channels and groups of the configuration.

No WebSocket is opened: Slack hands commands to every connection that an app has, so a doctor who connects would take those
that are meant for the running bot. A ticket is asked for, which proves the token, and the way to the ticket's host is walked
up to TLS, which proves the network.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

from bot.clock import Clock
from bot.config import Config
from bot.doctor import judge
from bot.doctor.lines import Line
from bot.model.finding import Status
from bot.net.round import RoundNetwork
from bot.settings import Settings
from bot.slack.client import SlackClient
from bot.slack.errors import Kind, Result
from bot.slack.scopes import CHANNELS, GROUPS, PRIVATE, REQUIRED

Say = Callable[[Line], None]

_AWAY = "let this machine reach it over HTTPS, or set APIDOWN_SLACK_BASE_URL"
_PAGE = "https://api.slack.com/apps"
_AT_A_TIME = 5
_INVITE = {
    "not_in_channel": "The bot is not in it.",
    "channel_not_found": "It does not exist, or is private and the bot is not in it.",
}


async def look(settings: Settings, config: Config, clock: Clock, say: Say, *, within_s: float) -> None:
    """Says one line a check, each as soon as it is known."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_bot_token(settings, config, say, within_s), name="Slack bot token")
        tasks.create_task(_app_token(settings, clock, say, within_s), name="Slack app token")


async def _bot_token(settings: Settings, config: Config, say: Say, within_s: float) -> None:
    if settings.slack_bot_token is None:
        said = "SLACK_BOT_TOKEN is not set, so the bot cannot start."
        say(_line("Slack bot token", Status.NOT_CHECKED, said, f"docs/install.md says where it comes from. {judge.NO_SLACK}"))
        return
    token = settings.slack_bot_token.get_secret_value()
    async with SlackClient.open(token, base_url=settings.slack_base_url, timeout_s=within_s / 2) as slack:
        me = await slack.identify()
        if not me.ok:
            say(_refused("Slack bot token", settings, me, f"copy it again from OAuth & Permissions at {_PAGE}"))
            return
        say(_line("Slack bot token", Status.OK, f"Slack knows it as {me.data.get('user')} in {me.data.get('team')}."))
        wanted = {**REQUIRED, **(GROUPS if config.groups else {})}
        optional = {**PRIVATE, **({} if config.groups else GROUPS)}
        granted = me.headers.get("x-oauth-scopes")
        say(judge.scopes(granted, wanted, optional))
        may_ask = not CHANNELS.isdisjoint(scope.strip() for scope in (granted or "").split(","))
        gate = asyncio.Semaphore(_AT_A_TIME)
        async with asyncio.TaskGroup() as tasks:
            for channel in sorted(_channels(config)):
                tasks.create_task(_channel(slack, channel, gate, say, may_ask=may_ask), name=f"channel {channel}")
            for group in sorted(config.groups):
                tasks.create_task(_group(slack, group, gate, say), name=f"group {group}")


def _channels(config: Config) -> set[str]:
    """Every channel that the bot may have to post to."""
    alerts = {one.incident_channel for one in config.clusters.values() if one.incident_channel}
    return {*config.channels, *alerts}


async def _channel(slack: SlackClient, channel: str, gate: asyncio.Semaphore, say: Say, *, may_ask: bool) -> None:
    async with gate:
        result = await slack.present(channel)
        known = await slack.channel(channel) if result.ok and may_ask else None
    if result.ok and judge.is_archived(result.data, known.data if known is not None and known.ok else None):
        remedy = "unarchive it in Slack, or write another channel into the configuration"
        say(_line("in Slack", Status.PROBLEM, "It is archived, so nothing can be posted there.", remedy, subject=channel))
    elif result.ok:
        say(_line("in Slack", Status.OK, "The bot is in it.", subject=channel))
    elif said := _INVITE.get(result.error):
        remedy = "compare its id with Slack's, and type there: /invite @apidown"
        say(_line("in Slack", Status.PROBLEM, said, remedy, subject=channel))
    else:
        remedy = "give the scope above" if result.error == "missing_scope" else "run the doctor again"
        say(_line("in Slack", Status.INCONCLUSIVE, f"It cannot be looked at: {_words(result)}.", remedy, subject=channel))


async def _group(slack: SlackClient, group: str, gate: asyncio.Semaphore, say: Say) -> None:
    async with gate:
        result = await slack.members(group)
    if result.ok:
        said = f"{len(result.data.get('users') or ())} members may start investigations."
        say(_line("in Slack", Status.OK, said, subject=group))
    else:
        said = f"Its members cannot be read: {_words(result)}."
        say(_line("in Slack", Status.PROBLEM, said, "correct may_start.groups, or give the scope usergroups:read", subject=group))


async def _app_token(settings: Settings, clock: Clock, say: Say, within_s: float) -> None:
    check = "Slack app token"
    if settings.slack_app_token is None:
        said = "SLACK_APP_TOKEN is not set, so the bot cannot start."
        say(_line(check, Status.NOT_CHECKED, said, f"docs/install.md says where it comes from. {judge.NO_SLACK}"))
        return
    token = settings.slack_app_token.get_secret_value()
    async with SlackClient.open(token, base_url=settings.slack_base_url, timeout_s=within_s / 2) as slack:
        opened = await slack.open_socket(token)
        proxy = slack.web.proxy
    if not opened.ok:
        remedy = f"make one with the scope connections:write under App-Level Tokens at {_PAGE}, and switch Socket Mode on"
        say(_refused(check, settings, opened, remedy))
        return
    say(_line(check, Status.OK, "Slack takes it and has Socket Mode on."))
    say(await way_to_socket(str(opened.data.get("url") or ""), proxy, clock, within_s))


async def way_to_socket(url: str, proxy: str | None, clock: Clock, within_s: float) -> Line:
    """Whether the way to the socket's host is open, through the proxy of HTTPS_PROXY where there is one."""
    check, parts = "Slack socket", urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "wss" else 80)
    tls = parts.scheme == "wss"
    proxy = proxy if tls else None
    network = RoundNetwork(clock=clock, deadline=clock.monotonic() + within_s / 2)
    try:
        error = await anext(_obstacles(network, host, port, tls=tls, proxy=proxy), None)
    finally:
        await network.aclose()
    if error is None:
        way = " through the proxy" if proxy else ""
        proven = " and proves who it is" if tls else ""
        return _line(check, Status.OK, f"{host}:{port} can be reached{way}{proven}.")
    said = f"{host}:{port} cannot be reached: {error}."
    whose = "let the proxy of HTTPS_PROXY make connections" if proxy else "let this machine make HTTPS connections"
    return _line(check, Status.PROBLEM, said, f"{whose} to it: commands arrive over it")


async def _obstacles(network: RoundNetwork, host: str, port: int, *, tls: bool, proxy: str | None) -> AsyncIterator[str]:
    """What keeps a connection from being made, if anything does at the first address."""
    if proxy:
        # The name is the proxy's to resolve.
        through = await network.handshake(host, port, server_name=host, ca_pem=None, proxy_url=proxy)
        if through.failure is not None:
            yield f"{through.failure}, {through.raw_error}" if through.raw_error else str(through.failure)
        return
    lookup = await network.lookup(host)
    if lookup.failure is not None or not lookup.addresses:
        yield f"name {lookup.failure or 'without an address'}"
        return
    address = lookup.addresses[0]
    connection = await network.connect(address, port)
    if connection.failure is not None:
        yield f"tcp {connection.failure} at {address}"
    elif tls:
        handshake = await network.handshake(address, port, server_name=host, ca_pem=None)
        if handshake.failure is not None:
            yield f"tls {handshake.failure} at {address}"


def _refused(check: str, settings: Settings, result: Result, remedy: str) -> Line:
    if result.kind in (Kind.AWAY, Kind.AMBIGUOUS, Kind.RETRY_AFTER):
        said = f"{settings.slack_base_url} cannot be asked: {_words(result)}."
        return _line(check, Status.PROBLEM, said, _AWAY)
    return _line(check, Status.PROBLEM, f"Slack refuses it: {_words(result)}.", remedy)


def _words(result: Result) -> str:
    return f"{result.error} ({result.detail})" if result.detail else result.error.rstrip(".")


def _line(check: str, status: Status, sentence: str, remedy: str = "", *, subject: str = "") -> Line:
    return Line(check=check, subject=subject, status=status, sentence=sentence, remedy=remedy)
