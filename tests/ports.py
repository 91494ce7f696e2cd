"""Ports of the loopback interface that nobody listens on, and that nobody gets by chance before they are used.

The kernel gives ports to outgoing connections and to listeners on port 0 from a range of its own; one of those that is free
now may be taken a moment later. These are below that range, and no port is given twice by one process.
"""

from __future__ import annotations

import random
import socket

_RANGE = range(20_000, 32_000)
_given: set[int] = set()


def free_port() -> int:
    for port in random.sample(_RANGE, k=200):
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port
    raise AssertionError("none of 200 ports is free")
