"""A control-plane node says that it runs out of memory, disk or process ids; everything still answers."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._nodes import kubelet, node
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="node-under-pressure", acceptable={"bot": ("node-under-pressure",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    pressure = draw.one_of("MemoryPressure", "DiskPressure", "PIDPressure")
    role, other = draw.one_of(("cp1", "cp2"), ("cp2", "cp1"))
    with kubelet(lab, lab.hosts[role]), node(lab, role, pressure) as name, node(lab, other):
        found = lab.api1.ask(f"/api/v1/nodes/{name}").json["status"]["conditions"]
        holds = [one["reason"] for one in found if one["type"] == pressure and one["status"] == "True"]
        assert holds
        yield Ask(proof=f"{name} says {pressure}, {holds[0]}")
