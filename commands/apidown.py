"""/apidown finds out why a cluster's API server does not answer, in one thread.

`/apidown` investigates this channel's cluster, `/apidown prod` a cluster by name, and `/apidown https://api.example.com:6443`
any server. What follows may be anything you see: a kubectl error is enough, and so is an alert's text; one that is about
something else is answered so. `/apidown status` lists what is running, `/apidown cancel` stops it, `/apidown help` says all
this. `--since 30m` tells when it began, `--playbook ID` which playbook to follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.config import Config
from bot.document import did_you_mean
from bot.errors import Refused, UsageError
from bot.model.events import Delivered, Thread, Trigger
from bot.model.investigation import Investigation, State
from bot.model.recognised import Recognised
from bot.model.target import Cluster
from bot.net.guard import forbidden_host
from bot.ports import Investigations, Noted, Request
from bot.recognise.cluster import cluster_meant
from bot.recognise.wish import kept, pasted
from bot.registry import Answer, CommandCall, command
from bot.when import moment

VERBS = ("help", "status", "cancel")
OPTIONS = ("--since", "--playbook")
USAGE = "/apidown [cluster or URL] [what you see] [--since 30m] [--playbook ID] | status | cancel [cluster] | help"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked. ``verb`` is start, help, status, cancel, or answer for a text that is about something else."""

    verb: str
    cluster: Cluster | None = None
    playbook: str | None = None
    since: datetime | None = None
    recognised: Recognised | None = None


@command(usage=USAGE)
def apidown(call: CommandCall, config: Config) -> Answer:
    try:
        asked = read_words(call, config)
    except UsageError as error:
        return Answer(text=str(error), refused=isinstance(error, Refused))
    if asked.verb == "help":
        return Answer(text=_help(config.clusters_for(call.channel)))
    if asked.verb == "status":
        return Answer(text="Looking…", then=lambda investigations: _status(investigations, call, config))
    if asked.verb == "cancel":
        return Answer(
            text="Looking for what to cancel…",
            then=lambda investigations: _cancel(investigations, call, asked.cluster, config),
        )
    if asked.verb == "answer":
        return Answer(text=_about_something_else(asked, config.clusters_for(call.channel)))
    return _start(call, asked)


def _about_something_else(asked: Asked, clusters: Sequence[str]) -> str:
    """Nothing is investigated by accident: says what it is about, and what to type if that is wrong."""
    why = asked.recognised.why if asked.recognised else ""
    anyway = f"/apidown {clusters[0] if len(clusters) == 1 else 'CLUSTER'}" if clusters else "/apidown https://HOST:6443"
    return f"That is not about reaching an API server, so nothing is investigated. {why}\nTo look anyway: {anyway}"


def _start(call: CommandCall, asked: Asked) -> Answer:
    if asked.cluster is None:
        raise ValueError("a start without a cluster was read as one")
    trigger = Trigger(kind="slash-command", who=call.user, text=kept(call.text), recognised=asked.recognised)
    request = Request(
        cluster=asked.cluster,
        trigger=trigger,
        playbook=asked.playbook,
        since=asked.since,
        thread=Thread(channel=call.channel),
        key=call.key,
    )
    said = f"Investigating {asked.cluster.asked_as}. Its thread is shown in a moment, or you are told where it is."
    if asked.since is not None:
        said += f" Since {asked.since:%Y-%m-%d %H:%M} UTC."
    return Answer(text=said, then=lambda investigations: _open(investigations, request, call), restricted=True)


async def _open(investigations: Investigations, request: Request, call: CommandCall) -> str | None:
    opening = await investigations.start(request)
    state = await investigations.look(opening.ref) if opening.joined else None
    if state is None:
        return None
    if opening.repeated:
        over = ", which is over" if state.state is State.CLOSED else ""
        return f"This was heard already: it is the investigation {state.ref.id}{over}.\n{_place(state, call)}"
    again = _round_for(state, call)
    wishes = [f"since {request.since:%Y-%m-%d %H:%M} UTC"] if request.since else []
    wishes += [f"by playbook {request.playbook}"] if request.playbook else []
    said = _joined(state, call, again)
    if wishes and again is None:
        said += f" It goes on as it was asked for; {' and '.join(wishes)} counts from its next round on."
    return f"{said}\n{_place(state, call)}"


