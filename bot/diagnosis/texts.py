"""This cluster's values, for the texts of causes: what a person copies must run as it stands."""

from __future__ import annotations

from collections.abc import Mapping

from bot.diagnosis.egress import to_try
from bot.model.playbook import NextStep
from bot.model.target import Cluster
from bot.template import fill, fill_command


def values_of(cluster: Cluster, *, address: str | None = None) -> dict[str, str]:
    """The placeholders' values. ``address`` is the bare address under suspicion; without one it is the host."""
    target = cluster.target
    return {
        "host": target.host,
        "port": str(target.port),
        "server": target.url,
        "address": address or target.host,
        "name": (target.proxy or target).host,
        "proxy": str(target.proxy or ""),
        "server_name": target.server_name,
        "cluster": cluster.called,
        "context": cluster.kubeconfig_context or "",
        "namespace": "kube-system",
        "egress": to_try(cluster),
        "nodes": " ".join(map(str, cluster.nodes)),
    }


def fill_step(step: NextStep, values: Mapping[str, str]) -> NextStep:
    """One next step for this cluster; what is said and what is run stay apart, so that no text becomes a command."""
    run = None if step.run is None else fill_command(step.run, values)
    return NextStep(say=fill(step.say, values), run=run)
