"""Writes the generated parts of the documents anew: ``make docs``.

A generated part stands between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``; everything around it is written by hand.
Tables that list what the code has are made from the code, so that they cannot lag behind it.
"""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any

import typer.main
from pydantic import SecretStr

import bot.adapters.redis.keys as redis_keys
from bot.adapters.redis import store as redis_store
from bot.app import build_registry
from bot.cli import app
from bot.demo.scenarios import SCENARIOS
from bot.diagnosis import rank
from bot.diagnosis.egress import REQUIRED
from bot.diagnosis.triage_rules import ANSWERS, CONTROL_RULES, RULES, SYMPTOMS
from bot.engine import investigate, recovery, rounds
from bot.ids import digest
from bot.model.alert import DEFAULT_RULES
from bot.model.change import CHANGE_KINDS
from bot.model.diagnosis import Layer
from bot.model.investigation import Ref
from bot.model.playbook import Cause, Domain
from bot.net import timing
from bot.playbook import Library, default_folder, load_library, schema_text
from bot.registry import BOUNDARY_OUTCOMES, Probe
from bot.render.report import as_json_schema
from bot.settings import Settings
from bot.template import PLACEHOLDERS
from tests import coverage
from tests.helm import values as chart

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def library() -> Library:
    return load_library(default_folder(), build_registry())


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in line) + " |" for line in lines)


def code(text: object) -> str:
    return f"`{text}`"


def settings() -> str:
    rows = []
    for variable, (name, field) in zip(Settings.variables(), Settings.model_fields.items(), strict=True):
        aliases = [str(choice) for choice in getattr(field.validation_alias, "choices", ()) if choice != variable]
        secret = SecretStr.__name__ in str(field.annotation)
        default = "" if field.default_factory or field.default in (None, (), ...) else code(_plain(field.default))
        assert field.description, f"the setting {name} says nothing"
        rows.append([code(variable), ", ".join(map(code, aliases)), default, "yes" if secret else "", field.description])
    return table(["variable", "or", "if not set", "secret", "meaning"], rows)


def _plain(value: Any) -> str:
    return str(getattr(value, "value", value))


def probes() -> str:
    return "\n\n".join(_probe(probe) for probe in build_registry().probes.values())


_NEEDS = {
    "api": "Kubernetes reads",
    "metrics": "the cluster's Prometheus",
    "balancer": "what its balancers say of themselves",
    "etcd": "the members of its etcd",
}


def _probe(probe: Probe[Any]) -> str:
    body = "\n".join(probe.doc.splitlines()[1:]).strip()
    needs = "".join(f", and {_NEEDS[name]}" for name in probe.needs)
    facts = [f"Needs: the network{needs}. Runs from: {', '.join(probe.vantages)}."]
    if probe.params.model_fields:
        described = [f"`{name}` (if not given: {code(field.default)})" for name, field in probe.params.model_fields.items()]
        facts.append(f"Parameters: {', '.join(described)}.")
    outcomes = table(["outcome", "meaning"], [[code(name), text] for name, text in probe.outcomes.items()])
    return "\n\n".join([f"### {probe.id}", f"**{probe.good_state}**", body, " ".join(facts), outcomes])


def boundary() -> str:
    return table(["outcome", "meaning"], [[code(name), text] for name, text in BOUNDARY_OUTCOMES.items()])


def causes() -> str:
    by_domain: dict[Domain, list[Cause]] = {}
    for cause in library().causes.values():
        by_domain.setdefault(cause.domain, []).append(cause)
    ordered = [(domain, by_domain[domain]) for domain in rank.DOMAIN_ORDER if domain in by_domain]
    return "\n\n".join(
        f"### {domain.value}\n\n"
        + table(["cause", "title", "in one sentence"], [[_cause_id(cause), cause.title, cause.sentence] for cause in found])
        for domain, found in ordered
    )


def _cause_id(cause: Cause) -> str:
    refines = f" (refines {code(cause.refines)})" if cause.refines else ""
    return f"[{code(cause.id)}](../playbooks/causes/{cause.id}.yaml){refines}"


