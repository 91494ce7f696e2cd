"""etcd has reached its quota: everything is read and nothing can be written."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path

from tests.lab.fault import Ask, Truth
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="etcd-no-space",
    acceptable={"bot": ("etcd-no-space",), "bot+control-plane": ("etcd-no-space",)},
)


MAPS = "/api/v1/namespaces/default/configmaps"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"


def fill(lab: Lab, size: int) -> str:
    """Writes until that is refused for want of space; the refusal."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"fill": "x" * 900_000}}
    for number in range(size // 900_000 + 60):
        body["metadata"] = {"name": f"fill-{number}", "labels": {"fill": "yes"}}
        try:
            answer = lab.api1.ask(MAPS, "POST", body)
        except (OSError, HTTPException):
            continue
        if "space exceeded" in answer.text:
            return str(answer.json["message"])
    raise AssertionError("etcd took everything")


def since_renewal(lab: Lab) -> float:
    """Since when the newest lease of the API servers was not renewed, in seconds."""
    leases = lab.api1.ask(f"{LEASES}?labelSelector=apiserver.kubernetes.io/identity")
    times = [datetime.fromisoformat(item["spec"]["renewTime"]) for item in leases.json["items"]]
    return (datetime.now(UTC) - max(times)).total_seconds()


@contextmanager
def data_put_back(lab: Lab) -> Generator[None]:
    """etcd is not running when the block begins, and has the data of that moment again after it."""
    (data,) = (Path(flag.partition("=")[2]) for flag in lab.etcd.command() if flag.startswith("--data-dir="))
    kept = lab.scratch() / "data"
    lab.etcd.kill()
    shutil.copytree(data, kept)
    try:
        yield
    finally:
        # What the API servers know of the time between is no longer true.
        for server in (lab.etcd, *lab.apis):
            server.kill()
        shutil.rmtree(data)
        shutil.move(kept, data)
        lab.etcd.start()
        lab.etcd.wait_healthy()
        for api in lab.apis:
            api.start()


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    quota = draw.between(12, 20) * 1024 * 1024
    with data_put_back(lab):
        lab.etcd.start(quota_backend_bytes=str(quota))
        lab.etcd.wait_healthy()
        said = fill(lab, 2 * quota)
        wait_until(lambda: "NOSPACE" in lab.etcd.health(), "the alarm is raised", within=10)
        # The API servers write their leases every ten seconds, and can no longer.
        wait_until(lambda: since_renewal(lab) > 25, "leases stand still", within=60)
        age = since_renewal(lab)
        yield Ask(proof=f"etcd says {lab.etcd.health().strip()}; a write is answered: {said}; no lease renewed for {age:.0f} s")
