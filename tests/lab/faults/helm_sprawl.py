"""Helm has kept every release of a few charts: a thousand objects of type helm.sh/release.v1, 40 kB each as charts leave them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.client import HTTPConnection

from tests.lab.fault import Ask, Truth
from tests.lab.faults._load import Caller, metric, place_of
from tests.lab.faults._moves import meanwhile, soon
from tests.lab.planes import ApiServer
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab

# Who may list metadata counts them by type; who may read metrics sees how many secrets there are.
TRUTH = Truth(cause="helm-release-sprawl", acceptable={"bot": ("helm-release-sprawl",)})
SECRETS = "/api/v1/namespaces/default/secrets"
OF_HELM = f"{SECRETS}?fieldSelector=type%3Dhelm.sh/release.v1"
COUNT, WORKERS = 1000, 4


def release(chart: str, version: int) -> dict[str, object]:
    labels = {"name": chart, "owner": "helm", "status": "superseded", "version": str(version)}
    name = f"sh.helm.release.v1.{chart}.v{version}"
    return {
        "metadata": {"name": name, "labels": labels},
        "type": "helm.sh/release.v1",
        "stringData": {"release": "H4sI" * 10_000},
    }


def installing(caller: Caller, lab: Lab, chart: str) -> Callable[[threading.Event], None]:
    def work(stop: threading.Event) -> None:
        place = place_of(lab.api1)
        connection = HTTPConnection(*place, timeout=20)
        connection.sock = caller.connect(place)
        for version in range(1, COUNT // WORKERS + 1):
            connection.request("POST", SECRETS, json.dumps(release(chart, version)), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status == 201, text
        connection.close()

    return work


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api = draw.one_of(*lab.apis)
    helm = Caller(lab, lab.node, draw.person(), "system:masters")
    charts = [f"{draw.word()}-{number}" for number in range(WORKERS)]

    def known(*asked: ApiServer) -> float:
        names = ("apiserver_storage_objects", "apiserver_resource_objects")
        return max(metric(one, name, '="secrets"') for one in asked for name in names)

    try:
        with meanwhile(*(installing(helm, lab, chart) for chart in charts)):
            pass
        found = len(lab.api1.ask(OF_HELM, timeout=30).json["items"])
        assert found == COUNT
        # An API server counts and measures what it stores once a minute.
        wait_until(lambda: known(api) >= COUNT, "its metrics know of them", within=90)
        yield Ask(proof=f"{found} secrets of that type are listed, and {known(api):.0f} secrets counted", server=api.url)
    finally:
        soon(lambda: lab.api1.ask(OF_HELM, "DELETE", timeout=60).status == 200, "the releases are removed")
        # What the metrics still tell would be taken for this cluster's state by whoever asks next.
        wait_until(lambda: known(*lab.apis) < COUNT, "its metrics have forgotten them", within=200)
