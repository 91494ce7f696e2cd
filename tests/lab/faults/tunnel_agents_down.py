"""The API servers reach nodes through a tunnel, and none of its agents runs: logs fail, and nothing is dialled."""

from __future__ import annotations

import json
import socket
from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.boxes import Box
from tests.lab.fault import Ask, Truth
from tests.lab.faults._moves import all_restarted
from tests.lab.faults._nodes import kubelet, log_of, node, pods
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="tunnel-agents-down", acceptable={"bot": ("tunnel-agents-down",)})


def no_agent(connection: socket.socket) -> None:
    """The tunnel's server, which has no agent to send anything to."""
    if connection.recv(65536).startswith(b"CONNECT "):
        connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    folder = lab.scratch()
    path, config = folder / "konnectivity-server.socket", folder / "egress-selector.yaml"
    transport = {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": str(path)}}}
    selections = [{"name": "cluster", "connection": transport}]
    document = {"apiVersion": "apiserver.k8s.io/v1beta1", "kind": "EgressSelectorConfiguration", "egressSelections": selections}
    config.write_text(json.dumps(document))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(16)
    tunnel = Box(listener, no_agent)
    try:
        with (
            all_restarted(lab, f"--egress-selector-config-file={config}"),
            kubelet(lab, lab.node),
            node(lab, "node") as name,
            pods(lab, "kube-proxy", name) as (pod,),
            pods(lab, "konnectivity-agent", "", "", phase="Pending"),
        ):
            said = log_of(lab, pod)
            assert all(status == 500 and "503" in text for status, text in said), said
            yield Ask(proof=f"the log of {pod} is answered 500: {said[0][1][:300]}; {tunnel.seen} asked the tunnel's server")
    finally:
        tunnel.close()
