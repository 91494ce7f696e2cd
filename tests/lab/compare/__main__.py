"""``python -m tests.lab.compare``: puts in each fault, runs every tool, judges what they say, writes docs/comparison.md.

What was seen stays in build/comparison.json; ``--judge`` judges that again and runs nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.lab.compare import document, kept
from tests.lab.compare.running import run, run_beside
from tests.lab.compare.tool import known
from tests.lab.fault import all_faults
from tests.lab.topology import ROOT

_KEPT = ROOT / "build" / "comparison.json"
# A sign needs two looks: what only one of them shows is by chance.
_LOOKS = 2


def main(argv: Sequence[str]) -> int:
    asked = _arguments(argv)
    if asked.judge:
        document.write(kept.read(asked.kept), ROOT)
        return 0
    tools = {name: tool for name, tool in known().items() if not asked.tools or name in asked.tools}
    faults = {name: fault for name, fault in all_faults().items() if not asked.only or name in asked.only}
    assert tools, f"no such tool; there are {', '.join(known())}"
    assert faults, "no such fault"
    if asked.benches == 1 or len(faults) < asked.benches:
        comparison = run(tools, list(faults.values()), asked.seed, asked.looks)
    else:
        comparison = run_beside(list(faults), list(tools), asked.seed, asked.looks, asked.benches)
    if asked.renew:
        comparison = kept.renewed(kept.read(asked.kept), comparison)
    comparison.write(asked.kept)
    if (asked.only or asked.tools) and not asked.renew:
        print(document.text(comparison, document.scoreboard(ROOT)))
    else:
        document.write(comparison, ROOT)
    return 1 if comparison.failed else 0


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.lab.compare", description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", nargs="*", default=[], metavar="FAULT")
    parser.add_argument("--tools", nargs="*", default=[], metavar="TOOL")
    parser.add_argument("--looks", type=int, default=_LOOKS)
    parser.add_argument("--benches", type=int, default=2, help="labs beside each other")
    parser.add_argument("--kept", type=Path, default=_KEPT, help="where what was seen is kept")
    parser.add_argument("--renew", action="store_true", help="these faults and tools anew, the others as they were kept")
    parser.add_argument("--judge", action="store_true", help="judge what was kept, run nothing")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
