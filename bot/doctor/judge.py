"""What the answers of Slack, of the store and of the probes mean for whoever installs: pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.doctor import rights
from bot.doctor.lines import Line
from bot.model.base import Json
from bot.model.finding import Finding, Status, worst

OLDEST_STORE = 6
NO_SLACK = "Without Slack everything else works: apidown investigate"
_ALLOW = "allow them: docs/install.md, An identity that may only read, has the commands; with the chart, rbac.create"
_WITHOUT_LOGS = (
    f" The right to {rights.LOGS}, which is a choice, is not there: whether the API server reaches the kubelets is not-checked,"
    " and no control plane's log is read."
)
_MANIFEST = "add it under OAuth & Permissions (or paste docs/slack-manifest.yaml into App Manifest) and reinstall the app"


def scopes(granted: str | None, wanted: Mapping[str, str], optional: Mapping[str, str]) -> Line:
    """``granted`` is Slack's own list, separated by commas; None when it does not say."""
    if granted is None:
        said = "Slack does not say which scopes the bot token has."
        return _line("Slack scopes", Status.INCONCLUSIVE, said, "look at OAuth & Permissions at https://api.slack.com/apps")
    have = {scope.strip() for scope in granted.split(",")}
    missing = {scope: use for scope, use in wanted.items() if scope not in have}
    without = [f"{scope} ({use})" for scope, use in optional.items() if scope not in have]
    if missing:
        named = "; ".join(f"{scope} is for {use}" for scope, use in missing.items())
        return _line("Slack scopes", Status.PROBLEM, f"{len(missing)} missing: {named}.", _MANIFEST)
    more = f"; not granted, and needed for {' and '.join(without)} only" if without else ""
    return _line("Slack scopes", Status.OK, f"The bot token has {', '.join(wanted)}{more}.")


def is_archived(history: Mapping[str, Any], info: Mapping[str, Any] | None) -> bool:
    """Whether a channel takes no messages any more: as Slack says of it, else as its last message does."""
    if info is not None:
        return bool(info.get("channel", {}).get("is_archived"))
    messages = history.get("messages") or ()
    return any(message.get("subtype") in ("channel_archive", "group_archive") for message in messages[:1])


def store(place: str, facts: Json) -> list[Line]:
    """Version and role, what happens when memory is full, and what a restart leaves."""
    return [_version(place, facts), _eviction(facts), _persistence(facts)]


def _version(place: str, facts: Json) -> Line:
    name = "Valkey" if "valkey_version" in facts or facts.get("server_name") == "valkey" else "Redis"
    version = str(facts.get("valkey_version") or facts.get("redis_version") or "of unknown version")
    said = f"{name} {version} answers at {place}"
    major = version.partition(".")[0]
    if major.isdigit() and int(major) < OLDEST_STORE:
        remedy = f"use Valkey, or Redis {OLDEST_STORE} or newer"
        return _line("store", Status.PROBLEM, f"{said}, which is too old.", remedy)
    if facts.get("role") == "slave":
        return _line("store", Status.PROBLEM, f"{said} and is a replica, which takes no writes.", "give the primary's URL")
    return _line("store", Status.OK, f"{said}.")


def _eviction(facts: Json) -> Line:
    policy, limit = facts.get("maxmemory_policy"), facts.get("maxmemory")
    if policy is None:
        return _line("store eviction", Status.INCONCLUSIVE, "The server does not tell its policy.", "see that it is noeviction")
    if policy == "noeviction":
        return _line("store eviction", Status.OK, "The policy is noeviction: no investigation is dropped for want of memory.")
    if limit == 0:
        return _line("store eviction", Status.OK, f"The policy is {policy}, and without a memory limit nothing is dropped.")
    said = f"The policy is {policy}: when memory is full, investigations are dropped."
    return _line(
        "store eviction", Status.PROBLEM, said, "CONFIG SET maxmemory-policy noeviction, and in the server's configuration"
    )


def _persistence(facts: Json) -> Line:
    check = "store persistence"
    if facts.get("aof_enabled"):
        if facts.get("aof_last_write_status", "ok") != "ok":
            remedy = "look at the server's disk and log"
            return _line(check, Status.PROBLEM, "The append-only file cannot be written.", remedy)
        return _line(check, Status.OK, "Every write goes to an append-only file.")
    if "save" not in facts:
        said = "There is no append-only file, and the server does not tell its snapshots."
        return _line(check, Status.INCONCLUSIVE, said, "see that it keeps its data over a restart")
    if not facts["save"]:
        said = "The server keeps nothing on disk: its restart ends what is being investigated."
        return _line(check, Status.PROBLEM, said, "set appendonly yes")
    if facts.get("rdb_last_bgsave_status", "ok") != "ok":
        return _line(check, Status.PROBLEM, "The last snapshot failed.", "look at the server's disk and log")
    return _line(check, Status.OK, "Snapshots are written: a crash loses what came after the last one.")


