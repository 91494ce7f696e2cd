from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pytest

import commands
from bot.config import Channel, ClusterDefinition, Config
from bot.config_form import RESERVED_NAMES, BareUrls
from bot.errors import UsageError
from bot.model.diagnosis import Diagnosis, Verdict
from bot.model.events import Delivered, Opened, Thread, Trigger
from bot.model.investigation import Investigation, Ref, State
from bot.ports import Noted, Opening
from bot.registry import Command, CommandCall, scan
from bot.when import moment
from commands.apidown import VERBS, apidown

NOW = datetime(2026, 11, 20, 14, 3, 22, tzinfo=UTC)
PROD = ClusterDefinition(name="prod", server="https://api.prod.example:6443")
STAGING = ClusterDefinition(name="staging", server="https://api.staging.example:6443")
CONFIG = Config(
    clusters=MappingProxyType({"prod": PROD, "staging": STAGING}),
    channels=MappingProxyType({"C0PROD": Channel(cluster="prod"), "C0STAGING": Channel(allow_clusters=("staging",))}),
)


def ask(text, *, channel="C0PROD", config=CONFIG, key=None):
    known = {"workspace": "https://a.slack.example/", "playbooks": ("connection-refused",)}
    return apidown.answer(CommandCall(user="U0ANN", channel=channel, text=text, at=NOW, key=key, **known), config)


def investigation(cluster, id, *, state=State.RUNNING, channel="C0PROD", ago=40):
    definition = {"prod": PROD, "staging": STAGING}[cluster]
    opened = Opened(
        cluster=definition.cluster(), trigger=Trigger(kind="slash-command", who="U0BOB"), thread=Thread(channel=channel)
    )
    at = NOW - timedelta(seconds=ago)
    return Investigation(ref=Ref(cluster=cluster, id=id), opened=opened, opened_at=at, last_event_at=at, state=state)


class Engine:
    """Investigations in memory: what the port promises, without probing anything."""

    def __init__(self, *running):
        self.running = list(running)
        self.requests = []
        self.cancelled = []
        self.bound = {}

    async def start(self, request):
        self.requests.append(request)
        found = [state.ref for state in self.running if state.ref.cluster == request.cluster.name]
        ref = found[0] if found else Ref(cluster=request.cluster.name, id="20261120-new1")
        return Opening(ref=ref, joined=bool(found))

    async def cancel(self, ref, *, who, key=None):
        self.cancelled.append((ref.id, who))
        return Noted.NEW

    async def bind(self, key, ref=None):
        return self.bound.setdefault(key, ref) if ref else self.bound.get(key)

    async def look(self, ref):
        return next((state for state in self.running if state.ref == ref), None)

    async def current(self):
        return self.running


def test_the_command_is_named_after_its_file():
    found = scan(commands, Command)
    assert "apidown" in found
    assert found["apidown"].usage.startswith("/apidown [cluster or URL]")


async def test_a_bare_command_investigates_the_channels_cluster_in_the_channel():
    answer, engine = ask(""), Engine()
    assert answer.restricted
    assert answer.text.startswith("Investigating prod.")
    assert await answer.then(engine) is None
    [request] = engine.requests
    assert request.cluster == PROD.cluster()
    assert request.thread == Thread(channel="C0PROD")
    assert request.trigger == Trigger(kind="slash-command", who="U0ANN", text="")


@pytest.mark.parametrize(
    "text",
    [
        "staging --since 30m --playbook connection-refused nothing answers",
        "--since=30m --playbook=connection-refused staging",
        "staging --playbook connection-refused nothing answers since then --since 30m",
    ],
)
async def test_options_are_read_at_either_end(text):
    answer, engine = ask(text), Engine()
    await answer.then(engine)
    [request] = engine.requests
    assert request.cluster.name == "staging"
    assert request.since == NOW - timedelta(minutes=30)
    assert request.playbook == "connection-refused"
    assert request.trigger.text == text
    assert "13:33 UTC" in answer.text


async def test_an_option_inside_pasted_text_is_pasted_text():
    answer, engine = ask("staging I ran kubectl logs --since=5m api and it hangs"), Engine()
    await answer.then(engine)
    assert engine.requests[0].since is None


async def test_a_pasted_address_that_is_not_configured_is_named_by_its_url():
    answer, engine = ask("https://other.example:6443"), Engine()
    assert "https://other.example:6443" in answer.text
    await answer.then(engine)
    assert not engine.requests[0].cluster.configured


