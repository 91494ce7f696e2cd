"""Objects that an administrator makes for a fault, and takes away after it."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.lab.faults._moves import soon
from tests.lab.topology import Lab

LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
_OK = (200, 201)
_GONE = (200, 202, 404)


@contextmanager
def made(lab: Lab, *objects: tuple[str, Mapping[str, Any]]) -> Generator[list[dict[str, Any]]]:
    """Objects by their collection's path, in this order, as the API server returned them; removed in the other order."""
    with ExitStack() as stack:
        found = []
        for path, body in objects:
            said = lab.api1.ask(path, "POST", dict(body), timeout=30)
            assert said.status in _OK, f"{path}: {said.text[:400]}"
            stack.callback(_remove, lab, f"{path}/{said.json['metadata']['name']}")
            found.append(said.json)
        yield found


def _remove(lab: Lab, path: str) -> None:
    def gone() -> bool:
        with suppress(OSError, http.client.HTTPException):
            return lab.api1.ask(f"{path}?gracePeriodSeconds=0", "DELETE", timeout=10).status in _GONE
        return False

    soon(gone, f"{path} is removed")


def put(lab: Lab, path: str, body: Mapping[str, Any], *, kind: str = "merge-patch") -> dict[str, Any]:
    """A patch by the administrator; what the object is now."""
    said = lab.api1.ask(path, "PATCH", dict(body), content=f"application/{kind}+json")
    assert said.status in _OK, f"{path}: {said.text[:400]}"
    return said.json


def now(ago: timedelta = timedelta()) -> str:
    """A lease's time."""
    return (datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def instant(ago: timedelta = timedelta()) -> str:
    """A condition's time."""
    return (datetime.now(UTC) - ago).strftime("%Y-%m-%dT%H:%M:%SZ")


def lease(
    name: str, namespace: str, holder: str, *, renewed: timedelta = timedelta(), seconds: int = 15
) -> tuple[str, dict[str, Any]]:
    """A lease whose last renewal is this long ago."""
    body = {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "holderIdentity": holder,
            "leaseDurationSeconds": seconds,
            "acquireTime": now(renewed + timedelta(hours=30)),
            "renewTime": now(renewed),
            "leaseTransitions": 1,
        },
    }
    return LEASES.format(namespace), body


def renewing(lab: Lab, *leases: tuple[str, Mapping[str, Any]], every_s: float = 2.0) -> Callable[[threading.Event], None]:
    """Work that keeps these leases fresh, as their holders would."""

    def work(stop: threading.Event) -> None:
        while not stop.wait(every_s):
            for path, body in leases:
                with suppress(OSError, http.client.HTTPException, AssertionError):
                    put(lab, f"{path}/{body['metadata']['name']}", {"spec": {"renewTime": now()}})

    return work


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": data}


def account(namespace: str, name: str = "default") -> tuple[str, dict[str, Any]]:
    """A service account: pods need one, and no controller makes it here."""
    return f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}}
