"""The API server's certificate for etcd has expired: it listens, exits, and is started again. It is asked directly."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._alike import MUTE, MUTE_BECAUSE
from tests.lab.faults._servers import Log, expired, supervised
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="internal-certificate-expired",
    acceptable={
        "bot": MUTE,
        "bot+control-plane": ("internal-certificate-expired",),
        "bot+metrics": ("internal-certificate-expired", "apiserver-hung", "file-descriptors-exhausted"),
    },
    because=MUTE_BECAUSE + " Prometheus sees that etcd is well and serves the other one.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    dates = expired(draw)
    log = Log(lab.etcd)
    lab.pki.etcd.client("kube-apiserver-etcd-client", **dates).write(api.node.pki, "apiserver-etcd-client")
    try:
        with supervised(api, pause_s=draw.seconds(0.5, 2)):
            wait_until(lambda: api.host.listens(api.port), "it listens", within=30)
            said = log.wait_for("certificate has expired", "bad certificate", "expired certificate")
            yield Ask(proof=f"it ended at {dates['not_after']:%Y-%m-%d %H:%M}Z; etcd logs: {said}", server=api.url)
    finally:
        lab.pki.etcd.client("kube-apiserver-etcd-client").write(api.node.pki, "apiserver-etcd-client")
        api.restart()
