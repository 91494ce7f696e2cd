"""A firewall that looks into packets drops every ClientHello, whatever its size and extensions."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import HELLO, handshake, plaintext, to_balancer
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="firewall-drop", acceptable={"bot": ("firewall-drop",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    port = lab.balancer.port
    with lab.router.filter(*to_balancer(lab, *HELLO), jump=["DROP"], chain="FORWARD") as rule:
        assert handshake(lab.client, lab.lb.address, port, name=lab.names.api) == "silent"
        said = plaintext(lab.client, lab.lb.address, port)
        assert said.startswith("HTTP/1.0 400")
        yield Ask(proof=f"the router's rule has dropped {rule.packets} ClientHellos; a request without TLS is answered '{said}'")
