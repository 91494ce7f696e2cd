"""Priority and fairness turns away the flow of who asks; everybody else, and health requests, are served."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._load import SMALL, Caller, place_of, starved_flow
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="overloaded", acceptable={"bot": ("overloaded",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    asker = Caller(lab, lab.client2, draw.person(), "kubeadm:cluster-admins")
    with starved_flow(lab, draw, asker, api) as schema:
        status, headers, _ = asker.get(place_of(api), SMALL)
        assert status == 429
        assert "x-kubernetes-pf-flowschema-uid" in headers
        yield Ask(proof=f"a request of {asker.name} is answered 429 by flow schema {schema}", server=api.url, user=asker.user)
