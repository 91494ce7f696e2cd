"""Playbooks and causes: every bad one with its exact message, beside it in ``testdata``."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import pytest

import bot.probes
from bot.document import DocumentErrors
from bot.errors import UsageError
from bot.model.base import Value
from bot.model.finding import Finding
from bot.model.playbook import Direction, Match, Weight
from bot.model.vantage import VantageKind
from bot.playbook import default_folder, load_library, schema_text
from bot.registry import NoParams, Probe, ProbeContext, Registry, scan
from bot.template import PLACEHOLDERS, fill, fill_command

TESTDATA = Path(__file__).parent / "testdata"
BAD_PLAYBOOKS = sorted((TESTDATA / "playbooks").glob("*.yaml"))
BAD_CAUSES = sorted((TESTDATA / "causes").glob("*.yaml"))


class PodParams(Value):
    namespace: str
    limit: int = 10


async def _nothing(ctx: ProbeContext, params: Value) -> AsyncGenerator[Finding, None]:
    return
    yield


REGISTRY = Registry(
    probes={
        "tcp-connect": Probe(
            id="tcp-connect", run=_nothing, params=NoParams, outcomes={"connected": "good", "connection-refused": "a reset"}
        ),
        "apiserver-pods": Probe(
            id="apiserver-pods",
            run=_nothing,
            params=PodParams,
            outcomes={"running": "good"},
            vantages=(VantageKind.BOT, VantageKind.CONTROL_PLANE),
        ),
    },
    symptoms=frozenset({"connection-refused", "tls-silent"}),
)

PLAYBOOK = """\
id: {id}
title: Connection refused
meaning: >
  Nothing takes
  connections.
impact: No one can work.
source: {{document: "000", license: CC-BY-4.0}}
selects: {{symptoms: [connection-refused], alerts: KubeAPIDown}}
steps:
  - {{id: port, title: The port answers, source: 000/playbook/1, probe: tcp-connect}}
  - id: pods
    title: The pods run
    probe: apiserver-pods
    with: {{namespace: kube-system}}
    from: [bot, control-plane]
    manual: Look on the node.
    run: crictl ps
  - {{id: team, title: Nobody works on it, manual: Ask them.}}
