"""kubectl as everybody types it first: ``kubectl get nodes``."""

from __future__ import annotations

from tests.lab.compare.tool import Target, Tool, exit_tells


def commands(binary: str, target: Target) -> list[list[str]]:
    return [[binary, f"--kubeconfig={target.kubeconfig}", "--request-timeout=5s", "get", "nodes"]]


def environment(target: Target) -> dict[str, str]:
    return {"KUBECACHEDIR": str(target.folder / "cache")}


TOOL = Tool(
    name="kubectl-get",
    title="kubectl get nodes",
    asked="`kubectl get nodes`",
    binary="kubectl",
    licence="Apache-2.0",
    version=("version", "--client"),
    commands=commands,
    complains=exit_tells,
    limit=30.0,
    environment=environment,
)
