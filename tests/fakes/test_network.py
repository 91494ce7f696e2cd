"""The scripted network has the port's own signatures, as the real one has, so that a test cannot pass on a call that fails."""

from __future__ import annotations

import inspect

import pytest

from bot.net.round import RoundNetwork
from bot.ports import Network
from tests.fakes.network import ScriptedNetwork

OPERATIONS = ("lookup", "connect", "packets", "handshake", "fresh_handshake", "plaintext", "request", "requests_made")


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("network", [ScriptedNetwork, RoundNetwork])
def test_signatures_are_the_ports(network: type, operation: str) -> None:
    def shape(owner: type) -> list[tuple[str, object, object]]:
        given = inspect.signature(getattr(owner, operation)).parameters.values()
        return [(one.name, one.kind, one.default) for one in given]

    assert shape(network) == shape(Network)


def test_every_operation_of_the_port_is_compared() -> None:
    assert {name for name in vars(Network) if not name.startswith("_")} == set(OPERATIONS)
