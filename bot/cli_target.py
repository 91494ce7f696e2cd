"""Which cluster a command line means, and what may be used to look at it.

A cluster of the configuration, the current one of a kubeconfig, or a bare URL. Credentials go with the first two only: an
address that somebody pasted gets them if, and only if, it is the very server of one of those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.adapters.kubeconfig.access import from_kubeconfig, resolve, with_known_servers
from bot.config import Config
from bot.errors import ApidownError, UsageError
from bot.ports import ClusterAccess
from bot.recognise import cluster_meant
from bot.settings import Settings

_SENTENCE = 4
"""Words from which a text is taken for a pasted error rather than for a name."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What was given on the command line; each may be missing."""

    words: Sequence[str] = ()
    cluster: str | None = None
    server: str | None = None
    kubeconfig: Path | None = None
    context: str | None = None


def configuration(path: Path | None, settings: Settings) -> Config:
    """The configuration file that is named, else that of the settings, else none."""
    chosen = path or settings.config
    return with_known_servers(Config.load(chosen), settings) if chosen else Config.empty()


def access_to(wanted: Wanted, config: Config, settings: Settings) -> ClusterAccess:
    """Access to the cluster that is meant. Raises UsageError or ConfigError, which say what to give instead."""
    given = [name for name in ("cluster", "server", "kubeconfig") if getattr(wanted, name)]
    if len(given) > 1:
        raise UsageError(f"--{given[0]} and --{given[1]} name two clusters", next=f"leave --{given[1]} out")
    if wanted.server:
        return ClusterAccess(cluster=config.ad_hoc(wanted.server))
    if wanted.cluster:
        return resolve(config.cluster_named(wanted.cluster), settings)
    if wanted.kubeconfig or wanted.context or not (wanted.words or config.default_for(None)):
        return from_kubeconfig(wanted.kubeconfig, wanted.context, settings)
    own = _kubeconfig_if_any(settings)
    try:
        meant = cluster_meant(wanted.words, config)
    except UsageError:
        # An error that names no address: it was seen with this kubeconfig, unless it is a mistyped name.
        if own is None or len(" ".join(wanted.words).split()) < _SENTENCE:
            raise
        return own
    if meant.configured:
        return resolve(config.clusters[meant.name], settings)
    if own is not None and (own.cluster.target.host, own.cluster.target.port) == (meant.target.host, meant.target.port):
        return own
    return ClusterAccess(cluster=meant)


def _kubeconfig_if_any(settings: Settings) -> ClusterAccess | None:
    """The kubeconfig's cluster, where there is one to compare a pasted address with."""
    try:
        return from_kubeconfig(None, None, settings)
    except ApidownError:
        return None
