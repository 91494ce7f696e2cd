"""Where faults are tried: puts one in, asks, takes it out, and judges what was said."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from bot.app import build_registry
from bot.model.playbook import Cause
from bot.playbook import default_folder, load_library
from tests.lab.asking import investigate
from tests.lab.domains import DOMAINS
from tests.lab.fault import Ask, Fault
from tests.lab.judge import Judged, judge
from tests.lab.seed import Draw
from tests.lab.topology import Lab, running_lab

Asking = Callable[[Lab, Ask], Mapping[str, Any]]
"""Who is asked about a fault: what it returns has the form of the command line's JSON."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One fault's line of the scoreboard. ``counted`` are the requests that the API servers' audit logs have of the bot,
    ``seconds`` the whole time that the fault took, putting in and taking out included. ``because`` is the truth's reason why
    more than one id is acceptable, ``missed`` the reviewed reason for a verdict that is not right."""

    judged: Judged
    title: str
    proof: str
    counted: int
    seconds: float
    seed: int
    because: str = ""
    missed: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            **self.judged.as_json(),
            "title": self.title,
            "proof": self.proof,
            "counted": self.counted,
            "seconds": self.seconds,
            "seed": self.seed,
            "because": self.because,
            "missed": self.missed,
        }

    def with_texts(self, fault: Fault) -> Row:
        """The same with the fault file's words of now."""
        return replace(self, title=fault.title, because=fault.truth.because, missed=fault.missed)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Row:
        own = {key: data[key] for key in ("title", "proof", "counted", "seconds", "seed", "because", "missed")}
        return cls(judged=Judged.from_json(data), **own)


class Bench:
    """A lab that is made when the first fault needs it, and anew after one that could not be undone.

    ``patience`` is how many seconds the lab may take to be well again after a fault; ``bare`` is the lab's.
    """

    def __init__(self, seed: int, patience: float = 75, asking: Asking = investigate, *, bare: bool = False) -> None:
        self.bare = bare
        self.seed = seed
        self.patience = patience
        self.rebuilt: list[str] = []
        self._asking = asking
        self._running: Generator[Lab] | None = None
        self._lab: Lab | None = None

    @property
    def lab(self) -> Lab:
        if self._lab is None:
            self._running = _lab(self.seed, self.bare)
            self._lab = next(self._running)
        return self._lab

    def close(self) -> None:
        if self._running is not None:
            self._running.close()
        self._running = self._lab = None

    def run(self, fault: Fault) -> Row:
        """Does it, asks, undoes it, and sees that the lab is well before and after. Nothing knows the truth but the judge.

        Raises AssertionError when the fault could not be put in or the answer is no answer.
        """
        lab = self.lab
        started = time.monotonic()
        before = _counted(lab)
        try:
            with fault.begin(lab, Draw(self.seed, fault.name)) as ask:
                if ask.prometheus and not ask.at_once:
                    lab.scraped()
                said = self._asking(lab, ask)
                counted = _counted(lab) - before
            assert ask.proof, f"{fault.name} does not say how it was seen to be in"
        finally:
            self._undone(fault)
        return Row(
            judged=judge(fault.name, fault.kind, fault.truth, said, domains=domains(), refines=refinements()),
            title=fault.title,
            proof=ask.proof,
            counted=counted,
            seconds=round(time.monotonic() - started, 1),
            seed=self.seed,
            because=fault.truth.because,
            missed=fault.missed,
        )

    def _undone(self, fault: Fault) -> None:
        """The lab is well when this returns, or there is none: before a fault it always is."""
        try:
            self.lab.recover(self.patience)
        except AssertionError as error:
            self.rebuilt.append(f"{fault.name}: {error}")
            self.close()


def _lab(seed: int, bare: bool) -> Generator[Lab]:
    with running_lab(seed, bare=bare) as lab:
        yield lab


def _counted(lab: Lab) -> int:
    return sum(api.requests_by("apidown") for api in lab.apis)


@contextmanager
def bench(seed: int, asking: Asking = investigate, *, bare: bool = False) -> Generator[Bench]:
    """A bench whose lab is gone afterwards."""
    made = Bench(seed, asking=asking, bare=bare)
    try:
        yield made
    finally:
        made.close()


@cache
def domains() -> Mapping[str, str]:
    """Whom to call for each cause: those that the catalogue has, and those that faults may be besides."""
    return {**DOMAINS, **{cause.id: cause.domain.value for cause in _catalogue()}}


@cache
def refinements() -> Mapping[str, str]:
    """Which broader cause each finer one refines, as the catalogue has it."""
    return {cause.id: cause.refines for cause in _catalogue() if cause.refines}


def _catalogue() -> Iterable[Cause]:
    return load_library(default_folder(), build_registry()).causes.values()
