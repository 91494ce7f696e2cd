"""The composition root: the one place that knows every adapter.

It builds the same engine for the Slack bot, for the command line and for rehearsals; they differ in what starts an
investigation and in who reads it. Heavy clients are imported where they are first needed, so that a terminal does not wait
for Slack's.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import bot.probes
from bot.adapters.haproxy import HaproxyStatistics
from bot.adapters.kubeconfig.access import FileDirectory, with_known_servers
from bot.adapters.kubernetes.reads import KubernetesApi
from bot.adapters.prometheus.reads import Prometheus
from bot.adapters.redis.policy import warn_of_eviction
from bot.adapters.redis.store import LEASE_S, RedisStore, connect
from bot.adapters.valkey import embedded
from bot.clock import Clock, SystemClock
from bot.config import Config
from bot.diagnosis.triage_rules import SYMPTOMS
from bot.engine.audit import Audited
from bot.engine.intake import Intake
from bot.engine.investigate import WATCH, OwnerServices, plainest, stop
from bot.engine.recovery import RENEW_EVERY_S, SCAN_EVERY_S, Custodian, CustodianServices, NoDelivery
from bot.engine.rounds import RoundServices
from bot.errors import ConfigError, Unavailable
from bot.model.events import Event, EventType, Trigger
from bot.model.investigation import Investigation, Ref
from bot.model.replay import advance
from bot.model.target import Cluster
from bot.net.guard import dial_for
from bot.net.round import RoundNetwork
from bot.playbook import Library, default_folder, load_library
from bot.ports import ClusterAccess, Request, Store
from bot.redact import Redactor
from bot.registry import Command, Probe, Registry, Webhook, scan
from bot.render import thread
from bot.settings import Settings
from bot.vantage.local import LocalVantage

if TYPE_CHECKING:
    from bot.slack.app import SlackApp
    from bot.slack.client import SlackClient

ONE_SHOT_S = 90.0
"""When a command-line investigation is given up: a round's 60 s, and room to start and to end."""


@dataclass(frozen=True, kw_only=True)
class Core:
    """What every entry point shares."""

    clock: Clock
    registry: Registry
    library: Library
    redactor: Redactor

    def local(self) -> LocalVantage:
        return LocalVantage(
            probes=self.registry.probes,
            clock=self.clock,
            make_network=lambda target, deadline: RoundNetwork(clock=self.clock, deadline=deadline, dial=dial_for(target)),
            make_api=KubernetesApi,
            make_metrics=Prometheus,
            make_balancer=HaproxyStatistics,
        )

    def rounds(self) -> RoundServices:
        return RoundServices(clock=self.clock, library=self.library, vantage_points=(self.local(),))


def build_registry(*, intake: bool = False) -> Registry:
    """Scans the contribution folders; slash commands and webhooks only where they can be heard."""
    probes = scan(bot.probes, Probe)
    if not intake:
        return Registry(probes=probes, symptoms=SYMPTOMS)
    import commands
    from bot import triggers

    return Registry(probes=probes, commands=scan(commands, Command), webhooks=scan(triggers, Webhook), symptoms=SYMPTOMS)


def build_core(*, secrets: tuple[str, ...] = (), playbooks: Path | None = None, intake: bool = False) -> Core:
    """The core with the installed playbooks and, where given, the user's own on top. Raises DocumentErrors."""
    registry = build_registry(intake=intake)
    return Core(
        clock=SystemClock(),
        registry=registry,
        library=load_library(default_folder(), registry, playbooks),
        redactor=Redactor(secrets),
    )


OnEvent = Callable[[Event, Investigation], None]
"""Told of every event as it is appended, with the state after it."""


@dataclass(frozen=True, kw_only=True)
class GivenAccess:
    """The directory of a one-shot investigation: access was resolved before it began."""

    given: ClusterAccess

    async def access(self, cluster: Cluster) -> ClusterAccess:
        return self.given


async def investigate_once(
    core: Core,
    access: ClusterAccess,
    *,
    trigger: Trigger,
    on_event: OnEvent,
    playbook: str | None = None,
    since: datetime | None = None,
) -> Investigation:
    """One investigation without Slack and without configuration, on a store of its own that is gone afterwards.

    Raises Unavailable when there is no store to be had, or when the investigation ended without saying anything.
    """
    with tempfile.TemporaryDirectory(prefix="apidown-") as folder:
        async with embedded(Path(folder)) as url, _store(url) as store:
            owner = OwnerServices(
                store=store,
                clock=core.clock,
                redactor=core.redactor,
                directory=GivenAccess(given=access),
                rounds=core.rounds(),
                watch=timedelta(0),
            )
            custodian = Custodian(CustodianServices(owner=owner, deliverer=NoDelivery(), replica="command-line"))
            intake = _intake(core, store, custodian, "command-line")
            carrying = asyncio.create_task(custodian.run(), name="custodian")
            try:
                request = Request(cluster=access.cluster, trigger=trigger, playbook=playbook, since=since)
                opening = await intake.start(request)
                return await _follow_to_the_end(store, opening.ref, on_event)
            finally:
                await stop(carrying)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """How a replica opens its store (by URL) and Slack (by token and base URL), and its durations. The defaults are
    production's; a replica that is to fail at a chosen point is given others."""

    open_store: Callable[[str], RedisStore] = connect
    open_slack: Callable[[str, str], AbstractAsyncContextManager[SlackClient]] | None = None
    watch: timedelta = WATCH
    lease_s: float = LEASE_S
    renew_every_s: float = RENEW_EVERY_S
    scan_every_s: float = SCAN_EVERY_S