def with_root(state):
    root = Delivered(message="root", channel=state.opened.thread.channel, ts="1795168000.000100", digest="d")
    return state.model_copy(update={"messages": {"root": root}})


async def test_whoever_joins_a_running_investigation_is_told_where_it_is():
    engine = Engine(with_root(investigation("prod", "20261120-k7f3", channel="C0ELSE")))
    text = await ask("prod").then(engine)
    assert text == (
        "prod is being investigated already, for 40 s (20261120-k7f3). You were added to it.\n"
        "Its thread is in another channel: https://a.slack.example/archives/C0ELSE/p1795168000000100"
    )


async def test_no_thread_is_spoken_of_that_is_not_there():
    begins = await ask("prod").then(Engine(investigation("prod", "20261120-k7f3")))
    assert "Its thread begins in a moment, in this channel." in begins
    elsewhere = await ask("prod").then(Engine(investigation("prod", "20261120-k7f3", channel="C0ELSE")))
    assert "if it cannot, it begins in this one" in elsewhere
    assert "archives" not in begins + elsewhere


async def test_whoever_asks_after_the_conclusion_hears_the_verdict_and_that_it_is_looked_at_again():
    diagnosis = Diagnosis(revision=1, verdict=Verdict.CAUSE, headline="The API server is not running.")
    told = {"round": 1, "diagnosis": diagnosis, "concluded_at": NOW - timedelta(seconds=13)}
    state = with_root(investigation("prod", "20261120-k7f3", state=State.CONCLUDED)).model_copy(update=told)
    text = await ask("prod --since 2h").then(Engine(state))
    assert text.startswith("prod was concluded 13 s ago: The API server is not running.\nIt is looked at again, as round 2 ")
    assert "Its thread is in this channel: https://" in text
    assert "next round" not in text
    begun = {"state": State.RUNNING, "round": 2, "round_started_at": NOW, "diagnosis": None, "before": diagnosis}
    running = state.model_copy(update={**begun, "ended_at": told["concluded_at"]})
    assert await ask("prod").then(Engine(running)) == text


async def test_what_comes_too_late_for_the_round_that_runs_is_said():
    engine = Engine(investigation("prod", "20261120-k7f3"))
    text = await ask("prod --since 2h --playbook connection-refused").then(engine)
    assert "since 2026-11-20 12:03 UTC and by playbook connection-refused counts from its next round on" in text
    assert engine.requests[0].since == NOW - timedelta(hours=2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prdo", "did you mean 'prod'?"),
        ("--sinse 30m", "did you mean '--since'?"),
        ("prod --since", "--since needs a value"),
        ("prod --since tomorrow", "30m, 14:05 or"),
        ("cancel prdo", "did you mean 'prod'?"),
        ("hlep", "did you mean 'help'?"),
        ("statsu", "did you mean 'status'?"),
        ("cancle prod", "did you mean 'cancel'?"),
        ("prod --playbook nope", "the playbooks are connection-refused"),
        ("prod --playbook connection-refuse", "did you mean 'connection-refused'?"),
        ("https://user:pw@api.example.com:6443", "a user name or password in it is not used"),
        ("https://user:[redacted]@api.example.com:6443", "a user name or password in it is not used"),
    ],
)
def test_what_is_not_understood_is_answered_at_once_and_nothing_is_done(text, says):
    answer = ask(text)
    assert says in answer.text
    assert answer.then is None


@pytest.mark.parametrize(
    "text",
    [
        "https://169.254.169.254",
        "http://[::ffff:169.254.169.254]:80/latest/meta-data",
        "https://metadata.google.internal",
        "https://localhost:6443",
        "https://127.0.0.1:6443 is it up",
        "https://[::1]:6443",
        "0.0.0.0:6443",
    ],
)
def test_a_pasted_url_that_leads_to_the_bot_itself_or_to_its_cloud_is_refused_at_once(text):
    answer = ask(text, config=Config.empty())
    assert answer.refused
    assert answer.then is None
    assert "is not looked at: it is" in answer.text


def test_what_kubectl_asks_without_a_configuration_is_said_to_be_that():
    pasted = "The connection to the server localhost:8080 was refused - did you specify the right host or port?"
    assert "kubectl config get-contexts" in ask(pasted).text


