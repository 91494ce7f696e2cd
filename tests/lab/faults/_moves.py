"""Moves that several faults of load, extensions, nodes and time share: threads beside the question, restarts, slowness."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from tests.lab.network import Host
from tests.lab.planes import Server
from tests.lab.processes import wait_until
from tests.lab.topology import Lab

_PATIENCE_S = 60.0


@contextmanager
def meanwhile(*works: Callable[[threading.Event], None]) -> Generator[threading.Event]:
    """Each runs in a thread until the block is left, when the event is set; what one raised is raised then.

    What a thread starts dies with it: a server that it starts is to be started again by whoever ends the block.
    """
    stop = threading.Event()
    failed: list[BaseException] = []

    def run(work: Callable[[threading.Event], None]) -> None:
        try:
            work(stop)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield stop
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=_PATIENCE_S)
    if failed:
        raise failed[0]


@contextmanager
def noticing(lab: Lab, host: Host, port: int) -> Generator[Callable[[], bool]]:
    """Whether the client has sent anything to this port yet: when the question began."""
    match = ("-s", lab.client.address, "-d", host.address, "-p", "tcp", "--dport", str(port))
    with lab.router.filter(*match, jump=["RETURN"], chain="FORWARD") as rule:
        yield lambda: rule.packets > 0


@contextmanager
def all_restarted(lab: Lab, *flags: str) -> Generator[None]:
    """Both API servers run with these flags, at the same time, and are ready, until the block is left; then as they were."""
    for api in lab.apis:
        api.restart(*flags)
    try:
        for api in lab.apis:
            api.wait_ready()
        lab.balancer.wait_for("UP")
        yield
    finally:
        for api in lab.apis:
            api.restart()


@contextmanager
def slowed(server: Server, *, awake_s: float, asleep_s: float) -> Generator[None]:
    """It runs in short moments only, as on a starved machine: stopped and continued by turns until the block is left."""

    def work(stop: threading.Event) -> None:
        while not stop.is_set():
            server.process.signal(signal.SIGSTOP)
            stop.wait(asleep_s)
            server.process.signal(signal.SIGCONT)
            stop.wait(awake_s)

    with meanwhile(work):
        try:
            yield
        finally:
            server.thaw()


def by_turns(one: Callable[[], None], other: Callable[[], None], *, every_s: float = 1.0) -> Callable[[threading.Event], None]:
    """Work that does the one and the other, a pause after each, and ends with the other."""

    def work(stop: threading.Event) -> None:
        while not stop.is_set():
            one()
            stop.wait(every_s)
            other()
            stop.wait(every_s)

    return work


def soon(condition: Callable[[], object], what: str) -> None:
    """Waits for an effect on the server's side; long enough for a busy machine."""
    wait_until(condition, what, within=_PATIENCE_S)
