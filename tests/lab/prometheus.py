"""A real Prometheus on the worker, which scrapes the lab as in-cluster service discovery would have it, and its exporters.

The API servers at their own addresses, with the rights that kube-prometheus gives it; a node exporter on each machine; etcd at
its listener for metrics; HAProxy's built-in exporter. Scrapes are a lot more frequent than in life, so that a fault needs not
be old to be seen. ``forget`` takes back what was scraped of one fault before the next one begins: in life no outage is preceded
by ten others.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.lab.assets import Watchers
from tests.lab.network import Host
from tests.lab.planes import ApiServer, Server
from tests.lab.processes import wait_until

# An API server takes longest to tell its metrics.
INTERVAL_S, API_INTERVAL_S = 1, 2
BEFORE_S = 8.0
"""For how long it has seen that all is well before a fault begins. In life that is days; this is enough to compare with."""
EXPORTER_PORT = 9100
NAMESPACE, ACCOUNT = "monitoring", "prometheus-k8s"

# What dashboards and alerts of kube-prometheus read, and little else: everything that is kept costs each of many labs.
_KEPT = {
    "apiserver": (
        "process_.*|apiserver_request_total|apiserver_request_duration_seconds_(bucket|sum|count)|apiserver_current_.*|"
        "apiserver_longrunning_requests|apiserver_flowcontrol_(rejected_requests_total|current_inqueue_requests)|"
        "apiserver_(storage|resource)_objects|apiserver_admission_webhook_(rejection_count|fail_open_count)|"
        "aggregator_unavailable_apiservice|etcd_request_duration_seconds_(sum|count)|kubernetes_healthcheck"
    ),
    "etcd": (
        "process_.*|etcd_server_.*|etcd_disk_.*_(sum|count)|etcd_mvcc_db_total_size_in_bytes|etcd_debugging_mvcc_watcher_total"
    ),
}
_DROPPED_BUCKETS = r"apiserver_request_duration_seconds_bucket;(0\.4|0\.8|1\.25|1\.5|3|4|6|8|15|20|45)(\.0)?"
_COLLECTORS = ("conntrack", "filefd", "loadavg", "meminfo", "netdev", "netstat", "sockstat", "stat", "time")


@dataclass(frozen=True, kw_only=True)
class Watched:
    """One target as Prometheus has it. ``at`` is when its last scrape began."""

    job: str
    place: str
    up: bool
    error: str
    at: datetime

    def __str__(self) -> str:
        return f"{self.job} {self.place} {'up' if self.up else f'down: {self.error}'}"


class Exporter(Server):
    """A node exporter, with what is this machine's own and cheap."""

    def __init__(self, host: Host, folder: Path, program: Path) -> None:
        super().__init__(host, "node_exporter", folder)
        self._program = program

    def start(self) -> None:
        collectors = [f"--collector.{name}" for name in _COLLECTORS]
        argv = [
            str(self._program),
            f"--web.listen-address=:{EXPORTER_PORT}",
            "--web.disable-exporter-metrics",
            "--log.level=warn",
        ]
        self._launch([*argv, "--collector.disable-defaults", *collectors])


