"""The client's URL has the port of a web application with TLS, such as an ingress."""

from __future__ import annotations

import ssl
from collections.abc import Generator
from contextlib import contextmanager

from bot.demo.pki import Authority
from tests.lab.boxes import box
from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import handshake, web_server
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
    pair = Authority(f"{draw.word()} web CA").server([f"www.{draw.zone()}"], common_name="ingress default certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair.write(lab.scratch(), "web"))
    with box(lab.lb, web_server("default backend - 404", context)) as other:
        port = int(other.place.rpartition(":")[2])
        seen = handshake(lab.client, lab.lb.address, port, name=lab.names.api)
        assert lab.balancer.up
        yield Ask(
            proof=f"a web application shows a certificate {seen}; the cluster is well", server=f"https://{lab.names.api}:{port}"
        )
