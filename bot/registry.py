"""The kinds of contribution, and the folder scan that finds them.

A contribution is one file in its kind's folder; the file's name is its id (``tcp_connect.py`` is ``tcp-connect``), its
docstring is what users read, and one module-level object made by the kind's decorator is what runs. The scan builds an
immutable registry that is passed to whoever needs it: there is no global list to edit, and nothing registers itself.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType, ModuleType
from typing import Any, Generic, Protocol, TypeVar

from pydantic import ValidationError

from bot.clock import Clock
from bot.document import did_you_mean
from bot.errors import UsageError
from bot.form import in_words
from bot.model.base import Json, Value
from bot.model.finding import Finding, Status
from bot.model.observation import Observation
from bot.model.target import Cluster
from bot.model.vantage import Vantage, VantageKind
from bot.ports import (
    BalancerReads,
    Credentials,
    EtcdAccess,
    Investigations,
    KubernetesReads,
    MetricsReads,
    Network,
    Request,
    Resolution,
)


class NoParams(Value):
    """For probes that take none."""


@dataclass(frozen=True, kw_only=True)
class ProbeContext:
    """What a probe is given: the target, the network, time, and only the ports it declared it needs.

    ``deadline`` is on the monotonic clock. ``api``, ``metrics`` (the cluster's Prometheus), ``balancer`` (what its balancers
    say of themselves) and ``etcd`` (who its members are, and credentials for them) are None unless the probe needs them and
    they can be had.
    ``problems`` are sentences about what could not be read of the cluster's configuration, or is not used.
    """

    probe: str
    params: Json
    cluster: Cluster
    vantage: Vantage
    round: int
    network: Network
    clock: Clock
    deadline: float
    credentials: Credentials | None = None
    api: KubernetesReads | None = None
    metrics: MetricsReads | None = None
    balancer: BalancerReads | None = None
    etcd: EtcdAccess | None = None
    problems: tuple[str, ...] = ()

    def finding(
        self,
        subject: str,
        status: Status,
        outcome: str,
        sentence: str,
        *,
        seen: Observation | Sequence[Observation] = (),
        evidence: Json | None = None,
        todo: str | None = None,
        raw_error: str | None = None,
        warning: str | None = None,
    ) -> Finding:
        """A finding of this probe. Start, duration and raw error come from the observations it is based on. ``warning`` says
        what would break next; it changes neither status nor verdict."""
        observations = [seen] if isinstance(seen, Observation) else list(seen)
        started = min((item.started_at for item in observations), default=self.clock.now())
        errors = [item.raw_error for item in observations if item.raw_error]
        return Finding(
            probe=self.probe,
            params=self.params,
            vantage=self.vantage,
            subject=subject,
            round=self.round,
            status=status,
            outcome=outcome,
            sentence=sentence,
            evidence=evidence or {},
            raw_error=raw_error or (errors[-1] if errors else None),
            todo=todo,
            warning=warning,
            started_at=started,
            duration_s=round(sum(item.duration_s for item in observations), 4),
        )


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """What every contribution has: an id from its file's name and, for users, its file's docstring."""

    id: str = ""
    doc: str = ""

    @property
    def good_state(self) -> str:
        """The docstring's first line, which states what holds when all is well."""
        return self.doc.splitlines()[0] if self.doc else ""


P = TypeVar("P", bound=Value)
P_contra = TypeVar("P_contra", bound=Value, contravariant=True)


class ProbeFunction(Protocol[P_contra]):
    """``async def name(ctx, params)`` that yields findings as they are known, one per subject."""

    def __call__(self, ctx: ProbeContext, params: P_contra, /) -> AsyncGenerator[Finding, None]: ...


@dataclass(frozen=True, kw_only=True)
class Probe(Contribution, Generic[P]):
    """One probe. ``outcomes`` maps each code it can conclude with to what that code means; the boundary adds
    ``not-checked`` and ``error``, which every probe can have. ``needs`` are names of optional ports (``api``, ``metrics``,
    ``balancer``, ``etcd``)."""

    run: ProbeFunction[P]
    params: type[P]
    outcomes: Mapping[str, str]
    needs: tuple[str, ...] = ()
    vantages: tuple[VantageKind, ...] = (VantageKind.BOT, VantageKind.OUTSIDE)

    def validate(self, params: Json) -> P:
        """The parameters as the probe's own type; raises UsageError naming every wrong one."""
        try:
            return self.params.model_validate(params, strict=False)
        except ValidationError as error:
            known = list(self.params.model_fields)
            said, near = [], ""
            for details in error.errors():
                name = ".".join(str(part) for part in details["loc"])
                near = near or (did_you_mean(name, known) if details["type"] == "extra_forbidden" else "")
                said.append(f"'{name}' {in_words(details)}")
            nearest = near or (f"its parameters are {', '.join(known)}" if known else "it has no parameters")
            raise UsageError(f"the parameters of the probe {self.id}: {'; '.join(said)}", nearest=nearest) from error


