"""An aggregated API has an endpoint that refuses connections: its group answers 503, everything else is well."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._moves import soon
from tests.lab.faults._objects import made
from tests.lab.faults._services import aggregated, api_group, available, closed_port, extension_name, service
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="aggregated-api-unavailable", acceptable={"bot": ("aggregated-api-unavailable",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    group, version = api_group(draw)
    with closed_port(lab.node) as target, service(lab, draw, extension_name(draw), target=target) as found:
        assert lab.cp1.dial(*target) == "refused"
        with made(lab, aggregated(group, version, found)):
            path = f"/apis/{group}/{version}"
            soon(lambda: available(lab, f"{version}.{group}")[0] == "False", "its APIService is not available")
            soon(lambda: all(api.status(path) == 503 for api in lab.apis), "its group answers 503")
            yield Ask(proof=f"{path} is 503, Available is {' '.join(available(lab, f'{version}.{group}'))}")
