"""What the Slack app must be allowed, each scope with what it is for.

The manifests in ``docs/`` ask for these; a test keeps them and the calls of ``bot.slack.client`` together.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

REQUIRED: Mapping[str, str] = MappingProxyType(
    {
        "commands": "hearing /apidown",
        "chat:write": "posting and editing its own messages",
        "channels:history": "reading a public channel's thread back after a failure in doubt, so that no message is there twice",
    }
)
PRIVATE: Mapping[str, str] = MappingProxyType({"groups:history": "the same in private channels"})
GROUPS: Mapping[str, str] = MappingProxyType({"usergroups:read": "looking up the members of the groups in may_start"})
"""Needed when the configuration names user groups."""

CHANNELS = frozenset({"channels:read", "groups:read"})
"""Not needed: with them it is known, not only likely, that a channel is archived."""
