"""``python -m tests.lab.compare``: puts in each fault, runs every tool, judges what they say, writes docs/comparison.md.

What was seen stays in build/comparison.json; ``--judge`` judges that again and runs nothing.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from tests.lab.compare import document, kept
from tests.lab.compare.asked import find, see
from tests.lab.compare.kept import Comparison, Seen
from tests.lab.compare.tool import Tool, known
from tests.lab.fault import Fault, all_faults
from tests.lab.processes import wait_until
from tests.lab.seed import Draw
from tests.lab.topology import Lab, running_lab

_ROOT = Path(__file__).resolve().parents[3]
_KEPT = _ROOT / "build" / "comparison.json"
# A sign needs two looks: what only one of them shows is by chance.
_LOOKS = 2


def main(argv: Sequence[str]) -> int:
    asked = _arguments(argv)
    if asked.judge:
        document.write(kept.read(asked.kept), _ROOT)
        return 0
    tools = {name: tool for name, tool in known().items() if not asked.tools or name in asked.tools}
    faults = {name: fault for name, fault in all_faults().items() if not asked.only or name in asked.only}
    assert tools, f"no such tool; there are {', '.join(known())}"
    assert faults, "no such fault"
    comparison = run(tools, faults, asked.seed, asked.looks)
    comparison.write(asked.kept)
    if not (asked.only or asked.tools):
        document.write(comparison, _ROOT)
    else:
        print(document.text(comparison, document.scoreboard(_ROOT)))
    return 1 if comparison.failed else 0


def run(tools: dict[str, Tool], faults: dict[str, Fault], seed: int, looks: int) -> Comparison:
    """Every tool at every fault. The tools of one look run at the same time: all of them see the same moment of the fault."""
    found, missing = find(tools.values(), built())
    for reason in missing.values():
        print(f"Left out: {reason}. Next: make compare-tools", file=sys.stderr)
    began = datetime.now(UTC).isoformat(timespec="seconds")
    seen: list[Seen] = []
    failed: dict[str, str] = {}
    left = dict(faults)
    while left:
        # A fault that leaves the lab unwell costs a new lab.
        with running_lab(seed) as lab, ThreadPoolExecutor(len(found)) as pool:
            for name in list(left):
                fault = left.pop(name)
                print(f"{name} …", file=sys.stderr, flush=True)
                try:
                    wait_until(lambda: settled(lab), "both API servers list the nodes", within=60)
                    with fault.begin(lab, Draw(seed, name)) as ask:
                        for _ in range(looks):
                            runs = [pool.submit(see, lab, fault, ask, tools[tool], path) for tool, path in found.items()]
                            seen += [one.result() for one in runs]
                except AssertionError as error:
                    failed[name] = str(error).splitlines()[0]
                    print(f"{name}: {error}", file=sys.stderr)
                try:
                    lab.recover()
                except AssertionError as error:
                    print(f"A new lab after {name}: {error}", file=sys.stderr)
                    break
    versions = {tool: version(tools[tool], path) for tool, path in found.items()}
    return Comparison(
        seeds=[seed],
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        began=began,
        tools=versions,
        seen=seen,
        failed=failed,
    )


def settled(lab: Lab) -> bool:
    """Whether reads come through, too: after an outage of etcd they hang for a while although /readyz is well."""
    return all(api.status("/api/v1/nodes") == 200 for api in lab.apis)


def built() -> Path:
    """Where ``make compare-tools`` puts what it builds."""
    found = re.search(r"^COMPARE_VERSION := (\S+)$", (_ROOT / "Makefile").read_text(), re.M)
    assert found is not None
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("APIDOWN_COMPARE") or cache / "apidown" / f"compare-{found.group(1)}")


def version(tool: Tool, binary: Path) -> str:
    """The first number that looks like a version of what the tool prints about itself."""
    done = subprocess.run([str(binary), *tool.version], capture_output=True, text=True, timeout=20, check=False)
    found = re.search(r"\d+\.\d+(?:\.\d+)?", done.stdout + done.stderr)
    return found.group(0) if found else "unknown"


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.lab.compare", description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", nargs="*", default=[], metavar="FAULT")
    parser.add_argument("--tools", nargs="*", default=[], metavar="TOOL")
    parser.add_argument("--looks", type=int, default=_LOOKS)
    parser.add_argument("--kept", type=Path, default=_KEPT)
    parser.add_argument("--judge", action="store_true", help="judge what was kept, run nothing")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