def change_kinds() -> str:
    return table(
        ["kind", "what", "recorded by"], [[code(name), kind.title, kind.recorded_by] for name, kind in CHANGE_KINDS.items()]
    )


def placeholders() -> str:
    return table(["placeholder", "stands for"], [[code(f"{{{name}}}"), text] for name, text in PLACEHOLDERS.items()])


def symptoms() -> str:
    rows = [
        [layer.value, ", ".join(code(outcome) for where, outcome in RULES if where is layer and outcome in SYMPTOMS)]
        for layer in Layer
    ]
    here = ["this vantage point", ", ".join(map(code, CONTROL_RULES))]
    clean = ["every layer passes", f"{code(ANSWERS)}: credentials are accepted, so the API can be asked what is wrong behind it"]
    return table(["layer", "symptoms"], [here, *rows, clean])


def alerts() -> str:
    rows = []
    for rule in DEFAULT_RULES:
        labels = ", ".join(f"`{name}: {value}`" for name, value in rule.labels.items())
        times = ["warns ahead", "no onset"] if rule.ahead else [_minutes(rule.pending), _minutes(rule.lag)]
        rows.append([code(rule.name), labels, *times])
    return table(["alert", "with the label", "`for`", "slack"], rows)


def _minutes(length: timedelta | None) -> str:
    assert length is not None
    return f"{length.total_seconds() / 60:g} min"


def scenarios() -> str:
    rows = [[code(one.name), one.title, code(one.cause)] for one in SCENARIOS.values()]
    return table(["scenario", "the fault", "the cause that is named first"], rows)


def commands() -> str:
    return "\n\n".join(_command(f"apidown {path}", command) for path, command in walk_commands())


def walk_commands() -> list[tuple[str, Any]]:
    """Every command that does something, by the words that call it."""

    def walk(group: Any, words: tuple[str, ...]) -> Iterable[tuple[str, Any]]:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from walk(command, (*words, name))
            else:
                yield " ".join((*words, name)), command

    return list(walk(typer.main.get_command(app), ()))


def _command(title: str, command: Any) -> str:
    rows = []
    for param in command.params:
        if "--help" in param.opts:
            continue
        is_argument = param.param_type_name == "argument"
        name = f"{param.name.upper()}{'…' if param.nargs == -1 else ''}" if is_argument else param.opts[0]
        choices = type(param.default) if isinstance(param.default, Enum) else ()
        among = f" One of {', '.join(code(choice.value) for choice in choices)}." if choices else ""
        default = (
            "" if param.default in (None, ()) or callable(param.default) else f" If not given: {code(_plain(param.default))}."
        )
        rows.append([code(name), f"{param.help or ''}{among}{default}"])
    text = " ".join((command.help or "").split())
    return "\n\n".join([f"### {title}", text, *([table(["argument or option", "meaning"], rows)] if rows else [])])


def layers() -> str:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    found = next(contract for contract in contracts if contract["type"] == "layers")
    return "```text\n" + "\n".join(found["layers"]) + "\n```"


def keys() -> str:
    return table(["key", "what it holds"], [[code(key), text] for key, text in key_texts().items()])


def key_texts() -> dict[str, str]:
    """Every key's pattern, with ``CLUSTER`` and ``ID`` for names, and what its own text says."""
    module = ast.parse(Path(redis_keys.__file__).read_text())
    found = {redis_keys.CLUSTERS: _text_after(module, "CLUSTERS")}
    for node in module.body:
        text = (ast.get_docstring(node) or "") if isinstance(node, ast.FunctionDef) else ""
        if isinstance(node, ast.FunctionDef) and re.match(r"(String|Set|Hash|Stream|Sorted set)\b.*: ", text):
            named = {"cluster": "CLUSTER", "ref": Ref(cluster="CLUSTER", id="ID")}
            names = [arg.arg for arg in node.args.args]
            # A key with a digest in it is shown with what the digest is of.
            more = [name for name in names if name not in named]
            key = getattr(redis_keys, node.name)(*(named.get(name, name) for name in names))
            for name in more:
                key = key.replace(digest(name, length=32), name.upper())
            found[key] = text
    return {key: text.replace("``", "`") for key, text in found.items()}


