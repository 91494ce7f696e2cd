"""The documents and the code say the same: what exists is documented, and what is documented exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from pydantic import BaseModel
from redis.asyncio import Redis

import bot.engine.intake
import bot.engine.investigate
import bot.model.change
import bot.model.events
import commands
from bot import cli
from bot.adapters.redis.store import connect
from bot.adapters.valkey import embedded
from bot.app import build_registry
from bot.clock import SystemClock
from bot.config import Config
from bot.config_form import ClusterForm, ConfigForm
from bot.diagnosis import rank
from bot.engine.journal import make_event
from bot.ids import digest
from bot.model.alert import DEFAULT_RULES
from bot.model.diagnosis import Confidence, CorrelationResult
from bot.model.events import DELIVERY, INTAKE, Event, EventType
from bot.model.finding import Status, worst
from bot.model.investigation import Ref, State
from bot.model.observation import Failure
from bot.model.playbook import Domain, Match, Weight
from bot.model.vantage import VantageKind
from bot.playbook_form import (
    CauseForm,
    CheckForm,
    CorrelationForm,
    EvidenceForm,
    EvidenceLineForm,
    NextForm,
    PlaybookForm,
    SelectsForm,
    SeparationForm,
    SourceForm,
    StepForm,
    WindowForm,
)
from bot.redact import Redactor
from bot.registry import Command, scan
from bot.render.phrases import STATUS_MARKS
from bot.render.thread_root import STATUS_EMOJI
from bot.settings import Settings
from bot.triggers.alertmanager import alertmanager
from commands.apidown import OPTIONS, VERBS
from tests.write_docs import DOCS, PART, PARTS, ROOT, documents, filled, key_texts, library, walk_commands

ARCHITECTURE = (DOCS / "architecture.md").read_text()
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
ALL = {path.relative_to(ROOT).as_posix(): path.read_text() for path in documents()}
each_document = pytest.mark.parametrize("name", ALL)


def section(text: str, title: str) -> str:
    """What stands below a heading, up to the next one."""
    match = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", text, re.M | re.S)
    assert match, f"no heading {title}"
    return match[1]


def rows(text: str, head: str) -> dict[str, list[str]]:
    """The rows of the table with this first heading, by their first cell without backticks."""
    match = re.search(rf"^\| {re.escape(head)} \|.*\n\|[ |-]+\n((?:\|.*\n)+)", text, re.M)
    assert match, f"no table of {head}"
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in match[1].splitlines()]
    return {line[0].strip("`"): line[1:] for line in cells}


def values(kind: Any) -> set[str]:
    return {member.value for member in kind}


# What is generated


@each_document
def test_generated_parts_are_up_to_date(name: str) -> None:
    assert ALL[name] == filled(ALL[name]), "run `make docs`"


def test_every_generated_part_is_in_a_document() -> None:
    assert {match[2] for text in ALL.values() for match in PART.finditer(text)} == set(PARTS)


# The architecture


def test_every_event_type_is_documented_with_who_appends_it() -> None:
    documented = {name: cells[0] for name, cells in rows(ARCHITECTURE, "type").items()}
    groups = {EventType(name): who for name, who in documented.items()}
    assert set(documented) == values(EventType)
    assert {kind for kind, who in groups.items() if who == "intake"} == INTAKE
    assert {kind for kind, who in groups.items() if who == "delivery"} == DELIVERY


def test_every_events_data_is_a_value_and_reserved_ones_are_not_appended() -> None:
    modules = (bot.model.events, bot.model.change, bot.engine.intake, bot.engine.investigate)
    source = "".join(path.read_text() for path in (ROOT / "bot").rglob("*.py") if path.parent.name != "model")
    for name, (_, data, _) in rows(ARCHITECTURE, "type").items():
        appended = f"EventType.{EventType(name).name}" in source
        assert appended == (data != "reserved"), name
        assert not appended or any(hasattr(module, data.strip("`")) for module in modules), name


async def test_every_key_of_the_store_is_documented(tmp_path: Path) -> None:
    ref, clock, redactor = Ref(cluster="CLUSTER", id="ID"), SystemClock(), Redactor()

    def event(type: EventType) -> Event:
        return make_event(type, data=None, round=0, at=clock.now(), by="test", redactor=redactor)

    async with embedded(tmp_path) as url:
        store = connect(url)
        try:
            trigger = event(EventType.TRIGGER_JOINED)
            await store.open(event(EventType.OPENED), trigger, ref=ref, once=True)
            assert await store.acquire(ref, "test")
            await store.bind("wish", ref)
            async with Redis.from_url(url, decode_responses=True) as look:
                digests = {digest(trigger.id, length=32): "TRIGGER", digest("wish", length=32): "WISH"}
                found = {re.sub("[0-9a-f]{32}", lambda found: digests[found[0]], key) for key in await look.keys("*")}
        finally:
            await store.close()
    assert found == set(key_texts())


def test_statuses_are_documented_with_their_marks_and_their_order() -> None:
    text = section(ARCHITECTURE, "Statuses")
    assert {Status(name): cells[0] for name, cells in rows(text, "status").items()} == STATUS_MARKS
    order = [Status(word) for word in re.findall(r"`([a-z-]+)`", text.partition("worst status")[2].partition("in this order")[0])]
    assert set(order) == set(Status)
    assert [worst(order[place:]) for place in range(len(order))] == order


def test_weights_matches_and_confidences_are_documented() -> None:
    assert {name: cells[0] for name, cells in rows(ARCHITECTURE, "weight").items()} == {
        weight.value: str(weight.points) for weight in Weight
    }
    assert set(rows(ARCHITECTURE, "`match`")) == values(Match)
    assert set(rows(ARCHITECTURE, "confidence")) == values(Confidence)
    assert f"a score of {rank.MEDIUM:g} or more" in ARCHITECTURE
    assert f"within {rank.TIE:g} point of the first" in ARCHITECTURE
    order = ", ".join(domain.value for domain in rank.DOMAIN_ORDER if domain is not Domain.HEALTHY)
    assert order in " ".join(ARCHITECTURE.split())


def test_states_and_vantage_points_are_documented() -> None:
    assert all(f"`{state}`" in section(ARCHITECTURE, "Life of an investigation") for state in values(State))
    assert all(f"`{kind}`" in section(ARCHITECTURE, "Words") for kind in values(VantageKind))


def test_the_folder_map_is_complete() -> None:
    listed = set(rows(ARCHITECTURE, "path"))
    inside = {
        f"bot/{path.name}{'/' if path.is_dir() else ''}"
        for path in (ROOT / "bot").iterdir()
        if not path.name.startswith("__") and (path.is_dir() or path.suffix == ".py")
    }
    assert listed == inside | {"commands/", "playbooks/", "tests/"}


# What people write and read


def test_every_failure_is_documented() -> None:
    assert set(rows((DOCS / "probes.md").read_text(), "failure")) == values(Failure)


@pytest.mark.parametrize(
    ("title", "form"),
    [
        ("A playbook", PlaybookForm),
        ("source", SourceForm),
        ("selects", SelectsForm),
        ("steps", StepForm),
        ("diagnosis", CorrelationForm),
        ("window", WindowForm),
        ("otherwise", CheckForm),
        ("A cause", CauseForm),
        ("evidence", EvidenceForm),
        ("evidence line", EvidenceLineForm),
        ("next", NextForm),
        ("separated_by", SeparationForm),
    ],
)
def test_the_keys_of_playbooks_and_causes_are_documented(title: str, form: type[BaseModel]) -> None:
    documented = rows(section((DOCS / "playbooks.md").read_text(), title), "key")
    assert set(documented) == {field.alias or name for name, field in form.model_fields.items()}
    needed = {field.alias or name for name, field in form.model_fields.items() if field.is_required()}
    assert {key for key, cells in documented.items() if cells[0] == "yes"} == needed


def test_domains_and_results_are_documented() -> None:
    text = (DOCS / "playbooks.md").read_text()
    assert set(re.findall(r"`([a-z-]+)`", rows(section(text, "A cause"), "key")["domain"][1])) == values(Domain)
    assert set(re.findall(r"`([a-z-]+)`", rows(section(text, "evidence line"), "key")["result"][1])) - {"change"} == values(
        CorrelationResult
    )


def test_the_example_of_the_configuration_loads_and_has_every_key(tmp_path: Path) -> None:
    example = re.search(r"```yaml\n(.*?)```", (DOCS / "configuration.md").read_text(), re.S)
    assert example
    path = tmp_path / "clusters.yaml"
    path.write_text(example[1])
    config = Config.load(path)
    assert set(config.clusters) == {"prod", "staging", "home"}
    assert config.default_for("C0123ABCD") == config.clusters["prod"]
    raw = yaml.safe_load(example[1])
    assert set(raw) == set(ConfigForm.model_fields)
    assert {key for cluster in raw["clusters"].values() for key in cluster} == set(ClusterForm.model_fields)


def test_the_receiver_in_the_documents_routes_every_alert_to_us_and_its_example_is_heard(tmp_path: Path) -> None:
    text = (DOCS / "alerts.md").read_text()
    example = re.search(r"```yaml\n(.*?)```", text, re.S)
    assert example
    receiver = yaml.safe_load(example[1])
    (route,), (own,) = receiver["route"]["routes"], receiver["receivers"]
    routed = re.fullmatch(r'alertname=~"(.*)"', route["matchers"][0])
    assert routed
    assert all(re.fullmatch(routed[1], rule.name) for rule in DEFAULT_RULES)
    assert route["receiver"] == own["name"]
    (webhook,) = own["webhook_configs"]
    assert urlsplit(webhook["url"]).path == "/webhooks/" + next(iter(build_registry(intake=True).webhooks))
    path = tmp_path / "clusters.yaml"
    path.write_text("clusters: {prod: {server: api, channels: C0123ABCD}}")
    posted = re.search(r"-d '(\{.*?\})'\n", text, re.S)
    assert posted
    body = re.sub(r"'\$\(.*?\)'", "2026-11-20T14:03:22Z", posted[1])
    assert alertmanager.read(body.encode(), Config.load(path), SystemClock().now()).requests


def test_every_answer_of_a_webhook_is_documented() -> None:
    source = (ROOT / "bot" / "web" / "webhooks.py").read_text()
    given = {*re.findall(r"_Refused\((\d{3})", source), *re.findall(r"status=(\d{3})", source)}
    assert set(rows((DOCS / "alerts.md").read_text(), "status")) == given


def test_scopes_marks_and_buttons_of_slack_are_documented() -> None:
    text = (DOCS / "slack.md").read_text()
    manifest = yaml.safe_load((DOCS / "slack-manifest.yaml").read_text())
    assert set(rows(text, "scope")) == set(manifest["oauth_config"]["scopes"]["bot"])
    marks = rows(text, "mark")
    assert set(marks) - {":raised_hand:"} == {str(emoji) for emoji in STATUS_EMOJI.values()}
    source = "".join(path.read_text() for path in (ROOT / "bot" / "render").glob("*.py"))
    assert set(rows(text, "button")) == set(re.findall(r'button\("([^"]+)"', source))


def test_every_slash_command_verb_and_option_is_documented() -> None:
    text = section((DOCS / "slack.md").read_text(), "Commands")
    assert set(re.findall(r"`/(\w+)", text)) == set(scan(commands, Command))
    assert all(f"`/apidown {verb}`" in text for verb in VERBS)
    assert set(re.findall(r"--\w+", text)) == set(OPTIONS)


# What documents refer to


@each_document
def test_relative_links_lead_somewhere(name: str) -> None:
    place = (ROOT / name).parent
    for link in re.findall(r"\]\((?!https?://|mailto:)([^)\s]+)\)", ALL[name]):
        path, _, anchor = link.partition("#")
        target = place / path if path else ROOT / name
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_document
def test_files_that_are_named_exist(name: str) -> None:
    for path in re.findall(r"`((?:bot|commands|docs|playbooks|tests|helm)/[\w./-]*)`", ALL[name]):
        assert (ROOT / path).exists(), path


@each_document
def test_commands_that_are_named_exist(name: str) -> None:
    quoted = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", ALL[name], re.S))
    known = {path.split()[0] for path, _ in walk_commands()}
    assert set(re.findall(r"(?:(?<=`)|(?<=bin/)|^)apidown (\w+)", quoted, re.M)) <= known
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))
    assert set(re.findall(r"(?:(?<=`)|(?<=&& )|^)make ([a-z-]+)", quoted, re.M)) <= targets
    known_options = {path: {opt for param in command.params for opt in param.opts} for path, command in walk_commands()}
    for path, rest in re.findall(r"\bapidown ((?:playbooks )?[a-z]+)([^#`\n]*)", quoted):
        assert set(re.findall(r"--[a-z]+", rest)) <= known_options.get(path, set()), path


def test_every_exit_status_is_documented() -> None:
    verdicts = {0, 1, 2}
    documented = {int(status) for status in rows((DOCS / "cli.md").read_text(), "status")}
    assert documented == verdicts | {cli.WRONG, cli.DEFECT, cli.INTERRUPTED, cli.PIPE_CLOSED, cli.TERMINATED}


@each_document
def test_variables_that_are_named_exist(name: str) -> None:
    places = [ROOT / "Makefile", ROOT / ".ci" / "run", *(ROOT / "tests").rglob("*.py")]
    ours = set(Settings.variables()).union(*(re.findall(r"APIDOWN_[A-Z]+", path.read_text()) for path in places))
    assert set(re.findall(r"APIDOWN_[A-Z_]+", ALL[name])) <= ours


def test_causes_probes_and_playbooks_named_in_the_readme_exist() -> None:
    named = set(re.findall(r"\[([a-z]+(?:-[a-z]+)+)\](?!\()", README))
    assert named
    assert named <= set(library().causes)


def test_decisions_are_numbered_and_say_what_why_and_until_when() -> None:
    records = sorted(path for path in (DOCS / "decisions").glob("*.md") if path.name != "README.md")
    assert [int(path.name[:4]) for path in records] == list(range(1, len(records) + 1))
    index = (DOCS / "decisions" / "README.md").read_text()
    for path in records:
        text = path.read_text()
        title = text.splitlines()[0].removeprefix(f"# {path.name[:4]}. ")
        assert f"| [{path.name[:4]}]({path.name}) | {title} |" in index
        assert re.findall(r"^## (.*)$", text, re.M) == ["Choice", "Why", "Revisit when"]


# The first screen


def test_every_kind_of_vantage_point_is_named_where_a_playbook_may_ask_for_it() -> None:
    found = [line for line in (DOCS / "playbooks.md").read_text().splitlines() if line.startswith("| `from` | | ")]
    assert len(found) == 2
    assert all(values(VantageKind) - {VantageKind.PERSON} <= set(re.findall(r"`([a-z-]+)`", line)) for line in found)


def test_the_report_in_the_readme_is_what_the_demo_prints() -> None:
    """Whole: what a newcomer gets is as long as what they were shown."""
    shown = re.search(r"```text\n(─+\n.*?)```", README, re.S)
    assert shown
    run = "from bot.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", run, "demo"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    report = done.stdout[done.stdout.index("─") :].partition("\n\nThe rehearsed fault")[0]
    # Numbers differ in length, and so do the places where a line is broken.
    assert " ".join(map(_plain, shown[1].splitlines())).split() == " ".join(map(_plain, report.splitlines())).split()


def test_a_report_fits_on_a_screen() -> None:
    shown = re.search(r"```text\n(─+\n.*?)```", README, re.S)
    assert shown
    assert shown[1].count("\n") <= 60


def _plain(line: str) -> str:
    """A line without what differs from run to run: ids, times, ports, names, and where it is broken."""
    line = re.sub(r"\b\d{8}-\w{4}\b", "ID", line)
    line = re.sub(r" by \w+,", " by NAME,", line)
    line = re.sub(r"\b\d+(\.\d)? m?s\b", "TIME", line)
    return re.sub(r"\d+(\.\d+)?", "0", " ".join(line.split()))
