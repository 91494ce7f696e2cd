"""ICMP errors in the words that firewalls' rules and packet captures use."""

from __future__ import annotations

from bot.model.observation import Reject

_UNREACHABLE = {
    0: "network unreachable",
    1: "host unreachable",
    2: "protocol unreachable",
    3: "port unreachable",
    9: "network prohibited",
    10: "host prohibited",
    13: "administratively prohibited",
}
_UNREACHABLE_V6 = {
    0: "no route",
    1: "administratively prohibited",
    3: "address unreachable",
    4: "port unreachable",
    5: "source address failed policy",
    6: "reject route",
}


def described(reject: Reject | None) -> str:
    """``port unreachable``, or the numbers of an error without a name here."""
    if reject is None:
        return "of unknown kind"
    names = {1: _UNREACHABLE_V6} if ":" in reject.offender else {3: _UNREACHABLE}
    return names.get(reject.icmp_type, {}).get(reject.icmp_code, f"type {reject.icmp_type}, code {reject.icmp_code}")


def sender(reject: Reject | None, host: str) -> str:
    """Whose word it is that ``host`` cannot be had: a router's, a filter's on that very host, or this machine's own."""
    if reject is None:
        return "this machine"
    return "that host itself" if reject.offender == host else reject.offender
