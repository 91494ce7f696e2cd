"""etcd's serving certificate has expired, and it was restarted with it; the API server is asked directly."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._servers import Log, expired
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="internal-certificate-expired",
    acceptable={
        "bot": ("etcd-unavailable", "internal-certificate-expired"),
        "bot+control-plane": ("internal-certificate-expired",),
    },
    because="The API server says that its check of etcd fails, and not why; the certificate is seen from inside.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    folder = lab.etcd.node.pki / "etcd"
    names = [lab.etcd.node.name, "localhost", lab.cp1.address, "127.0.0.1"]
    dates = expired(draw)
    log = Log(api)
    lab.etcd.kill()
    lab.pki.etcd.server(names, common_name=lab.etcd.node.name, **dates).write(folder, "server")
    lab.etcd.start()
    try:
        wait_until(lambda: api.status("/livez/etcd") == 500, "/livez/etcd fails", within=40)
        said = log.wait_for("certificate has expired")
        proof = f"etcd's certificate ended at {dates['not_after']:%Y-%m-%d %H:%M}Z; {api.host.name} logs: {said}"
        yield Ask(proof=proof, server=api.url)
    finally:
        lab.etcd.kill()
        lab.pki.etcd.server(names, common_name=lab.etcd.node.name).write(folder, "server")
        lab.etcd.start()
        lab.etcd.wait_healthy()
