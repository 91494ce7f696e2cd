"""What cannot be told apart from one place, and why: the sets and reasons that several faults share."""

from __future__ import annotations

REFUSED = ("apiserver-not-running", "apiserver-wrong-bind-address", "firewall-reject")
REFUSED_BECAUSE = (
    "A reset is all that leaves, whether nothing listens, it listens elsewhere, or a filter forges the reset; it does not say "
    "whether a balancer or an API server should have been there."
)

MUTE = ("apiserver-hung", "file-descriptors-exhausted", "etcd-unavailable")
MUTE_BECAUSE = (
    "The kernel completes TCP and nothing is ever said: the same for a stopped process, be it a balancer's or an API server's, "
    "one that cannot accept, and one that waits for etcd before it serves."
)

BEHIND = ("lb-no-healthy-backend",)
BEHIND_BECAUSE = "The balancer accepts and closes: nothing behind it is seen from in front of it."

GONE = ("node-down", "no-route")
GONE_BECAUSE = "The last router says host unreachable when nothing answers for the address, whatever should have had it."

NAME_LEADS_NOWHERE = ("node-down", "no-route", "dns-wrong-address")
NAME_LEADS_NOWHERE_BECAUSE = f"{GONE_BECAUSE} Who does not know the right address cannot tell it from a stale record."

SILENT = ("firewall-drop", "node-down", "authorized-ip-ranges")
SILENT_BECAUSE = "Silence is the same when a host is off, when a filter drops everybody, and when it drops this caller only."