def _round_for(state: Investigation, call: CommandCall) -> int | None:
    """The round that this call begins; None when it joins the one that runs."""
    if state.state is State.CONCLUDED:
        return state.round + 1
    begun_since = state.round_started_at is not None and state.round_started_at >= call.at
    return state.round if state.round > 1 and begun_since else None


def _joined(state: Investigation, call: CommandCall, again: int | None) -> str:
    called = state.opened.cluster.asked_as
    if again is None:
        return (
            f"{called} is being investigated already, for {_age(state.opened_at, call)} ({state.ref.id}). You were added to it."
        )
    over = state.state is State.CONCLUDED
    diagnosis, at = (state.diagnosis, state.concluded_at) if over else (state.before, state.ended_at)
    verdict = f" {_age(at, call)} ago: {diagnosis.headline}" if diagnosis and at else "."
    return f"{called} was concluded{verdict}\nIt is looked at again, as round {again} ({state.ref.id})."


def _place(state: Investigation, call: CommandCall) -> str:
    """Where its thread is, as a link where it has one."""
    thread, root = state.opened.thread, state.root
    if thread is None:
        return "It was asked for on the command line and has no thread."
    here = thread.channel == call.channel
    if root is None:
        place = "in this channel" if here else "in the channel where it was asked for; if it cannot, it begins in this one"
        return f"Its thread begins in a moment, {place}."
    place = "in this channel" if here else "in another channel"
    return f"Its thread is {place}{_link(root, call)}"


def _link(root: Delivered, call: CommandCall) -> str:
    return f": {call.workspace}archives/{root.channel}/p{root.ts.replace('.', '')}" if call.workspace else "."


def _age(since: datetime, call: CommandCall) -> str:
    age = max(0, round((call.at - since).total_seconds()))
    return f"{age} s" if age < 120 else f"{age // 60} min"


async def _status(investigations: Investigations, call: CommandCall, config: Config) -> str:
    states = await _told_of(investigations, call, config)
    if not states:
        return "Nothing is being investigated. Type /apidown, or /apidown help."
    return "\n".join(_line(state, call) for state in states)


def _line(state: Investigation, call: CommandCall) -> str:
    verdict = state.diagnosis.headline if state.diagnosis else "no verdict yet"
    place = _link(state.root, call) if state.root else ", without a thread"
    age = _age(state.opened_at, call)
    return (
        f"{state.opened.cluster.asked_as} ({state.ref.id}): {state.state.value}, opened {age} ago. {verdict.rstrip('.')}{place}"
    )


async def _told_of(investigations: Investigations, call: CommandCall, config: Config) -> list[Investigation]:
    """What this channel may know of: its own investigations, and those of the clusters that it may ask about."""
    found = await investigations.current()
    return [state for state in found if _is_meant(state, call, None) or config.may_ask(state.ref.cluster, call.channel)]


async def _cancel(investigations: Investigations, call: CommandCall, cluster: Cluster | None, config: Config) -> str:
    """Of a call that is told again only what it was about the first time is meant: another one may be running by now."""
    before = await investigations.bind(call.key) if call.key else None
    if before is not None:
        over = await investigations.cancel(before, who=call.user, key=call.key) is Noted.OVER
        return f"This was heard already: the investigation {before.id} is {'over' if over else 'cancelled'}."
    running = [state for state in await _told_of(investigations, call, config) if state.state is State.RUNNING]
    asked_for = [state for state in running if _is_meant(state, call, cluster)]
    # One that is being cancelled may have a successor already.
    meant = [state for state in asked_for if not state.cancel_requested_by] or asked_for[:1]
    if len(meant) > 1:
        return "Several are running: " + ", ".join(f"/apidown cancel {state.ref.cluster}" for state in meant) + "?"
    if not meant:
        others = f" Running elsewhere: {', '.join(state.ref.cluster for state in running)}." if running else ""
        return f"Nothing is running {'for ' + cluster.asked_as if cluster else 'in this channel'}.{others}"
    ref = (await investigations.bind(call.key, meant[0].ref) if call.key else None) or meant[0].ref
    if await investigations.cancel(ref, who=call.user, key=call.key) is Noted.OVER:
        return f"The investigation {ref.id} is over already."
    return f"Cancelling the investigation {ref.id} of {meant[0].opened.cluster.asked_as}."