REFUSED = "The connection to the server api.prod.example:6443 was refused - did you specify the right host or port?"
PULL = 'Failed to pull image "web:1": dial tcp 203.0.113.9:443: connect: connection refused'


@pytest.mark.parametrize("text", [REFUSED, f"prod {REFUSED}", f"--since 30m {REFUSED}", f"look:\n{REFUSED}\nsince ten minutes"])
async def test_a_pasted_error_says_which_cluster_and_which_playbook(text):
    engine = Engine()
    await ask(text).then(engine)
    (request,) = engine.requests
    assert request.cluster.name == "prod"
    assert request.playbook is None
    seen = request.trigger.recognised
    assert (seen.playbook, seen.symptom, seen.address) == ("connection-refused", "connection-refused", "api.prod.example:6443")


async def test_a_pasted_alert_means_the_channels_own_cluster():
    engine = Engine()
    await ask("[FIRING:1] KubeAPIDown").then(engine)
    assert engine.requests[0].cluster.name == "prod"
    assert engine.requests[0].trigger.recognised.playbook == "connection-refused"


def test_a_text_about_something_else_is_answered_and_starts_nothing():
    answer = ask(PULL)
    assert answer.then is None
    assert "not about reaching an API server" in answer.text
    assert "pulling an image from a registry" in answer.text
    assert "To look anyway: /apidown CLUSTER" in answer.text


@pytest.mark.parametrize("text", [f"prod {PULL}", f"--playbook connection-refused prod {PULL}"])
async def test_it_is_looked_at_anyway_where_a_cluster_is_named(text):
    engine = Engine()
    await ask(text).then(engine)
    assert engine.requests[0].cluster.name == "prod"
    assert engine.requests[0].trigger.recognised.playbook is None


@pytest.mark.parametrize(
    "text",
    [
        "Unable to connect to the server: dial tcp 169.254.169.254:443: i/o timeout",
        "The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?",
        'Get "https://localhost:6443/api/v1/nodes?limit=500": dial tcp [::1]:6443: connect: connection refused',
    ],
)
def test_an_address_in_a_pasted_error_is_guarded_like_a_typed_one(text):
    answer = ask(text)
    assert answer.refused
    assert answer.then is None
    assert "is not looked at: it is" in answer.text


async def test_words_that_say_nothing_are_not_said_to_be_recognised():
    engine = Engine()
    await ask("prod is slow since the rollout of today").then(engine)
    assert engine.requests[0].trigger.recognised is None


async def test_the_trigger_keeps_a_short_redacted_line():
    engine = Engine()
    await ask(f"prod Authorization: Bearer abcdefghijklmnopqrstuvwxyz012345\n{REFUSED}\n" + "and so on\n" * 1000).then(engine)
    text = engine.requests[0].trigger.text
    assert len(text) < 310
    assert "\n" not in text
    assert "abcdefghij" not in text


async def test_a_configured_cluster_on_loopback_is_investigated():
    home = ClusterDefinition(name="home", server="https://127.0.0.1:6443")
    engine = Engine()
    await ask("https://127.0.0.1:6443", config=Config(clusters=MappingProxyType({"home": home}))).then(engine)
    assert engine.requests[0].cluster.name == "home"


def test_what_is_not_for_a_channel_is_refused():
    assert ask("prod", channel="C0STAGING").refused
    closed = Config(bare_urls=BareUrls.REFUSE)
    assert ask("https://api.example.com:6443", config=closed).refused
    assert not ask("prdo").refused


def test_every_verb_is_reserved():
    assert set(VERBS) == RESERVED_NAMES


def test_help_names_the_clusters_and_every_verb_for_everybody():
    answer = ask("help")
    assert not answer.restricted
    for word in ("prod, staging", "status", "cancel", "--since", "--playbook"):
        assert word in answer.text


async def test_status_says_what_runs_for_how_long_to_everybody():
    answer = ask("status")
    assert not answer.restricted
    text = await answer.then(Engine(investigation("prod", "20261120-k7f3")))
    assert text == "prod (20261120-k7f3): running, opened 40 s ago. no verdict yet, without a thread"
    shown = await answer.then(Engine(with_root(investigation("prod", "20261120-k7f3"))))
    assert shown.endswith(" no verdict yet: https://a.slack.example/archives/C0PROD/p1795168000000100")
    assert "Nothing" in await answer.then(Engine())


