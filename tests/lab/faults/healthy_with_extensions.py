"""Everything is well, of much: webhooks and an aggregated API that answer, nodes that are ready, kubelets, fresh leases."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._moves import soon
from tests.lab.faults._nodes import controllers, kubelet, log_of, node, pods
from tests.lab.faults._objects import made
from tests.lab.faults._services import aggregated, allowing, api_group, available, discovered, hook, served, written
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="healthy", acceptable={"bot": ("healthy",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    group, version = api_group(draw)
    guard, adapter, path = f"guard-{draw.word()}", f"adapter-{draw.word()}", f"/apis/{group}/{version}"
    with (
        kubelet(lab, lab.node),
        node(lab, "node") as worker,
        node(lab, "cp1"),
        pods(lab, "kube-proxy", worker) as (pod,),
        controllers(lab, draw),
        served(lab, draw, guard, allowing) as (hooked, webhook),
        served(lab, draw, adapter, discovered(group, version)) as (backing, _),
        made(lab, aggregated(group, version, backing)),
    ):
        client = {"service": {**hooked.reference, "path": "/validate"}, "caBundle": hooked.authority}
        with made(lab, hook("Validating", guard, client), hook("Mutating", guard, client)):
            soon(lambda: available(lab, f"{version}.{group}")[0] == "True", "its APIService is available")
            soon(lambda: all(api.status(path) == 200 for api in lab.apis), "its group answers")
            soon(
                lambda: [status for status, _ in written(lab, guard)] == [201, 201] and webhook.seen >= 2,
                "writes pass the webhooks",
            )
            said = log_of(lab, pod)
            assert [status for status, _ in said] == [200, 200], said
            yield Ask(proof=f"{path} is 200, writes are 201 by way of {webhook.seen} calls of webhooks, logs are read")