def _is_meant(state: Investigation, call: CommandCall, cluster: Cluster | None) -> bool:
    if cluster is not None:
        return state.ref.cluster == cluster.name
    return state.opened.thread is not None and state.opened.thread.channel == call.channel


def _help(clusters: Sequence[str]) -> str:
    known = ", ".join(clusters) or "none configured; give a URL such as https://api.example.com:6443"
    return "\n".join(
        [
            "I find out why a Kubernetes API server does not answer. I change nothing.",
            "/apidown - investigate this channel's cluster",
            "/apidown CLUSTER or /apidown https://HOST:6443 - investigate that one; paste the error you see behind it",
            "/apidown and an error or an alert's text, pasted - it says which server and which playbook",
            "/apidown status - what is being investigated",
            "/apidown cancel [CLUSTER] - stop it; what was found stays",
            "--since 30m (or 14:05, or 2026-11-20T14:05Z, in UTC) - when it began; --playbook ID - which playbook to follow",
            f"Clusters: {known}",
        ]
    )


def read_words(call: CommandCall, config: Config) -> Asked:
    """What the words mean. Raises UsageError, which says what to type, or Refused."""
    words = call.text.split()
    verb = words[0].lower() if words else ""
    if verb in VERBS and len(words) <= 2:
        if verb != "cancel" or len(words) == 1:
            return Asked(verb=verb)
        return Asked(verb=verb, cluster=_meant(words[1:], config, call.channel))
    words, options = _options(words)
    paste = pasted(_as_typed(call.text, words), config, call.channel)
    if paste is not None and paste.is_something_else and "--playbook" not in options:
        return Asked(verb="answer", recognised=paste.recognised)
    recognised = paste.worth_saying if paste else None
    playbook = options.get("--playbook")
    if playbook and call.playbooks and playbook not in call.playbooks:
        nearest = did_you_mean(playbook, call.playbooks) or f"the playbooks are {', '.join(call.playbooks)}"
        raise UsageError(f"there is no playbook '{playbook}'", nearest=nearest, next="type /apidown help")
    return Asked(
        verb="start",
        cluster=_meant(words, config, call.channel, None if paste is None or paste.named else paste.recognised),
        playbook=playbook,
        since=moment(options["--since"], call.at) if "--since" in options else None,
        recognised=recognised,
    )


def _as_typed(text: str, words: Sequence[str]) -> str:
    """The words with the line breaks between them: a log's lines are told apart by those."""
    everything = text.split()
    skipped = next((at for at in range(len(everything)) if everything[at : at + len(words)] == list(words)), None)
    return " ".join(words) if skipped is None or not words else text.split(maxsplit=skipped)[skipped]


def _meant(words: Sequence[str], config: Config, channel: str, recognised: Recognised | None = None) -> Cluster:
    """The cluster that is meant. A bare URL that leads to the bot's own machine is refused here; where a name leads is seen
    when it is connected to."""
    try:
        cluster = cluster_meant(words, config, channel=channel, recognised=recognised)
    except Refused:
        raise
    except UsageError as error:
        verb = did_you_mean(words[0].lower(), VERBS) if 0 < len(words) <= 2 else ""
        if verb and "did you mean" not in error.nearest:
            raise UsageError(f"'{words[0]}' is no command and no cluster", nearest=verb, next="type /apidown help") from error
        raise
    what = forbidden_host(cluster.target.host) if cluster.target.guarded else None
    if what is None:
        return cluster
    nearest = "kubectl asks this when it has no configuration: look there, with kubectl config get-contexts"
    raise Refused(
        f"{cluster.target.url} is not looked at: it is {what}, as seen from the bot",
        nearest=nearest if cluster.target.is_client_default else "",
        next="name a cluster, or run apidown investigate where you are",
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
