"""Which of a balancer's backends the API servers are in: known, or the only one, and never guessed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bot.model.balancer import BalancerRow, BalancerStatistics, RowKind
from bot.probes._shared.balancer import NotTold, choose


def row(proxy: str, *, address: str = "", status: str = "UP", check: str = "") -> BalancerRow:
    return BalancerRow(proxy=proxy, name="one", kind=RowKind.SERVER, status=status, address=address, check=check)


def statistics(*rows: BalancerRow) -> BalancerStatistics:
    return BalancerStatistics(rows=rows)


KUBE = row("kube", address="10.0.0.11:6443", check="L7OK")
WEB = row("web", address="10.0.0.11:443", check="L7OK")
DB = row("db", address="10.0.0.21:5432", check="L4OK")


@pytest.mark.parametrize(
    ("rows", "wanted", "hosts", "chosen"),
    [
        ((KUBE, WEB, DB), "kube", (), ["kube"]),
        ((KUBE, WEB, DB), "*b", (), ["web", "db"]),
        ((KUBE, WEB, DB), None, ("10.0.0.11",), ["kube"]),
        ((WEB, DB), None, ("10.0.0.11",), ["web"]),
        ((KUBE, WEB, DB), None, (), ["kube"]),
        ((KUBE.model_copy(update={"address": ""}),), None, (), ["kube"]),
        ((KUBE.model_copy(update={"address": ""}), row("plain", status="no check")), None, (), ["kube"]),
        ((row("v6", address="[fd00::1]:6443"), DB), None, ("fd00::1",), ["v6"]),
    ],
)
def test_the_backend_is_known_by_its_name_or_addresses_or_because_there_is_no_other(
    rows: Sequence[BalancerRow], wanted: str | None, hosts: Sequence[str], chosen: list[str]
) -> None:
    found = choose(statistics(*rows), wanted=wanted, hosts=hosts, ports=(6443,))
    assert [backend.name for backend in found] == chosen


@pytest.mark.parametrize(("rows", "wanted"), [((WEB, DB), None), ((WEB, DB), "kube*"), ((), None)])
def test_a_backend_that_is_not_told_is_not_guessed(rows: Sequence[BalancerRow], wanted: str | None) -> None:
    with pytest.raises(NotTold):
        choose(statistics(*rows), wanted=wanted, hosts=(), ports=(6443,))
