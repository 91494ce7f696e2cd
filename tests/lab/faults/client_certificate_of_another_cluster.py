"""The client's certificate is another cluster's."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from bot.demo.pki import Authority
from tests.lab.fault import Ask, Truth
from tests.lab.kubeadm import as_user
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="bot-credentials-rejected",
    acceptable={"bot": ("bot-credentials-rejected", "client-misconfigured")},
    because="That the certificate is not of this cluster's authority is in the kubeconfig itself; both name that.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    pair = Authority().client(draw.person(), ["system:masters"])
    assert lab.balancer.up
    yield Ask(proof="the cluster is well; the client's certificate is of an authority that it does not know", user=as_user(pair))
