"""A company's proxy on the way ends TLS with a certificate of its own authority."""

from __future__ import annotations

import ssl
from collections.abc import Generator
from contextlib import contextmanager

from bot.demo.pki import Authority
from tests.lab.boxes import intercepting
from tests.lab.fault import Ask, Truth
from tests.lab.faults._outside import handshake, on_the_way
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="tls-intercepted", acceptable={"bot": ("tls-intercepted",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    pair = Authority(draw.company()).server([lab.names.api], common_name=lab.names.api)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair.write(lab.scratch(), "box"))
    place = lab.lb.address, lab.balancer.port
    with on_the_way(lab, intercepting(context, place)) as met:
        seen = handshake(lab.client, *place, name=lab.names.api)
        assert "kubernetes" not in seen
        yield Ask(proof=f"the box met {met.seen} connection; the client is shown a certificate {seen}")