# Outcomes that the boundary around every probe can add.
BOUNDARY_OUTCOMES: Mapping[str, str] = MappingProxyType(
    {
        "not-checked": "the probe could not look; the finding says what is missing",
        "probe-error": "the probe itself failed, which is a defect of apidown",
        "deadline-passed": "the round's time was over before the probe came to this",
    }
)


def probe(
    *,
    outcomes: Mapping[str, str],
    needs: tuple[str, ...] = (),
    params: type[Any] = NoParams,
    vantages: tuple[VantageKind, ...] = (VantageKind.BOT, VantageKind.OUTSIDE),
) -> Callable[[ProbeFunction[Any]], Probe[Any]]:
    """Makes a probe of an async generator function. Its id and texts come from its module when it is scanned."""

    def make(function: ProbeFunction[Any]) -> Probe[Any]:
        return Probe(run=function, params=params, outcomes=MappingProxyType(dict(outcomes)), needs=needs, vantages=vantages)

    return make


@dataclass(frozen=True, kw_only=True)
class CommandCall:
    """One use of a slash command: who, where, and what was typed after it. Text from outside; it is only ever data.
    ``workspace`` is the URL that links into Slack begin with, ``playbooks`` are those that can be named; empty when not known.
    ``key`` is the same whenever this very use is told again."""

    user: str
    channel: str
    text: str
    at: datetime
    workspace: str = ""
    playbooks: tuple[str, ...] = ()
    key: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the person sees at once, and what is then done. ``then`` runs after the acknowledgement; the sentence it
    returns, if any, is shown to the same person. ``restricted`` work is for those who may start investigations.
    ``refused``: what was asked is not for this person or this channel."""

    text: str
    then: Callable[[Investigations], Awaitable[str | None]] | None = None
    restricted: bool = False
    refused: bool = False


@dataclass(frozen=True, kw_only=True)
class Command(Contribution):
    """One slash command. ``answer`` is pure and quick: it reads the call and the configuration, no I/O, so that the
    acknowledgement is never late."""

    answer: Callable[[CommandCall, Any], Answer]
    usage: str


def command(*, usage: str) -> Callable[[Callable[[CommandCall, Any], Answer]], Command]:
    """Makes a slash command of a function from (call, config) to an Answer."""

    def make(function: Callable[[CommandCall, Any], Answer]) -> Command:
        return Command(answer=function, usage=usage)

    return make


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What a body that was posted to us asks for. ``problems`` are sentences about what in it cannot be acted on."""

    requests: tuple[Request, ...] = ()
    resolutions: tuple[Resolution, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Webhook(Contribution):
    """A trigger that another system posts to ``/webhooks/<id>``. ``read`` is pure: body, configuration and time in, what to
    do out; it raises UsageError for a body that is not its system's. A body has ``max_bytes`` at most."""

    read: Callable[[bytes, Any, datetime], Heard]
    max_bytes: int


def webhook(*, max_bytes: int) -> Callable[[Callable[[bytes, Any, datetime], Heard]], Webhook]:
    """Makes a webhook of a function from (body, config, now) to what was heard."""

    def make(function: Callable[[bytes, Any, datetime], Heard]) -> Webhook:
        return Webhook(read=function, max_bytes=max_bytes)

    return make


C = TypeVar("C", bound=Contribution)


def scan(package: ModuleType, kind: type[C]) -> Mapping[str, C]:
    """Imports every module of a folder and takes its one contribution of this kind, named after the file.

    Modules whose name starts with an underscore are helpers. A module with no contribution or with two is a defect, said
    as such: a file in a contribution folder that does nothing would be found by nobody.
    """
    found: dict[str, C] = {}
    for info in pkgutil.iter_modules(package.__path__):
        if info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        own = [item for item in vars(module).values() if isinstance(item, kind)]
        if len(own) != 1:
            raise TypeError(f"{module.__name__} has {len(own)} contributions of kind {kind.__name__}; a file has one")
        identifier = info.name.replace("_", "-")
        found[identifier] = replace(own[0], id=identifier, doc=inspect.getdoc(module) or "")
    return MappingProxyType(found)


@dataclass(frozen=True, kw_only=True)
class Registry:
    """All contributions of one process. Playbooks and causes are loaded against it, so that a name that does not exist is
    found before anybody needs it."""

    probes: Mapping[str, Probe[Any]]
    commands: Mapping[str, Command] = field(default_factory=lambda: MappingProxyType({}))
    webhooks: Mapping[str, Webhook] = field(default_factory=lambda: MappingProxyType({}))
    symptoms: frozenset[str] = frozenset()
    """What the triage can call a failure, for playbooks to be selected by. Empty: not known here, and so not judged."""
