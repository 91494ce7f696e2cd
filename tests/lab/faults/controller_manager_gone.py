"""The controller manager is gone: its lease is not renewed any more, the scheduler's is."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

from tests.lab.fault import Ask, Truth
from tests.lab.faults._nodes import controllers
from tests.lab.faults._objects import LEASES
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="controller-manager-down", acceptable={"bot": ("controller-manager-down",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    silent = draw.ago(timedelta(minutes=4), timedelta(hours=6))
    with controllers(lab, draw, silent={"kube-controller-manager": silent}) as holders:
        seen = lab.api2.ask(f"{LEASES.format('kube-system')}/kube-controller-manager").json["spec"]
        assert seen["holderIdentity"] == holders["kube-controller-manager"]
        yield Ask(proof=f"the lease of {seen['holderIdentity']} was last renewed at {seen['renewTime']}")
