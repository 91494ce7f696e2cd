"""The kernel's answer about a way; what real tables give is in ``test_namespaces``."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.net.routes import parse_route, way_to
from tests.require import missing


def test_this_machine_itself_is_reached_by_its_loopback() -> None:
    way = way_to("127.0.0.1")
    if way is None:
        missing("netns", "the kernel does not tell its ways here")
    assert (way.interface, way.source, way.gateway, way.tunnel) == ("lo", "127.0.0.1", None, False)


@given(st.binary(max_size=128))
def test_any_answer_is_read_or_left(data: bytes) -> None:
    parse_route(data)
