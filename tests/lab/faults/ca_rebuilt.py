"""The cluster was rebuilt: its certificates are signed by a new authority of the same name; the kubeconfig has the old one."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from bot.demo.pki import Authority
from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="ca-mismatch", acceptable={"bot": ("ca-mismatch",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    asked = draw.one_of(*lab.apis)
    name = f"{asked.node.name}.{lab.names.zone}"
    with asked.restarted(serving=Authority().server([*asked.node.serving_names, name])):
        yield Ask(
            proof=f"{asked.host.name} is ready with a certificate for {name} of a new authority",
            server=f"https://{name}:{asked.port}",
        )
