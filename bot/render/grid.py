"""The grid of layers and addresses as text: how far one gets, at each address, from each vantage point. Monospace and aligned."""

from __future__ import annotations

from collections.abc import Sequence

from bot.diagnosis import ladder
from bot.model.diagnosis import Cell, Layer
from bot.model.finding import Status
from bot.model.investigation import Investigation
from bot.render.clean import shorten
from bot.render.phrases import milliseconds

# Outcomes whose own name is too long for a cell, or says less than these words do.
_SHORT = {
    "connection-refused": "refused",
    "connection-rejected": "rejected",
    "connection-reset": "reset",
    "connect-timeout": "no answer",
    "host-unreachable": "no route to host",
    "host-unreachable-at-once": "no route to host",
    "local-route-refuses": "refused by own routes",
    "network-unreachable": "no route",
    "local-failure": "local failure",
    "deadline-capped": "cut short",
    "deadline-passed": "out of time",
    "not-checked": "not checked",
    "not-reached": "not reached",
    "no-address": "no address",
    "nameservers-disagree": "DNS disagrees",
    "proxy-gateway-only": "proxy's way fails",
    "address-given": "address given",
    "certificate-expired": "expired",
    "certificate-not-yet-valid": "not yet valid",
    "certificate-name-mismatch": "wrong name",
    "certificate-unknown-authority": "unknown CA",
    "certificate-authority-rebuilt": "CA rebuilt",
    "certificate-namesake": "another CA",
    "certificate-unidentified": "unknown CA",
    "certificate-invalid": "invalid cert",
    "tls-large-packets-lost": "large packets lost",
    "tls-silent-but-listening": "TLS silent",
    "tls-reset-but-listening": "TLS reset",
    "plain-http-target": "plain HTTP",
    "etcd-check-failing": "etcd failing",
    "authentication-required": "401",
    "forbidden": "403",
    "credentials-missing": "none given",
    "credentials-rejected": "rejected",
    "authentication-refused": "refused",
    "permission-denied": "denied",
    "no-credentials": "no credentials",
    "credentials-unavailable": "unusable",
    "unverified-peer": "withheld",
}
_CELL_LIMIT = 30
_GAP = "  "


def grid(investigation: Investigation, *, width: int = 96, indent: str = "") -> str:
    """The grid, at most ``width`` columns wide: many addresses go into bands below one another. Empty when nothing is
    known yet; before triage it shows the findings there are."""
    cells = investigation.triage.cells if investigation.triage else ladder.cells(investigation.findings)
    return draw(cells, width=width - len(indent), indent=indent)


def draw(cells: Sequence[Cell], *, width: int = 96, indent: str = "") -> str:
    columns = _columns(cells)
    if not columns:
        return ""
    vantages = {cell.vantage for cell in cells}
    layers = [layer for layer in Layer if any(cell.layer is layer for cell in cells)]
    side = max(len(layer.value) for layer in Layer) + len(_GAP) + 2
    bodies = [_column(cells, layers, column, show_vantage=len(vantages) > 1) for column in columns]
    bands: list[list[list[str]]] = [[]]
    used = side
    for body in bodies:
        needed = max(map(len, body)) + len(_GAP)
        if bands[-1] and used + needed > width:
            bands.append([])
            used = side
        bands[-1].append(body)
        used += needed
    names = ["", *(layer.value for layer in layers)]
    return "\n\n".join(_band(names, band, side, indent) for band in bands)


def _band(names: Sequence[str], bodies: Sequence[Sequence[str]], side: int, indent: str) -> str:
    widths = [max(map(len, body)) for body in bodies]
    rows = []
    for index, name in enumerate(names):
        texts = [body[index].ljust(wide) for body, wide in zip(bodies, widths, strict=True)]
        rows.append((indent + name.ljust(side) + _GAP.join(texts)).rstrip())
    return "\n".join(rows)


def _columns(cells: Sequence[Cell]) -> list[tuple[str, str]]:
    """Address and vantage of each column. A name has a column only where there are no addresses."""
    addressed = [cell for cell in cells if cell.layer is not Layer.NAME] or list(cells)
    return list(dict.fromkeys((cell.address, cell.vantage) for cell in addressed))


def _column(cells: Sequence[Cell], layers: Sequence[Layer], column: tuple[str, str], *, show_vantage: bool) -> list[str]:
    address, vantage = column
    head = f"{address} from {vantage}" if show_vantage else address
    return [shorten(head, 60), *(_cell(_pick(cells, layer, address, vantage)) for layer in layers)]


def _pick(cells: Sequence[Cell], layer: Layer, address: str, vantage: str) -> Cell | None:
    """The column's own cell; for the name, which is resolved once for all addresses, the vantage point's."""
    seen = [cell for cell in cells if cell.layer is layer and cell.vantage == vantage]
    own = next((cell for cell in seen if cell.address == address), None)
    return own or (seen[0] if seen and layer is Layer.NAME else None)


def _cell(cell: Cell | None) -> str:
    if cell is None or (cell.outcome is None and cell.status is Status.NOT_APPLICABLE):
        return "- (not reached)"
    outcome = cell.outcome or cell.status.value
    words = "ok" if cell.status is Status.OK else _SHORT.get(outcome, outcome.replace("-", " "))
    if cell.status is Status.NOT_APPLICABLE:
        return f"- ({shorten(words, _CELL_LIMIT)})"
    if cell.status is Status.NOT_CHECKED or cell.duration_s is None:
        return shorten(words, _CELL_LIMIT)
    return f"{shorten(words, _CELL_LIMIT)} {milliseconds(cell.duration_s)}"
