"""The contract of a fault, and the folder scan that finds them: one file of ``faults/`` is one fault.

Such a file has a docstring (one sentence: what happens), ``TRUTH``, and ``fault(lab, draw)``, a context manager that does it,
sees on the server's side that it is in, yields what is asked, and undoes it. ``MISSED`` is the reviewed reason for a verdict
that is not right. A name that begins with ``healthy_`` is a healthy kind, with ``both_`` a combination.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING

from bot.demo.pki import Authority
from tests.lab import faults

if TYPE_CHECKING:
    from tests.lab.seed import Draw
    from tests.lab.topology import Lab


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is wrong, and what may be said of it. Written before the rules that it judges.

    ``acceptable`` is by the kinds of vantage points that looked, joined by ``+`` in alphabetical order, such as ``bot``,
    ``bot+load-balancer`` (the balancer's statistics answered) or ``bot+metrics`` (Prometheus did); at most three ids each, the
    cause itself among them where it can be named from there. ``because`` says why they cannot be told apart. ``never_high`` are
    ids that are wrong with high confidence even where they are broader than the truth. ``also`` are the other truths of a
    combination. ``warned_by`` are probes for a truth that breaks nothing yet: who ends healthy and has one of them warn of it
    has named it.
    """

    cause: str
    acceptable: Mapping[str, tuple[str, ...]]
    because: str = ""
    never_high: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    warned_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert self.acceptable.get("bot"), "what may be said from the bot's own place is always given"
        for place, ids in self.acceptable.items():
            assert 1 <= len(ids) <= 3, f"{place}: at most three ids are acceptable"
        named = {one for ids in self.acceptable.values() for one in ids}
        assert named <= {self.cause, *self.also} or self.because, "ids other than the cause need a reason"


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What the on-call engineer asks, and from where. What is left out is as on a good day.

    ``proof`` is what was seen on the server's side. ``where`` is a role of the lab's hosts. ``server`` is the kubeconfig's,
    ``authority`` its CA, ``user`` its user (empty: no credentials), ``server_name`` its tls-server-name, ``cluster`` further
    fields of the kubeconfig's cluster, ``kubeconfig`` replaces all of it. ``controls`` are host:port of what should answer
    whatever happens to the cluster. ``files`` are texts by path over the machine's own, ``environment`` further variables,
    ``known`` further fields of the cluster in apidown's configuration, ``more`` further arguments of the command line.

    The configuration names the lab's Prometheus, unless ``prometheus`` is False, and the balancer's statistics page where the
    balancer is what is asked; ``balancer`` says otherwise. Before the question Prometheus gets time to look at everything
    once; ``at_once`` is for what is over, or begins, within seconds.
    """

    proof: str
    server: str | None = None
    where: str = "client"
    authority: Authority | None = None
    user: Mapping[str, object] | None = None
    server_name: str | None = None
    cluster: Mapping[str, object] = field(default_factory=dict)
    kubeconfig: str | None = None
    controls: tuple[str, ...] | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, object] = field(default_factory=dict)
    more: tuple[str, ...] = ()
    prometheus: bool = True
    balancer: bool | None = None
    at_once: bool = False


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One file of the folder."""

    name: str
    title: str
    truth: Truth
    begin: Callable[[Lab, Draw], AbstractContextManager[Ask]]
    missed: str = ""

    @property
    def kind(self) -> str:
        """healthy, both or single."""
        first = self.name.partition("_")[0]
        return first if first in ("healthy", "both") else "single"


def read(module: ModuleType) -> Fault:
    """The fault that a module is; an AssertionError says what it lacks."""
    name = module.__name__.rpartition(".")[2]
    text = (module.__doc__ or "").strip()
    assert text, f"{name} needs a docstring that says what happens"
    for part in ("TRUTH", "fault"):
        assert hasattr(module, part), f"{name} lacks {part}"
    made = Fault(
        name=name, title=text.splitlines()[0], truth=module.TRUTH, begin=module.fault, missed=getattr(module, "MISSED", "")
    )
    assert (made.kind == "healthy") == (made.truth.cause == "healthy"), f"{name}: healthy kinds, and only they, are healthy"
    assert (made.kind == "both") == bool(made.truth.also), f"{name}: combinations, and only they, have further truths"
    return made


def names() -> list[str]:
    """All that the folder has, in order."""
    return sorted(item.name for item in pkgutil.iter_modules(faults.__path__) if not item.name.startswith("_"))


def fault_named(name: str) -> Fault:
    return read(importlib.import_module(f"{faults.__name__}.{name}"))


def all_faults() -> dict[str, Fault]:
    """By name, healthy kinds and combinations included."""
    return {name: fault_named(name) for name in names()}
