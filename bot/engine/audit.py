"""Who started, joined, cancelled, re-ran and answered what: one audit line each in the process's log, besides the event in the
investigation's own. It stands around the intake, so that commands, buttons and alerts all pass it; what is refused never
gets here and is told by whoever refuses it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from bot.errors import Unavailable
from bot.logs import audit
from bot.model.answer import ManualAnswered
from bot.model.investigation import Investigation, Ref
from bot.ports import Investigations, Noted, Opening, Request, Resolution


class Audited:
    """``ports.Investigations`` that tells what was done. A trigger that is repeated does nothing, and is not told."""

    def __init__(self, inner: Investigations) -> None:
        self._inner = inner

    async def start(self, request: Request) -> Opening:
        async with _in_doubt("start", who=request.trigger.who, cluster=request.cluster.name):
            opening = await self._inner.start(request)
        if not opening.repeated:
            audit(
                "joined" if opening.joined else "started",
                who=request.trigger.who,
                by=request.trigger.kind,
                channel=request.thread.channel if request.thread else None,
                cluster=opening.ref.cluster,
                server=request.cluster.target.url,
                investigation=opening.ref.id,
            )
        return opening

    async def cancel(self, ref: Ref, *, who: str, key: str | None = None) -> Noted:
        async with _in_doubt("cancel", who=who, cluster=ref.cluster, investigation=ref.id):
            noted = await self._inner.cancel(ref, who=who, key=key)
        if noted is Noted.NEW:
            audit("cancelled", who=who, cluster=ref.cluster, investigation=ref.id)
        return noted

    async def rerun(self, ref: Ref, *, who: str, key: str | None = None) -> Noted:
        async with _in_doubt("re-run", who=who, cluster=ref.cluster, investigation=ref.id):
            noted = await self._inner.rerun(ref, who=who, key=key)
        if noted is Noted.NEW:
            audit("re-ran", who=who, cluster=ref.cluster, investigation=ref.id)
        return noted

    async def answer(self, ref: Ref, told: ManualAnswered, *, round: int) -> Noted:
        facts = {"who": told.who, "cluster": ref.cluster, "investigation": ref.id}
        async with _in_doubt("answer", **facts):
            noted = await self._inner.answer(ref, told, round=round)
        if noted is Noted.NEW:
            audit("answered", step=told.step, answer=told.answer.value, **facts)
        return noted

    async def bind(self, key: str, ref: Ref | None = None) -> Ref | None:
        return await self._inner.bind(key, ref)

    async def resolve(self, resolutions: Sequence[Resolution]) -> int:
        return await self._inner.resolve(resolutions)

    async def look(self, ref: Ref) -> Investigation | None:
        return await self._inner.look(ref)

    async def current(self) -> list[Investigation]:
        return await self._inner.current()


@asynccontextmanager
async def _in_doubt(wanted: str, **facts: str) -> AsyncGenerator[None]:
    """A store that did not answer may have done it all the same, and its repetition is not told."""
    try:
        yield
    except Unavailable:
        audit("in-doubt", wanted=wanted, **facts)
        raise