_PRODUCTION = Parts()


async def serve(settings: Settings, parts: Parts = _PRODUCTION) -> None:
    """The bot until it is cancelled: Slack, the investigations it owns, alerts and its health. It starts whatever is down.

    Raises ConfigError for what a person must mend first: the configuration, the playbooks, Slack's tokens.
    """
    from bot.slack.app import SlackApp
    from bot.slack.delivery import SlackDelivery
    from bot.web.health import health_routes
    from bot.web.server import serve_http
    from bot.web.webhooks import WebhookServices, webhook_routes

    bot_token, app_token = _tokens(settings)
    config = with_known_servers(Config.load(settings.config) if settings.config else Config.empty(), settings)
    core = build_core(secrets=settings.secrets(), playbooks=config.playbooks, intake=True)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(
            _store(settings.store_url or await stack.enter_async_context(embedded(settings.state_dir)), parts.open_store)
        )
        opening = (parts.open_slack or _open_slack)(bot_token, settings.slack_base_url)
        slack = await stack.enter_async_context(opening)
        late = _Late()
        delivery = SlackDelivery(
            store=store, slack=slack, render=thread.messages, clock=core.clock, on_undeliverable=late.undeliverable
        )
        owner = OwnerServices(
            store=store,
            clock=core.clock,
            redactor=core.redactor,
            directory=FileDirectory(lambda: config, settings, clock=core.clock),
            rounds=core.rounds(),
            watch=parts.watch,
        )
        custodian = Custodian(
            CustodianServices(
                owner=owner,
                deliverer=delivery,
                replica=settings.replica,
                scan_every_s=parts.scan_every_s,
                renew_every_s=parts.renew_every_s,
                lease_s=parts.lease_s,
            )
        )
        investigations = Audited(_intake(core, store, custodian, settings.replica))
        app = late.app = SlackApp(
            slack=slack,
            app_token=app_token,
            commands=core.registry.commands,
            config=lambda: config,
            investigations=investigations,
            clock=core.clock,
            redactor=core.redactor,
            playbooks=sorted(name for name, playbook in core.library.playbooks.items() if not playbook.always),
        )
        webhooks = WebhookServices(
            webhooks=core.registry.webhooks,
            investigations=investigations,
            config=lambda: config,
            clock=core.clock,
            redactor=core.redactor,
            token=settings.webhook_token.get_secret_value() if settings.webhook_token else None,
        )
        routes = [*health_routes({"store": store.ping, "slack": late.ready}), *webhook_routes(webhooks)]
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(custodian.run(), name="custodian")
                tasks.create_task(warn_of_eviction(store), name="store policy")
                tasks.create_task(app.run(), name="slack")
                tasks.create_task(serve_http(settings.health_host, settings.health_port, routes), name="http")
        except BaseExceptionGroup as group:
            raise plainest(group) from group


def _open_slack(token: str, base_url: str) -> AbstractAsyncContextManager[SlackClient]:
    from bot.slack.client import SlackClient

    return SlackClient.open(token, base_url=base_url)


class _Late:
    """The Slack app, known a moment after what it needs was built: it delivers refusals that delivery learns of."""

    app: SlackApp

    async def undeliverable(self, investigation: Investigation, why: str) -> None:
        await self.app.undeliverable(investigation, why)

    async def ready(self) -> None:
        if not self.app.ready:
            refused = self.app.refused
            raise Unavailable(f"Slack does not take the bot's token ({refused})" if refused else "no connection to Slack is open")


def _tokens(settings: Settings) -> tuple[str, str]:
    wanted = {"SLACK_BOT_TOKEN": settings.slack_bot_token, "SLACK_APP_TOKEN": settings.slack_app_token}
    missing = [name for name, value in wanted.items() if value is None]
    if missing or settings.slack_bot_token is None or settings.slack_app_token is None:
        raise ConfigError(
            "is not set",
            where=" and ".join(missing),
            nearest="the Slack app gives both: see docs/slack-manifest.yaml",
            next="without Slack: apidown investigate",
        )
    return settings.slack_bot_token.get_secret_value(), settings.slack_app_token.get_secret_value()


async def _follow_to_the_end(store: RedisStore, ref: Ref, on_event: OnEvent) -> Investigation:
    state: Investigation | None = None
    try:
        async with asyncio.timeout(ONE_SHOT_S), aclosing(store.follow(ref)) as entries:
            async for entry in entries:
                state = advance(ref, state, entry.event)
                if state is not None:
                    on_event(entry.event, state)
                if entry.event.type == EventType.CLOSED:
                    break
    except TimeoutError:
        raise Unavailable(
            f"the investigation did not end within {ONE_SHOT_S:.0f} s", next="run it again with APIDOWN_LOG_LEVEL=debug"
        ) from None
    assert state is not None
    return state


@asynccontextmanager
async def _store(url: str, open_store: Callable[[str], RedisStore] = connect) -> AsyncGenerator[RedisStore]:
    store = open_store(url)
    try:
        yield store
    finally:
        await store.close()


def _intake(core: Core, store: Store, custodian: Custodian, replica: str) -> Intake:
    return Intake(
        store=store, library=core.library, clock=core.clock, redactor=core.redactor, replica=replica, wake=custodian.wake
    )
