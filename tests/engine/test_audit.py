"""The audit trail: one line for everything that was done, and none for what was not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from bot.engine.audit import Audited
from bot.errors import Unavailable
from bot.model.investigation import Investigation, State
from bot.ports import Noted
from tests.engine.desk import Desk, DyingStore, request


def concluded(state: Investigation) -> bool:
    return state.state is State.CONCLUDED


async def test_what_the_store_did_not_answer_is_told_as_in_doubt(desk: Desk) -> None:
    store = DyingStore(desk.store)
    with capture_logs() as logged:
        async with desk.replica(store=store) as replica:
            store.die()
            with pytest.raises(Unavailable):
                await Audited(replica.intake).start(request())
    [told] = [line for line in logged if line["event"] == "audit"]
    assert (told["action"], told["wanted"], told["who"], told["cluster"]) == ("in-doubt", "start", "ann", "prod")


async def test_starting_joining_cancelling_and_re_running_are_told_once(desk: Desk) -> None:
    desk.watch = timedelta(minutes=1)
    with capture_logs() as logged:
        async with desk.replica() as replica:
            intake = Audited(replica.intake)
            opening = await intake.start(request())
            await desk.reached(opening.ref, concluded)
            await intake.start(request(who="bob"))
            await desk.reached(opening.ref, lambda state: state.round == 2 and concluded(state))
            assert await intake.rerun(opening.ref, who="cat")
            await desk.reached(opening.ref, lambda state: state.round == 3 and concluded(state))
            assert await intake.cancel(opening.ref, who="dan")
            await desk.reached(opening.ref, lambda state: state.closed is not None)
            assert await intake.cancel(opening.ref, who="eve") is Noted.OVER
    told = [line for line in logged if line["event"] == "audit"]
    assert [(line["action"], line["who"]) for line in told] == [
        ("started", request().trigger.who),
        ("joined", "bob"),
        ("re-ran", "cat"),
        ("cancelled", "dan"),
    ]
    assert {line["investigation"] for line in told} == {opening.ref.id}
