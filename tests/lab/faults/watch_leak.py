"""A client forgets its watches: about 1,500 are open on small objects, and everything else is well."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._load import Caller, leaked_watches, metric, place_of
from tests.lab.faults._moves import soon
from tests.lab.seed import Draw
from tests.lab.topology import Lab

# An administrator may read the metrics, which count open watches by resource.
TRUTH = Truth(cause="watch-leak", acceptable={"bot": ("watch-leak",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    leaking = Caller(lab, lab.node, f"system:serviceaccount:default:{draw.word()}", "kubeadm:cluster-admins")
    count = draw.between(1400, 1600)

    def watches() -> float:
        return metric(api, "apiserver_longrunning_requests", 'resource="configmaps"', 'verb="WATCH"')

    with leaked_watches(leaking, place_of(api), count):
        soon(lambda: watches() >= count, f"{count} watches are open")
        yield Ask(proof=f"{watches():.0f} watches of configmaps are open at {api.host.name}", server=api.url)
