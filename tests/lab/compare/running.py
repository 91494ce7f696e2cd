"""Runs the tools: one lab, fault by fault, or several labs beside each other."""

from __future__ import annotations

import dataclasses
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.lab.bench import bench
from tests.lab.compare import kept
from tests.lab.compare.asked import find, see
from tests.lab.compare.kept import Comparison, Seen
from tests.lab.compare.tool import Tool
from tests.lab.fault import Ask, Fault
from tests.lab.processes import dying_with_us, wait_until
from tests.lab.topology import ROOT, Lab

_LISTS = (
    *(f"/api/v1/{kind}" for kind in ("nodes", "pods", "services", "endpoints", "configmaps", "events", "persistentvolumeclaims")),
    *(f"/apis/apps/v1/{kind}" for kind in ("deployments", "replicasets", "statefulsets", "daemonsets")),
    "/apis/batch/v1/cronjobs",
    "/apis/batch/v1/jobs",
    "/apis/networking.k8s.io/v1/ingresses",
    "/apis/networking.k8s.io/v1/networkpolicies",
    "/apis/policy/v1/poddisruptionbudgets",
    "/apis/autoscaling/v2/horizontalpodautoscalers",
    "/apis/storage.k8s.io/v1/storageclasses",
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "/apis/apiregistration.k8s.io/v1/apiservices",
)


class Eyes:
    """What a bench asks about a fault: every tool, ``looks`` times, all at the same moment."""

    def __init__(self, tools: Mapping[str, Tool], found: Mapping[str, Path], looks: int) -> None:
        self.fault: Fault
        self.seen: list[Seen] = []
        self._tools = [(tools[name], path) for name, path in found.items()] * looks
        self._pool = ThreadPoolExecutor(len(self._tools))

    def __call__(self, lab: Lab, ask: Ask) -> Mapping[str, Any]:
        # A wrong clock is put before the machine's by a library, which a static program does not load.
        reached = [(tool, path) for tool, path in self._tools if not (tool.static and "LD_PRELOAD" in ask.environment)]
        looking = [self._pool.submit(see, lab, self.fault, ask, tool, path) for tool, path in reached]
        self.seen += [one.result() for one in looking]
        # The bench judges apidown's answer; here is none.
        return {"verdict": "inconclusive", "causes": [], "steps": []}


def run(tools: Mapping[str, Tool], faults: Sequence[Fault], seed: int, looks: int) -> Comparison:
    """Every tool at every fault, one fault after the other."""
    found, missing = find(tools.values(), built())
    for reason in missing.values():
        print(f"Left out: {reason}. Next: make compare-tools", file=sys.stderr)
    assert found, "there is no tool to run"
    began = datetime.now(UTC).isoformat(timespec="seconds")
    failed: dict[str, str] = {}
    eyes = Eyes(tools, found, looks)
    # None of these tools asks Prometheus or the balancer.
    with bench(seed, asking=eyes, bare=True) as made:
        for fault in faults:
            eyes.fault = fault
            try:
                wait_until(lambda: settled(made.lab), "lists come through", within=60)
                made.run(fault)
            except Exception as error:
                # The boundary: a fault that cannot be tried is one line of the page, not the end of all others.
                failed[fault.name] = f"{type(error).__name__}: {error}".splitlines()[0]
            print(f"{fault.name}: {failed.get(fault.name, 'looked at')}", file=sys.stderr, flush=True)
    versions = {tool: version(tools[tool], path) for tool, path in found.items()}
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    seen = [one for one in eyes.seen if one.fault not in failed]
    return Comparison(seeds=[seed], machine=machine, began=began, tools=versions, seen=seen, failed=failed)


def run_beside(faults: Sequence[str], tools: Sequence[str], seed: int, looks: int, benches: int) -> Comparison:
    """As ``run``, in as many processes as ``benches``, each with a lab of its own: most of a fault's time is waiting."""
    with tempfile.TemporaryDirectory() as folder:
        parts = [Path(folder) / f"{number}.json" for number in range(benches)]
        workers = []
        for number, part in enumerate(parts):
            argv = [sys.executable, "-m", "tests.lab.compare", "--benches", "1", "--seed", str(seed), "--looks", str(looks)]
            argv += ["--kept", str(part), "--tools", *tools, "--only", *faults[number::benches]]
            workers.append(subprocess.Popen(dying_with_us(argv), stdout=subprocess.DEVNULL, cwd=ROOT))
        for worker in workers:
            worker.wait()
        return merged([kept.read(part) for part in parts])


def merged(parts: Sequence[Comparison]) -> Comparison:
    """Parts of one run, as one."""
    seen = [one for part in parts for one in part.seen]
    failed = {name: why for part in parts for name, why in part.failed.items()}
    return dataclasses.replace(parts[0], began=min(part.began for part in parts), seen=seen, failed=failed)


def settled(lab: Lab) -> bool:
    """Whether lists come through, too: after an outage of etcd some hang for a while although /readyz is well."""
    return all(api.status(path, timeout=1) == 200 for api in lab.apis for path in _LISTS)


def built() -> Path:
    """Where ``make compare-tools`` puts what it builds."""
    found = re.search(r"^COMPARE_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.M)
    assert found is not None
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("APIDOWN_COMPARE") or cache / "apidown" / f"compare-{found.group(1)}")


def version(tool: Tool, binary: Path) -> str:
    """The first number that looks like a version of what the tool prints about itself."""
    done = subprocess.run([str(binary), *tool.version], capture_output=True, text=True, timeout=20, check=False)
    found = re.search(r"\d+\.\d+(?:\.\d+)?", done.stdout + done.stderr)
    return found.group(0) if found else "unknown"
