"""One cluster through the very probes that an investigation runs, from this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bot.app import Core
from bot.doctor import judge, rights
from bot.doctor.lines import Line, redacted
from bot.doctor.machine import problem
from bot.errors import ApidownError
from bot.model.base import Json
from bot.model.finding import Finding, Status
from bot.model.target import Cluster, CredentialKind
from bot.ports import ClusterAccess, Directory, ProbeRound
from bot.redact import Redactor

Say = Callable[[Line], None]

_LADDER = {"address": "dns-lookup", "TCP": "tcp-connect", "TLS": "tls-handshake", "credentials": "apiserver-auth"}
_KINDS = {
    CredentialKind.NONE: "none",
    CredentialKind.TOKEN: "a token",
    CredentialKind.CLIENT_CERTIFICATE: "a client certificate",
    CredentialKind.EXEC: "what an exec plugin prints",
}
_VERIFIED = "put the cluster's certificate-authority into the kubeconfig in place of insecure-skip-tls-verify"


async def look(core: Core, directory: Directory, cluster: Cluster, tell: Say, *, asks: str, within_s: float) -> None:
    """Tells one line a check. ``asks`` is the command that looks closer. ``within_s`` bounds it all, and every answer comes
    as soon as its probe has ended."""
    try:
        access = await directory.access(cluster)
    except ApidownError as error:
        tell(problem("files", error, subject=cluster.name, remedy="correct the configuration, or give the file"))
        return
    redactor = Redactor().also(access.secrets)

    def say(line: Line) -> None:
        """A server may repeat the credentials that it was given."""
        tell(*redacted([line], redactor))

    say(_files(access))
    now = core.clock.monotonic()
    local = core.local()
    here = replace(local, probes={**local.probes, rights.ID: rights.PROBE})
    opened = here.open_round(access, round=1, ladder_deadline=now + within_s * 0.7)
    try:
        accepted = False
        for check, probe in _LADDER.items():
            line = judge.cluster_check(cluster.name, check, await _findings(opened, probe, now + within_s), asks)
            accepted = check == "credentials" and line.status is Status.OK
            say(line)
        if access.balancers:
            told = await _findings(opened, "balancer-statistics", now + within_s, {"seconds": 0})
            say(judge.balancer(cluster.name, told, asks))
        if access.metrics:
            told = await _findings(opened, "prometheus-targets", now + within_s, {"seconds": 0})
            say(judge.prometheus(cluster.name, told, asks))
        if access.etcd:
            told = await _findings(opened, "etcd-members", now + within_s)
            say(judge.cluster_check(cluster.name, "etcd", told, asks))
        params = rights.wanted(core.library).model_dump()
        found = await _findings(opened, rights.ID, now + within_s, params) if accepted else []
        say(judge.reads(cluster.name, found, asks))
        say(judge.writes(cluster.name, access.credentials.describe() if access.credentials else None))
    finally:
        await opened.aclose()


async def _findings(round: ProbeRound, probe: str, deadline: float, params: Json | None = None) -> list[Finding]:
    return [finding async for finding in round.run(probe, params or {}, deadline=deadline)]


def _files(access: ClusterAccess) -> Line:
    cluster = access.cluster
    if access.problems:
        said = " ".join(access.problems)
        remedy = _VERIFIED if "insecure-skip-tls-verify" in said else "correct what is said here, where apidown runs"
        return Line(check="files", subject=cluster.name, status=Status.PROBLEM, sentence=said, remedy=remedy)
    # The credentials' files are read here, too: a server that is down would hide for long that they are not there.
    unreadable = access.credentials.describe().get("problem") if access.credentials else None
    if unreadable:
        said, remedy = (
            f"They give {cluster.target.url}, but {unreadable}.",
            "give the file where apidown runs, or correct its path",
        )
        return Line(check="files", subject=cluster.name, status=Status.PROBLEM, sentence=said, remedy=remedy)
    kind = f"credentials are {_KINDS[cluster.credentials]}" if access.credentials else "there are no credentials"
    return Line(check="files", subject=cluster.name, status=Status.OK, sentence=f"They give {cluster.target.url}; {kind}.")
