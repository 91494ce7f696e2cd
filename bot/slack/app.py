"""The bot in Slack: commands and buttons in, acknowledged before anything else is done.

Slack waits three seconds for an acknowledgement and never sends a command or a click again. So a listener reads its
arguments, answers from memory, and leaves everything that needs the network to ``bot.slack.work``.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_sdk.web.async_client import AsyncWebClient

from bot.clock import Clock
from bot.config import Config
from bot.errors import ConfigError
from bot.ids import digest
from bot.logs import audit
from bot.model.investigation import Investigation
from bot.model.message import Message, Where
from bot.ports import Investigations
from bot.redact import Redactor
from bot.registry import Answer, Command, CommandCall
from bot.render.modal import FOUND_VIEW, NOTE
from bot.render.slack_text import Markup, escape, fmt, lines
from bot.slack.answers import Answers, Click, Submission, Unreadable, submission, your_note
from bot.slack.buttons import BUTTONS, Buttons
from bot.slack.client import SlackClient, shorten
from bot.slack.errors import Kind, Result
from bot.slack.pace import Timing
from bot.slack.patience import Patience
from bot.slack.rights import NotAllowed, OnBehalf, Rights
from bot.slack.socket import Socket, SocketTiming
from bot.slack.typed import unformat
from bot.slack.work import Work

_ANYTHING = re.compile(".*", re.S)
_PERMALINK = re.compile(r"https://[a-z0-9.-]+/archives/[A-Z0-9]+/p[0-9]+")
_REMEMBERED_CALLERS = 200
_BUSY = Markup("I am busy with too many requests. Nothing was done; try again in a minute.")
_BROKEN = Markup("That failed because of a defect of apidown, which is in its log. Nothing was done.")

log = structlog.get_logger()

Body = Mapping[str, Any]


class SlackApp:
    """Slack for one process. ``run`` owns the sockets and the work until it is cancelled.

    ``config`` is asked at every use, so that a reload counts at once. ``investigations`` is all it can do.
    """

    def __init__(
        self,
        *,
        slack: SlackClient,
        app_token: str,
        commands: Mapping[str, Command],
        config: Callable[[], Config],
        investigations: Investigations,
        clock: Clock,
        redactor: Redactor,
        playbooks: Sequence[str] = (),
        timing: Timing | None = None,
        socket_timing: SocketTiming | None = None,
    ) -> None:
        self._slack = slack
        self._app_token = app_token
        self._config = config
        self._investigations = investigations
        self._clock = clock
        self._redactor = redactor
        self._playbooks = tuple(playbooks)
        self._workspace = ""
        self._timing = timing or Timing()
        self._identity: AuthorizeResult | None = None
        self._callers: dict[tuple[str, str], str] = {}
        self._work = Work()
        self._rights = Rights(slack=slack, config=config, clock=clock)
        self._answers = Answers(investigations=investigations, rights=self._rights, slack=slack, clock=clock)
        self._buttons = Buttons(investigations=investigations, rights=self._rights, answers=self._answers)
        self._bolt = self._build(commands)
        self._socket = Socket(self._bolt, slack.web, app_token, timing=socket_timing)

    @property
    def ready(self) -> bool:
        """Commands typed now are heard, and can be answered."""
        return self._socket.ready and not self._slack.refused

    @property
    def refused(self) -> str:
        """Slack's code for what is wrong with the bot's token; empty as long as Slack takes it."""
        return self._slack.refused

    async def run(self) -> None:
        """Checks both tokens, then serves. Raises ConfigError when Slack refuses a token; waits while Slack is away."""
        self._identity = await self._identify()
        await self._rights.refresh()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._work.run(), name="Slack work")
            tasks.create_task(self._socket.run(), name="Slack sockets")

    async def undeliverable(self, investigation: Investigation, why: str) -> None:
        """Tells whoever asked for an investigation in its channel that its thread cannot be posted, where only they see it; a
        direct message when the command was typed elsewhere or too long ago. Never raises."""
        thread, called = investigation.opened.thread, investigation.opened.cluster.called
        asked = [trigger for trigger in investigation.joined if thread is not None and trigger.thread == thread]
        trigger = asked[-1] if asked else investigation.opened.trigger
        runs = fmt("The investigation {} of {} runs, but its thread cannot be shown.", investigation.ref.id, called)
        again = fmt(
            "Or type /apidown {} in a channel that I am in: its thread begins there.", investigation.opened.cluster.asked_as
        )
        text = lines([runs, escape(why), *([again] if investigation.root is None else [])])
        url = self._callers.get((trigger.who, thread.channel if thread else ""))
        if url and await self._tell_markup(url, None, text):
            return
        if trigger.kind in ("slash-command", "button"):
            result = await self._slack.post(trigger.who, text=text)
            if not result.ok:
                log.error("slack-caller-not-told", who=trigger.who, error=result.error)

    # Start

    async def _identify(self) -> AuthorizeResult:
        me = await self._ask(self._slack.identify, "SLACK_BOT_TOKEN", "a bot token begins with xoxb-")
        await self._ask(
            partial(self._slack.open_socket, self._app_token),
            "SLACK_APP_TOKEN",
            "an app-level token begins with xapp- and has the scope connections:write",
        )
        self._workspace = str(me.data.get("url") or "")
        log.info("slack-identified", team=me.data.get("team"), user=me.data.get("user"))
        return AuthorizeResult.from_auth_test_response(auth_test_response=dict(me.data), bot_token=self._slack.web.token)

    async def _ask(self, call: Callable[[], Awaitable[Result]], setting: str, nearest: str) -> Result:
        patience = Patience(self._clock, self._timing)
        while True:
            result = await call()
            if result.ok:
                return result
            if result.kind not in (Kind.AWAY, Kind.AMBIGUOUS, Kind.RETRY_AFTER):
                raise ConfigError(
                    f"Slack refuses it, saying {result.error}" + (f" ({result.detail})" if result.detail else ""),
                    where=setting,
                    nearest=nearest,
                    next="copy the token again from the app's page at https://api.slack.com/apps, then restart",
                )
            log.warning("slack-away", setting=setting, error=result.error)
            await patience.wait(result)

    # Listeners

    def _build(self, commands: Mapping[str, Command]) -> AsyncApp:

        async def authorize(**_: Any) -> AuthorizeResult:
            # A function, not a method: the framework fills in a parameter named self by itself.
            return self._known_identity()

        # A client without a token: the framework would otherwise ask Slack who we are within the first command's 3 s.
        bolt = AsyncApp(
            client=AsyncWebClient(base_url=self._slack.web.base_url, retry_handlers=[]),
            authorize=authorize,
            logger=_quiet(logging.getLogger(f"{__name__}.bolt")),
            request_verification_enabled=False,
            user_facing_authorize_error_message="apidown is starting; try again in some seconds.",
        )
        for name, command in commands.items():
            bolt.command(f"/{name}")(self._listen_command(name, command))
        for action_id in BUTTONS:
            bolt.action(action_id)(self._on_button)
        bolt.view(FOUND_VIEW)(self._on_submission)
        # What nobody listens to would not be acknowledged, and Slack would show an error or send it again.
        for anything in (bolt.command, bolt.action, bolt.view, bolt.shortcut, bolt.options):
            anything(_ANYTHING)(self._acknowledge)
        bolt.event(_ANYTHING)(self._ignore)
        return bolt

    def _known_identity(self) -> AuthorizeResult:
        if self._identity is None:
            raise RuntimeError("the sockets are open before it is known who the bot is")
        return self._identity

    async def _acknowledge(self, ack: AsyncAck) -> None:
        await ack()

    async def _ignore(self) -> None:
        """Events are acknowledged by the framework."""

    def _listen_command(self, name: str, command: Command) -> Callable[..., Awaitable[None]]:
        async def listen(ack: AsyncAck, body: Body) -> None:
            await self._on_command(name, command, ack, body)

        return listen

    async def _on_command(self, name: str, command: Command, ack: AsyncAck, body: Body) -> None:
        call = CommandCall(
            user=str(body["user_id"]),
            channel=str(body["channel_id"]),
            text=self._redactor.text(unformat(str(body.get("text") or ""))),
            at=self._clock.now(),
            workspace=self._workspace,
            playbooks=self._playbooks,
            key=_key(body.get("trigger_id")),
        )
        try:
            answer = command.answer(call, self._config())
        except Exception:
            # The boundary around a command: without an acknowledgement nobody would know that it was heard.
            await _say(ack, _BROKEN)
            log.exception("slack-command-broke", command=name)
            return
        known = self._rights.known(call.user) if answer.restricted else True
        if known is False:
            await _say(ack, self._rights.refuse(call.user, "start investigations"))
            return
        if answer.refused:
            audit("refused", who=call.user, channel=call.channel, wanted=call.text)
        tell = partial(self._tell, str(body.get("response_url") or ""), None)
        job = partial(self._finish, call, answer, str(body.get("response_url") or ""))
        if answer.then is not None and not self._work.enqueue(f"/{name} of {call.user}", job, tell):
            await _say(ack, _BUSY)
            return
        await _say(ack, self._plain(answer.text))

    async def _finish(self, call: CommandCall, answer: Answer, response_url: str) -> None:
        """What a command does after its acknowledgement."""
        if answer.then is None:
            return
        self._remember(call, response_url)
        try:
            text = await answer.then(OnBehalf(self._investigations, self._rights, call.user))
        except NotAllowed as error:
            await self._tell_markup(response_url, None, error.said)
            return
        if text:
            await self._tell(response_url, None, text)

    def _remember(self, call: CommandCall, response_url: str) -> None:
        self._callers.pop((call.user, call.channel), None)
        self._callers[call.user, call.channel] = response_url
        while len(self._callers) > _REMEMBERED_CALLERS:
            del self._callers[next(iter(self._callers))]

    async def _on_button(self, ack: AsyncAck, body: Body) -> None:
        await ack()
        action = body["actions"][0]
        url = str(body.get("response_url") or "")
        container = body.get("container") or {}
        thread_ts = container.get("thread_ts")
        user = str(body["user"]["id"])
        click = Click(
            action_id=str(action["action_id"]),
            value=str(action.get("value") or ""),
            user=user,
            name=body["user"].get("name"),
            key=_key(body.get("trigger_id") or action.get("action_ts")),
            trigger_id=str(body.get("trigger_id") or ""),
            where=Where(channel=str(container.get("channel_id") or ""), thread_ts=thread_ts),
        )

        async def job() -> None:
            answer = await self._buttons.press(click)
            if isinstance(answer, Message):
                await self._tell_message(url, thread_ts, answer)
            elif answer is not None:
                await self._tell_markup(url, thread_ts, answer)

        tell = partial(self._tell, url, thread_ts)
        if not self._work.enqueue(f"{action['action_id']} by {user}", job, tell):
            await self._tell_markup(url, thread_ts, _BUSY)

    async def _on_submission(self, ack: AsyncAck, body: Body) -> None:
        """A form that cannot be dealt with stays open, with what was typed in it."""
        key = _key((body.get("view") or {}).get("id"))
        try:
            given = submission(body, key=key, now=self._clock.now(), redactor=self._redactor)
        except Unreadable as error:
            await ack(response_action="errors", errors=error.fields)
            return

        async def job() -> None:
            answer = await self._answers.submit(given)
            if answer is not None:
                await self._whisper(given, answer)

        async def tell(text: str) -> None:
            await self._whisper(given, lines([self._plain(text), your_note(given)]))

        if not self._work.enqueue(f"answer by {given.told.who}", job, tell):
            await ack(response_action="errors", errors={NOTE: str(_BUSY)})
            return
        await ack()

    # Answers

    async def _tell(self, response_url: str, thread_ts: str | None, text: str) -> None:
        await self._tell_markup(response_url, thread_ts, self._plain(text))

    async def _tell_message(self, response_url: str, thread_ts: str | None, message: Message) -> None:
        body = {"text": message.text, "blocks": list(message.blocks), **({"thread_ts": thread_ts} if thread_ts else {})}
        result = await self._slack.respond(response_url, body)
        if not result.ok:
            log.warning("slack-answer-lost", error=result.error)

    async def _whisper(self, given: Submission, text: Markup) -> None:
        """Says something to whoever submitted a form: in its thread where only they see it, else in a direct message."""
        who, where = given.told.who, given.where
        result = await self._slack.whisper(who, where.channel, text=text, thread_ts=where.thread_ts)
        if not result.ok:
            result = await self._slack.post(who, text=text)
        if not result.ok:
            log.warning("slack-answer-lost", error=result.error)

    async def _tell_markup(self, response_url: str, thread_ts: str | None, text: Markup) -> bool:
        if not response_url:
            return False
        body = {"text": shorten(text), **({"thread_ts": thread_ts} if thread_ts else {})}
        result = await self._slack.respond(response_url, body)
        if not result.ok:
            log.warning("slack-answer-lost", error=result.error)
        return result.ok

    def _plain(self, text: str) -> Markup:
        """A command's plain text, line by line: what a person typed may be in it, and what a file or a server said."""
        return lines(self._line(line) for line in self._redactor.text(text).splitlines())

    def _line(self, text: str) -> Markup:
        """Escaped, but for a link to a thread of ours at its end."""
        said, space, last = text.rpartition(" ")
        ours = bool(self._workspace) and last.startswith(f"{self._workspace}archives/") and _PERMALINK.fullmatch(last)
        return Markup(f"{escape(said + space)}<{last}|the thread>") if ours else escape(text)


def _key(told: object) -> str | None:
    """The name of what a person did once, however often Slack tells of it: a digest, because the id itself opens dialogs."""
    return digest(str(told), length=16) if told else None


async def _say(ack: AsyncAck, text: Markup) -> None:
    await ack(text=shorten(text), response_type="ephemeral")


def _quiet(logger: logging.Logger) -> logging.Logger:
    """The framework warns about arguments that are meant; its errors stay."""
    logger.setLevel(logging.ERROR)
    return logger
