"""The share of the scoreboard that needs neither root nor a real control plane: the rehearsals, judged by the same rules.

Their servers are simulated, on loopback; so this says something of the rules, and little of the world.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from types import MappingProxyType

from bot.demo.scenarios import SCENARIOS
from tests.lab.bench import domains, refinements
from tests.lab.fault import Truth
from tests.lab.judge import Judged, judge
from tests.lab.processes import dying_with_us
from tests.lab.topology import ROOT

_RESET = "A reset is all that comes back, whether nothing listens, it listens elsewhere, or a filter forges it."
_SILENT = "Whatever keeps a process from answering, the kernel accepts for it and then nothing comes."
_REBUILT = "Another authority with the same name is what a rebuilt cluster and another cluster show alike."

TRUTHS: Mapping[str, Truth] = MappingProxyType(
    {
        "refused": Truth(
            cause="apiserver-not-running",
            acceptable={"bot": ("apiserver-not-running", "apiserver-wrong-bind-address", "firewall-reject")},
            because=_RESET,
        ),
        "tls-silent": Truth(
            cause="apiserver-hung",
            acceptable={"bot": ("apiserver-hung", "file-descriptors-exhausted", "etcd-unavailable")},
            because=_SILENT,
        ),
        "certificate-expired": Truth(cause="serving-certificate-expired", acceptable={"bot": ("serving-certificate-expired",)}),
        "wrong-name": Truth(
            cause="serving-certificate-name-mismatch", acceptable={"bot": ("serving-certificate-name-mismatch",)}
        ),
        "unknown-ca": Truth(cause="ca-mismatch", acceptable={"bot": ("ca-mismatch", "wrong-cluster-answers")}, because=_REBUILT),
        "unauthorized": Truth(cause="token-rejected", acceptable={"bot": ("token-rejected",)}),
        "etcd-failing": Truth(cause="etcd-unavailable", acceptable={"bot": ("etcd-unavailable",)}),
        "healthy": Truth(cause="healthy", acceptable={"bot": ("healthy",)}),
    }
)


def rehearsed(name: str) -> Judged:
    """Runs one rehearsal by the command line and judges it."""
    with tempfile.TemporaryDirectory(prefix="loopback-") as folder:
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "TMPDIR": folder, "PYTHONPATH": str(ROOT)}
        argv = [sys.executable, "-c", "from bot.cli import main; main()", "demo", name, "--output", "json"]
        done = subprocess.run(dying_with_us(argv), capture_output=True, text=True, env=environment, timeout=90, check=False)
    assert done.returncode in (0, 1), done.stderr
    kind = "healthy" if SCENARIOS[name].cause == "healthy" else "single"
    return judge(name, kind, TRUTHS[name], json.loads(done.stdout), domains=domains(), refines=refinements())
