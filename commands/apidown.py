"""/apidown finds out why a cluster's API server does not answer, in one thread.

`/apidown` investigates this channel's cluster, `/apidown prod` a cluster by name, and `/apidown https://api.example.com:6443`
any server. What follows may be anything you see: a kubectl error is enough. `/apidown status` lists what is running,
`/apidown cancel` stops it, `/apidown help` says all this. `--since 30m` tells when it began, `--playbook ID` which playbook
to follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.config import Config
from bot.document import did_you_mean
from bot.errors import UsageError
from bot.model.events import Thread, Trigger
from bot.model.investigation import Investigation, State
from bot.model.target import Cluster
from bot.ports import Investigations, Request
from bot.recognise import cluster_meant
from bot.registry import Answer, CommandCall, command
from bot.when import moment

VERBS = ("help", "status", "cancel")
OPTIONS = ("--since", "--playbook")
USAGE = "/apidown [cluster or URL] [what you see] [--since 30m] [--playbook ID] | status | cancel [cluster] | help"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked. ``verb`` is start, help, status or cancel."""

    verb: str
    cluster: Cluster | None = None
    playbook: str | None = None
    since: datetime | None = None


@command(usage=USAGE)
def apidown(call: CommandCall, config: Config) -> Answer:
    try:
        asked = read_words(call.text, config, channel=call.channel, now=call.at)
    except UsageError as error:
        return Answer(text=str(error))
    if asked.verb == "help":
        return Answer(text=_help(config.clusters_for(call.channel)))
    if asked.verb == "status":
        return Answer(text="Looking…", then=lambda investigations: _status(investigations, call, config))
    if asked.verb == "cancel":
        return Answer(
            text="Looking for what to cancel…",
            then=lambda investigations: _cancel(investigations, call, asked.cluster, config),
            restricted=True,
        )
    return _start(call, asked)


def _start(call: CommandCall, asked: Asked) -> Answer:
    if asked.cluster is None:
        raise ValueError("a start without a cluster was read as one")
    trigger = Trigger(kind="slash-command", who=call.user, text=call.text)
    request = Request(
        cluster=asked.cluster,
        trigger=trigger,
        playbook=asked.playbook,
        since=asked.since,
        thread=Thread(channel=call.channel),
    )
    said = f"Investigating {_called(asked.cluster)}. The thread begins in this channel in a moment."
    if asked.since is not None:
        said += f" Since {asked.since:%Y-%m-%d %H:%M} UTC."
    return Answer(text=said, then=lambda investigations: _open(investigations, request), restricted=True)


async def _open(investigations: Investigations, request: Request) -> str | None:
    opening = await investigations.start(request)
    if not opening.joined:
        return None
    state = await investigations.look(opening.ref)
    thread = state.opened.thread if state else None
    here = thread is not None and request.thread is not None and thread.channel == request.thread.channel
    where = "in its thread in this channel" if here else "in its thread in another channel" if thread else "on the command line"
    return f"{_called(request.cluster)} is being investigated already, {where} ({opening.ref.id}). You were added to it."


async def _status(investigations: Investigations, call: CommandCall, config: Config) -> str:
    states = await _told_of(investigations, call, config)
    if not states:
        return "Nothing is being investigated. Type /apidown, or /apidown help."
    return "\n".join(_line(state, call) for state in states)


def _line(state: Investigation, call: CommandCall) -> str:
    age = max(0, round((call.at - state.opened_at).total_seconds()))
    shown = f"{age} s" if age < 120 else f"{age // 60} min"
    verdict = state.diagnosis.headline if state.diagnosis else "no verdict yet"
    return f"{_called(state.opened.cluster)} ({state.ref.id}): {state.state.value}, opened {shown} ago. {verdict}"


async def _told_of(investigations: Investigations, call: CommandCall, config: Config) -> list[Investigation]:
    """What this channel may know of: its own investigations, and those of the clusters that it may ask about."""
    found = await investigations.current()
    return [state for state in found if _is_meant(state, call, None) or config.may_ask(state.ref.cluster, call.channel)]


async def _cancel(investigations: Investigations, call: CommandCall, cluster: Cluster | None, config: Config) -> str:
    running = [state for state in await _told_of(investigations, call, config) if state.state is State.RUNNING]
    meant = [state for state in running if _is_meant(state, call, cluster)]
    if len(meant) > 1:
        return "Several are running: " + ", ".join(f"/apidown cancel {state.ref.cluster}" for state in meant) + "?"
    if not meant:
        others = f" Running elsewhere: {', '.join(state.ref.cluster for state in running)}." if running else ""
        return f"Nothing is running {'for ' + _called(cluster) if cluster else 'in this channel'}.{others}"
    if not await investigations.cancel(meant[0].ref, who=call.user):
        return f"The investigation {meant[0].ref.id} is over already."
    return f"Cancelling the investigation {meant[0].ref.id} of {_called(meant[0].opened.cluster)}."


def _is_meant(state: Investigation, call: CommandCall, cluster: Cluster | None) -> bool:
    if cluster is not None:
        return state.ref.cluster == cluster.name
    return state.opened.thread is not None and state.opened.thread.channel == call.channel


def _called(cluster: Cluster) -> str:
    return cluster.name if cluster.configured else cluster.target.url


def _help(clusters: Sequence[str]) -> str:
    known = ", ".join(clusters) or "none configured; give a URL such as https://api.example.com:6443"
    return "\n".join(
        [
            "I find out why a Kubernetes API server does not answer. I change nothing.",
            "/apidown - investigate this channel's cluster",
            "/apidown CLUSTER or /apidown https://HOST:6443 - investigate that one; paste the error you see behind it",
            "/apidown status - what is being investigated",
            "/apidown cancel [CLUSTER] - stop it; what was found stays",
            "--since 30m (or 14:05, or 2026-11-20T14:05Z, in UTC) - when it began; --playbook ID - which playbook to follow",
            f"Clusters: {known}",
        ]
    )


def read_words(text: str, config: Config, *, channel: str, now: datetime) -> Asked:
    """What the words mean. Raises UsageError, which says what to type."""
    words = text.split()
    verb = words[0].lower() if words else ""
    if verb in VERBS and len(words) <= 2:
        if verb != "cancel" or len(words) == 1:
            return Asked(verb=verb)
        return Asked(verb=verb, cluster=cluster_meant(words[1:], config, channel=channel))
    words, options = _options(words)
    return Asked(
        verb="start",
        cluster=cluster_meant(words, config, channel=channel),
        playbook=options.get("--playbook"),
        since=moment(options["--since"], now) if "--since" in options else None,
    )


def _options(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """The words without the options at either end; what is in the middle was pasted and stays."""
    options: dict[str, str] = {}
    cluster: list[str] = []
    while words:
        name, equals, value = words[0].partition("=")
        if name in OPTIONS:
            rest = words[1:] if equals else words[2:]
            value = value if equals else (words[1] if len(words) > 1 else "")
            if not value or value.startswith("--"):
                raise UsageError(
                    f"{name} needs a value", next=f"type {name} {'30m' if name == '--since' else 'connection-refused'}"
                )
            options[name], words = value, rest
        elif name.startswith("--") and not cluster:
            raise UsageError(f"there is no option {name}", nearest=did_you_mean(name, OPTIONS), next="type /apidown help")
        elif not cluster:
            cluster, words = [words[0]], words[1:]
        else:
            break
    if len(words) > 2 and words[-2] in OPTIONS and words[-2] not in options:
        *words, name, value = words
        options[name] = value
    return cluster + words, options
