"""Every key of the store, in one place.

All keys of one cluster carry its name as a hash tag, so that they share a slot and one script can change them together.
The key of the clusters' names is the one that stands alone.
"""

from __future__ import annotations

import re

from bot.errors import UsageError
from bot.ids import digest
from bot.model.investigation import Ref

_PREFIX = "apidown:"

# What a name may hold: nothing that ends a hash tag early, matches as a glob, or cannot be typed into a shell unquoted.
_CLUSTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,199}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")

CLUSTERS = _PREFIX + "clusters"
"""Sorted set: the names of clusters that had an investigation, by the time (Unix seconds) of the last opening."""


def is_cluster(name: str) -> bool:
    """Whether the name can be part of a key."""
    return _CLUSTER.fullmatch(name) is not None


def open_id(cluster: str) -> str:
    """String: the id of the cluster's open investigation."""
    return _cluster(cluster) + "open"


def active(cluster: str) -> str:
    """Set: ids of investigations that are not closed or not fully delivered."""
    return _cluster(cluster) + "active"


def investigations(cluster: str) -> str:
    """What the keys of every investigation of this cluster begin with; the id, a colon and the part follow."""
    return _cluster(cluster) + "inv:"


def log(ref: Ref) -> str:
    """Stream: the events, one JSON envelope an entry, in the field ``event``."""
    return _investigation(ref) + "log"


def ids(ref: Ref) -> str:
    """Set: the ids of the events in the log."""
    return _investigation(ref) + "ids"


def heard(cluster: str, trigger: str) -> str:
    """String that runs out: the id of the investigation that a trigger, known by the digest of its event's id, went to."""
    return _cluster(cluster) + "heard:" + digest(trigger, length=32)


def seen(wish: str) -> str:
    """String that runs out: the cluster and id of the investigation that a wish, known by the digest of its key, is about."""
    return f"{_PREFIX}seen:{digest(wish, length=32)}"


def lease(ref: Ref) -> str:
    """String that runs out: the owner who is alive."""
    return _investigation(ref) + "lease"


def epoch(ref: Ref) -> str:
    """Hash: ``number`` and ``owner`` of the last lease given, ``v``, the newest envelope in the log, and ``closed``."""
    return _investigation(ref) + "epoch"


def _cluster(name: str) -> str:
    if not is_cluster(name):
        raise UsageError(
            f"{name!r} cannot be the name of a cluster",
            nearest="a name begins with a letter or digit and goes on with those and . _ : / @ + -, 200 characters at most",
        )
    return f"{_PREFIX}{{{name}}}:"


def _investigation(ref: Ref) -> str:
    if not _ID.fullmatch(ref.id):
        raise UsageError(f"{ref.id!r} is not the id of an investigation", nearest="an id looks like 20261120-k7f3")
    return f"{investigations(ref.cluster)}{ref.id}:"
