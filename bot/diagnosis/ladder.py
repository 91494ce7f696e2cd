"""The grid of layers and addresses, and what it takes to call it clean.

Both the triage and the verdict "healthy" read the grid, so that they cannot disagree about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from bot.model.diagnosis import Cell, Layer
from bot.model.finding import Finding, Status

LAYER_OF = MappingProxyType(
    {
        "dns-lookup": Layer.NAME,
        "tcp-connect": Layer.TCP,
        "tls-handshake": Layer.TLS,
        "apiserver-health": Layer.HTTP,
        "apiserver-auth": Layer.AUTH,
    }
)
CONTROL = "negative-control"
STEADINESS = "fresh-connections"
NOT_REACHED = frozenset({"not-reached", "no-address"})

UNCONFIGURED = frozenset({"not-configured", "none-configured"})
"""A source that nobody gave apidown is not missing from any one explanation: it is said once, where it is listed."""

PASSED_OVER = "no-address-family"
"""Clients of a machine without an address family do not try what the name has of it."""

CONCLUSIVE = frozenset({Status.OK, Status.PROBLEM})
"""Only these say something about the target. All other statuses say something about the look at it."""

_ORDER = {layer: index for index, layer in enumerate(Layer)}
_CLEAN = frozenset({Status.OK, Status.NOT_APPLICABLE})
_CLEAN_AUTH = _CLEAN | {Status.NOT_CHECKED}


def depth(layer: Layer) -> int:
    """How far up the ladder a layer is, from 0."""
    return _ORDER[layer]


def cells(findings: Sequence[Finding]) -> tuple[Cell, ...]:
    """The grid, bottom layer first. The name's cell stands under the host, all others under ``ADDRESS:PORT``."""
    seen = [_cell(layer, finding) for finding in findings if (layer := LAYER_OF.get(finding.probe)) is not None]
    return tuple(sorted(seen, key=lambda cell: (cell.vantage, depth(cell.layer), cell.address)))


def _cell(layer: Layer, finding: Finding) -> Cell:
    reached = finding.outcome not in NOT_REACHED
    return Cell(
        layer=layer,
        address=finding.subject,
        vantage=str(finding.vantage),
        status=finding.status,
        outcome=finding.outcome if reached else None,
        duration_s=finding.duration_s if reached else None,
    )


def is_clean(findings: Sequence[Finding]) -> bool:
    """Every layer passes at every address from every vantage point that looked.

    HTTP must have been answered at each address that clients use. Authentication may be not-checked, because an
    investigation of a bare URL has no credentials; it is then listed as such.
    """
    grid = cells(findings)
    for cell in grid:
        allowed = _CLEAN_AUTH if cell.layer is Layer.AUTH else _CLEAN
        if cell.status not in allowed:
            return False
    addresses = {(cell.vantage, cell.address) for cell in grid if cell.layer in (Layer.TCP, Layer.TLS, Layer.HTTP)}
    healthy = {(cell.vantage, cell.address) for cell in grid if cell.layer is Layer.HTTP and cell.status is Status.OK}
    passed_over = {(cell.vantage, cell.address) for cell in grid if cell.layer is Layer.TCP and cell.outcome == PASSED_OVER}
    return bool(healthy) and addresses - passed_over <= healthy


def is_steady(findings: Sequence[Finding]) -> bool:
    """Nobody has seen that the ladder passes by luck: that other connections fail, or meet another server."""
    return not any(finding.probe == STEADINESS and finding.status is Status.PROBLEM for finding in findings)


def cut_off_vantages(findings: Sequence[Finding]) -> frozenset[str]:
    """Vantage points whose controls fail and that reach no address of the target either: what they see is about
    themselves. A vantage point that reaches the target has a network, whatever its controls say."""
    failing = {str(f.vantage) for f in findings if f.probe == CONTROL and f.status is Status.PROBLEM}
    reaching = {str(f.vantage) for f in findings if f.probe == "tcp-connect" and f.status is Status.OK}
    return frozenset(failing - reaching)


def trusted(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that may be used about the target: a cut-off vantage point keeps its negative control and nothing else."""
    untrusted = cut_off_vantages(findings)
    return [f for f in findings if f.probe == CONTROL or str(f.vantage) not in untrusted]