def cluster_check(cluster: str, check: str, findings: Sequence[Finding], asks: str) -> Line:
    """One line of a probe's findings, which are one for each address: the worst one speaks. ``asks`` is the command that
    looks closer."""
    status = worst([finding.status for finding in findings])
    speaks = next((one for one in findings if one.status is status), None)
    if speaks is None:
        return Line(check=check, subject=cluster, status=Status.NOT_CHECKED, sentence="Nothing was looked at.", remedy="")
    alike = sum(one.status is status for one in findings)
    more = f" The same at {alike - 1} more." if alike > 1 else ""
    # What is below explains it, and has a remedy of its own.
    remedy = "" if status in (Status.OK, Status.NOT_APPLICABLE) else speaks.todo or asks
    return Line(check=check, subject=cluster, status=status, sentence=f"{speaks.sentence}{more}", remedy=remedy)


_TOLD = ("all-up", "some-down", "none-up", "not-all-checked")


def balancer(cluster: str, findings: Sequence[Finding], asks: str) -> Line:
    """What the cluster's balancers tell, by backend; where they tell nothing, why."""
    return cluster_check(cluster, "balancer", [one for one in findings if one.outcome in _TOLD] or findings, asks)


_OF_APISERVERS = ("asked-up", "apiserver", "apiservers")


def prometheus(cluster: str, findings: Sequence[Finding], asks: str) -> Line:
    """What the cluster's Prometheus tells of its API servers, and what else it tells of; where it tells nothing, why."""
    told = [one for one in findings if one.outcome.startswith(_OF_APISERVERS)]
    line = cluster_check(cluster, "Prometheus", told or findings, asks)
    others = [word for word in ("etcd", "machine", "balancer") if any(word in one.subject for one in findings if one not in told)]
    more = f" It scrapes more of the control plane: {', '.join(others)}." if told and others else ""
    return line.model_copy(update={"sentence": f"{line.sentence}{more}"})


def reads(cluster: str, findings: Sequence[Finding], asks: str) -> Line:
    """What the identity may not read of what an investigation looks at, from the findings of ``rights``. The right to logs is
    a choice, so to be without it is said and is well."""
    check = "optional reads"
    if not findings:
        said = "Not looked at, because of what is above."
        return Line(check=check, subject=cluster, status=Status.NOT_APPLICABLE, sentence=said)
    missing = [one.subject for one in findings if one.outcome == rights.MISSING]
    without = _WITHOUT_LOGS if any(one.outcome == rights.LEFT_OUT for one in findings) else ""
    unsaid = next((one for one in findings if one.outcome not in rights.SAID), None)
    ended = f" Nothing more was asked: {unsaid.sentence}" if unsaid else ""
    if missing:
        what = "1 right is" if len(missing) == 1 else f"{len(missing)} rights are"
        said = f"{what} missing, and what needs them is not-checked: {'; '.join(missing)}.{without}{ended}"
        return Line(check=check, subject=cluster, status=Status.NOT_CHECKED, sentence=said, remedy=_ALLOW)
    if unsaid:
        said = f"Not everything was asked: {unsaid.sentence}"
        return Line(check=check, subject=cluster, status=Status.INCONCLUSIVE, sentence=said, remedy=asks)
    said = f"All that an investigation looks at can be read.{without}"
    return Line(check=check, subject=cluster, status=Status.OK, sentence=said)


def writes(cluster: str, about: Json | None) -> Line:
    """That nothing can be changed: by apidown for want of code, and whether the identity itself could."""
    said = "Nothing: apidown has no code that writes to a cluster."
    if about is None:
        said += " It has no credentials either."
    elif "system:masters" in str(about.get("subject", "")):
        said += (
            " But this identity is in system:masters and could change everything; one that may only read is enough,"
            " see docs/install.md."
        )
    else:
        who = about.get("subject")
        said += f" It asks as {who}." if who else " Its credentials do not say who it is."
    return Line(check="may write", subject=cluster, status=Status.OK, sentence=said)


def _line(check: str, status: Status, sentence: str, remedy: str = "") -> Line:
    return Line(check=check, status=status, sentence=sentence, remedy=remedy)
