from __future__ import annotations

import errno
import resource
import socket
import struct
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import SystemClock
from bot.model.observation import Failure, Reject
from bot.net import tcp
from bot.net.icmp import failure_of, parse_extended_error
from bot.net.round import RoundNetwork
from tests.net.servers import serving, silent
from tests.ports import free_port


@contextmanager
def full_backlog() -> Generator[int]:
    """A listener that nobody accepts from and that has no room left."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            assert sock.connect_ex(listener.getsockname()) == errno.EINPROGRESS
        yield listener.getsockname()[1]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_a_listening_port_accepts(network: RoundNetwork, address: str) -> None:
    if address == "::1" and not _has_ipv6():
        pytest.skip("no IPv6 on loopback here")
    async with serving(silent, host=address) as server:
        seen = await network.connect(address, server.port)
    assert seen.ok
    assert seen.local_address == address
    assert seen.raw_error is None


async def test_a_reset_leaves_the_error_queue_empty(network: RoundNetwork) -> None:
    seen = await network.connect("127.0.0.1", free_port())
    assert seen.failure is Failure.CONNECTION_REFUSED
    assert seen.reject is None
    assert seen.raw_error == "ConnectionRefusedError errno=111: Connection refused"


async def test_a_port_that_stays_silent_times_out(network: RoundNetwork) -> None:
    with full_backlog() as port:
        seen = await network.connect("127.0.0.1", port)
    assert seen.failure is Failure.CONNECT_TIMEOUT
    assert seen.raw_error == "timed out after 4.0 s"
    assert not seen.capped


async def test_a_machine_without_descriptors_blames_itself() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        seen = await tcp.connect("127.0.0.1", 1, clock=SystemClock())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert seen.failure is Failure.LOCAL_FAILURE
    assert "errno=24" in (seen.raw_error or "")


async def test_a_name_is_refused_because_only_one_address_is_tried(network: RoundNetwork) -> None:
    with pytest.raises(ValueError, match="localhost"):
        await network.connect("localhost", 1)


def _extended(origin: int, kind: int, code: int, offender: bytes) -> bytes:
    return struct.pack("=IBBBBII", 113, origin, kind, code, 0, 0, 0) + offender


def test_the_error_queue_names_who_rejected() -> None:
    v4 = struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton("10.77.0.20"))
    v6 = struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, socket.inet_pton(socket.AF_INET6, "fd00::20"), 0)
    assert parse_extended_error(_extended(2, 3, 13, v4)) == Reject(offender="10.77.0.20", icmp_type=3, icmp_code=13)
    assert parse_extended_error(_extended(3, 1, 4, v6)) == Reject(offender="fd00::20", icmp_type=1, icmp_code=4)
    assert parse_extended_error(_extended(1, 3, 13, v4)) is None
    assert parse_extended_error(_extended(2, 3, 13, b"")) == Reject(offender="unknown", icmp_type=3, icmp_code=13)


@given(st.binary(max_size=64))
def test_any_bytes_in_the_error_queue_are_read_or_left(data: bytes) -> None:
    reject = parse_extended_error(data)
    assert reject is None or (len(data) >= 16 and data[4] in (2, 3))


@pytest.mark.parametrize(
    ("kind", "code", "ipv6", "failure"),
    [
        (3, 3, False, Failure.CONNECTION_REJECTED),
        (3, 13, False, Failure.CONNECTION_REJECTED),
        (3, 10, False, Failure.CONNECTION_REJECTED),
        (3, 1, False, Failure.HOST_UNREACHABLE),
        (3, 0, False, Failure.NETWORK_UNREACHABLE),
        (11, 0, False, Failure.HOST_UNREACHABLE),
        (1, 1, True, Failure.CONNECTION_REJECTED),
        (1, 4, True, Failure.CONNECTION_REJECTED),
        (1, 0, True, Failure.NETWORK_UNREACHABLE),
        (1, 3, True, Failure.HOST_UNREACHABLE),
        (3, 0, True, Failure.HOST_UNREACHABLE),
    ],
)
def test_a_missing_route_is_not_called_a_rejection(kind: int, code: int, ipv6: bool, failure: Failure) -> None:
    assert failure_of(Reject(offender="10.0.0.1", icmp_type=kind, icmp_code=code), ipv6=ipv6) is failure


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True
