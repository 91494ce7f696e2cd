"""kubectl in the hands of somebody who knows it: the health paths in full, aggregated APIs, a dry run."""

from __future__ import annotations

from tests.lab.compare.tool import Target, Tool, exit_tells
from tests.lab.compare.tools.kubectl_get import environment


def commands(binary: str, target: Target) -> list[list[str]]:
    kubectl = [binary, f"--kubeconfig={target.kubeconfig}", "--request-timeout=5s"]
    return [
        [*kubectl, "get", "--raw", "/livez?verbose"],
        [*kubectl, "get", "--raw", "/readyz?verbose"],
        [*kubectl, "get", "apiservices"],
        [*kubectl, "create", "configmap", "apidown-comparison", "--namespace=default", "--dry-run=server"],
    ]


TOOL = Tool(
    name="kubectl-checks",
    title="kubectl, four checks",
    asked=("`kubectl get --raw` of `/livez?verbose` and `/readyz?verbose`, `get apiservices`, a dry run of `create configmap`"),
    binary="kubectl",
    licence="Apache-2.0",
    version=("version", "--client"),
    commands=commands,
    complains=exit_tells,
    limit=8.0,
    environment=environment,
)