def _text_after(module: ast.Module, name: str) -> str:
    for node, following in zip(module.body, module.body[1:], strict=False):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            assert isinstance(following, ast.Expr)
            return str(ast.literal_eval(following.value))
    raise LookupError(name)


def times() -> str:
    measures: Mapping[str, tuple[float, str]] = {
        "DNS lookup": (timing.DNS_TIMEOUT_S, "one operation"),
        "TCP connect": (
            timing.TCP_TIMEOUT_S,
            "one operation; a dead neighbour is reported after about 3 s and must not look dropped",
        ),
        "TLS handshake": (timing.TLS_TIMEOUT_S, "one operation"),
        "HTTP request": (timing.HTTP_TIMEOUT_S, "from the request to the end of the answer"),
        "ladder": (rounds.LADDER_S, "all network operations of a round"),
        "first verdict": (rounds.FIRST_VERDICT_S, "written at the latest, whatever is broken"),
        "settle": (rounds.SETTLE_S, "what the first verdict waits for the playbook's own steps once the ladder is complete"),
        "round": (rounds.ROUND_S, "slower evidence revises the verdict until then; what still runs is not-checked"),
        "resumed": (rounds.RESUMED_S, "the same for a successor in a predecessor's round; Re-run looks again, at all of it"),
        "watching": (investigate.WATCH.total_seconds(), "a concluded investigation stays open for further triggers"),
        "lease": (redis_store.LEASE_S, "an owner that stops renewing is succeeded after this time"),
        "renewal": (recovery.RENEW_EVERY_S, "how often an owner renews its lease"),
        "scan": (recovery.SCAN_EVERY_S, "how often a replica looks for investigations that nobody owns"),
        "heard": (redis_store.HEARD_S, "how long after its last repetition an alert is not heard again (2 days)"),
        "keep": (redis_store.KEEP_S, "how long a closed log stays (30 days)"),
    }
    return table(
        ["what", "seconds", "meaning"],
        [[name, f"{value:,g}" if value < 1e5 else f"{value:,.0f}", text] for name, (value, text) in measures.items()],
    )


def items() -> str:
    return table(["item", "what it asks", "how", "carried by"], coverage.rows())


def egress() -> str:
    return "\n\n".join(
        f"## {_PROVIDERS[provider]}\n\n"
        + table(["place", "port", "what for"], [[code(one.host), f"{one.protocol} {one.port}", one.purpose] for one in places])
        for provider, places in REQUIRED.items()
    )


_PROVIDERS = {"azure": "Azure (AKS)", "aws": "AWS (EKS)", "gcp": "Google Cloud (GKE)"}


def values() -> str:
    rows = [[code(path), code(chart.as_json(default)), text] for path, default, text in chart.documented()]
    return table(["value", "if not set", "meaning"], rows)


PARTS: Mapping[str, Callable[[], str]] = {
    "alerts": alerts,
    "boundary": boundary,
    "causes": causes,
    "change-kinds": change_kinds,
    "commands": commands,
    "egress": egress,
    "items": items,
    "item-totals": coverage.totals,
    "keys": keys,
    "layers": layers,
    "placeholders": placeholders,
    "probes": probes,
    "scenarios": scenarios,
    "settings": settings,
    "symptoms": symptoms,
    "times": times,
    "values": values,
}
PART = re.compile(r"(<!-- begin ([a-z-]+) -->\n).*?(<!-- end \2 -->)", re.S)


def filled(text: str) -> str:
    """The document with its generated parts made anew."""
    return PART.sub(lambda match: f"{match[1]}\n{PARTS[match[2]]()}\n\n{match[3]}", text)


def documents() -> list[Path]:
    """Every document of the project, wherever it is."""
    return sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("helm/*/*.md")])


def main() -> None:
    for path in documents():
        path.write_text(filled(path.read_text()))
    (default_folder() / "schema.json").write_text(schema_text())
    (DOCS / "apidown.v1.schema.json").write_text(json.dumps(as_json_schema(), indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
