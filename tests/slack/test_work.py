"""What was acknowledged is done, also when the process is told to stop just then."""

from __future__ import annotations

import asyncio

from bot.slack.work import Work


async def untold(text: str) -> None:
    raise AssertionError(text)


async def test_what_was_acknowledged_is_finished_when_the_process_stops() -> None:
    work, gate, done = Work(), asyncio.Event(), []

    async def job() -> None:
        await gate.wait()
        done.append(True)

    task = asyncio.create_task(work.run())
    await asyncio.sleep(0)
    assert work.enqueue("job", job, untold)
    task.cancel()
    await asyncio.sleep(0)
    assert not work.enqueue("another", job, untold)
    gate.set()
    await asyncio.wait([task])
    assert done == [True]
    assert task.cancelled()


async def test_what_does_not_end_is_not_waited_for() -> None:
    work, ended = Work(grace_s=0.05), []

    async def job() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    task = asyncio.create_task(work.run())
    await asyncio.sleep(0)
    assert work.enqueue("job", job, untold)
    await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(10):
        await asyncio.wait([task])
    assert ended == [True]


async def test_more_than_there_is_room_for_are_refused_until_one_is_done() -> None:
    work, gate = Work(most=1), asyncio.Event()
    task = asyncio.create_task(work.run())
    await asyncio.sleep(0)

    async def job() -> None:
        await gate.wait()

    assert work.enqueue("one", job, untold)
    assert not work.enqueue("two", job, untold)
    gate.set()
    async with asyncio.timeout(10):
        while not work.enqueue("three", job, untold):
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
