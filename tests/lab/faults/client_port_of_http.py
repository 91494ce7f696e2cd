"""The client's URL has the port of a web server without TLS."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.boxes import box
from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import plaintext, web_server
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="client-misconfigured",
    acceptable={
        "bot": ("client-misconfigured", "dns-wrong-address"),
        "bot+load-balancer": ("client-misconfigured",),
        "bot+metrics": ("client-misconfigured",),
    },
    because=(
        "Whether the port or the address is the wrong one cannot be seen from what answers there. "
        "The name leads to the machine where the balancer is known to run."
    ),
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with box(lab.lb, web_server(f"<html><title>{draw.word()}</title></html>")) as other:
        port = int(other.place.rpartition(":")[2])
        assert plaintext(lab.client, lab.lb.address, port) == "HTTP/1.1 404 Not Found"
        assert lab.balancer.up
        yield Ask(proof="a web server answers plain HTTP there; the cluster is well", server=f"https://{lab.names.api}:{port}")
