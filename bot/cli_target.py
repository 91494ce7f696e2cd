"""Which cluster a command line means, and what may be used to look at it.

A cluster of the configuration, the current one of a kubeconfig, or a bare URL. Credentials go with the first two only: an
address that somebody pasted gets them if, and only if, it is the very server of one of those.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.adapters.kubeconfig.access import as_clients_here, from_kubeconfig, resolve, with_known_servers
from bot.config import ClusterDefinition, Config
from bot.errors import ApidownError, ConfigError, UsageError
from bot.ports import ClusterAccess
from bot.recognise.addresses import is_inside
from bot.recognise.cluster import cluster_meant
from bot.recognise.wish import PASTED_WORDS, Pasted, pasted
from bot.settings import Settings

_GIVE_A_SERVER = "apidown investigate https://HOST:6443, or give --kubeconfig FILE, or --config FILE"


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
    if chosen is None:
        return Config.empty()
    return with_known_servers(Config.load(chosen), settings)


def what_was_pasted(wanted: Wanted, config: Config, *, anyway: bool) -> Pasted | None:
    """What the words say if they were pasted. Raises UsageError for what is not about reaching an API server, unless a server
    is named beside it or it is asked to look ``anyway``."""
    paste = pasted(" ".join(wanted.words), config)
    named = wanted.cluster or wanted.server or wanted.kubeconfig or wanted.context
    if paste is not None and paste.is_something_else and not named and not anyway:
        look = f"apidown investigate {min(config.clusters)}" if config.clusters else "apidown investigate"
        raise UsageError(
            "this is not about reaching an API server, so nothing is investigated",
            nearest=paste.recognised.why,
            next=f"to look anyway: {look}",
        )
    return paste


def access_to(wanted: Wanted, config: Config, settings: Settings, paste: Pasted | None = None) -> ClusterAccess:
    """Access to the cluster that is meant, through the environment's proxy where kubectl would use it. Raises UsageError or
    ConfigError, which say what to give instead."""
    access = _meant(wanted, config, settings, paste)
    # A server of the configuration file goes by what is written there, and nothing else.
    own = access.cluster.configured and access.cluster.kubeconfig_context is None
    return access if own else as_clients_here(access, settings)


def _meant(wanted: Wanted, config: Config, settings: Settings, paste: Pasted | None) -> ClusterAccess:
    _refuse_two(wanted)
    if wanted.server:
        server = wanted.server if "://" in wanted.server else f"https://{wanted.server}"
        return ClusterAccess(cluster=config.ad_hoc(server))
    if wanted.cluster:
        return resolve(_named(wanted.cluster, config), settings)
    if wanted.kubeconfig or wanted.context or not (wanted.words or config.clusters):
        return _of_kubeconfig(wanted, settings)
    own = _kubeconfig_if_any(settings)
    words = " ".join(wanted.words).split()
    seen = paste.recognised if paste and not paste.named else None
    # What pods call the API server is the server that they run on.
    if own is not None and seen is not None and seen.address and is_inside(seen.address):
        return own
    try:
        meant = cluster_meant(words, config, recognised=seen)
    except UsageError as error:
        # An error that names no address: it was seen with this kubeconfig, unless it is a mistyped name.
        if own is not None and paste:
            return own
        what = "this text names no server and no cluster" if paste else error.what
        todo = f"apidown investigate {min(config.clusters)}, or a server's URL" if config.clusters else _GIVE_A_SERVER
        raise UsageError(what, nearest=error.nearest, next=todo) from error
    if meant.configured:
        return resolve(config.clusters[meant.name], settings)
    if own is not None and (own.cluster.target.host, own.cluster.target.port) == (meant.target.host, meant.target.port):
        return own
    return ClusterAccess(cluster=meant)


def _refuse_two(wanted: Wanted) -> None:
    """A text beside an option is the error that was seen; anything shorter would name a second cluster."""
    given = [name for name in ("cluster", "server", "kubeconfig", "context") if getattr(wanted, name)]
    text = " ".join(wanted.words)
    if len(given) > 1 and given != ["kubeconfig", "context"]:
        raise UsageError(f"--{given[0]} and --{given[1]} name two clusters", next=f"leave --{given[1]} out")
    if given and text and len(text.split()) < PASTED_WORDS:
        raise UsageError(f"--{given[0]} and '{text}' name two clusters", next=f"leave --{given[0]} or '{text}' out")


def _named(name: str, config: Config) -> ClusterDefinition:
    try:
        return config.cluster_named(name)
    except UsageError as error:
        todo = f"apidown investigate --cluster {min(config.clusters)}" if config.clusters else "give the --config FILE it is in"
        raise UsageError(error.what, nearest=error.nearest or "no clusters are configured", next=todo) from error


def _of_kubeconfig(wanted: Wanted, settings: Settings) -> ClusterAccess:
    try:
        return from_kubeconfig(wanted.kubeconfig, wanted.context, settings)
    except ConfigError as error:
        error.advise(_GIVE_A_SERVER)
        raise


def _kubeconfig_if_any(settings: Settings) -> ClusterAccess | None:
    """The kubeconfig's cluster, where there is one to compare a pasted address with."""
    try:
        return from_kubeconfig(None, None, settings)
    except ApidownError:
        return None


def somebody() -> str:
    """Who runs this, as far as the machine knows: in a container the user may have no name."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