class Prometheus(Server):
    """Prometheus with its exporters. ``jobs`` are the names of node, etcd: people call them differently."""

    def __init__(self, programs: Watchers, host: Host, folder: Path, *, port: int, jobs: Mapping[str, str]) -> None:
        super().__init__(host, "prometheus", folder)
        self.port = port
        self.exporters: list[Exporter] = []
        self._programs = programs
        self._jobs = jobs
        self._folder = folder / "prometheus"
        self._token = self._folder / "token"

    @property
    def url(self) -> str:
        return f"http://{self.host.address}:{self.port}"

    def start(
        self, *, apis: Sequence[ApiServer], authority: str, etcd: str, balancer: str | None, machines: Sequence[Host]
    ) -> None:
        """Starts everything and does not wait: Prometheus takes five seconds until its first scrape. It scrapes the API servers
        when ``admit`` gave it a token."""
        self._folder.mkdir()
        self._token.write_text("")
        (self._folder / "ca.crt").write_text(authority)
        secured = {
            "scheme": "https",
            "tls_config": {"ca_file": str(self._folder / "ca.crt"), "server_name": "kubernetes"},
            "authorization": {"credentials_file": str(self._token)},
        }
        places = [f"{api.host.address}:{api.port}" for api in apis]
        jobs = [
            {
                **_job("apiserver", places, API_INTERVAL_S),
                **secured,
                "metric_relabel_configs": [_without(_DROPPED_BUCKETS), _only("apiserver")],
            },
            {**_job(self._jobs["etcd"], [etcd]), "metric_relabel_configs": [_only("etcd")]},
            _job(self._jobs["node"], [f"{machine.address}:{EXPORTER_PORT}" for machine in machines]),
            *([_job("haproxy", [balancer])] if balancer else []),
        ]
        config = self._folder / "prometheus.yml"
        # JSON is YAML.
        config.write_text(json.dumps({"global": {"evaluation_interval": "1h"}, "scrape_configs": jobs}, indent=1))
        self.exporters = [Exporter(machine, self.log.parent, self._programs.node_exporter) for machine in machines]
        for exporter in self.exporters:
            exporter.start()
        self._launch(
            [
                str(self._programs.prometheus),
                f"--config.file={config}",
                f"--storage.tsdb.path={self._folder / 'data'}",
                f"--web.listen-address=:{self.port}",
                "--web.enable-admin-api",
                "--log.level=warn",
            ]
        )

    def admit(self, api: ApiServer) -> None:
        """Makes its service account with the rights of kube-prometheus, and gives it a token."""
        grants = f"{NAMESPACE}-{ACCOUNT}"
        rules = [
            {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
            {"nonResourceURLs": ["/metrics", "/metrics/slis"], "verbs": ["get"]},
        ]
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": grants}
        subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}
        rights = "/apis/rbac.authorization.k8s.io/v1"
        objects: list[tuple[str, dict[str, Any]]] = [
            ("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}}),
            (f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", {"metadata": {"name": ACCOUNT}}),
            (f"{rights}/clusterroles", {"metadata": {"name": grants}, "rules": rules}),
            (f"{rights}/clusterrolebindings", {"metadata": {"name": grants}, "roleRef": role, "subjects": [subject]}),
        ]
        for path, body in objects:
            said = api.ask(path, "POST", body)
            assert said.status == 201, said.text
        lasting = {"spec": {"expirationSeconds": 24 * 3600}}
        said = api.ask(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{ACCOUNT}/token", "POST", lasting)
        assert said.status == 201, said.text
        self._token.write_text(said.json["status"]["token"])

    def kill(self) -> None:
        super().kill()
        for exporter in self.exporters:
            exporter.kill()

    def targets(self) -> list[Watched]:
        """As they are now; empty when it does not answer."""
        try:
            active = json.loads(self._get("/api/v1/targets?state=active"))["data"]["activeTargets"]
        except (OSError, HTTPException, ValueError):
            return []
        return [
            Watched(
                job=one["labels"]["job"],
                place=one["labels"]["instance"],
                up=one["health"] == "up",
                error=one["lastError"],
                at=datetime.fromisoformat(one["lastScrape"]),
            )
            for one in active
        ]

    def unwell(self, since: datetime | None = None) -> list[str]:
        """Which targets are down, or were not scraped since then. Without targets all is unwell."""
        targets = self.targets()
        late = [one for one in targets if since is not None and one.at < since]
        wrong = [f"Prometheus has {one}" for one in targets if not one.up and one not in late]
        wrong += [f"Prometheus has not looked at {one.job} {one.place} lately" for one in late]
        return wrong or ([] if targets else ["Prometheus has no targets"])

    def wait_scraped(self, within: float = 30) -> None:
        """Waits until each target was scraped, well or not, by a scrape that begins from now on."""
        now = datetime.now(UTC)

        def looked() -> bool:
            targets = self.targets()
            return bool(targets) and all(one.at >= now for one in targets)

        wait_until(looked, "Prometheus has looked at everything", within=within, process=self.process)

    def forget(self) -> None:
        """Everything that was scraped so far is gone."""
        query = urlencode({"match[]": '{__name__=~".+"}', "end": f"{datetime.now(UTC).timestamp():.3f}"})
        self._get(f"/api/v1/admin/tsdb/delete_series?{query}", method="POST")

    def ask(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The samples of an instant query, by labels; for faults and tests."""
        found = json.loads(self._get(f"/api/v1/query?{urlencode({'query': expression})}"))["data"]["result"]
        return [(one["metric"], float(one["value"][1])) for one in found]

    def _get(self, path: str, method: str = "GET") -> str:
        """Asked on its own host, so that no fault is in between."""
        link = self.host.here(lambda: socket.create_connection(("127.0.0.1", self.port), timeout=10))
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.sock = link
        try:
            connection.request(method, path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()
            link.close()


def _job(name: str, places: Sequence[str], interval_s: int = INTERVAL_S) -> dict[str, Any]:
    every = {"scrape_interval": f"{interval_s}s", "scrape_timeout": f"{interval_s}s"}
    return {"job_name": name, "static_configs": [{"targets": list(places)}], **every}


def _only(kind: str) -> dict[str, Any]:
    return {"source_labels": ["__name__"], "regex": _KEPT[kind], "action": "keep"}


def _without(pattern: str) -> dict[str, Any]:
    return {"source_labels": ["__name__", "le"], "regex": pattern, "action": "drop"}