async def test_a_restricted_channel_learns_of_its_own_clusters_and_investigations_only():
    here = investigation("prod", "20261120-here", channel="C0STAGING")
    engine = Engine(investigation("prod", "20261120-aaaa"), investigation("staging", "20261120-bbbb"), here)
    shown = await ask("status", channel="C0STAGING").then(engine)
    assert [line.split()[0:2] for line in shown.splitlines()] == [["staging", "(20261120-bbbb):"], ["prod", "(20261120-here):"]]
    assert "prod" not in ask("help", channel="C0STAGING").text
    elsewhere = Engine(investigation("prod", "20261120-aaaa"))
    assert "prod" not in await ask("cancel", channel="C0STAGING").then(elsewhere)


async def test_cancel_takes_the_one_that_runs_in_this_channel():
    engine = Engine(investigation("staging", "20261120-aaaa", channel="C0ELSE"), investigation("prod", "20261120-bbbb"))
    answer = ask("cancel")
    assert not answer.restricted  # who may is decided by whose investigation it is
    assert "20261120-bbbb" in await answer.then(engine)
    assert engine.cancelled == [("20261120-bbbb", "U0ANN")]


async def test_a_cancel_that_is_told_again_is_about_what_it_was_about_first():
    engine = Engine(investigation("prod", "20261120-bbbb"))
    await ask("cancel", key="typed-once").then(engine)
    engine.running = [investigation("prod", "20261120-cccc")]
    told = await ask("cancel", key="typed-once").then(engine)
    assert told == "This was heard already: the investigation 20261120-bbbb is cancelled."
    assert {name for name, _ in engine.cancelled} == {"20261120-bbbb"}


async def test_cancel_takes_the_one_that_nobody_cancels_yet():
    one = investigation("prod", "20261120-bbbb").model_copy(update={"cancel_requested_by": "U0BOB"})
    engine = Engine(one, investigation("prod", "20261120-cccc"))
    assert "Cancelling" in await ask("cancel").then(engine)
    assert engine.cancelled == [("20261120-cccc", "U0ANN")]


async def test_a_start_that_is_told_again_is_answered_with_where_it_went():
    class Repeats(Engine):
        async def start(self, request):
            assert request.key == "typed-once"
            return Opening(ref=self.running[0].ref, joined=True, repeated=True)

    engine = Repeats(investigation("prod", "20261120-bbbb", state=State.CLOSED))
    told = await ask("prod", key="typed-once").then(engine)
    assert told.startswith("This was heard already: it is the investigation 20261120-bbbb, which is over.\n")


async def test_cancel_of_a_named_cluster_works_from_any_channel():
    engine = Engine(investigation("staging", "20261120-aaaa", channel="C0ELSE"))
    await ask("cancel staging").then(engine)
    assert engine.cancelled == [("20261120-aaaa", "U0ANN")]


async def test_cancel_without_one_meaning_cancels_nothing():
    several = Engine(investigation("prod", "20261120-aaaa"), investigation("staging", "20261120-bbbb"))
    assert "Several are running" in await ask("cancel").then(several)
    over = Engine(investigation("prod", "20261120-aaaa", state=State.CONCLUDED))
    assert "Nothing is running" in await ask("cancel").then(over)
    assert several.cancelled == over.cancelled == []


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("30m", datetime(2026, 11, 20, 13, 33, 22, tzinfo=UTC)),
        ("2h", datetime(2026, 11, 20, 12, 3, 22, tzinfo=UTC)),
        ("14:00", datetime(2026, 11, 20, 14, 0, tzinfo=UTC)),
        ("23:10", datetime(2026, 11, 19, 23, 10, tzinfo=UTC)),
        ("2026-11-20T12:00Z", datetime(2026, 11, 20, 12, 0, tzinfo=UTC)),
        ("2026-11-20T12:00", datetime(2026, 11, 20, 12, 0, tzinfo=UTC)),
        ("2026-11-20T14:00+01:00", datetime(2026, 11, 20, 13, 0, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_as_utc_and_in_the_past(text, at):
    assert moment(text, NOW) == at


@pytest.mark.parametrize("text", ["25:00", "2027-01-01", "yesterday", "-5m"])
def test_a_time_that_cannot_be_is_refused(text):
    with pytest.raises(UsageError):
        moment(text, NOW)