diagnosis:
  - {{id: restart, title: It restarts, changes: pod-restart, subject: kube-system/*, window: {{around: 1h30m, widen: 2d}}}}
otherwise:
  - {{id: last, title: The port answers, probe: tcp-connect}}
"""

CAUSE = """\
id: {id}
domain: process
title: Not running
sentence: Nothing listens.
evidence:
  for:
    - {{probe: tcp-connect, outcome: connection-refused, from: bot, match: all, weight: strong, says: It refuses.}}
    - {{change: pod-restart, weight: weak, says: It restarted.}}
  against:
    - {{probe: tcp-connect, outcome: [connected, not-checked], weight: decisive, says: It listens.}}
next: [{{say: 'Look at {{host}}.', run: "ssh {{host}}"}}]
"""


def folder_with(root: Path, *, playbooks: dict[str, str] | None = None, causes: dict[str, str] | None = None) -> Path:
    for inner, files in (("", playbooks or {}), ("causes", causes or {})):
        (root / inner).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (root / inner / f"{name}.yaml").write_text(text)
    return root


def messages(folder: Path, **options: Path) -> str:
    with pytest.raises(DocumentErrors) as caught:
        load_library(folder, REGISTRY, **options)
    said, _, todo = str(caught.value).partition("\n  Next: ")
    assert todo, "what to do is said once, behind all mistakes"
    assert "\n" not in todo
    return said.replace(f"{folder}/", "")


@pytest.mark.parametrize("path", BAD_PLAYBOOKS, ids=lambda path: path.stem)
def test_a_bad_playbook_gives_exactly_its_messages(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path)
    assert messages(tmp_path) + "\n" == path.with_suffix(".txt").read_text()


@pytest.mark.parametrize("path", BAD_CAUSES, ids=lambda path: path.stem)
def test_a_bad_cause_gives_exactly_its_messages(path: Path, tmp_path: Path) -> None:
    (tmp_path / "causes").mkdir()
    shutil.copy(path, tmp_path / "causes")
    assert messages(tmp_path) + "\n" == path.with_suffix(".txt").read_text()


def test_three_mistakes_give_three_messages_with_place_and_suggestion(tmp_path: Path) -> None:
    shutil.copy(TESTDATA / "playbooks" / "three-mistakes.yaml", tmp_path)
    with pytest.raises(DocumentErrors) as caught:
        load_library(tmp_path, REGISTRY)
    found = [(problem.where.line, problem.where.column, problem.nearest) for problem in caught.value.problems]
    assert found == [
        (2, 1, "did you mean 'title'?"),
        (8, 12, "did you mean 'tcp-connect'?"),
        (13, 22, "did you mean '2m'?"),
    ]


def test_a_mistake_elsewhere_does_not_hide_one_between_files(tmp_path: Path) -> None:
    """Two playbooks for one symptom, and causes that refine each other, in files that have other mistakes too."""
    first = PLAYBOOK.format(id="a").replace("alerts: KubeAPIDown", "alerts: A")
    second = PLAYBOOK.format(id="b").replace("impact: No one can work.", "impct: X").replace("alerts: KubeAPIDown", "alerts: B")
    cause = CAUSE.replace("sentence: Nothing listens.", "refines: {other}\nsentence: Nothing listens.")
    causes = {"c": cause.format(id="c", other="d").replace("domain: process", "domain: proces")}
    folder = folder_with(tmp_path, playbooks={"a": first, "b": second}, causes={**causes, "d": cause.format(id="d", other="c")})
    said = messages(folder)
    assert "'connection-refused' selects the playbook a already" in said
    assert "unknown key 'impct'" in said
    assert "a cause refines itself: c > d > c" in said
    assert "'proces' is not a value of 'domain'" in said


def test_mistakes_of_all_files_come_together(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, playbooks={"a": "id: a", "b": "id: ["}, causes={"c": "id: d"})
    said = messages(folder)
    assert {line.split(":")[0] for line in said.splitlines() if line[0] not in " "} == {"a.yaml", "b.yaml", "causes/c.yaml"}


def test_a_good_playbook_becomes_the_model(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, playbooks={"refused": PLAYBOOK.format(id="refused")}, causes={"down": CAUSE.format(id="down")})
    library = load_library(folder, REGISTRY)
    playbook = library.playbooks["refused"]
    port, pods, team = playbook.steps
    assert playbook.meaning == "Nothing takes connections."
    assert playbook.source is not None
    assert playbook.source.document == "000"
    assert port.source == ("000/playbook/1",)
    assert port.vantages == (VantageKind.BOT,)
    assert pods.params == {"namespace": "kube-system"}
    assert pods.vantages == (VantageKind.BOT, VantageKind.CONTROL_PLANE)
    assert (pods.manual, pods.run) == ("Look on the node.", "crictl ps")
    assert (team.probe, team.manual) == (None, "Ask them.")
    (line,) = playbook.diagnosis
    assert line.changes == ("pod-restart",)
    assert line.window.direction is Direction.AROUND
    assert (line.window.length, line.window.widen) == (timedelta(hours=1, minutes=30), timedelta(days=2))
    assert playbook.otherwise[0].probe == "tcp-connect"


def test_a_good_cause_becomes_the_model(tmp_path: Path) -> None:
    cause = load_library(folder_with(tmp_path, causes={"down": CAUSE.format(id="down")}), REGISTRY).causes["down"]
    seen, changed = cause.evidence_for
    assert (seen.vantage, seen.match, seen.weight) == (VantageKind.BOT, Match.ALL, Weight.STRONG)
    assert (changed.probe, changed.change, changed.result) == (None, "pod-restart", "match")
    assert cause.evidence_against[0].outcomes == ("connected", "not-checked")
    assert cause.next[0].run == "ssh {host}"


def test_a_cause_may_weigh_what_a_person_answers_to_a_manual_step(tmp_path: Path) -> None:
    line = "{{step: team, answer: found, weight: strong, says: Somebody works on it.}}"
    text = CAUSE.replace("{{change: pod-restart, weight: weak, says: It restarted.}}", line).format(id="down")
    library = load_library(folder_with(tmp_path, playbooks={"a": PLAYBOOK.format(id="a")}, causes={"down": text}), REGISTRY)
    told = library.causes["down"].evidence_for[1]
    assert (told.probe, told.change, told.step, told.answer, told.result) == (None, None, "team", "found", None)


@pytest.mark.parametrize(
    ("line", "said", "near"),
    [
        ("step: taem, answer: found", "there is no manual step 'taem'", "did you mean 'team'?"),
        (
            "step: pods, answer: found",
            "the step 'pods' has a probe, and is no manual step",
            "write 'probe' and 'outcome' instead",
        ),
        ("step: team, answer: fond", "there is no answer 'fond'", "did you mean 'found'?"),
        ("step: team, answer: skipped", "there is no answer 'skipped'", "it is one of looks-ok, found"),
        ("step: team", "a line about a step says which answer counts", "add 'answer': looks-ok or found"),
        ("change: pod-restart, answer: found", "'answer' belongs to a step", ""),
        ("change: pod-restart, step: team, answer: found", "and this is about a change already", ""),
        ("step: team, answer: found, match: all", "'outcome', 'from' and 'match' belong to a probe", ""),
        ("step: team, answer: found, result: match", "'result' belongs to a change, and this line is about a step", ""),
    ],
)
def test_a_wrong_line_about_a_step_says_what_is_right(tmp_path: Path, line: str, said: str, near: str) -> None:
    text = CAUSE.format(id="down").replace("change: pod-restart", line)
    shown = messages(folder_with(tmp_path, playbooks={"a": PLAYBOOK.format(id="a")}, causes={"down": text}))
    assert said in shown
    assert near in shown
    assert shown.count("down.yaml:") == 1, "one mistake, one message"


def test_a_playbook_says_which_symptoms_and_alerts_select_it(tmp_path: Path) -> None:
    library = load_library(folder_with(tmp_path, playbooks={"refused": PLAYBOOK.format(id="refused")}), REGISTRY)
    selects = library.playbooks["refused"].selects
    assert "connection-refused" in selects.symptoms
    assert "KubeAPIDown" in selects.alerts


def test_a_symptom_selects_one_playbook_only(tmp_path: Path) -> None:
    text = PLAYBOOK.format(id="b").replace("port,", "port2,")
    said = messages(folder_with(tmp_path, playbooks={"a": PLAYBOOK.format(id="a"), "b": text}))
    assert "b.yaml:8:22: 'connection-refused' selects the playbook a already" in said
    assert "'KubeAPIDown'" not in said, "an alert may be told by several documents"


def test_a_step_of_the_playbook_that_always_runs_is_not_repeated(tmp_path: Path) -> None:
    always = "id: z\ntitle: T\nmeaning: M\nimpact: I\nalways: true\nsteps:\n  - {id: port, title: T, probe: tcp-connect}\n"
    said = messages(folder_with(tmp_path, playbooks={"a": PLAYBOOK.format(id="a"), "z": always}))
    assert said.splitlines()[0] == "a.yaml:10:10: the step 'port' is also in z.yaml:7:10, which always runs beside this playbook"


def test_two_causes_do_not_refine_each_other(tmp_path: Path) -> None:
    causes = {"a": CAUSE.format(id="a") + "refines: b\n", "b": CAUSE.format(id="b") + "refines: a\n"}
    said = messages(folder_with(tmp_path, causes=causes))
    assert "causes/a.yaml:12:10: a cause refines itself: a > b > a" in said
    assert "causes/b.yaml:12:10: a cause refines itself: b > a > b" in said


def test_own_playbooks_add_and_replace(tmp_path: Path) -> None:
    own = PLAYBOOK.format(id="refused").replace("title: Connection refused", "title: Ours")
    other = PLAYBOOK.format(id="other").replace("connection-refused]", "tls-silent]").replace("KubeAPIDown", "Y")
    folder = folder_with(tmp_path / "a", playbooks={"refused": PLAYBOOK.format(id="refused")})
    extra = folder_with(tmp_path / "b", playbooks={"refused": own, "other": other})
    library = load_library(folder, REGISTRY, extra)
    assert sorted(library.playbooks) == ["other", "refused"]
    assert library.playbooks["refused"].title == "Ours"


def test_a_missing_folder_is_said(tmp_path: Path) -> None:
    assert "nowhere: there is no playbook and no folder of playbooks here" in messages(tmp_path, extra=tmp_path / "nowhere")


def test_a_file_that_would_not_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text("id: mine")
    assert messages(tmp_path) == "mine.yml: this file is not read: its name does not end in .yaml\n  rename it to mine.yaml"


def test_the_nearest_playbook_is_suggested(tmp_path: Path) -> None:
    library = load_library(folder_with(tmp_path, playbooks={"refused": PLAYBOOK.format(id="refused")}), REGISTRY)
    assert library.playbook_named("refused").id == "refused"
    with pytest.raises(UsageError, match="there is no playbook 'refsed'\n  did you mean 'refused'"):
        library.playbook_named("refsed")


def test_the_installed_playbooks_are_good() -> None:
    library = load_library(default_folder(), Registry(probes=scan(bot.probes, Probe)))
    assert library.playbooks
    assert library.causes


def test_the_schema_for_editors_is_up_to_date() -> None:
    assert (default_folder() / "schema.json").read_text() == schema_text()


def test_the_schema_is_closed_and_uses_the_files_words() -> None:
    definitions = json.loads(schema_text())["$defs"]
    assert all(one.get("additionalProperties") is False for one in definitions.values() if one["type"] == "object")
    assert {"with", "from"} <= set(definitions["StepForm"]["properties"])
    assert {"for", "against"} == set(definitions["EvidenceForm"]["properties"])


def test_placeholders_are_filled_and_braces_kept() -> None:
    text = "ssh {host} -p {port} awk '{{print $1}}' {context}"
    assert fill(text, {"host": "api.example.com", "port": "6443"}) == "ssh api.example.com -p 6443 awk '{print $1}' <context>"


def test_a_value_that_contains_a_placeholder_is_not_filled_again() -> None:
    assert fill("{host}", {"host": "{port}", "port": "1"}) == "{port}"


@pytest.mark.parametrize("host", ["a;reboot", "$(id)", "`id`", "a b", "a\nb", "'", ""])
def test_a_command_is_never_filled_with_what_a_shell_interprets(host: str) -> None:
    assert fill_command("curl https://{host}:{port}/", {"host": host, "port": "6443"}) == "curl https://<host>:6443/"


def test_a_command_names_a_context_only_where_one_is_known() -> None:
    text = "kubectl --context {context} get --raw /version; kubectl config view --context {context}"
    assert fill_command(text, {"context": ""}) == "kubectl get --raw /version; kubectl config view"
    assert fill_command(text, {"context": "a"}) == "kubectl --context a get --raw /version; kubectl config view --context a"
    assert fill_command("kubectl --context {context}", {"context": "$(id)"}) == "kubectl --context <context>"


def test_every_placeholder_may_be_used(tmp_path: Path) -> None:
    text = PLAYBOOK.format(id="a").replace("crictl ps", '"' + " ".join(f"{{{name}}}" for name in PLACEHOLDERS) + '"')
    load_library(folder_with(tmp_path, playbooks={"a": text}), REGISTRY)


def test_a_single_file_is_checked_on_top_of_the_installed_ones() -> None:
    own = default_folder() / "connection-refused.yaml"
    real = Registry(probes=scan(bot.probes, Probe))
    alone = load_library(default_folder(), real, own)
    cause = load_library(default_folder(), real, default_folder() / "causes" / "healthy.yaml")
    assert set(alone.playbooks) == set(cause.playbooks)
    assert set(alone.causes) == set(cause.causes)


def test_a_single_bad_file_is_named(tmp_path: Path) -> None:
    real = Registry(probes=scan(bot.probes, Probe))
    (tmp_path / "mine.yaml").write_text("id: mine\nstepz: []\n")
    with pytest.raises(DocumentErrors, match=r"mine\.yaml:2:1: unknown key 'stepz'"):
        load_library(default_folder(), real, tmp_path / "mine.yaml")
