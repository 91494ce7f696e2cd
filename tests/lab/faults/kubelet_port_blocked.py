"""What control-plane nodes send to a worker's kubelet at port 10250 is dropped; its kubelet is well and says so."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._nodes import KUBELET, kubelet, node, pods
from tests.lab.seed import Draw
from tests.lab.topology import Lab

# The node's lease is fresh, so it is not off; a log that is asked for fails after 30 s and names the address that is silent.
TRUTH = Truth(cause="kubelet-port-blocked", acceptable={"bot": ("kubelet-port-blocked",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    with (
        kubelet(lab, lab.node),
        node(lab, "node") as name,
        pods(lab, "kube-proxy", name) as (pod,),
        lab.node.filter("-p", "tcp", "--dport", str(KUBELET), jump=["DROP"]) as rule,
    ):
        seen = [api.host.dial(lab.node.address, KUBELET) for api in lab.apis]
        assert seen == ["silent", "silent"]
        yield Ask(proof=f"{lab.node.address}:{KUBELET}, where {pod} runs, is silent for both; {rule.packets} packets are dropped")
