"""What the doctor asks of an API server to know its rights: little, nothing of value, and nothing more once it is silent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.doctor import rights
from bot.errors import Unavailable
from bot.model.finding import Finding, Status
from bot.model.observation import Failure
from bot.playbook import Library
from bot.ports import ApiObject, Kind, Listing, LogAnswer
from tests.fakes.network import ScriptedNetwork
from tests.probes.scene import ADDRESS, HOST, KnownObjects, OwnCredentials, Scene

METRICS = "/metrics"
DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "configuration.md").read_text()


def forbidden(what: str) -> Unavailable:
    return Unavailable(f'the API answered 403 for {what}: User "x" cannot list it', next="Allow the credentials to list it.")


@dataclass
class Counting(KnownObjects):
    """Counts the reads, and knows how many objects each one asked for."""

    limits: list[int] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)
    asked_logs: list[str] = field(default_factory=list)
    log: Unavailable | None = None

    async def list_pods(self, namespace: str, *, label_selector: str | None = None, limit: int = 50) -> Sequence[ApiObject]:
        self.limits.append(limit)
        return await super().list_pods(namespace, label_selector=label_selector, limit=limit)

    async def list_objects(self, kind: Kind, *, limit: int = 50, **more: Any) -> Listing:
        self.limits.append(limit)
        self.kinds.append(kind)
        return await super().list_objects(kind, limit=limit, **more)

    async def ask_for_log(self, namespace: str, pod: str, container: str) -> LogAnswer:
        self.asked_logs.append(pod)
        if self.log is not None:
            raise self.log
        return LogAnswer(status=404)


def network(status: int | None = 200, failure: Failure | None = None) -> ScriptedNetwork:
    made = ScriptedNetwork()
    made.resolves(HOST, ADDRESS)
    made.answers(ADDRESS, METRICS, status, failure=failure)
    return made


async def asked(api: Counting | None, made: ScriptedNetwork | None = None, **params: bool) -> list[Finding]:
    scene = Scene(network=made or network(), api=api, credentials=OwnCredentials())
    context = scene.context(rights.ID, params)
    findings = [one async for one in rights.PROBE.run(context, rights.PROBE.validate(params))]
    for one in findings:
        assert one.outcome in rights.PROBE.outcomes
        assert one.sentence.endswith(".")
    return findings


def outcomes(findings: Sequence[Finding]) -> dict[str, str]:
    return {one.subject: one.outcome for one in findings}


async def test_what_is_asked_for_is_small_and_no_log_that_there_is() -> None:
    api = Counting()
    made = network()
    found = await asked(api, made)
    assert set(outcomes(found).values()) == {rights.GIVEN}
    assert set(api.limits) == {1}
    assert api.asked_logs == ["apidown-asks-whether-it-may"], "no cluster has such a pod"
    assert Kind.SECRET_NAMES not in api.kinds
    assert made.with_credentials == [METRICS], "once"
    assert [one.subject for one in found][-1] == "get the path /metrics", "the heaviest comes last"


async def test_each_right_that_is_missing_is_a_finding_of_its_own() -> None:
    api = Counting(
        listings={Kind.NODES: forbidden("nodes"), Kind.SERVICES: forbidden("services")}, log=forbidden("the log of a/b")
    )
    found = await asked(api, network(403))
    not_given = {right: outcome for right, outcome in outcomes(found).items() if outcome != rights.GIVEN}
    assert not_given == {
        "list nodes": rights.MISSING,
        "list services in all namespaces": rights.MISSING,
        rights.LOGS: rights.LEFT_OUT,
        "get the path /metrics": rights.MISSING,
    }


@pytest.mark.parametrize("says", ["the API did not give leases within 5 s", "the API answered 429 for leases", "no connection"])
async def test_the_first_read_that_is_not_answered_is_the_last_one(says: str) -> None:
    api = Counting(listings={Kind.NODES: forbidden("nodes"), Kind.LEASES: Unavailable(says)})
    made = network()
    found = await asked(api, made)
    assert (found[-1].outcome, found[-1].status) == (rights.UNANSWERED, Status.INCONCLUSIVE)
    assert says[1:] in found[-1].sentence
    assert outcomes(found)["list nodes"] == rights.MISSING
    assert Kind.API_SERVICES not in api.kinds
    assert not made.with_credentials


async def test_what_is_not_there_may_be_read() -> None:
    api = Counting(listings={Kind.API_SERVICES: Unavailable("the API answered 404 for apiservices")})
    assert outcomes(await asked(api))["list apiservices"] == rights.GIVEN


@pytest.mark.parametrize(("status", "failure"), [(503, None), (None, Failure.HTTP_TIMEOUT)])
async def test_metrics_that_are_not_given_are_no_missing_right(status: int | None, failure: Failure | None) -> None:
    found = await asked(Counting(), network(status, failure))
    assert found[-1].outcome == rights.UNANSWERED
    assert "metrics" in found[-1].sentence


async def test_without_credentials_nothing_is_asked() -> None:
    assert await asked(None) == []


async def test_names_of_secrets_are_listed_only_where_a_playbook_counts_them() -> None:
    api = Counting(listings={Kind.SECRET_NAMES: forbidden("secrets")})
    assert outcomes(await asked(api, secrets=True))["list secrets in all namespaces"] == rights.MISSING
    assert api.limits[-1] == 1
    assert not rights.wanted(Library()).secrets


async def test_every_kind_of_right_that_the_documents_list_is_asked_for() -> None:
    table = DOCUMENT.split("## Credentials")[1].split("\n- ")[0]
    named = {word for row in table.splitlines() for word in row.split("|")[1:2] if "not needed" not in word}
    words = {word.strip("`") for row in named for word in row.split() if word.startswith("`") and "/" not in word.strip("`,;")}
    subjects = " ".join(one.subject for one in await asked(Counting()))
    resources = {word.strip("`,;()") for word in words} - {"list", "get", "default"}
    resources = {word for word in resources if "." not in word}
    assert {"pods", "nodes", "leases", "apiservices", "services", "kube-system"} <= resources
    for resource in resources:
        assert resource in subjects, resource
