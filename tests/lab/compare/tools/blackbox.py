"""The Prometheus blackbox exporter: /readyz and /livez with all that the kubeconfig has, a TCP connection, a TLS handshake."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from tests.lab.compare.tool import Target, Tool


def commands(binary: str, target: Target) -> list[list[str]]:
    trust = {"ca_file": str(target.authority)} if target.authority else {}
    name = {"server_name": target.server_name} if target.server_name else {}
    plain = {"preferred_ip_protocol": "ip4"}
    own = {"cert_file": str(target.certificate), "key_file": str(target.key)} if target.certificate and target.key else {}
    token = {"authorization": {"credentials": target.token}} if target.token else {}
    proxy = {"proxy_url": target.proxy} if target.proxy else {"proxy_from_environment": True}
    asked = {**plain, **token, **proxy, "tls_config": {**trust, **name, **own}}
    http = {"prober": "http", "timeout": "5s", "http": asked}
    named = {"server_name": target.server_name or target.host}
    modules = {
        "http_2xx": http,
        "tcp_connect": {"prober": "tcp", "timeout": "5s", "tcp": plain},
        "tls_connect": {"prober": "tcp", "timeout": "5s", "tcp": {**plain, "tls": True, "tls_config": {**trust, **named}}},
    }
    config = target.folder / "blackbox.yml"
    # JSON is YAML.
    config.write_text(json.dumps({"modules": modules}))
    address = f"{target.host}:{target.port}"
    probes = [
        ("http_2xx", f"{target.url}/readyz"),
        ("http_2xx", f"{target.url}/livez"),
        ("tcp_connect", address),
        ("tls_connect", address),
    ]
    # Only HTTP goes through a proxy.
    probes = probes[:2] if target.proxy else probes
    named_probes = [f"{module}={where}" for module, where in probes]
    return [[sys.executable, "-m", "tests.lab.compare.exporter", binary, str(config), *named_probes]]


def complains(output: str, exits: Sequence[int]) -> bool:
    return any(exits) or "\nprobe_success 0\n" in output


TOOL = Tool(
    name="blackbox",
    title="blackbox exporter",
    asked="probes: HTTP of `/readyz` and `/livez` with authority, credentials and proxy, TCP, TLS; their debug pages are read",
    binary="blackbox_exporter",
    licence="Apache-2.0",
    version=("--version",),
    commands=commands,
    complains=complains,
    limit=20.0,
)
