"""What cannot be told apart from one place, and why: the sets and reasons that several faults share."""

from __future__ import annotations

REFUSED = ("apiserver-not-running", "apiserver-wrong-bind-address", "firewall-reject")
REFUSED_BECAUSE = "A reset is all that leaves, whether nothing listens, it listens elsewhere, or a filter forges the reset."

MUTE = ("apiserver-hung", "file-descriptors-exhausted", "etcd-unavailable")
MUTE_BECAUSE = (
    "The kernel completes TCP and nothing is ever said: the same for a stopped process, one that cannot accept, and one that "
    "waits for etcd before it serves."
)

BEHIND = ("lb-no-healthy-backend",)
BEHIND_BECAUSE = "The balancer accepts and closes: nothing behind it is seen from in front of it."

ENTRANCE_REFUSED = ("lb-down", "apiserver-not-running", "firewall-reject")
ENTRANCE_REFUSED_BECAUSE = (
    "A reset does not say whether a balancer or an API server should be there, or whether a filter forged it."
)

GONE = ("node-down", "no-route")
GONE_BECAUSE = "The last router says host unreachable when nothing answers for the address, whatever should have had it."
